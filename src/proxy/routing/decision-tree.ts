import { testRegex } from '../../model/index.ts'
import { compareCandidates, fitsValue } from './candidate.ts'
import type { Candidate, Finder, ValueTest } from './candidate.ts'
import { hasElements } from './path-pattern.ts'
import type { PathPattern } from './path-pattern.ts'
import { queryValue } from './query.ts'
import type { RouteRequest } from './request.ts'
import { bestTrait, readTrait, requiredValue } from './trait.ts'
import type { Trait } from './trait.ts'

/** Up to this many are cheaper to try in order than to look up. */
const scanLimit = 8

/**
 * Finds the first of many candidates that fits. Few are tried in order; many
 * are divided by what tells them apart (method, the value of a header or query
 * parameter, an element of the path that a regular expression names), so that
 * ten thousand tenants on one path cost as much as two. What the way to a
 * candidate has tested is not tested again.
 *
 * @param list in order of precedence
 */
export function buildTree<T>(list: readonly Candidate<T>[]): Finder<T> | undefined {
  return build(list, [])
}

/** @param settled traits that the way here has tested for equality */
function build<T>(list: readonly Candidate<T>[], settled: readonly Trait[]): Finder<T> | undefined {
  const first = list[0]
  if (first === undefined) return undefined
  const firstCheck = checkOf(first, settled)
  if (firstCheck === first || list.length === 1) return firstCheck
  const trait = list.length > scanLimit ? bestTrait(list) : undefined
  if (trait === undefined) return new Scan(list.map(candidate => checkOf(candidate, settled)))
  const groups = Map.groupBy(list, candidate => requiredValue(candidate, trait))
  const rest = groups.get(undefined) ?? []
  const branches = new Map<string, Finder<T>>()
  const further = [...settled, trait]
  for (const [value, group] of groups) {
    const branch = value === undefined ? undefined : build(group, further)
    if (value !== undefined && branch !== undefined) branches.set(value, branch)
  }
  return new Split(trait, branches, build(rest, settled), rest[0])
}

/** A candidate and what is left to be tested of it. */
class Check<T> implements Finder<T> {
  readonly #candidate: Candidate<T>
  readonly #method: string | undefined
  /** By place, as in `PathPattern`. */
  readonly #elements: Elements | undefined
  readonly #shape: RegExp | undefined
  readonly #headers: readonly ValueTest[] | undefined
  readonly #query: readonly ValueTest[] | undefined

  constructor(candidate: Candidate<T>, settled: readonly Trait[]) {
    this.#candidate = candidate
    this.#method = settled.some(trait => trait.kind === 'method') ? undefined : candidate.method
    this.#elements = elementsLeft(candidate.pattern?.elements, settled)
    this.#shape = candidate.pattern?.shape
    this.#headers = testsLeft(candidate.headers, 'header', settled)
    this.#query = testsLeft(candidate.query, 'query', settled)
  }

  get isEmpty(): boolean {
    return (
      this.#method === undefined &&
      this.#shape === undefined &&
      this.#headers === undefined &&
      this.#query === undefined
    )
  }

  find(request: RouteRequest): Candidate<T> | undefined {
    if (this.#method !== undefined && this.#method !== request.method) return undefined
    if (this.#elements !== undefined && !hasElements(request.path, this.#elements)) return undefined
    if (this.#shape !== undefined && !testRegex(this.#shape, request.path)) return undefined
    if (this.#headers !== undefined) {
      for (const test of this.#headers) if (!fitsValue(test, request.header(test.name))) return undefined
    }
    if (this.#query !== undefined) {
      for (const test of this.#query) if (!fitsValue(test, queryValue(request.query, test.name))) return undefined
    }
    return this.#candidate
  }
}

type Elements = PathPattern['elements']

function elementsLeft(elements: Elements | undefined, settled: readonly Trait[]): Elements | undefined {
  if (elements === undefined) return undefined
  const isSettled = (place: number): boolean => settled.some(trait => trait.kind === 'element' && trait.place === place)
  const left = elements.map((element, place) => (isSettled(place) ? undefined : element))
  return left.every(element => element === undefined) ? undefined : left
}

function testsLeft(
  tests: readonly ValueTest[],
  kind: 'header' | 'query',
  settled: readonly Trait[],
): readonly ValueTest[] | undefined {
  if (tests.length === 0) return undefined
  const isSettled = (name: string): boolean => settled.some(trait => trait.kind === kind && trait.name === name)
  const left = tests.filter(test => test.regex !== undefined || !isSettled(test.name))
  return left.length === 0 ? undefined : left
}

function checkOf<T>(candidate: Candidate<T>, settled: readonly Trait[]): Finder<T> {
  const check = new Check(candidate, settled)
  return check.isEmpty ? candidate : check
}

class Scan<T> implements Finder<T> {
  readonly #list: readonly Finder<T>[]

  constructor(list: readonly Finder<T>[]) {
    this.#list = list
  }

  find(request: RouteRequest): Candidate<T> | undefined {
    for (const check of this.#list) {
      const found = check.find(request)
      if (found !== undefined) return found
    }
    return undefined
  }
}

class Split<T> implements Finder<T> {
  readonly #trait: Trait
  /** By the value that the trait must have. */
  readonly #branches: ReadonlyMap<string, Finder<T>>
  /** Candidates that fit other values too… */
  readonly #rest: Finder<T> | undefined
  /** …and the best of them. */
  readonly #bestOfRest: Candidate<T> | undefined

  constructor(
    trait: Trait,
    branches: ReadonlyMap<string, Finder<T>>,
    rest: Finder<T> | undefined,
    bestOfRest: Candidate<T> | undefined,
  ) {
    this.#trait = trait
    this.#branches = branches
    this.#rest = rest
    this.#bestOfRest = bestOfRest
  }

  find(request: RouteRequest): Candidate<T> | undefined {
    const value = readTrait(this.#trait, request)
    const found = value === undefined ? undefined : this.#branches.get(value)?.find(request)
    if (this.#rest === undefined || this.#bestOfRest === undefined) return found
    if (found !== undefined && compareCandidates(found, this.#bestOfRest) < 0) return found
    const other = this.#rest.find(request)
    if (found === undefined || other === undefined) return found ?? other
    return compareCandidates(found, other) < 0 ? found : other
  }
}
