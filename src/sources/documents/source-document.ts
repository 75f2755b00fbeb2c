import { readResource } from '../schema/read-resource.ts'
import type { ReadOutcome } from '../schema/read-resource.ts'
import type { Identity, Origin, Place } from '../schema/resource.ts'
import { parsePath, placeOf } from './locate.ts'
import { parseNodes, parseText } from './parse-document.ts'
import type { NodesResult, SyntaxProblem } from './parse-document.ts'
import type { DocumentText } from './split.ts'

/**
 * One document of a file: its text, and lazily where its parts stand. The text
 * is parsed again with positions only when a problem asks for a place, and the
 * nodes may be collected at any time.
 */
export class SourceDocument {
  readonly file: string
  #text: string
  #line: number
  #firstLine: number | undefined
  #nodes: WeakRef<NodesResult> | undefined

  constructor(file: string, document: DocumentText) {
    this.file = file
    this.#text = document.text
    this.#line = document.line
  }

  get text(): string {
    return this.#text
  }

  /** Line in the file of the document's first line. */
  get line(): number {
    return this.#line
  }

  /** The same document in a newer text of its file; lets go of the old text. */
  moveTo(document: DocumentText): void {
    this.#text = document.text
    this.#line = document.line
  }

  /** Line in the file of the first content. */
  get contentLine(): number {
    this.#firstLine ??= firstContentLine(this.#text)
    return this.#line + this.#firstLine - 1
  }

  /** Line and column in the file. */
  locate(path: readonly (string | number)[]): Place {
    let nodes = this.#nodes?.deref()
    if (nodes === undefined) {
      nodes = parseNodes(this.#text)
      this.#nodes = new WeakRef(nodes)
    }
    if (nodes.kind === 'broken') return { line: this.contentLine, column: 1 }
    const place = placeOf(nodes, path)
    return { line: this.#line + place.line - 1, column: place.column }
  }
}

function firstContentLine(text: string): number {
  const lines = text.split('\n', 1000)
  const index = lines.findIndex(line => !/^\s*(?:#.*)?$|^(?:---|\.\.\.)\s*(?:#.*)?$|^%/.test(line))
  return Math.max(index, 0) + 1
}

/** Where a resource stands; follows it to other documents and positions, so that the resource itself can stay the same. */
export class ResourceOrigin implements Origin {
  #document: SourceDocument
  #base: readonly (string | number)[]

  constructor(document: SourceDocument, base: readonly (string | number)[]) {
    this.#document = document
    this.#base = base
  }

  get file(): string {
    return this.#document.file
  }

  get line(): number {
    return this.#base.length === 0 ? this.#document.contentLine : this.locate('').line
  }

  locate(path: string): Place {
    return this.#document.locate([...this.#base, ...parsePath(path)])
  }

  follow(other: ResourceOrigin): void {
    this.#document = other.#document
    this.#base = other.#base
  }
}

/** What a document holds: resources, right or wrong, or nothing that could be parsed. */
export type DocumentReading =
  | { readonly kind: 'read'; readonly outcomes: readonly LocatedOutcome[] }
  | { readonly kind: 'broken'; readonly problems: readonly SyntaxProblem[]; readonly identity: Identity }

export interface LocatedOutcome {
  readonly outcome: ReadOutcome
  readonly origin: ResourceOrigin
}

export function readDocument(document: SourceDocument): DocumentReading {
  const parsed = parseText(document.text)
  if (parsed.kind === 'broken') {
    return { kind: 'broken', problems: parsed.problems, identity: guessIdentity(document.text) }
  }
  const outcomes: LocatedOutcome[] = []
  for (const { value, base } of unroll(parsed.value)) {
    const origin = new ResourceOrigin(document, base)
    outcomes.push({ outcome: readResource(value, origin), origin })
  }
  return { kind: 'read', outcomes }
}

/** The items of `List` and `HTTPRouteList` and the like; in the latter they need not repeat their kind. */
function unroll(value: unknown): { readonly value: unknown; readonly base: readonly (string | number)[] }[] {
  if (value === null || value === undefined) return []
  if (typeof value !== 'object' || Array.isArray(value)) return [{ value, base: [] }]
  const { kind, apiVersion, items } = value as Readonly<Record<string, unknown>>
  if (typeof kind !== 'string' || !kind.endsWith('List') || !Array.isArray(items)) return [{ value, base: [] }]
  const given = kind === 'List' ? {} : { apiVersion, kind: kind.slice(0, -4) }
  return items.map((item: unknown, index) => ({
    value: typeof item === 'object' && item !== null && !Array.isArray(item) ? { ...given, ...item } : item,
    base: ['items', index],
  }))
}

/** From a text with mistakes, to find the resource it held before; may be wrong or empty. */
function guessIdentity(text: string): Identity {
  const kind = /^"?kind"?:[ \t]*["']?([A-Za-z]+)/m.exec(text)?.[1]
  const metadata = /^metadata:[^\n]*\n((?:[ \t]+[^\n]*\n?|[ \t]*\n)*)/m.exec(text)?.[1] ?? ''
  const name = /^[ \t]+name:[ \t]*["']?([a-z0-9.-]+)/m.exec(metadata)?.[1]
  const namespace = /^[ \t]+namespace:[ \t]*["']?([a-z0-9-]+)/m.exec(metadata)?.[1]
  return {
    ...(kind === undefined ? {} : { kind }),
    ...(name === undefined ? {} : { name }),
    ...(namespace === undefined ? {} : { namespace }),
  }
}
