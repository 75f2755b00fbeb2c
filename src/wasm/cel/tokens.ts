import { CelFault, CelUint } from './values.ts'
import type { CelValue } from './values.ts'

export type Token =
  | { readonly kind: 'literal'; readonly value: CelValue; readonly at: number }
  | { readonly kind: 'name' | 'mark' | 'end'; readonly text: string; readonly at: number }

const space = /(?:[ \t\r\n\f]|\/\/[^\n]*)*/y
const number = /0[xX][\da-fA-F]+[uU]?|\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?|\d+[uU]?/y
const opening = /(?:[rR][bB]?|[bB][rR]?)?("""|'''|"|')/y
const name = /[_a-zA-Z]\w*/y
const mark = /&&|\|\||[=!<>]=|[()[\]{}.,:?!<>+\-*/%]/y

/** Reads an expression into its words. @throws CelFault at what is no word of the language */
export function tokensOf(text: string): readonly Token[] {
  const tokens: Token[] = []
  let at = 0
  for (;;) {
    at = endOf(space, text, at) ?? at
    if (at === text.length) return [...tokens, { kind: 'end', text: 'the end', at }]
    const token = stringAt(text, at) ?? numberAt(text, at) ?? wordAt(text, at)
    if (token === undefined) throw new CelFault(`unexpected ${JSON.stringify(text[at])} at ${at}`)
    tokens.push(token.token)
    at = token.end
  }
}

interface Read {
  readonly token: Token
  readonly end: number
}

function endOf(pattern: RegExp, text: string, at: number): number | undefined {
  pattern.lastIndex = at
  return pattern.test(text) ? pattern.lastIndex : undefined
}

function wordAt(text: string, at: number): Read | undefined {
  const nameEnd = endOf(name, text, at)
  const end = nameEnd ?? endOf(mark, text, at)
  if (end === undefined) return undefined
  const word = text.slice(at, end)
  if (nameEnd === undefined) return { token: { kind: 'mark', text: word, at }, end }
  if (word === 'true' || word === 'false') return { token: { kind: 'literal', value: word === 'true', at }, end }
  if (word === 'null') return { token: { kind: 'literal', value: null, at }, end }
  return { token: { kind: 'name', text: word, at }, end }
}

function numberAt(text: string, at: number): Read | undefined {
  const end = endOf(number, text, at)
  if (end === undefined) return undefined
  const digits = text.slice(at, end)
  const isUnsigned = /[uU]$/.test(digits)
  let value: CelValue
  if (isUnsigned) value = new CelUint(BigInt(digits.slice(0, -1)))
  else if (/^0[xX]|^\d+$/.test(digits)) value = BigInt(digits)
  else value = Number(digits)
  // The number below the least that a sign makes of it is looked for where signs are.
  if (isUnsigned && BigInt(digits.slice(0, -1)) >= 2n ** 64n) throw new CelFault(`${digits} is too large`)
  if (typeof value === 'bigint' && value > 2n ** 63n) throw new CelFault(`${digits} is too large`)
  return { token: { kind: 'literal', value, at }, end }
}

function stringAt(text: string, at: number): Read | undefined {
  opening.lastIndex = at
  const match = opening.exec(text)
  if (match === null) return undefined
  const quote = match[1] ?? ''
  const prefix = match[0].slice(0, -quote.length).toLowerCase()
  const isRaw = prefix.includes('r')
  const from = opening.lastIndex
  let to = from
  while (!text.startsWith(quote, to)) {
    const char = text[to]
    if (char === undefined || (quote.length === 1 && (char === '\n' || char === '\r')))
      throw new CelFault(`the text at ${at} has no end`)
    to += char === '\\' && !isRaw ? 2 : 1
  }
  const body = text.slice(from, to)
  const value = prefix.includes('b') ? bytesOf(body, isRaw) : isRaw ? body : unescaped(body)
  return { token: { kind: 'literal', value, at }, end: to + quote.length }
}

const escapes: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
}
const escaped =
  /\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([0-3][0-7]{2})|([abfnrtv])|([\\?"'`])|([^]?))/g

function unescaped(body: string, code: (point: number) => string = String.fromCodePoint): string {
  return body.replace(escaped, (whole, hex, four, eight, octal, letter, same, other) => {
    if (other !== undefined) throw new CelFault(`${whole} is no escape`)
    if (same !== undefined) return same
    if (letter !== undefined) return escapes[letter] ?? ''
    if (four !== undefined || eight !== undefined) return pointOf(Number.parseInt(four ?? eight, 16))
    return code(hex === undefined ? Number.parseInt(octal, 8) : Number.parseInt(hex, 16))
  })
}

function pointOf(point: number): string {
  if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
    throw new CelFault(`\\U${point.toString(16)} is no character`)
  return String.fromCodePoint(point)
}

/** In bytes `\xff` is one, and all else is UTF-8. */
function bytesOf(body: string, isRaw: boolean): Uint8Array {
  if (isRaw) return Buffer.from(body, 'utf8')
  // Bytes that are told by number stand for themselves until the rest is UTF-8: no character of a text is there.
  const parts = unescaped(body, byte => `\ud800${String.fromCharCode(byte)}`).split('\ud800')
  const [first = '', ...rest] = parts
  return Buffer.concat([
    Buffer.from(first, 'utf8'),
    ...rest.flatMap(part => [Buffer.from([part.charCodeAt(0)]), Buffer.from(part.slice(1), 'utf8')]),
  ])
}
