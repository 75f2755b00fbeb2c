import type { HttpRoute } from '../../model/index.ts'
import { compareCandidates, fits } from './candidate.ts'
import type { Candidate } from './candidate.ts'
import { queryValue } from './query.ts'
import type { RouteRequest } from './request.ts'

/** Up to this many are cheaper to try in order than to look up. */
const scanLimit = 8

/**
 * The candidates of one path on one hostname. Few are tried in order; many are
 * divided by what tells them apart (method, the value of a header or query
 * parameter, the first element of the path for regular expressions), so that a
 * hundred tenants on one path cost as much as two.
 */
export class CandidateSet<T> {
  /** Which update of the table may still change this object; see `RouteTable.update`. */
  readonly edition: number
  /** The answer to every request: the first candidate, when it has nothing to test. Most paths have one. */
  certain: Candidate<T> | undefined = undefined
  #all: Candidate<T>[]
  #choice: Choice<T> | undefined

  constructor(edition: number, all: Candidate<T>[], choice: Choice<T> | undefined) {
    this.edition = edition
    this.#all = all
    this.#choice = choice
  }

  /** In order of precedence. */
  get all(): readonly Candidate<T>[] {
    return this.#all
  }

  find(request: RouteRequest): Candidate<T> | undefined {
    return this.certain ?? this.#choice?.find(request)
  }

  /** This object if the edition is its own, else a copy that may be changed. */
  edit(edition: number): CandidateSet<T> {
    return this.edition === edition ? this : new CandidateSet(edition, [...this.#all], this.#choice)
  }

  add(candidate: Candidate<T>): void {
    this.#all.push(candidate)
  }

  /** After all `add`s: drops the candidates of removed routes, sorts, and builds the lookup. */
  finish(removed: ReadonlySet<HttpRoute>): void {
    if (removed.size > 0) this.#all = this.#all.filter(candidate => !removed.has(candidate.route))
    this.#all.sort(compareCandidates)
    const first = this.#all[0]
    this.certain = first?.isCertain === true ? first : undefined
    this.#choice = this.certain === undefined ? buildChoice(this.#all, []) : undefined
  }
}

/** A node of the decision tree: a leaf tries its list, others divide by one trait. */
class Choice<T> {
  /** The best candidate of the node. */
  readonly first: Candidate<T>
  /** Whether the way here has tested all that the first candidate asks for. */
  readonly #isCertain: boolean
  readonly #list: readonly Candidate<T>[]
  readonly #split: Split<T> | undefined

  constructor(first: Candidate<T>, isCertain: boolean, list: readonly Candidate<T>[], split: Split<T> | undefined) {
    this.first = first
    this.#isCertain = isCertain
    this.#list = list
    this.#split = split
  }

  find(request: RouteRequest): Candidate<T> | undefined {
    if (this.#isCertain) return this.first
    const split = this.#split
    if (split === undefined) {
      for (const candidate of this.#list) if (fits(candidate, request)) return candidate
      return undefined
    }
    const value = readTrait(split.trait, request)
    const found = value === undefined ? undefined : split.branches.get(value)?.find(request)
    const { rest } = split
    if (rest === undefined || (found !== undefined && compareCandidates(found, rest.first) < 0)) return found
    const other = rest.find(request)
    if (found === undefined || other === undefined) return found ?? other
    return compareCandidates(found, other) < 0 ? found : other
  }
}

interface Split<T> {
  readonly trait: Trait
  /** By the value that the trait must have. */
  readonly branches: ReadonlyMap<string, Choice<T>>
  /** Candidates that fit other values too. */
  readonly rest: Choice<T> | undefined
}

interface Trait {
  readonly kind: 'method' | 'header' | 'query' | 'element'
  readonly name: string
}

function readTrait(trait: Trait, request: RouteRequest): string | undefined {
  switch (trait.kind) {
    case 'method':
      return request.method
    case 'header':
      return request.header(trait.name)
    case 'query':
      return queryValue(request.query, trait.name)
    case 'element': {
      const end = request.path.indexOf('/', 1)
      return end < 0 ? request.path.slice(1) : request.path.slice(1, end)
    }
  }
}

/** The one value of the trait that a request must have to fit; undefined when others fit too. */
function requiredValue<T>(candidate: Candidate<T>, trait: Trait): string | undefined {
  switch (trait.kind) {
    case 'method':
      return candidate.method
    case 'header':
      return candidate.headers.find(test => test.name === trait.name && test.regex === undefined)?.value
    case 'query':
      return candidate.query.find(test => test.name === trait.name && test.regex === undefined)?.value
    case 'element':
      return candidate.firstElement
  }
}

/** @param settled traits that the way here has tested for equality */
function buildChoice<T>(list: readonly Candidate<T>[], settled: readonly Trait[]): Choice<T> | undefined {
  const first = list[0]
  if (first === undefined) return undefined
  if (isSettled(first, settled)) return new Choice(first, true, list, undefined)
  const trait = list.length > scanLimit ? bestTrait(list) : undefined
  if (trait === undefined) return new Choice(first, false, list, undefined)
  const groups = new Map<string, Candidate<T>[]>()
  const rest: Candidate<T>[] = []
  for (const candidate of list) {
    const value = requiredValue(candidate, trait)
    if (value === undefined) rest.push(candidate)
    else {
      const group = groups.get(value)
      if (group === undefined) groups.set(value, [candidate])
      else group.push(candidate)
    }
  }
  const branches = new Map<string, Choice<T>>()
  const further = [...settled, trait]
  for (const [value, group] of groups) {
    const branch = buildChoice(group, further)
    if (branch !== undefined) branches.set(value, branch)
  }
  return new Choice(first, false, list, { trait, branches, rest: buildChoice(rest, settled) })
}

function isSettled<T>(candidate: Candidate<T>, settled: readonly Trait[]): boolean {
  if (candidate.pathRegex !== undefined) return false
  const tests = (candidate.method === undefined ? 0 : 1) + candidate.headers.length + candidate.query.length
  return tests === settled.filter(trait => requiredValue(candidate, trait) !== undefined).length
}

/** The trait that leaves the fewest candidates to look at in the worst case; undefined when none leaves fewer. */
function bestTrait<T>(list: readonly Candidate<T>[]): Trait | undefined {
  let best: Trait | undefined
  let fewest = list.length
  for (const trait of traitsOf(list)) {
    let rest = 0
    let largest = 0
    const sizes = new Map<string, number>()
    for (const candidate of list) {
      const value = requiredValue(candidate, trait)
      if (value === undefined) rest++
      else {
        const size = (sizes.get(value) ?? 0) + 1
        sizes.set(value, size)
        if (size > largest) largest = size
      }
    }
    if (sizes.size > 0 && rest + largest < fewest) {
      fewest = rest + largest
      best = trait
    }
  }
  return best
}

/** How many header or query names are weighed: the common ones come first. */
const weighedNames = 8

function traitsOf<T>(list: readonly Candidate<T>[]): readonly Trait[] {
  const counts = new Map<string, { trait: Trait; count: number }>()
  const note = (kind: Trait['kind'], name: string): void => {
    const key = `${kind} ${name}`
    const entry = counts.get(key)
    if (entry === undefined) counts.set(key, { trait: { kind, name }, count: 1 })
    else entry.count++
  }
  for (const { headers, query } of list) {
    for (const test of headers) if (test.regex === undefined) note('header', test.name)
    for (const test of query) if (test.regex === undefined) note('query', test.name)
  }
  const named = [...counts.values()].sort((a, b) => b.count - a.count).slice(0, weighedNames)
  return [{ kind: 'method', name: '' }, { kind: 'element', name: '' }, ...named.map(entry => entry.trait)]
}
