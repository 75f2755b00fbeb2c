import type { Filter, HeaderEdits, HeaderValue } from '../../model/index.ts'

/** The edits of one kind in the order in which they act: those of the rule, then those of the chosen backend. */
export function headerEditsInOrder<K extends 'request-headers' | 'response-headers'>(
  kind: K,
  ruleFilters: readonly Filter[],
  backendFilters: readonly Filter[],
): readonly HeaderEdits[] {
  const isOfKind = (filter: Filter): filter is Extract<Filter, { kind: K }> => filter.kind === kind
  return [...ruleFilters, ...backendFilters].filter(isOfKind)
}

/**
 * One edit that does what `first` and then `second` would do: a later `set` or
 * `remove` of a name wins, and a later `add` joins what an earlier `set` wrote.
 * Within one edit a name has one action (Gateway API, HTTPHeaderFilter).
 */
export function mergeHeaderEdits(first: HeaderEdits, second: HeaderEdits): HeaderEdits {
  const replaced = new Set([...second.remove, ...second.set.map(header => header.name.toLowerCase())])
  const stays = (header: HeaderValue): boolean => !replaced.has(header.name.toLowerCase())
  const set = [...first.set.filter(stays), ...second.set]
  const add = first.add.filter(stays)
  const remove = [...first.remove.filter(name => !replaced.has(name)), ...second.remove]
  for (const header of second.add) {
    const lowerName = header.name.toLowerCase()
    const at = set.findIndex(other => other.name.toLowerCase() === lowerName)
    const removedAt = remove.indexOf(lowerName)
    const written = set[at]
    if (written !== undefined) set[at] = { name: written.name, value: `${written.value},${header.value}` }
    else if (removedAt >= 0) {
      // Removed and then added is set.
      remove.splice(removedAt, 1)
      set.push(header)
    } else add.push(header)
  }
  return { set, add, remove }
}
