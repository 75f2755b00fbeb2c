import { LineCounter, parseDocument, visit } from 'yaml'
import type { Document, YAMLError } from 'yaml'
import { messageOf } from '../../core/index.ts'
import { readJson } from './json.ts'
import { readPlainYaml } from './plain-yaml.ts'

/** A mistake of syntax; line and column counted from 1 within the document. */
export interface SyntaxProblem {
  readonly message: string
  readonly line: number
  readonly column: number
}

export type ParseResult =
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'broken'; readonly problems: readonly SyntaxProblem[] }

/**
 * How many times aliases may be followed, counting those inside of what they
 * stand for. A hundred lines of "billion laughs" would else fill the memory.
 */
const maxAliases = 100

/** One mistake tends to bring a row of follow-ups; more than these help nobody. */
const maxProblems = 5

/** Reads one document: the quick ways first, then YAML 1.2 with merge keys. */
export function parseText(text: string): ParseResult {
  const start = text.trimStart()
  const quick = start.startsWith('{') || start.startsWith('[') ? readJson(text) : undefined
  if (quick !== undefined) return { kind: 'value', value: quick.value }
  const plain = readPlainYaml(text)
  if (plain.kind === 'value') return plain
  const parsed = parseNodes(text)
  return parsed.kind === 'broken' ? parsed : parsed.read()
}

export type NodesResult =
  | {
      readonly kind: 'nodes'
      readonly document: Document.Parsed
      readonly lines: LineCounter
      read(): ParseResult
    }
  | { readonly kind: 'broken'; readonly problems: readonly SyntaxProblem[] }

/** The complete parser: nodes that know where they stand. */
export function parseNodes(text: string): NodesResult {
  const lines = new LineCounter()
  let document: Document.Parsed
  try {
    document = parseDocument(text, { lineCounter: lines, merge: true, prettyErrors: false, logLevel: 'silent' })
  } catch (error) {
    return broken(thrownMessage(error))
  }
  if (document.errors.length > 0) {
    const problems: SyntaxProblem[] = []
    for (const error of document.errors) {
      const { line, col } = lines.linePos(startOf(error, document))
      if (problems.some(problem => problem.line === line)) continue
      problems.push({ message: `YAML: ${explain(error, text)}`, line, column: col })
      if (problems.length === maxProblems) break
    }
    return { kind: 'broken', problems }
  }
  return {
    kind: 'nodes',
    document,
    lines,
    read() {
      try {
        return { kind: 'value', value: document.toJS({ maxAliasCount: maxAliases }) }
      } catch (error) {
        return broken(thrownMessage(error))
      }
    },
  }
}

/** A quote that stays open is found missing at the end of the document; the user looks for its start. */
function startOf(error: YAMLError, document: Document): number {
  const [end] = error.pos
  let start = end
  if (error.code !== 'MISSING_CHAR' || !error.message.includes('quote')) return start
  visit(document, {
    Scalar(_key, { range, type }) {
      if (range && type?.startsWith('QUOTE') === true && range[0] < end && end <= range[2]) start = range[0]
    },
  })
  return start
}

function explain(error: YAMLError, text: string): string {
  if (error.code === 'DUPLICATE_KEY') {
    const key = /^[^:\s]{1,60}/.exec(text.slice(error.pos[0]))?.[0] ?? ''
    return `the key ${key} stands twice in one object`
  }
  if (error.code === 'MISSING_CHAR' && error.message.includes('quote')) return 'a quote stays open'
  return sentence(error.message)
}

function broken(message: string): { readonly kind: 'broken'; readonly problems: readonly SyntaxProblem[] } {
  return { kind: 'broken', problems: [{ message, line: 1, column: 1 }] }
}

function thrownMessage(error: unknown): string {
  if (error instanceof RangeError) return 'YAML: is nested too deeply'
  const message = messageOf(error)
  if (message.startsWith('Excessive alias count')) return `YAML: follows aliases more than ${maxAliases} times`
  return `YAML: ${sentence(message)}`
}

/** First line, without its final stop. */
function sentence(message: string): string {
  return (message.split('\n', 1)[0] ?? '').replace(/[.:]$/, '')
}
