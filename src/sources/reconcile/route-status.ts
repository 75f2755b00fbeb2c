import {
  controllerName,
  type Attachment,
  type Condition,
  type ParentStatus,
  type ResourceStatus,
} from '../../model/index.ts'
import type { ParentReference, RouteResource } from '../schema/resource.ts'
import { condition, fails, holds, type Verdict } from './conditions.ts'
import type { FactReader } from './facts.ts'
import { isGatewayRef, isListenerSetRef, judgeParent, type ParentOutcome } from './parents.ts'
import { RouteDraft } from './route-draft.ts'

export interface JudgedParents {
  readonly draft: RouteDraft
  readonly outcomes: readonly ParentOutcome[]
  /** Where the route would take part, were it not for routes of other kinds. */
  readonly claims: readonly Attachment[]
}

const noLosses: ReadonlyMap<string, string> = new Map()

/**
 * What the routes of every kind have in common: their parents come first, and their status is made the same way.
 *
 * @param losses  by virtual host: why a route of another kind is accepted there instead
 */
export function judgeParents(
  resource: RouteResource,
  facts: FactReader,
  losses: ReadonlyMap<string, string> = noLosses,
): JudgedParents {
  const refs = resource.spec.parentRefs ?? []
  const draft = new RouteDraft(resource, facts, {
    needsGrants: refs.some(ref => isGatewayRef(ref) || isListenerSetRef(ref)),
  })
  if (refs.length === 0) draft.warn('spec.parentRefs', 'the route has no parents and decides nothing')
  if (resource.spec.useDefaultGateways === 'All') {
    draft.warn('spec.useDefaultGateways', 'there are no default Gateways; name the Gateways in parentRefs')
  }
  const outcomes: ParentOutcome[] = []
  const claims: Attachment[] = []
  for (const [index, ref] of refs.entries()) {
    const path = `spec.parentRefs[${index}]`
    const outcome = judgeParent(draft, ref, path)
    if (outcome === undefined) continue
    claims.push(...outcome.attachments)
    outcomes.push(losses.size === 0 ? outcome : withoutLost(draft, outcome, losses, path))
  }
  return { draft, outcomes, claims }
}

/** A parent where every attachment is lost does not accept the route. */
function withoutLost(
  draft: RouteDraft,
  outcome: ParentOutcome,
  losses: ReadonlyMap<string, string>,
  path: string,
): ParentOutcome {
  const { ref, accepted, attachments } = outcome
  const left = attachments.filter(attachment => !losses.has(attachment.virtualHost))
  if (left.length === attachments.length) return outcome
  const messages = attachments
    .filter(attachment => losses.has(attachment.virtualHost))
    .map(({ virtualHost }) => `not on ${virtualHost}: ${losses.get(virtualHost)}`)
  const message = messages.join('; ')
  draft.warn(path, message)
  return { ref, accepted: left.length === 0 ? fails('Conflicted', message) : accepted, attachments: left }
}

/** Several parentRefs may come to the same listener; it takes part there once. */
export function uniqueAttachments(outcomes: readonly ParentOutcome[]): readonly Attachment[] {
  const byHost = new Map<string, Attachment>()
  for (const { attachments } of outcomes) {
    for (const attachment of attachments) byHost.set(attachment.virtualHost, attachment)
  }
  return [...byHost.values()]
}

/** @param whole  why the route is not accepted by anyone, whatever its parents say */
export function statusOf(
  draft: RouteDraft,
  outcomes: readonly ParentOutcome[],
  whole: Verdict | undefined,
): ResourceStatus {
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
