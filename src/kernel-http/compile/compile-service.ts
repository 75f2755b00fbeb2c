import type { Endpoint, HttpRoute, Listener, MeshSnapshot } from '../../model/index.ts'
import { Candidate } from '../../proxy/routing/index.ts'
import type { KernelAction, KernelService, KernelTable } from '../table.ts'
import { hostLevels, isNamedHost, levelsOf, levelsOfOthers } from './host-levels.ts'
import { matchReason } from './match.ts'
import type { RuleTarget } from './match.ts'
import { tableOf } from './paths.ts'
import { verdictOf } from './verdict.ts'
import type { EndpointTarget, Verdict } from './verdict.ts'

export interface CompileInput {
  readonly snapshot: Pick<MeshSnapshot, 'routes' | 'backends'>
  readonly listener: Listener
  /** Whether connections to it are of the path: it is in the mesh, on this node. */
  readonly isReached: (endpoint: Endpoint) => boolean
  /** Number of the pool to an endpoint. */
  readonly poolOf: (endpoint: Endpoint) => number
  /** Where answers of an endpoint to a rule are counted; undefined when there is no room for more, and the proxy has it. */
  readonly countOf: (route: HttpRoute, rule: number, target: EndpointTarget) => number | undefined
}

/** What became of one rule. */
export interface CompiledRule {
  readonly route: HttpRoute
  readonly rule: number
  readonly verdict: Verdict
  /** By position, why requests of a match are the proxy's although the rule is not; undefined where they are not. */
  readonly matches: readonly (string | undefined)[]
  /** What permissions are for, in the Service's tables; undefined in user space. */
  readonly number: number | undefined
  /** Where each target of the verdict is counted; none in user space. */
  readonly counts: readonly number[]
}

export interface CompiledService {
  readonly rules: readonly CompiledRule[]
  /** Why nothing of the Service can be in the kernel; then there is no table. */
  readonly reason: string | undefined
  readonly table: KernelService | undefined
}

/**
 * Tables for one listener of a Service: what the proxy would do with a request, for all requests of which programs can be
 * certain. Pure.
 */
export function compileService(input: CompileInput): CompiledService {
  const { listener, snapshot } = input
  const [host, ...others] = listener.virtualHosts
  const routes = [...snapshot.routes.values()].filter(({ attachments }) =>
    attachments.some(({ virtualHost }) => virtualHost === host?.id),
  )
  const reason = listenerReason(listener, routes)
  const rules = routes
    .flatMap(route => route.rules.map((_, index) => compileRule(route, index, input, reason)))
    .map((rule, at): CompiledRule => ({ ...rule, number: rule.verdict.kind === 'kernel' ? at + 1 : undefined }))
  if (reason !== undefined || host === undefined || others.length > 0) return { rules, reason, table: undefined }
  const byRoute = Map.groupBy(rules, ({ route }) => route)
  const targetOf = (route: HttpRoute, index: number): RuleTarget =>
    ruleTarget(byRoute.get(route)?.[index], input.poolOf)
  const levels = hostLevels(routes, host.id, targetOf)
  const isOfAny = levels.get(undefined)
  const main = tableOf(levelsOfOthers(levels).map(level => ({ level, isForSome: level !== isOfAny })))
  const named = [...levels.keys()].flatMap(each => (each !== undefined && isNamedHost(each) ? [each] : []))
  const hosts = new Map<string, KernelTable>()
  for (const each of named) {
    const table = tableOf(levelsOf(levels, each).map(level => ({ level, isForSome: false })))
    // The proxy takes a final dot away.
    hosts.set(each, table).set(`${each}.`, table)
  }
  return { rules, reason: undefined, table: { ...main, ...(hosts.size === 0 ? {} : { hosts }) } }
}

function listenerReason({ protocol, proxyProtocol, virtualHosts }: Listener, routes: readonly HttpRoute[]) {
  if (protocol !== 'HTTP') return `listener of ${protocol}`
  if (proxyProtocol === true) return 'PROXY protocol'
  if (virtualHosts.some(({ plugins = [] }) => plugins.length > 0)) return 'plugin'
  if (virtualHosts.length !== 1 || virtualHosts[0]?.hostname !== undefined) return 'several virtual hosts'
  const isForSome = routes.some(({ attachments }) =>
    attachments.some(
      ({ clientNamespace, virtualHost }) => clientNamespace !== undefined && virtualHost === virtualHosts[0]?.id,
    ),
  )
  return isForSome ? 'routes for clients of one namespace' : undefined
}

function compileRule(
  route: HttpRoute,
  index: number,
  { snapshot, isReached, countOf }: CompileInput,
  reason: string | undefined,
): Omit<CompiledRule, 'number'> {
  const rule = route.rules[index]
  if (rule === undefined) throw new RangeError(`${route.key} has no rule ${index}`)
  const isExtended = route.attachments.some(({ plugins = [] }) => plugins.length > 0)
  const outer = reason ?? (isExtended ? 'plugin' : undefined)
  const own: Verdict =
    outer === undefined
      ? verdictOf(rule, { backends: snapshot.backends, isReached })
      : { kind: 'user space', reason: outer }
  const targets = own.kind === 'kernel' ? own.targets : []
  const counts = targets.flatMap(target => countOf(route, index, target) ?? [])
  const isFull = counts.length < targets.length
  const verdict: Verdict = isFull ? { kind: 'user space', reason: 'no room for more rules' } : own
  const matches = rule.matches.map((_, position) => matchReason(new Candidate(null, route, rule, position)))
  return { route, rule: index, verdict, matches, counts: isFull ? [] : counts }
}

function ruleTarget(compiled: CompiledRule | undefined, poolOf: CompileInput['poolOf']): RuleTarget {
  if (compiled?.number === undefined || compiled.verdict.kind !== 'kernel') {
    return { action: { kind: 'user-space' }, number: 0 }
  }
  const { counts } = compiled
  const targets = compiled.verdict.targets.map(({ endpoint, weight }, at) => ({
    pool: poolOf(endpoint),
    weight,
    count: counts[at] ?? 0,
  }))
  const action: KernelAction = { kind: 'pools', targets }
  return { action, number: compiled.number }
}
