import type { CelFunction, Cost } from './cost.ts'
import { CelFault, CelTime, CelType, CelUint, isList, isMap, numberOf } from './values.ts'
import type { CelValue } from './values.ts'

/** Whether both are the same; values of different kinds are not, and numbers are by what they count. */
export function equals(a: CelValue, b: CelValue, cost: Cost): boolean {
  cost.spend(1)
  const [left, right] = [numberOf(a), numberOf(b)]
  // Of a bigint and a number this is their value; NaN is nobody's equal.
  // oxlint-disable-next-line eslint/eqeqeq
  if (left !== undefined && right !== undefined) return left == right
  if (a instanceof CelTime && b instanceof CelTime) return a.kind === b.kind && a.nanoseconds === b.nanoseconds
  if (a instanceof CelType && b instanceof CelType) return a.name === b.name
  if (a instanceof Uint8Array && b instanceof Uint8Array) {
    cost.spendLength(a.length)
    return Buffer.compare(a, b) === 0
  }
  if (isList(a) && isList(b))
    return a.length === b.length && a.every((item, index) => equals(item, b[index] ?? null, cost))
  if (isMap(a) && isMap(b)) {
    const keys = a.keys()
    return (
      keys.length === b.keys().length &&
      keys.every(key => {
        cost.spend(a.steps + b.steps)
        const other = b.get(key)
        return other !== undefined && equals(a.get(key) ?? null, other, cost)
      })
    )
  }
  if (typeof a === 'string' && typeof b === 'string') cost.spendLength(Math.min(a.length, b.length))
  return a === b
}

/** @returns below, at or above 0, NaN where a number is none; undefined for what has no order */
export function compare(a: CelValue, b: CelValue, cost: Cost): number | undefined {
  const [left, right] = [numberOf(a), numberOf(b)]
  if (left !== undefined && right !== undefined)
    return left < right ? -1 : left > right ? 1 : Number(left) - Number(right) || (left >= right ? 0 : Number.NaN)
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b)
  if (a instanceof CelTime && b instanceof CelTime && a.kind === b.kind)
    return a.nanoseconds < b.nanoseconds ? -1 : Number(a.nanoseconds > b.nanoseconds)
  const [first, second] = [bytesOf(a), bytesOf(b)]
  if (first === undefined || second === undefined || typeof a !== typeof b) return undefined
  cost.spendLength(first.length, second.length)
  return Buffer.compare(first, second)
}

/** Texts are in the order of their code points, as their bytes are. */
function bytesOf(value: CelValue): Uint8Array | undefined {
  if (typeof value === 'string') return Buffer.from(value, 'utf8')
  return value instanceof Uint8Array ? value : undefined
}

/** int and uint end where 64 bits do. @returns a fault beyond */
export function ranged(value: bigint, type: 'int' | 'uint'): CelValue {
  if (type === 'int') return BigInt.asIntN(64, value) === value ? value : new CelFault('an int is out of range')
  return BigInt.asUintN(64, value) === value ? new CelUint(value) : new CelFault('a uint is out of range')
}

type Arithmetic = '+' | '-' | '*' | '/' | '%'

/** Numbers of one kind make another of that kind. */
function arithmetic(mark: Arithmetic, a: CelValue, b: CelValue): CelValue | undefined {
  if (typeof a === 'number' && typeof b === 'number') return mark === '%' ? undefined : ofDoubles(mark, a, b)
  if (a instanceof CelUint && b instanceof CelUint) return ofIntegers(mark, a.value, b.value, 'uint')
  return typeof a === 'bigint' && typeof b === 'bigint' ? ofIntegers(mark, a, b, 'int') : undefined
}

function ofDoubles(mark: '+' | '-' | '*' | '/', a: number, b: number): number {
  if (mark === '+') return a + b
  if (mark === '-') return a - b
  return mark === '*' ? a * b : a / b
}

function ofIntegers(mark: Arithmetic, a: bigint, b: bigint, type: 'int' | 'uint'): CelValue {
  if (mark === '+') return ranged(a + b, type)
  if (mark === '-') return ranged(a - b, type)
  if (mark === '*') return ranged(a * b, type)
  if (b === 0n) return new CelFault('a division by zero')
  return ranged(mark === '/' ? a / b : a % b, type)
}

function times(mark: '+' | '-', a: CelValue, b: CelValue): CelValue | undefined {
  if (!(a instanceof CelTime) || !(b instanceof CelTime)) return undefined
  const kind = mark === '+' ? kindOfSum[a.kind][b.kind] : kindOfDifference[a.kind][b.kind]
  if (kind === undefined) return undefined
  const nanoseconds = mark === '+' ? a.nanoseconds + b.nanoseconds : a.nanoseconds - b.nanoseconds
  return new CelTime(kind, nanoseconds)
}

const kindOfSum = {
  timestamp: { timestamp: undefined, duration: 'timestamp' },
  duration: { timestamp: 'timestamp', duration: 'duration' },
} as const
const kindOfDifference = {
  timestamp: { timestamp: 'duration', duration: 'timestamp' },
  duration: { timestamp: undefined, duration: 'duration' },
} as const

function joined(a: CelValue, b: CelValue, cost: Cost): CelValue | undefined {
  if (typeof a === 'string' && typeof b === 'string') {
    cost.spendLength(a.length, b.length)
    return a + b
  }
  if (a instanceof Uint8Array && b instanceof Uint8Array) {
    cost.spendLength(a.length, b.length)
    return Buffer.concat([a, b])
  }
  if (!isList(a) || !isList(b)) return undefined
  cost.spend(a.length + b.length)
  return [...a, ...b]
}

export const operators: readonly (readonly [string, CelFunction])[] = [
  ['+', ([a = null, b = null], cost) => arithmetic('+', a, b) ?? times('+', a, b) ?? joined(a, b, cost)],
  ['-', ([a = null, b = null]) => arithmetic('-', a, b) ?? times('-', a, b)],
  ['*', ([a = null, b = null]) => arithmetic('*', a, b)],
  ['/', ([a = null, b = null]) => arithmetic('/', a, b)],
  ['%', ([a = null, b = null]) => arithmetic('%', a, b)],
  ['!', ([a]) => (typeof a === 'boolean' ? !a : undefined)],
  ['-_', ([a]) => (typeof a === 'bigint' ? ranged(-a, 'int') : typeof a === 'number' ? -a : undefined)],
]
