/**
 * Values of the Common Expression Language. `bigint` is an int, `number` a
 * double; what JavaScript has no type for is a class.
 */
export type CelValue =
  | null
  | boolean
  | bigint
  | number
  | string
  | Uint8Array
  | CelUint
  | CelTime
  | CelType
  | CelMap
  | readonly CelValue[]
  | CelFault

export class CelUint {
  readonly value: bigint
  constructor(value: bigint) {
    this.value = value
  }
}

/** A timestamp, since 1970, or a duration. */
export class CelTime {
  readonly kind: 'timestamp' | 'duration'
  readonly nanoseconds: bigint
  constructor(kind: 'timestamp' | 'duration', nanoseconds: bigint) {
    this.kind = kind
    this.nanoseconds = nanoseconds
  }
}

export class CelType {
  readonly name: string
  constructor(name: string) {
    this.name = name
  }
}

/** Attributes are maps that find their values when they are asked. */
export interface CelMap {
  /** What it costs to look for a key, in steps. */
  readonly steps: number
  get(key: CelValue): CelValue | undefined
  keys(): readonly CelValue[]
}

/**
 * What an expression comes to that has no value: `false && fault` is false, all
 * else with a fault is that fault. Thrown where an expression can't be read, and
 * where it would cost too much.
 */
export class CelFault extends Error {
  static missing(what: string): CelFault {
    return new CelFault(`there is no ${what}`)
  }
}

export function isMap(value: CelValue): value is CelMap {
  return typeof value === 'object' && value !== null && 'keys' in value && 'get' in value
}

export function isList(value: CelValue): value is readonly CelValue[] {
  return Array.isArray(value)
}

export function typeOf(value: CelValue): string {
  if (value === null) return 'null_type'
  if (typeof value === 'boolean') return 'bool'
  if (typeof value === 'bigint') return 'int'
  if (typeof value === 'number') return 'double'
  if (typeof value === 'string') return 'string'
  if (value instanceof Uint8Array) return 'bytes'
  if (value instanceof CelUint) return 'uint'
  if (value instanceof CelTime)
    return value.kind === 'timestamp' ? 'google.protobuf.Timestamp' : 'google.protobuf.Duration'
  if (value instanceof CelType) return 'type'
  if (value instanceof CelFault) return 'error'
  return isList(value) ? 'list' : 'map'
}

const typeNames: ReadonlySet<string> = new Set('null_type bool int uint double string bytes list map type'.split(' '))

/** Types have names, for `type(a) == int`. */
export function typeNamed(name: string): CelType | undefined {
  return typeNames.has(name) ? new CelType(name) : undefined
}

/** int, uint and double are one line of numbers. */
export function numberOf(value: CelValue): bigint | number | undefined {
  if (value instanceof CelUint) return value.value
  return typeof value === 'bigint' || typeof value === 'number' ? value : undefined
}

/** A map of an expression, or what a macro made of one. */
export class CelRecord implements CelMap {
  readonly steps = 1
  readonly #entries: Map<string, readonly [CelValue, CelValue]> = new Map()

  /** @returns false for a key that is there already, or can be none */
  add(key: CelValue, value: CelValue): boolean {
    const name = keyOf(key)
    if (name === undefined || this.#entries.has(name)) return false
    this.#entries.set(name, [key, value])
    return true
  }

  get(key: CelValue): CelValue | undefined {
    return this.#entries.get(keyOf(key) ?? '')?.[1]
  }

  keys(): readonly CelValue[] {
    return [...this.#entries.values()].map(([key]) => key)
  }
}

/** Keys are texts, whole numbers and booleans; 1 and 1u are the same. */
function keyOf(key: CelValue): string | undefined {
  if (typeof key === 'string') return `s${key}`
  if (typeof key === 'boolean') return `b${key}`
  const value = numberOf(key)
  if (value === undefined || (typeof value === 'number' && !Number.isInteger(value))) return undefined
  return `n${BigInt(value)}`
}
