import type { HttpRoute, PathMatch } from '../../model/index.ts'
import { Candidate } from './candidate.ts'
import type { Finder } from './candidate.ts'
import { CandidateSet } from './candidate-set.ts'
import { nextHash, PathTable } from './path-table.ts'
import type { RouteRequest } from './request.ts'

const slash = 0x2f

/**
 * All candidates of one hostname by path: the exact path, then regular
 * expressions, then prefixes from the longest to the shortest. If no candidate
 * of a path fits the rest of the request, the next less specific path is tried.
 */
export class PathIndex<T> implements Finder<T> {
  readonly edition: number
  /** The answer to every request, for the hostname with one rule for all. */
  #certain: Candidate<T> | undefined = undefined
  /** Of exact paths and prefixes but `/`. */
  #paths: PathTable<PathEntry<T>> | undefined
  /** How many elements the longest of them has, or had: beyond that no path is read. */
  #elements = 0
  #regexes: CandidateSet<T> | undefined = undefined
  /** The prefix `/`. */
  #root: CandidateSet<T> | undefined = undefined
  /** Keys of entries that this edition has opened. */
  #edited: Set<string> | undefined = undefined

  private constructor(edition: number, paths: PathTable<PathEntry<T>> | undefined) {
    this.edition = edition
    this.#paths = paths
  }

  static create<T>(edition: number): PathIndex<T> {
    return new PathIndex<T>(edition, undefined)
  }

  find(request: RouteRequest): Candidate<T> | undefined {
    if (this.#certain !== undefined) return this.#certain
    const paths = this.#paths
    const found =
      paths === undefined ? this.#regexes?.finder?.find(request) : this.#findFrom(request, paths, 0, paths.seed, 1)
    return found ?? this.#root?.finder?.find(request)
  }

  /**
   * Among the paths of `element` elements and more.
   *
   * @param start of the element, at its slash
   * @param before hash of what is before it
   */
  #findFrom(
    request: RouteRequest,
    paths: PathTable<PathEntry<T>>,
    start: number,
    before: number,
    element: number,
  ): Candidate<T> | undefined {
    const { path } = request
    let end = start
    let hash = before
    let code = path.charCodeAt(end)
    do {
      hash = nextHash(hash, code)
      end++
    } while (end < path.length && (code = path.charCodeAt(end)) !== slash)
    if (end < path.length && element < this.#elements) {
      const deeper = this.#findFrom(request, paths, end, hash, element + 1)
      return deeper ?? paths.find(path, end, hash)?.prefixFinder?.find(request)
    }
    const entry = paths.find(path, end, hash)
    const found = end === path.length ? entry?.exactFinder?.find(request) : undefined
    return found ?? this.#regexes?.finder?.find(request) ?? entry?.prefixFinder?.find(request)
  }

  /** Every candidate, sets in order of precedence of their paths' kinds; paths of a kind come unordered. */
  *sets(): Generator<CandidateSet<T>> {
    const entries = [...(this.#paths?.entries() ?? [])]
    for (const { exact } of entries) if (exact !== undefined) yield exact
    if (this.#regexes !== undefined) yield this.#regexes
    for (const { prefix } of entries) if (prefix !== undefined) yield prefix
    if (this.#root !== undefined) yield this.#root
  }

  edit(edition: number): PathIndex<T> {
    if (this.edition === edition) return this
    const copy = new PathIndex<T>(edition, this.#paths?.copy())
    copy.#elements = this.#elements
    copy.#regexes = this.#regexes
    copy.#root = this.#root
    return copy
  }

  /** The candidates of that path, ready to be changed by this edition. */
  editSet({ kind, value }: PathMatch): CandidateSet<T> {
    if (kind === 'regex') return (this.#regexes = editOrNew(this.#regexes, this.edition))
    if (kind === 'prefix' && value === '') return (this.#root = editOrNew(this.#root, this.edition))
    const entry = this.#editEntry(value)
    return (entry[kind] = editOrNew(entry[kind], this.edition))
  }

  #editEntry(key: string): PathEntry<T> {
    this.#paths ??= new PathTable()
    this.#edited ??= new Set()
    const before = this.#paths.get(key)
    if (before !== undefined && this.#edited.has(key)) return before
    const entry = new PathEntry<T>(key, before)
    this.#paths.set(entry)
    this.#edited.add(key)
    this.#elements = Math.max(this.#elements, countSlashes(key))
    return entry
  }

  /** @returns whether anything is left */
  finish(removed: ReadonlySet<HttpRoute>): boolean {
    for (const key of this.#edited ?? []) {
      if (this.#paths?.get(key)?.finish(this.edition, removed) === false) this.#paths.delete(key)
    }
    this.#edited = undefined
    if (this.#paths?.size === 0) this.#paths = undefined
    this.#regexes = finishSet(this.#regexes, this.edition, removed)
    this.#root = finishSet(this.#root, this.edition, removed)
    const first = this.#root?.finder
    const isOnlyRoot = this.#regexes === undefined && this.#paths === undefined
    this.#certain = isOnlyRoot && first instanceof Candidate ? first : undefined
    return !isOnlyRoot || this.#root !== undefined
  }
}

/** One path: the candidates for requests of exactly this path, and for those of this path and all below it. */
class PathEntry<T> {
  readonly key: string
  /** That of the set, here so that a lookup has one step less. */
  exactFinder: Finder<T> | undefined = undefined
  prefixFinder: Finder<T> | undefined = undefined
  exact: CandidateSet<T> | undefined
  prefix: CandidateSet<T> | undefined

  constructor(key: string, before: PathEntry<T> | undefined) {
    this.key = key
    this.exact = before?.exact
    this.prefix = before?.prefix
  }

  /** @returns whether anything is left */
  finish(edition: number, removed: ReadonlySet<HttpRoute>): boolean {
    this.exact = finishSet(this.exact, edition, removed)
    this.prefix = finishSet(this.prefix, edition, removed)
    this.exactFinder = this.exact?.finder
    this.prefixFinder = this.prefix?.finder
    return this.exact !== undefined || this.prefix !== undefined
  }
}

function countSlashes(key: string): number {
  let count = 0
  for (let at = key.indexOf('/'); at >= 0; at = key.indexOf('/', at + 1)) count++
  return count
}

function editOrNew<T>(set: CandidateSet<T> | undefined, edition: number): CandidateSet<T> {
  return set === undefined ? new CandidateSet<T>(edition) : set.edit(edition)
}

/** Undefined for a set that is empty now. */
function finishSet<T>(
  set: CandidateSet<T> | undefined,
  edition: number,
  removed: ReadonlySet<HttpRoute>,
): CandidateSet<T> | undefined {
  if (set?.edition !== edition) return set
  set.finish(removed)
  return set.all.length === 0 ? undefined : set
}
