import { type HttpRoute, type RouteRule } from '../../model/index.ts'
import type { HTTPRouteResource } from '../schema/resource.ts'
import { same } from './same.ts'
import { fails, type Verdict } from './conditions.ts'
import { createdMs } from './age.ts'
import type { FactReader } from './facts.ts'
import type { RouteDraft } from './route-draft.ts'
import type { RouteOutcome } from './route-stage.ts'
import { judgeParents, statusOf, uniqueAttachments } from './route-status.ts'
import { compileRule } from './rules.ts'

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
  before: RouteOutcome<HttpRoute> | undefined,
): RouteOutcome<HttpRoute> {
  const { draft, outcomes } = judgeParents(resource, facts)
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
  const route: HttpRoute = {
    key,
    kind: 'HTTPRoute',
    namespace,
    name,
    createdMs: createdMs(resource),
    attachments,
    rules,
  }
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
