import { HeaderMap } from '../../codec/index.ts'
import { CelFault, CelTime, CelUint, evaluateCel, isList, isMap, parseCel } from '../cel/index.ts'
import type { CelMap, CelValue, Expression } from '../cel/index.ts'
import { encodeProperty } from './property-value.ts'
import type { PropertyRecord, PropertyValue } from './property-value.ts'

/** Of all expressions that an instance keeps; what is made of a text takes some dozen times its room. */
const maxTextLength = 256 * 1024

/** What Envoy's expressions see of a stream, each with its attributes. */
const groups: ReadonlySet<string> = new Set([
  'request',
  'response',
  'source',
  'destination',
  'connection',
  'upstream',
  'metadata',
  'filter_state',
  'upstream_filter_state',
  'xds',
])

/** Attributes that are more than a number, though plugins read 8 bytes of them as of others. */
const times: Readonly<Record<string, 'timestamp' | 'duration'>> = {
  'request.time': 'timestamp',
  'request.duration': 'duration',
  'response.backend_latency': 'duration',
  'upstream.cx_pool_ready_duration': 'duration',
}
const unsigned: ReadonlySet<string> = new Set([
  'connection.id',
  'upstream.request_attempt_count',
  'upstream.num_endpoints',
])

/** Where expressions find what they name. */
export interface PropertySource {
  property(path: readonly string[]): PropertyValue | undefined
}

/** The expressions that one instance of a plugin has made (`expr_create`). */
export class Expressions {
  readonly #expressions = new Map<number, { readonly expression: Expression; readonly text: string }>()
  #lastToken = -1
  #length = 0

  /** @returns the token of the expression, or what is wrong with it */
  create(text: string): number | CelFault {
    if (this.#length + text.length > maxTextLength)
      return new CelFault(`all expressions together are longer than ${maxTextLength} characters`)
    let expression: Expression
    try {
      expression = parseCel(text)
    } catch (error) {
      if (error instanceof CelFault) return error
      throw error
    }
    this.#lastToken = (this.#lastToken + 1) >>> 0
    this.#expressions.set(this.#lastToken, { expression, text })
    this.#length += text.length
    return this.#lastToken
  }

  /** @returns the bytes of its value as those of a property; `unwritable`: null, or a map with keys that are no texts */
  evaluate(token: number, source: PropertySource): Uint8Array | CelFault | 'not-found' | 'unwritable' {
    const known = this.#expressions.get(token)
    if (known === undefined) return 'not-found'
    const result = evaluateCel(known.expression, name => named(source, name))
    if (result instanceof CelFault) return result
    const value = propertyOf(result)
    return value === undefined ? 'unwritable' : (encodeProperty(value) ?? 'unwritable')
  }

  delete(token: number): void {
    this.#length -= this.#expressions.get(token)?.text.length ?? 0
    this.#expressions.delete(token)
  }
}

function named(source: PropertySource, name: string): CelValue | undefined {
  if (!groups.has(name)) return celOf(source.property([name]), name)
  return {
    steps: 4,
    get: key => (typeof key === 'string' ? celOf(source.property([name, key]), `${name}.${key}`) : undefined),
    // Attributes are found by their names alone.
    keys: () => [],
  }
}

function celOf(value: PropertyValue | undefined, path: string): CelValue | undefined {
  if (typeof value === 'bigint') {
    const kind = times[path]
    if (kind !== undefined) return new CelTime(kind, value)
    return unsigned.has(path) ? new CelUint(value) : value
  }
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  if (value instanceof HeaderMap) return new Fields(value)
  return isValues(value) ? value.map(item => celOf(item, '') ?? null) : new Members(value)
}

function isValues(value: PropertyRecord | readonly PropertyValue[]): value is readonly PropertyValue[] {
  return Array.isArray(value)
}

/** Fields of a message; several of one name are one, as for plugins. */
class Fields implements CelMap {
  readonly value: HeaderMap
  readonly steps: number

  constructor(value: HeaderMap) {
    this.value = value
    this.steps = 1 + value.count / 16
  }

  get(key: CelValue): CelValue | undefined {
    return typeof key === 'string' ? this.value.joined(key.toLowerCase()) : undefined
  }

  keys(): readonly CelValue[] {
    return [...new Set([...this.value].map(([name]) => name))]
  }
}

/** Fields of a record. */
class Members implements CelMap {
  readonly value: PropertyRecord
  readonly steps = 1

  constructor(value: PropertyRecord) {
    this.value = value
  }

  get(key: CelValue): CelValue | undefined {
    return typeof key === 'string' ? celOf(this.value.fields.get(key), '') : undefined
  }

  keys(): readonly CelValue[] {
    return [...this.value.fields.keys()]
  }
}

function propertyOf(value: CelValue): PropertyValue | undefined {
  if (value instanceof CelUint) return value.value
  if (value instanceof CelTime) return value.nanoseconds
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  if (value instanceof Fields || value instanceof Members) return value.value
  if (isList(value)) return allOf(value)
  return isMap(value) ? recordOf(value) : undefined
}

function allOf(values: readonly CelValue[]): PropertyValue[] | undefined {
  const list = values.map(propertyOf)
  return list.every(item => item !== undefined) ? list : undefined
}

function recordOf(map: CelMap): PropertyRecord | undefined {
  const fields = new Map<string, PropertyValue>()
  for (const key of map.keys()) {
    const value = propertyOf(map.get(key) ?? null)
    if (typeof key !== 'string' || value === undefined) return undefined
    fields.set(key, value)
  }
  return { fields }
}
