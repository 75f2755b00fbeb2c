import {
  controllerName,
  type Attachment,
  type Condition,
  type HttpRoute,
  type ParentStatus,
  type ResourceStatus,
  type RouteRule,
} from '../../model/index.ts'
import type { HTTPRouteResource, ParentReference } from '../schema/resource.ts'
import { same } from './same.ts'
import { condition, fails, holds, type Verdict } from './conditions.ts'
import { createdMs } from './age.ts'
import type { FactReader } from './facts.ts'
import { isGatewayRef, judgeParent, type ParentOutcome } from './parents.ts'
import type { Finding } from './problems.ts'
import { RouteDraft } from './route-draft.ts'
import { compileRule } from './rules.ts'

/** One HTTPRoute, judged. */
export interface RouteOutcome {
  /** Undefined when it is attached nowhere. */
  readonly route: HttpRoute | undefined
  readonly status: ResourceStatus
  readonly findings: readonly Finding[]
  /** Ids of the Gateway listeners that count it as attached. */
  readonly listeners: readonly string[]
  /** Ids of the Service ports whose own route it replaces for all clients. */
  readonly deciding: readonly string[]
  readonly reads: ReadonlySet<string>
}

/**
 * Judges a route against its parents and the Services it names.
 *
 * Conditions: a rule that can't be carried out leaves the others standing
 * (PartiallyInvalid); when no rule is left, the route is not accepted
 * (UnsupportedValue or IncompatibleFilters). Even then it stays attached with
 * what remains of its rules, each answering 500: were it taken away, the traffic
 * of a Service would flow as if nobody had ever asked for the filter.
 *
 * @param before  the last outcome; an equal route or status is handed on as the same object
 */
export function judgeRoute(
  resource: HTTPRouteResource,
  facts: FactReader,
  before: RouteOutcome | undefined,
): RouteOutcome {
  const refs = resource.spec.parentRefs ?? []
  const draft = new RouteDraft(resource, facts, { needsGrants: refs.some(isGatewayRef) })
  if (refs.length === 0) draft.warn('spec.parentRefs', 'the route has no parents and decides nothing')
  if (resource.spec.useDefaultGateways === 'All') {
    draft.warn('spec.useDefaultGateways', 'there are no default Gateways; name the Gateways in parentRefs')
  }
  const outcomes: ParentOutcome[] = []
  for (const [index, ref] of refs.entries()) {
    const outcome = judgeParent(draft, ref, `spec.parentRefs[${index}]`)
    if (outcome !== undefined) outcomes.push(outcome)
  }
  const rules: RouteRule[] = []
  for (const [index, rule] of resource.spec.rules.entries()) {
    const compiled = compileRule(draft, rule, index)
    if (compiled !== undefined) rules.push(compiled)
  }
  const whole = wholeVerdict(draft)
  const attachments = uniqueAttachments(outcomes)
  const { namespace, name } = resource.metadata
  const accepted = whole === undefined ? attachments : []
  const key = `HTTPRoute ${namespace}/${name}`
  const route = { key, namespace, name, createdMs: createdMs(resource), attachments, rules }
  return {
    route: attachments.length === 0 ? undefined : same(route, before?.route),
    status: same(statusOf(draft, outcomes, whole), before?.status),
    findings: draft.findings,
    listeners: accepted.map(one => one.virtualHost).filter(id => id.startsWith('Gateway ')),
    deciding: attachments
      .filter(one => one.clientNamespace === undefined && one.virtualHost.startsWith('Service '))
      .map(one => one.virtualHost),
    reads: facts.reads,
  }
}

/** Why the route as a whole is not accepted by anyone; undefined when some rule is left. */
function wholeVerdict(draft: RouteDraft): Verdict | undefined {
  const dropped = new Set(draft.dropped.map(entry => entry.rule))
  if (!draft.resource.spec.rules.every((_, index) => dropped.has(index))) return undefined
  const first = draft.dropped.find(entry => entry.rule !== undefined)
  if (first === undefined) return undefined
  const isClash = draft.dropped.every(entry => entry.incompatible)
  return fails(isClash ? 'IncompatibleFilters' : 'UnsupportedValue', first.message)
}

/** Several parentRefs may come to the same listener; it takes part there once. */
function uniqueAttachments(outcomes: readonly ParentOutcome[]): readonly Attachment[] {
  const byHost = new Map<string, Attachment>()
  for (const { attachments } of outcomes) {
    for (const attachment of attachments) byHost.set(attachment.virtualHost, attachment)
  }
  return [...byHost.values()]
}

function statusOf(draft: RouteDraft, outcomes: readonly ParentOutcome[], whole: Verdict | undefined): ResourceStatus {
  const { resource } = draft
  const { namespace, name, generation } = resource.metadata
  const shared: Condition[] = [condition('ResolvedRefs', resolvedRefs(draft), generation)]
  if (whole === undefined && draft.dropped.length > 0) {
    const message = `Dropped Rule: ${draft.dropped.map(entry => entry.message).join('; ')}`
    shared.push(condition('PartiallyInvalid', holds('UnsupportedValue', message), generation))
  }
  const parents: ParentStatus[] = outcomes.map(({ ref, accepted }) => ({
    parentRef: copyRef(ref, namespace),
    controllerName,
    conditions: [
      condition('Accepted', accepted.status === 'True' ? (whole ?? accepted) : accepted, generation),
      ...shared,
    ],
  }))
  return {
    apiVersion: resource.apiVersion,
    kind: resource.kind,
    namespace,
    name,
    generation,
    conditions: [],
    addresses: [],
    listeners: [],
    parents,
  }
}

function resolvedRefs(draft: RouteDraft): Verdict {
  const [first] = draft.unresolved
  if (first === undefined) return holds('ResolvedRefs')
  return fails(first.reason, draft.unresolved.map(entry => entry.message).join('; '))
}

function copyRef(ref: ParentReference, namespace: string): ParentStatus['parentRef'] {
  return {
    group: ref.group,
    kind: ref.kind,
    namespace: ref.namespace ?? namespace,
    name: ref.name,
    ...(ref.sectionName === undefined ? {} : { sectionName: ref.sectionName }),
    ...(ref.port === undefined ? {} : { port: ref.port }),
  }
}
