import type { HttpRoute, PathMatch } from '../../model/index.ts'
import type { Candidate } from './candidate.ts'
import { CandidateSet } from './candidate-set.ts'
import type { RouteRequest } from './request.ts'

/**
 * All candidates of one hostname by path: exact paths in a map, then regular
 * expressions, then prefixes in a trie of path elements from the longest to the
 * shortest. If no candidate of a path fits the rest of the request, the next
 * less specific path is tried.
 */
export class PathIndex<T> {
  readonly edition: number
  /** The answer to every request, for the hostname with one rule for all. */
  #certain: Candidate<T> | undefined = undefined
  #exact: Map<string, CandidateSet<T>> | undefined
  #regexes: CandidateSet<T> | undefined
  #prefixes: PrefixNode<T>

  constructor(
    edition: number,
    exact: Map<string, CandidateSet<T>> | undefined,
    regexes: CandidateSet<T> | undefined,
    prefixes: PrefixNode<T>,
  ) {
    this.edition = edition
    this.#exact = exact
    this.#regexes = regexes
    this.#prefixes = prefixes
  }

  static create<T>(edition: number): PathIndex<T> {
    return new PathIndex<T>(edition, undefined, undefined, newNode(edition))
  }

  find(request: RouteRequest): Candidate<T> | undefined {
    if (this.#certain !== undefined) return this.#certain
    const { path } = request
    if (this.#exact !== undefined) {
      const found = this.#exact.get(path)?.find(request)
      if (found !== undefined) return found
    }
    if (this.#regexes !== undefined) {
      const found = this.#regexes.find(request)
      if (found !== undefined) return found
    }
    return findPrefix(this.#prefixes, request, path, 0)
  }

  /** Every candidate, sets in order of precedence of their paths' kinds; prefixes come unordered. */
  *sets(): Generator<CandidateSet<T>> {
    if (this.#exact !== undefined) yield* this.#exact.values()
    if (this.#regexes !== undefined) yield this.#regexes
    yield* prefixSets(this.#prefixes)
  }

  edit(edition: number): PathIndex<T> {
    if (this.edition === edition) return this
    return new PathIndex(
      edition,
      this.#exact === undefined ? undefined : new Map(this.#exact),
      this.#regexes,
      this.#prefixes,
    )
  }

  /** The candidates of that path, ready to be changed by this edition. */
  editSet(path: PathMatch): CandidateSet<T> {
    switch (path.kind) {
      case 'exact': {
        this.#exact ??= new Map()
        const set = editOrNew(this.#exact.get(path.value), this.edition)
        this.#exact.set(path.value, set)
        return set
      }
      case 'regex':
        return (this.#regexes = editOrNew(this.#regexes, this.edition))
      case 'prefix': {
        let node = (this.#prefixes = editNode(this.#prefixes, this.edition))
        if (path.value !== '') {
          for (const element of path.value.slice(1).split('/')) node = editChild(node, element, this.edition)
        }
        return (node.set = editOrNew(node.set, this.edition))
      }
    }
  }

  /** @returns whether anything is left */
  finish(removed: ReadonlySet<HttpRoute>): boolean {
    if (this.#exact !== undefined) {
      for (const [path, set] of this.#exact) {
        if (finishSet(set, this.edition, removed) === undefined) this.#exact.delete(path)
      }
      if (this.#exact.size === 0) this.#exact = undefined
    }
    this.#regexes = finishSet(this.#regexes, this.edition, removed)
    const isAnyPrefixLeft = finishNode(this.#prefixes, this.edition, removed)
    const isOnlyRoot = this.#exact === undefined && this.#regexes === undefined && this.#prefixes.children === undefined
    this.#certain = isOnlyRoot ? this.#prefixes.certain : undefined
    return isAnyPrefixLeft || this.#regexes !== undefined || this.#exact !== undefined
  }
}

/** One path element; the root is `/`. */
interface PrefixNode<T> {
  readonly edition: number
  /** That of the set, here so that the common lookup ends here. */
  certain: Candidate<T> | undefined
  set: CandidateSet<T> | undefined
  children: Map<string, PrefixNode<T>> | undefined
}

function newNode<T>(edition: number): PrefixNode<T> {
  return { edition, certain: undefined, set: undefined, children: undefined }
}

/** @param at where the slash before the next element is, or the end of the path */
function findPrefix<T>(node: PrefixNode<T>, request: RouteRequest, path: string, at: number): Candidate<T> | undefined {
  if (node.children !== undefined && at < path.length) {
    let end = path.indexOf('/', at + 1)
    if (end < 0) end = path.length
    const child = node.children.get(path.slice(at + 1, end))
    if (child !== undefined) {
      const found = findPrefix(child, request, path, end)
      if (found !== undefined) return found
    }
  }
  return node.certain ?? node.set?.find(request)
}

function* prefixSets<T>(node: PrefixNode<T>): Generator<CandidateSet<T>> {
  if (node.children !== undefined) for (const child of node.children.values()) yield* prefixSets(child)
  if (node.set !== undefined) yield node.set
}

function editOrNew<T>(set: CandidateSet<T> | undefined, edition: number): CandidateSet<T> {
  return set === undefined ? new CandidateSet<T>(edition, [], undefined) : set.edit(edition)
}

function editNode<T>(node: PrefixNode<T>, edition: number): PrefixNode<T> {
  if (node.edition === edition) return node
  const { certain, set, children } = node
  return { edition, certain, set, children: children === undefined ? undefined : new Map(children) }
}

function editChild<T>(node: PrefixNode<T>, element: string, edition: number): PrefixNode<T> {
  node.children ??= new Map()
  const before = node.children.get(element)
  const child = before === undefined ? newNode<T>(edition) : editNode(before, edition)
  node.children.set(element, child)
  return child
}

function finishSet<T>(
  set: CandidateSet<T> | undefined,
  edition: number,
  removed: ReadonlySet<HttpRoute>,
): CandidateSet<T> | undefined {
  if (set === undefined || set.edition !== edition) return set
  set.finish(removed)
  return set.all.length === 0 ? undefined : set
}

/** Nodes of earlier editions are not entered: nothing below them has changed. */
function finishNode<T>(node: PrefixNode<T>, edition: number, removed: ReadonlySet<HttpRoute>): boolean {
  if (node.edition !== edition) return node.set !== undefined || node.children !== undefined
  node.set = finishSet(node.set, edition, removed)
  node.certain = node.set?.certain
  if (node.children !== undefined) {
    for (const [element, child] of node.children) {
      if (child.edition === edition && !finishNode(child, edition, removed)) node.children.delete(element)
    }
    if (node.children.size === 0) node.children = undefined
  }
  return node.set !== undefined || node.children !== undefined
}
