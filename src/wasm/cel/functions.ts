import { compare, equals, operators } from './operators.ts'
import { conversions } from './conversions.ts'
import type { CelFunction, Cost } from './cost.ts'
import { matches } from './pattern.ts'
import { timeFunctions } from './times.ts'
import { CelFault, CelType, isList, isMap, numberOf, typeOf } from './values.ts'
import type { CelMap, CelValue } from './values.ts'

/** Functions by name; those of a value, `a.size()`, have a point before it. */
const functions: ReadonlyMap<string, CelFunction> = new Map<string, CelFunction>([
  ...operators,
  ...conversions,
  ...timeFunctions,
  ['==', ([a = null, b = null], cost) => equals(a, b, cost)],
  ['!=', ([a = null, b = null], cost) => !equals(a, b, cost)],
  ...orders(['<', '<=', '>=', '>']),
  ['in', isIn],
  ['[]', member],
  ['size', sizeOf],
  ['.size', sizeOf],
  ['.contains', texts((text, part) => text.includes(part))],
  ['.startsWith', texts((text, part) => text.startsWith(part))],
  ['.endsWith', texts((text, part) => text.endsWith(part))],
  ['.matches', matches],
  ['matches', matches],
  ['type', ([value = null]) => new CelType(typeOf(value))],
  ['dyn', ([value]) => value],
])

export function call(name: string, parameters: readonly CelValue[], cost: Cost): CelValue {
  const result = arityOf(name, parameters) ? functions.get(name)?.(parameters, cost) : undefined
  return result === undefined ? new CelFault(`there is no ${name}(${parameters.map(typeOf).join(', ')})`) : result
}

/** @returns whether the language has a function of this name */
export function isFunction(name: string): boolean {
  return functions.has(name)
}

const binary: ReadonlySet<string> = new Set(
  '== != < <= >= > in [] + - * / % .contains .startsWith .endsWith .matches matches'.split(' '),
)

function arityOf(name: string, parameters: readonly CelValue[]): boolean {
  return parameters.length === (binary.has(name) ? 2 : 1)
}

function orders(marks: readonly ('<' | '<=' | '>=' | '>')[]): readonly (readonly [string, CelFunction])[] {
  const holds = {
    '<': (order: number) => order < 0,
    '<=': (order: number) => order <= 0,
    '>=': (order: number) => order >= 0,
    '>': (order: number) => order > 0,
  }
  return marks.map(mark => [
    mark,
    ([a = null, b = null], cost) => {
      const order = compare(a, b, cost)
      return order === undefined ? undefined : holds[mark](order)
    },
  ])
}

function texts(test: (text: string, part: string) => boolean): CelFunction {
  return ([text = null, part = null], cost) => {
    if (typeof text !== 'string' || typeof part !== 'string') return undefined
    // Looking for a part may take the product of both in the worst case; engines are far better than that.
    cost.spendLength(text.length, part.length)
    return test(text, part)
  }
}

function sizeOf([value = null]: readonly CelValue[], cost: Cost): CelValue | undefined {
  if (typeof value === 'string') {
    cost.spendLength(value.length)
    // A text has as many characters as code points.
    return BigInt(value.length - (value.match(/[\ud800-\udbff][\udc00-\udfff]/g)?.length ?? 0))
  }
  if (value instanceof Uint8Array || isList(value)) return BigInt(value.length)
  return isMap(value) ? BigInt(keysOf(value, cost).length) : undefined
}

export function keysOf(map: CelMap, cost: Cost): readonly CelValue[] {
  const keys = map.keys()
  cost.spend(keys.length)
  return keys
}

export function lookup(map: CelMap, key: CelValue, cost: Cost): CelValue | undefined {
  cost.spend(map.steps)
  const value = map.get(key)
  if (typeof value === 'string' || value instanceof Uint8Array) cost.spendLength(value.length)
  return value
}

function isIn([item = null, collection = null]: readonly CelValue[], cost: Cost): CelValue | undefined {
  if (isMap(collection)) return lookup(collection, item, cost) !== undefined
  return isList(collection) ? collection.some(other => equals(item, other, cost)) : undefined
}

function member([of = null, key = null]: readonly CelValue[], cost: Cost): CelValue | undefined {
  if (isMap(of)) return found(lookup(of, key, cost), 'there is no such key in a map')
  if (!isList(of)) return undefined
  const index = numberOf(key)
  if (index === undefined || (typeof index === 'number' && !Number.isInteger(index))) return undefined
  return found(of[Number(index)], `there is no item ${index} in a list of ${of.length}`)
}

function found(value: CelValue | undefined, problem: string): CelValue {
  return value === undefined ? new CelFault(problem) : value
}
