import type { Problem } from '../../core/index.ts'
import { readDocument, SourceDocument } from '../documents/source-document.ts'
import type { DocumentReading } from '../documents/source-document.ts'
import { splitDocuments } from '../documents/split.ts'
import { resourceIdOf } from '../schema/resource.ts'
import type { AnyResource, Identity } from '../schema/resource.ts'

/** What became of a file. */
export type FileContent =
  | { readonly kind: 'text'; readonly text: string }
  /** It is there and cannot be read: what it held stays in force. */
  | { readonly kind: 'unreadable'; readonly reason: string }
  /** A path that was asked for is not there and never was: the user is told. */
  | { readonly kind: 'missing'; readonly reason: string }
  | { readonly kind: 'gone' }

/** A resource and its key; which object stands for it may change while it stays equal. */
export interface Entry {
  readonly id: string
  resource: AnyResource
}

interface KnownDocument {
  readonly document: SourceDocument
  readonly reading: DocumentReading
  readonly entries: readonly Entry[]
}

/** Something in the file that gives no good resource, and whose it may have been. */
interface Broken {
  readonly identity: Identity
  readonly firstProblem: number
  /** What counts if there never was a good version. */
  readonly standIn?: AnyResource
}

/**
 * The resources of one file. Documents whose text did not change are not read
 * again.
 *
 * The last good version: a broken document or an invalid resource leaves in
 * force what it held before, found by kind, namespace and name. If that finds
 * nothing (the mistake may be in the name itself), everything stays that the
 * file held before and holds no longer. A resource thus goes only when its
 * document is taken out of a file without such mistakes, or with the file.
 *
 * A NetworkPolicy that never had a good version would leave open what it was
 * written to close, and a BackendTLSPolicy would have plain text sent: one that
 * stands for it closes that, if enough of it can be read.
 */
export class FileResources {
  readonly #file: string
  #documents: readonly KnownDocument[] = []
  #entries: readonly Entry[] = []
  #problems: readonly Problem[] = []

  constructor(file: string) {
    this.#file = file
  }

  /** In the order of the file; the same id may stand twice. */
  get entries(): readonly Entry[] {
    return this.#entries
  }

  get problems(): readonly Problem[] {
    return this.#problems
  }

  /** The file is there and tells nothing new. */
  setUnreadable(reason: string): void {
    const count = this.#entries.length
    this.#problems = [
      {
        severity: 'error',
        path: '',
        message: count === 0 ? reason : `${reason}; the last good version stays in force`,
        file: this.#file,
      },
    ]
  }

  setMissing(reason: string): void {
    this.#documents = []
    this.#entries = []
    this.#problems = [{ severity: 'error', path: '', message: reason, file: this.#file }]
  }

  setText(text: string): void {
    const before = this.#entries
    this.#documents = this.#readDocuments(text)
    const problems: Problem[] = []
    const broken: Broken[] = []
    for (const known of this.#documents) this.#tell(known, problems, broken)
    const current = this.#documents.flatMap(({ entries }) => entries)
    const kept = keepLastGood(before, new Set(current.map(({ id }) => id)), broken, problems)
    this.#entries = [...current, ...kept]
    this.#problems = problems
  }

  #readDocuments(text: string): KnownDocument[] {
    const known = new Map<string, KnownDocument[]>()
    for (const item of this.#documents) {
      const same = known.get(item.document.text)
      if (same === undefined) known.set(item.document.text, [item])
      else same.push(item)
    }
    return splitDocuments(text).map(part => {
      const same = known.get(part.text)?.shift()
      if (same === undefined) return readNew(new SourceDocument(this.#file, part))
      same.document.moveTo(part)
      return same
    })
  }

  #tell({ document, reading }: KnownDocument, problems: Problem[], broken: Broken[]): void {
    if (reading.kind === 'broken') {
      broken.push({ identity: reading.identity, firstProblem: problems.length })
      for (const { message, line, column } of reading.problems) {
        problems.push({
          severity: 'error',
          path: '',
          message,
          file: this.#file,
          line: document.line + line - 1,
          column,
        })
      }
      return
    }
    for (const { outcome, origin } of reading.outcomes) {
      if (outcome.kind === 'invalid') {
        const { identity, standIn } = outcome
        broken.push({ identity, firstProblem: problems.length, ...(standIn === undefined ? {} : { standIn }) })
      }
      for (const { severity, path, message } of outcome.findings) {
        problems.push({
          severity,
          ...(outcome.id === undefined ? {} : { resource: outcome.id }),
          path,
          message,
          file: this.#file,
          ...origin.locate(path),
        })
      }
    }
  }
}

function readNew(document: SourceDocument): KnownDocument {
  const reading = readDocument(document)
  const entries: Entry[] = []
  if (reading.kind === 'read') {
    for (const { outcome } of reading.outcomes) {
      if (outcome.kind === 'resource') entries.push({ id: outcome.id, resource: outcome.resource })
    }
  }
  return { document, reading, entries }
}

/** Picks what stays in force of what the file held before, and says so in the problems. */
function keepLastGood(
  before: readonly Entry[],
  current: ReadonlySet<string>,
  broken: readonly Broken[],
  problems: Problem[],
): Entry[] {
  if (broken.length === 0) return []
  const missing = before.filter(entry => !current.has(entry.id))
  const kept = new Set<Entry>()
  const replaced = new Set<Entry>()
  const unmatched: Broken[] = []
  for (const item of broken) {
    const own = missing.find(entry => !kept.has(entry) && isOf(entry.resource, item.identity))
    if (own !== undefined && !isStandIn(own.resource)) {
      kept.add(own)
      amend(problems, item.firstProblem, 'the last good version stays in force')
      continue
    }
    const closing = standInOf(item, own, current)
    if (closing !== undefined) {
      kept.add(closing)
      amend(problems, item.firstProblem, whatItCloses(closing.resource))
    } else if (item.identity.kind === 'NetworkPolicy' || item.identity.kind === 'BackendTLSPolicy') {
      amend(problems, item.firstProblem, 'too little of it can be read to close anything in its place')
    }
    if (own === undefined) unmatched.push(item)
    else replaced.add(own)
  }
  const rest = missing.filter(entry => !kept.has(entry) && !replaced.has(entry))
  const [first] = unmatched
  if (first !== undefined && rest.length > 0) {
    const names = rest.slice(0, 3).map(entry => entry.id)
    const more = rest.length > names.length ? ` and ${rest.length - names.length} more` : ''
    const verb = rest.length === 1 ? 'stays' : 'stay'
    amend(problems, first.firstProblem, `${names.join(', ')}${more} ${verb} in force`)
    for (const entry of rest) kept.add(entry)
  }
  return [...kept]
}

/** The one of the newest text, or else the one before. */
function standInOf(item: Broken, before: Entry | undefined, current: ReadonlySet<string>): Entry | undefined {
  if (item.standIn === undefined) return before
  const id = resourceIdOf(item.standIn)
  return current.has(id) ? undefined : { id, resource: item.standIn }
}

function isStandIn(resource: AnyResource): boolean {
  return 'isStandIn' in resource && resource.isStandIn === true
}

function whatItCloses(resource: AnyResource): string {
  if (resource.kind === 'BackendTLSPolicy') {
    const services = resource.spec.targetRefs.map(({ name }) => name).join(', ')
    return `until it is right, nothing is sent to ${services}, rather than plain text`
  }
  if (resource.kind !== 'NetworkPolicy') {
    return 'until it is right, the plugin has no module where it was to run: requests are refused unless it fails open'
  }
  const types = resource.spec.policyTypes
  return `until it is right, what its podSelector selects is closed for ${types.join(' and ').toLowerCase()}`
}

function isOf({ kind, metadata }: AnyResource, identity: Identity): boolean {
  return (
    identity.name === metadata.name &&
    identity.kind === kind &&
    (metadata.namespace === '' || (identity.namespace ?? 'default') === metadata.namespace)
  )
}

function amend(problems: Problem[], index: number, what: string): void {
  const problem = problems[index]
  if (problem !== undefined) problems[index] = { ...problem, message: `${problem.message}; ${what}` }
}
