import { HeaderMap } from '../../codec/index.ts'

/**
 * A value of a property. `bigint` is an integer, a time in nanoseconds since 1970
 * or a duration in nanoseconds; `number` is a double; null is a value that is not
 * there, which is another thing than a property that does not exist.
 */
export type PropertyValue =
  | string
  | Uint8Array
  | bigint
  | number
  | boolean
  | null
  | HeaderMap
  | PropertyRecord
  | readonly PropertyValue[]

/** A map; `message` makes it a protocol buffer, which goes to plugins as its bytes. */
export interface PropertyRecord {
  readonly fields: ReadonlyMap<string, PropertyValue>
  readonly message?: Uint8Array
}

/**
 * The bytes of a value as plugins read them: numbers in 8 bytes, a boolean in one,
 * lists and maps as pairs.
 *
 * @returns undefined for null, which cannot be told
 */
export function encodeProperty(value: PropertyValue): Uint8Array | undefined {
  if (value === null) return undefined
  if (value instanceof Uint8Array) return value
  if (typeof value === 'string') return Buffer.from(value, 'utf8')
  if (typeof value === 'boolean') return Uint8Array.of(value ? 1 : 0)
  if (typeof value === 'object') return encodeCollection(value)
  const bytes = Buffer.alloc(8)
  if (typeof value === 'bigint') bytes.writeBigInt64LE(BigInt.asIntN(64, value))
  else bytes.writeDoubleLE(value)
  return bytes
}

function encodeCollection(value: HeaderMap | PropertyRecord | readonly PropertyValue[]): Uint8Array {
  const nothing = new Uint8Array(0)
  if (value instanceof HeaderMap) return encodePairs(joinedFields(value))
  if (isList(value)) return encodePairs(value.map(element => [encodeProperty(element) ?? nothing, nothing] as const))
  if (value.message !== undefined) return value.message
  return encodePairs(
    [...value.fields].map(([name, field]) => [Buffer.from(name, 'utf8'), encodeProperty(field) ?? nothing] as const),
  )
}

function isList(value: PropertyRecord | readonly PropertyValue[]): value is readonly PropertyValue[] {
  return Array.isArray(value)
}

/** Several values of a name are one, joined with commas. */
function joinedFields(map: HeaderMap): readonly (readonly [Uint8Array, Uint8Array])[] {
  const joined = new Map<string, string>()
  for (const [name, value] of map) {
    const before = joined.get(name)
    joined.set(name, before === undefined ? value : `${before},${value}`)
  }
  return [...joined].map(([name, value]) => [Buffer.from(name, 'latin1'), Buffer.from(value, 'latin1')] as const)
}

function encodePairs(pairs: readonly (readonly [Uint8Array, Uint8Array])[]): Uint8Array {
  if (pairs.length === 0) return new Uint8Array(0)
  const head = Buffer.alloc(4 + pairs.length * 8)
  head.writeUInt32LE(pairs.length)
  const nul = Uint8Array.of(0)
  const parts: Uint8Array[] = [head]
  for (const [index, [name, value]] of pairs.entries()) {
    head.writeUInt32LE(name.length, 4 + index * 8)
    head.writeUInt32LE(value.length, 8 + index * 8)
    parts.push(name, nul, value, nul)
  }
  return Buffer.concat(parts)
}

/** Goes down by names of fields and indexes of lists. @returns undefined where there is no such thing */
export function descend(value: PropertyValue | undefined, path: readonly string[]): PropertyValue | undefined {
  let current = value
  for (const part of path) {
    if (current === undefined || current === null || typeof current !== 'object' || current instanceof Uint8Array)
      return undefined
    if (current instanceof HeaderMap) current = current.joined(part)
    else if (isList(current)) current = /^\d+$/.test(part) ? current[Number(part)] : undefined
    else current = current.fields.get(part)
  }
  return current
}
