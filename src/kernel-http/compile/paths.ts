import type { Candidate } from '../../proxy/routing/index.ts'
import { tableLimits } from '../table.ts'
import type { KernelPath, KernelRule, KernelTable } from '../table.ts'
import type { HostLevel } from './host-levels.ts'
import { FieldRoom, kernelRule } from './match.ts'
import type { RuleTarget } from './match.ts'

export interface LevelRules {
  readonly level: HostLevel
  /** It holds for some of the table's hosts only: whatever it takes is the proxy's. */
  readonly isForSome: boolean
}

const toProxy: KernelRule = { fields: [], action: { kind: 'user-space' }, number: 0 }

/**
 * One table of levels, the most specific host first. Each path has all that may hold there, in the proxy's order: exact
 * paths, then regular expressions, then prefixes, the longest first; and then the next level.
 */
export function tableOf(levels: readonly LevelRules[]): KernelTable {
  const room = new FieldRoom()
  const made = new Map<Candidate<RuleTarget>, KernelRule | undefined>()
  const ruleOf = (candidate: Candidate<RuleTarget>, isForSome: boolean): KernelRule | undefined => {
    if (!made.has(candidate)) made.set(candidate, kernelRule(candidate, room))
    const rule = made.get(candidate)
    if (!isForSome || rule?.action.kind !== 'pools') return rule
    return { ...rule, action: { kind: 'user-space' }, number: 0 }
  }
  const rulesAt = (path: Pick<KernelPath, 'kind' | 'value'>): readonly KernelRule[] => {
    const rules: KernelRule[] = []
    for (const { level, isForSome } of levels) {
      for (const candidate of candidatesAt(level, path)) {
        const rule = ruleOf(candidate, isForSome)
        if (rule !== undefined) rules.push(rule)
      }
    }
    return shortened(rules)
  }
  const paths = distinctPaths(levels.map(({ level }) => level))
  return { paths: paths.map(path => ({ ...path, rules: rulesAt(path) })) }
}

/** Every path that something is written for, and the root where regular expressions are. */
function distinctPaths(levels: readonly HostLevel[]): readonly Pick<KernelPath, 'kind' | 'value'>[] {
  const exact = new Set(levels.flatMap(level => [...level.exact.keys()]))
  const prefix = new Set(levels.flatMap(level => [...level.prefix.keys()]))
  if (levels.some(({ regex }) => regex.length > 0)) prefix.add('')
  return [
    ...[...exact].filter(isOfPath).map(value => ({ kind: 'exact' as const, value })),
    ...[...prefix].filter(isOfPath).map(value => ({ kind: 'prefix' as const, value })),
  ]
}

/** Whether a request of the path can have it; all others are the proxy's before rules are asked. */
function isOfPath(value: string): boolean {
  const { pathBytes, segments } = tableLimits
  const isShort = value.length <= pathBytes && value.split('/').length <= segments + 1
  return isShort && /^(?:\/[!-~]*)?$/.test(value) && !/\/[/.]|[%?#\\]/.test(value)
}

function* candidatesAt(
  level: HostLevel,
  { kind, value }: Pick<KernelPath, 'kind' | 'value'>,
): Generator<Candidate<RuleTarget>> {
  if (kind === 'exact') yield* level.exact.get(value) ?? []
  yield* level.regex
  for (const prefix of prefixesOf(value)) yield* level.prefix.get(prefix) ?? []
}

/** Itself without a final slash, and all that are above it, up to the empty one. */
function* prefixesOf(value: string): Generator<string> {
  for (
    let prefix = value.endsWith('/') ? value.slice(0, -1) : value;
    ;
    prefix = prefix.slice(0, prefix.lastIndexOf('/'))
  ) {
    yield prefix
    if (prefix === '') return
  }
}

/** Up to the first that takes everything; what is beyond the room of programs is the proxy's. */
function shortened(rules: readonly KernelRule[]): readonly KernelRule[] {
  const short: KernelRule[] = []
  const seen = new Set<string>()
  for (const rule of rules) {
    const { method, fields, action } = rule
    const key = `${method ?? ''} ${fields
      .map(({ name, value }) => `${name}:${value}`)
      .toSorted()
      .join(' ')}`
    // Whatever fits this fitted one before it, unless that was asked about its query, too.
    if (seen.has(key)) continue
    if (action.kind !== 'user-space-with-query') seen.add(key)
    short.push(rule)
    if (key === ' ' && action.kind !== 'user-space-with-query') break
  }
  if (short.length <= tableLimits.candidates) return short
  return [...short.slice(0, tableLimits.candidates - 1), toProxy]
}
