import type { HttpRoute, RouteRule } from '../../model/index.ts'
import type { GRPCRouteResource, HTTPRouteResource } from '../schema/resource.ts'
import { same } from './same.ts'
import { fails, type Verdict } from './conditions.ts'
import { createdMs } from './age.ts'
import type { FactReader } from './facts.ts'
import { judgeGrpcMatch, judgeHttpMatch } from './matches.ts'
import type { RouteDraft } from './route-draft.ts'
import type { RouteOutcome } from './route-stage.ts'
import { judgeParents, statusOf, uniqueAttachments } from './route-status.ts'
import { compileRule } from './rules.ts'

export type HttpRouteResource = HTTPRouteResource | GRPCRouteResource

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
 * @param losses  by virtual host: why a route of the other kind is accepted there instead
 */
export function judgeRoute(
  resource: HttpRouteResource,
  facts: FactReader,
  before: RouteOutcome<HttpRoute> | undefined,
  losses: ReadonlyMap<string, string>,
): RouteOutcome<HttpRoute> {
  const { draft, outcomes, claims } = judgeParents(resource, facts, losses)
  const rules = resource.kind === 'GRPCRoute' ? grpcRules(draft, resource) : httpRules(draft, resource)
  const whole = wholeVerdict(draft)
  const attachments = uniqueAttachments(outcomes)
  const { namespace, name } = resource.metadata
  const accepted = whole === undefined ? attachments : []
  const { kind } = resource
  const key = `${kind} ${namespace}/${name}`
  const route: HttpRoute = {
    key,
    kind,
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
    listeners: accepted.map(one => one.virtualHost).filter(id => !id.startsWith('Service ')),
    deciding: attachments
      .filter(one => one.clientNamespace === undefined && one.virtualHost.startsWith('Service '))
      .map(one => one.virtualHost),
    claims,
    reads: facts.reads,
  }
}

function httpRules(draft: RouteDraft, { spec }: HTTPRouteResource): readonly RouteRule[] {
  return spec.rules.flatMap((rule, index) => {
    const matches = rule.matches.map((match, at) => judgeHttpMatch(match, `spec.rules[${index}].matches[${at}]`))
    return compileRule(draft, rule, index, matches) ?? []
  })
}

function grpcRules(draft: RouteDraft, { spec }: GRPCRouteResource): readonly RouteRule[] {
  return spec.rules.flatMap((rule, index) => {
    const matches = rule.matches.map((match, at) => judgeGrpcMatch(match, `spec.rules[${index}].matches[${at}]`))
    return compileRule(draft, rule, index, matches) ?? []
  })
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
