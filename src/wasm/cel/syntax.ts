import { isFunction } from './functions.ts'
import { tokensOf } from './tokens.ts'
import type { Token } from './tokens.ts'
import { CelFault } from './values.ts'
import type { CelValue } from './values.ts'

export type Macro = 'all' | 'exists' | 'exists_one' | 'map' | 'filter'

/** An expression as it was read. */
export type Expression =
  | { readonly kind: 'literal'; readonly value: CelValue }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'field'; readonly of: Expression; readonly name: string; readonly isAsked: boolean }
  | { readonly kind: 'call'; readonly name: string; readonly parameters: readonly Expression[] }
  | { readonly kind: 'and' | 'or'; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'choice'; readonly test: Expression; readonly yes: Expression; readonly no: Expression }
  | { readonly kind: 'list'; readonly items: readonly Expression[] }
  | { readonly kind: 'map'; readonly entries: readonly (readonly [Expression, Expression])[] }
  | {
      readonly kind: 'each'
      readonly macro: Macro
      readonly of: Expression
      readonly variable: string
      /** Of `map` with two parameters there is none. */
      readonly test: Expression | undefined
      readonly result: Expression | undefined
    }

/** An expression nests as deep as the stack of a thread must bear. */
const maxDepth = 100

/** What an expression may be named after; the language keeps more, for itself. */
const reserved: ReadonlySet<string> = new Set(
  'as break const continue else for function if import in let loop package namespace return var void while'.split(' '),
)

const operators: readonly (readonly string[])[] = [
  ['<', '<=', '>=', '>', '==', '!=', 'in'],
  ['+', '-'],
  ['*', '/', '%'],
]

/** @throws CelFault with the place of what is wrong */
export function parseCel(text: string): Expression {
  const parser = new Parser(tokensOf(text))
  const expression = parser.expression()
  parser.expect('the end')
  return expression
}

class Parser {
  readonly #tokens: readonly Token[]
  #at = 0
  #depth = 0

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  expression(): Expression {
    return this.#deeper(() => {
      const test = this.#logical('||')
      if (!this.#takes('?')) return test
      const yes = this.#logical('||')
      this.expect(':')
      return { kind: 'choice', test, yes, no: this.expression() }
    })
  }

  /** Chains are balanced, so that a long one is not deep. */
  #logical(mark: '||' | '&&'): Expression {
    const next = (): Expression => (mark === '||' ? this.#logical('&&') : this.#binary(0))
    const parts = [next()]
    while (this.#takes(mark)) parts.push(next())
    return balanced(mark === '||' ? 'or' : 'and', parts)
  }

  #binary(level: number): Expression {
    const marks = operators[level]
    if (marks === undefined) return this.#unary()
    let left = this.#binary(level + 1)
    for (let length = 0; ; length++) {
      const mark = marks.find(word => this.#takes(word))
      if (mark === undefined) return left
      if (length > maxDepth) throw new CelFault(`more than ${maxDepth} operators stand in a row`)
      left = { kind: 'call', name: mark, parameters: [left, this.#binary(level + 1)] }
    }
  }

  #unary(): Expression {
    if (this.#takes('!'))
      return call(
        '!',
        this.#deeper(() => this.#unary()),
      )
    if (!this.#takes('-')) return this.#members(this.#primary())
    const token = this.#peek
    if (token.kind !== 'literal' || !isNumber(token.value))
      return call(
        '-_',
        this.#deeper(() => this.#unary()),
      )
    this.#at++
    return this.#members({ kind: 'literal', value: -token.value })
  }

  #deeper<T>(read: () => T): T {
    if (++this.#depth > maxDepth) throw new CelFault(`it nests deeper than ${maxDepth}`)
    const result = read()
    this.#depth--
    return result
  }

  #members(operand: Expression): Expression {
    let expression = operand
    for (let length = 0; ; length++) {
      if (length > maxDepth) throw new CelFault(`more than ${maxDepth} members stand in a row`)
      if (this.#takes('[')) {
        expression = { kind: 'call', name: '[]', parameters: [expression, this.expression()] }
        this.expect(']')
      } else if (this.#takes('.')) {
        const name = this.#name()
        expression = this.#takes('(')
          ? this.#method(expression, name, this.#list(')'))
          : { kind: 'field', of: expression, name, isAsked: false }
      } else return expression
    }
  }

  #method(of: Expression, name: string, parameters: readonly Expression[]): Expression {
    const macro = macroOf(of, name, parameters)
    return macro ?? known(`.${name}`, [of, ...parameters])
  }

  #primary(): Expression {
    const token = this.#peek
    this.#at++
    if (token.kind === 'literal') return { kind: 'literal', value: whole(token.value) }
    if (token.kind === 'name' || token.text === '.') {
      const name = token.kind === 'name' ? token.text : this.#name()
      if (reserved.has(name)) throw new CelFault(`${name} at ${token.at} is a word of the language`)
      if (!this.#takes('(')) return { kind: 'name', name }
      const parameters = this.#list(')')
      return name === 'has' ? hasOf(parameters) : known(name, parameters)
    }
    if (token.text === '(') {
      const inner = this.expression()
      this.expect(')')
      return inner
    }
    if (token.text === '[') return { kind: 'list', items: this.#list(']') }
    if (token.text === '{') return { kind: 'map', entries: this.#entries() }
    throw new CelFault(`unexpected ${token.text} at ${token.at}`)
  }

  /** A comma may stand behind the last one of a list. */
  #list(end: ')' | ']'): readonly Expression[] {
    const items: Expression[] = []
    while (!this.#takes(end)) {
      items.push(this.expression())
      if (this.#takes(',')) continue
      this.expect(end)
      break
    }
    return items
  }

  #entries(): readonly (readonly [Expression, Expression])[] {
    const entries: (readonly [Expression, Expression])[] = []
    while (!this.#takes('}')) {
      const key = this.expression()
      this.expect(':')
      entries.push([key, this.expression()])
      if (this.#takes(',')) continue
      this.expect('}')
      break
    }
    return entries
  }

  get #peek(): Token {
    return this.#tokens[this.#at] ?? { kind: 'end', text: 'the end', at: 0 }
  }

  #takes(word: string): boolean {
    const token = this.#peek
    if (token.kind === 'literal' || token.text !== word) return false
    this.#at++
    return true
  }

  #name(): string {
    const token = this.#peek
    if (token.kind !== 'name') throw new CelFault(`a name is missing at ${token.at}`)
    this.#at++
    return token.text
  }

  expect(word: string): void {
    const token = this.#peek
    if (!this.#takes(word)) throw new CelFault(`${word} is missing at ${token.at}`)
  }
}

/** A misspelt function is told when an expression is made. */
function known(name: string, parameters: readonly Expression[]): Expression {
  if (!isFunction(name)) throw new CelFault(`there is no function ${name}`)
  return { kind: 'call', name, parameters }
}

function call(name: string, parameter: Expression): Expression {
  return { kind: 'call', name, parameters: [parameter] }
}

function balanced(kind: 'and' | 'or', parts: readonly Expression[]): Expression {
  const [only] = parts
  if (parts.length === 1 && only !== undefined) return only
  const middle = parts.length >> 1
  return { kind, left: balanced(kind, parts.slice(0, middle)), right: balanced(kind, parts.slice(middle)) }
}

function isNumber(value: CelValue): value is bigint | number {
  return typeof value === 'bigint' || typeof value === 'number'
}

/** 2^63 is an int only behind a sign. */
function whole(value: CelValue): CelValue {
  if (typeof value === 'bigint' && value === 2n ** 63n) throw new CelFault(`${value} is too large`)
  return value
}

/** `has(a.b)` asks whether there is a field. */
function hasOf([only, ...more]: readonly Expression[]): Expression {
  if (only?.kind !== 'field' || more.length > 0) throw new CelFault('has() takes a field, as in has(a.b)')
  return { ...only, isAsked: true }
}

const macros: Readonly<Record<string, Macro>> = {
  all: 'all',
  exists: 'exists',
  exists_one: 'exists_one',
  map: 'map',
  filter: 'filter',
}

function macroOf(of: Expression, name: string, parameters: readonly Expression[]): Expression | undefined {
  const macro = Object.hasOwn(macros, name) ? macros[name] : undefined
  const [variable, first, second] = parameters
  if (macro === undefined || first === undefined || parameters.length > (macro === 'map' ? 3 : 2)) return undefined
  if (variable?.kind !== 'name') throw new CelFault(`the first parameter of ${name}() is a name`)
  const each = { kind: 'each', macro, of, variable: variable.name } as const
  if (macro !== 'map') return { ...each, test: first, result: undefined }
  return second === undefined ? { ...each, test: undefined, result: first } : { ...each, test: first, result: second }
}
