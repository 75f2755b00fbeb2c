import { call, keysOf, lookup } from './functions.ts'
import { Cost } from './cost.ts'
import type { Expression } from './syntax.ts'
import { CelFault, CelRecord, isList, isMap, typeNamed, typeOf } from './values.ts'
import type { CelValue } from './values.ts'

/** @returns undefined for what nobody knows */
export type Names = (name: string) => CelValue | undefined

/**
 * What an expression comes to, a fault included. No expression costs more than `Cost` allows, whatever it is and
 * whatever it reads: a macro in a macro in a macro ends with a fault.
 */
export function evaluateCel(expression: Expression, names: Names): CelValue {
  const cost = new Cost()
  try {
    return new Evaluation(names, cost).value(expression)
  } catch (error) {
    if (error instanceof CelFault) return error
    throw error
  }
}

class Evaluation {
  readonly #names: Names
  readonly #cost: Cost

  constructor(names: Names, cost: Cost) {
    this.#names = names
    this.#cost = cost
  }

  value(expression: Expression): CelValue {
    this.#cost.spend(1)
    switch (expression.kind) {
      case 'literal':
        return expression.value
      case 'name':
        return this.#named(expression.name)
      case 'field':
        return this.#field(this.value(expression.of), expression.name, expression.isAsked)
      case 'call':
        return this.#call(expression.name, expression.parameters)
      case 'and':
      case 'or':
        return this.#logical(expression.left, expression.right, expression.kind === 'or')
      case 'choice':
        return this.#choice(expression)
      case 'list':
        return this.#list(expression.items)
      case 'map':
        return this.#map(expression.entries)
      case 'each':
        return this.#each(expression)
    }
  }

  #named(name: string): CelValue {
    const value = this.#names(name)
    if (value !== undefined) return value
    return typeNamed(name) ?? CelFault.missing(name)
  }

  #field(of: CelValue, name: string, isAsked: boolean): CelValue {
    if (of instanceof CelFault) return of
    if (!isMap(of)) return new CelFault(`${typeOf(of)} has no fields`)
    const value = lookup(of, name, this.#cost)
    if (isAsked) return value !== undefined
    return value === undefined ? CelFault.missing(name) : value
  }

  #call(name: string, expressions: readonly Expression[]): CelValue {
    const parameters: CelValue[] = []
    for (const expression of expressions) {
      const value = this.value(expression)
      if (value instanceof CelFault) return value
      parameters.push(value)
    }
    return call(name, parameters, this.#cost)
  }

  /** One side may decide what the other has no value for. */
  #logical(left: Expression, right: Expression, deciding: boolean): CelValue {
    const first = this.value(left)
    if (first === deciding) return deciding
    const second = this.value(right)
    if (second === deciding) return deciding
    if (typeof first === 'boolean' && typeof second === 'boolean') return second
    if (first instanceof CelFault) return first
    return second instanceof CelFault ? second : new CelFault('&& and || take booleans')
  }

  #choice({ test, yes, no }: Extract<Expression, { kind: 'choice' }>): CelValue {
    const decision = this.value(test)
    if (typeof decision === 'boolean') return this.value(decision ? yes : no)
    return decision instanceof CelFault ? decision : new CelFault('? takes a boolean')
  }

  #list(items: readonly Expression[]): CelValue {
    const values: CelValue[] = []
    for (const item of items) {
      const value = this.value(item)
      if (value instanceof CelFault) return value
      values.push(value)
    }
    return values
  }

  #map(entries: readonly (readonly [Expression, Expression])[]): CelValue {
    const record = new CelRecord()
    for (const [keyExpression, valueExpression] of entries) {
      const key = this.value(keyExpression)
      const value = this.value(valueExpression)
      if (key instanceof CelFault) return key
      if (value instanceof CelFault) return value
      if (!record.add(key, value)) return new CelFault('a key of a map is there twice, or can be none')
    }
    return record
  }

  #each({ macro, of, variable, test, result }: Extract<Expression, { kind: 'each' }>): CelValue {
    const range = this.value(of)
    if (range instanceof CelFault) return range
    const items = rangeOf(range, this.#cost)
    if (items === undefined) return new CelFault(`${macro}() takes a list or a map`)
    const found: CelValue[] = []
    let fault: CelFault | undefined
    for (const item of items) {
      const inner = new Evaluation(name => (name === variable ? item : this.#names(name)), this.#cost)
      const passes = test === undefined ? true : inner.value(test)
      if (macro === 'all' ? passes === false : macro === 'exists' && passes === true) return macro === 'exists'
      if (typeof passes !== 'boolean') {
        const problem = passes instanceof CelFault ? passes : new CelFault(`${macro}() asks for a boolean`)
        // What another item decides, this one need not.
        if (macro !== 'all' && macro !== 'exists') return problem
        fault ??= problem
      } else if (passes && macro !== 'all') {
        const value = result === undefined ? item : inner.value(result)
        if (value instanceof CelFault) return value
        found.push(value)
      }
    }
    if (fault !== undefined) return fault
    if (macro === 'map' || macro === 'filter') return found
    return macro === 'exists_one' ? found.length === 1 : macro === 'all'
  }
}

function rangeOf(value: CelValue, cost: Cost): readonly CelValue[] | undefined {
  if (isList(value)) return value
  return isMap(value) ? keysOf(value, cost) : undefined
}
