import { compileRegex, testRegex, validateRegex } from '../../model/index.ts'

/**
 * A regular expression for whole paths, divided into the elements that it names
 * and the shape of everything else: of `/api/v[0-9]+/tenant-7/x` the elements
 * are `api`, any, `tenant-7` and `x`, and the shape has any text in their place.
 *
 * By the elements ten thousand expressions are told apart before one of them is
 * run, and those that differ in nothing else, as generated ones do, have one
 * program: the engine keeps it by its text.
 */
export interface PathPattern {
  /** By place; undefined where several texts fit. Ends where nothing more is certain. */
  readonly elements: readonly (string | undefined)[]
  readonly shape: RegExp
}

export function compilePathPattern(pattern: string): PathPattern {
  const atoms = validateRegex(pattern) === undefined ? readAtoms(pattern) : undefined
  return atoms?.[0]?.literal === '/' ? divide(pattern, atoms) : { elements: [], shape: compileRegex(pattern) }
}

export function fitsPattern({ elements, shape }: PathPattern, path: string): boolean {
  return hasElements(path, elements) && testRegex(shape, path)
}

export function hasElements(path: string, elements: readonly (string | undefined)[]): boolean {
  let start = 1
  for (const element of elements) {
    let end = start
    if (element === undefined) {
      end = path.indexOf('/', start)
      if (end < 0) end = path.length
    } else {
      if (!path.startsWith(element, start)) return false
      end += element.length
      if (end !== path.length && path.charCodeAt(end) !== slash) return false
    }
    start = end + 1
  }
  return true
}

const slash = 0x2f

/** A piece of a pattern, with its repetition. */
interface Atom {
  readonly start: number
  /** The one character it stands for; undefined when it is not just that. */
  readonly literal: string | undefined
  readonly mayHoldSlash: boolean
}

/** An escape, a class, the opening bracket of a group, or any other character. */
const atomStart = /\\x[0-9A-Fa-f]{2}|\\.|\[(?:\\.|[^\\\]])*\]|[^]/y
const repetition = /(?:[*+?]|\{\d+(?:,\d*)?\})\??/y

/** Undefined for alternatives, which have nothing in common that could be read off. */
function readAtoms(pattern: string): readonly Atom[] | undefined {
  const atoms: Atom[] = []
  for (let at = 0; at < pattern.length;) {
    const start = at
    const text = textAt(atomStart, pattern, at)
    if (text === '|') return undefined
    at = text === '(' ? groupEnd(pattern, at) : at + text.length
    const repeated = textAt(repetition, pattern, at)
    at += repeated.length
    const literal = literalOf(text)
    const mayHoldSlash = text === '(' || (literal === undefined ? new RegExp(text).test('/') : literal === '/')
    atoms.push({ start, literal: repeated === '' ? literal : undefined, mayHoldSlash })
  }
  return atoms
}

function textAt(sticky: RegExp, pattern: string, at: number): string {
  sticky.lastIndex = at
  return sticky.exec(pattern)?.[0] ?? ''
}

function groupEnd(pattern: string, open: number): number {
  let depth = 0
  for (let at = open; at < pattern.length;) {
    const text = textAt(atomStart, pattern, at)
    at += text.length
    if (text === '(') depth++
    if (text === ')' && --depth === 0) return at
  }
  return pattern.length
}

function literalOf(text: string): string | undefined {
  if (text.length === 1) return '.^$('.includes(text) ? undefined : text
  return /^\\[^A-Za-z0-9]$/.test(text) ? text.slice(1) : undefined
}

/**
 * Elements have their places up to the first piece that may reach over a slash.
 * Up to there a path has the same slashes as the pattern, so what an element
 * must be and what all else must look like can be asked one by one.
 */
function divide(pattern: string, atoms: readonly Atom[]): PathPattern {
  const elements: (string | undefined)[] = []
  let shape = ''
  let from = 0
  let element: string | undefined = ''
  const end = { start: pattern.length, literal: '/', mayHoldSlash: true }
  for (const { start, literal, mayHoldSlash } of [...atoms.slice(1), end]) {
    if (literal === '/') {
      shape += element === undefined ? pattern.slice(from, start) : '/[^/]*'
      elements.push(element)
      from = start
      element = ''
    } else if (mayHoldSlash) break
    else element = literal === undefined || element === undefined ? undefined : element + literal
  }
  while (elements.length > 0 && elements.at(-1) === undefined) elements.pop()
  return { elements, shape: new RegExp(`^(?:${shape}${pattern.slice(from)})$`) }
}
