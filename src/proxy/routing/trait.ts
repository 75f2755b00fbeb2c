import type { Candidate } from './candidate.ts'
import { queryValue } from './query.ts'
import type { RouteRequest } from './request.ts'

/** Something of which a request has one value, and by which candidates can be told apart. */
export interface Trait {
  readonly kind: 'method' | 'header' | 'query' | 'element'
  /** Of the header or query parameter; empty for others. */
  readonly name: string
  /** Of the path element, from 0. */
  readonly place: number
}

export function readTrait({ kind, name, place }: Trait, request: RouteRequest): string | undefined {
  switch (kind) {
    case 'method':
      return request.method
    case 'header':
      return request.header(name)
    case 'query':
      return queryValue(request.query, name)
    case 'element':
      return pathElement(request.path, place)
  }
}

function pathElement(path: string, place: number): string | undefined {
  let start = 1
  for (let skipped = 0; skipped < place; skipped++) {
    start = path.indexOf('/', start) + 1
    if (start === 0) return undefined
  }
  const end = path.indexOf('/', start)
  return end < 0 ? path.slice(start) : path.slice(start, end)
}

/** The one value of the trait that a request must have to fit; undefined when others fit too. */
export function requiredValue<T>(candidate: Candidate<T>, { kind, name, place }: Trait): string | undefined {
  switch (kind) {
    case 'method':
      return candidate.method
    case 'header':
      return candidate.headers.find(test => test.name === name && test.regex === undefined)?.value
    case 'query':
      return candidate.query.find(test => test.name === name && test.regex === undefined)?.value
    case 'element':
      return candidate.pattern?.elements[place]
  }
}

/** The trait that leaves the fewest candidates to look at in the worst case; undefined when none leaves fewer. */
export function bestTrait<T>(list: readonly Candidate<T>[]): Trait | undefined {
  let best: Trait | undefined
  let fewest = list.length
  for (const trait of traitsOf(list)) {
    if (fewest === 1) break
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

/** How many header or query names are weighed, the common ones, and how many of the first path elements. */
const weighedNames = 8
const weighedElements = 8

function traitsOf<T>(list: readonly Candidate<T>[]): readonly Trait[] {
  const counts = new Map<string, { trait: Trait; count: number }>()
  let elements = 0
  const note = (kind: Trait['kind'], name: string): void => {
    const key = `${kind} ${name}`
    const entry = counts.get(key)
    if (entry === undefined) counts.set(key, { trait: { kind, name, place: 0 }, count: 1 })
    else entry.count++
  }
  for (const { headers, query, pattern } of list) {
    elements = Math.max(elements, pattern?.elements.length ?? 0)
    for (const test of headers) if (test.regex === undefined) note('header', test.name)
    for (const test of query) if (test.regex === undefined) note('query', test.name)
  }
  const named = [...counts.values()].sort((a, b) => b.count - a.count).slice(0, weighedNames)
  const places = Array.from({ length: Math.min(elements, weighedElements) }, (_, place) => place)
  return [
    { kind: 'method', name: '', place: 0 },
    ...places.map((place): Trait => ({ kind: 'element', name: '', place })),
    ...named.map(entry => entry.trait),
  ]
}
