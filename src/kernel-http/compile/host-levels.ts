import type { HttpRoute } from '../../model/index.ts'
import { Candidate, compareCandidates } from '../../proxy/routing/index.ts'
import { tableLimits } from '../table.ts'
import type { RuleTarget } from './match.ts'

/** All matches for one hostname, by what their paths ask for, each list in order. */
export interface HostLevel {
  readonly exact: Map<string, Candidate<RuleTarget>[]>
  readonly prefix: Map<string, Candidate<RuleTarget>[]>
  readonly regex: Candidate<RuleTarget>[]
}

const anyHost: readonly undefined[] = [undefined]

/** By hostname as routes have it; undefined for any. */
export type HostLevels = ReadonlyMap<string | undefined, HostLevel>

/** @param routes  those of one virtual host, none of which is for the clients of one namespace */
export function hostLevels(
  routes: readonly HttpRoute[],
  virtualHost: string,
  targetOf: (route: HttpRoute, ruleIndex: number) => RuleTarget,
): HostLevels {
  const levels = new Map<string | undefined, HostLevel>()
  for (const route of routes) {
    const candidates = route.rules.flatMap((rule, index) => {
      const target = targetOf(route, index)
      return rule.matches.map((_, position) => new Candidate(target, route, rule, position))
    })
    const hostnames = route.attachments
      .filter(attachment => attachment.virtualHost === virtualHost)
      .flatMap(({ hostnames: of }): readonly (string | undefined)[] => (of.length === 0 ? anyHost : of))
    for (const hostname of new Set(hostnames)) for (const each of candidates) file(levels, hostname, each)
  }
  for (const { exact, prefix, regex } of levels.values()) {
    for (const list of [...exact.values(), ...prefix.values(), regex]) list.sort(compareCandidates)
  }
  return levels
}

function file(
  levels: Map<string | undefined, HostLevel>,
  hostname: string | undefined,
  candidate: Candidate<RuleTarget>,
): void {
  const level: HostLevel = levels.get(hostname) ?? { exact: new Map(), prefix: new Map(), regex: [] }
  levels.set(hostname, level)
  const { kind, value } = candidate.path
  if (kind === 'regex') {
    level.regex.push(candidate)
    return
  }
  const list = level[kind].get(value) ?? []
  level[kind].set(value, list)
  list.push(candidate)
}

/** Whether programs can tell this host from all others. */
export function isNamedHost(hostname: string): boolean {
  return /^[a-z0-9.-]+$/.test(hostname) && hostname.length < tableLimits.hostBytes
}

/** The levels that hold for a host, the most specific first. */
export function levelsOf(levels: HostLevels, host: string): readonly HostLevel[] {
  return ordered(levels, hostname => {
    if (!hostname.startsWith('*.')) return hostname === host
    return host.endsWith(hostname.slice(1)) && host.length >= hostname.length
  })
}

/** Those that may hold for some host that is not named; all but the last, which is for any, hold for some only. */
export function levelsOfOthers(levels: HostLevels): readonly HostLevel[] {
  return ordered(levels, hostname => !isNamedHost(hostname))
}

function ordered(levels: HostLevels, fits: (hostname: string) => boolean): readonly HostLevel[] {
  const specific = [...levels.keys()].flatMap(hostname => (hostname !== undefined && fits(hostname) ? [hostname] : []))
  // An exact name has no star; of wildcards the longer one has more labels, as far as both fit one host.
  specific.sort((a, b) => Number(a.startsWith('*')) - Number(b.startsWith('*')) || b.length - a.length)
  return [...specific, undefined].flatMap(hostname => levels.get(hostname) ?? [])
}
