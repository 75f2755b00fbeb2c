import type { HttpRoute } from '../../model/index.ts'
import { compareCandidates } from './candidate.ts'
import type { Candidate, Finder } from './candidate.ts'
import { buildTree } from './decision-tree.ts'

/** The candidates of one path on one hostname. */
export class CandidateSet<T> {
  /** Which update of the table may still change this object; see `RouteTable.update`. */
  readonly edition: number
  /** The first step to the one that fits; undefined before `finish` and for an empty set. */
  finder: Finder<T> | undefined
  #all: Candidate<T>[]

  constructor(edition: number, all: Candidate<T>[] = []) {
    this.edition = edition
    this.#all = all
  }

  /** In order of precedence. */
  get all(): readonly Candidate<T>[] {
    return this.#all
  }

  /** This object if the edition is its own, else a copy that may be changed. */
  edit(edition: number): CandidateSet<T> {
    return this.edition === edition ? this : new CandidateSet(edition, [...this.#all])
  }

  add(candidate: Candidate<T>): void {
    this.#all.push(candidate)
  }

  /** After all `add`s: drops the candidates of removed routes, sorts, and builds the lookup. */
  finish(removed: ReadonlySet<HttpRoute>): void {
    if (removed.size > 0) this.#all = this.#all.filter(candidate => !removed.has(candidate.route))
    this.#all.sort(compareCandidates)
    this.finder = buildTree(this.#all)
  }
}
