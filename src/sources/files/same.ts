import type { AnyResource } from '../schema/resource.ts'

/** Equality of plain data, keys in any order. */
export function isSameData(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a.length !== b.length) return false
    return a.every((item, index) => isSameData(item, b[index]))
  }
  if (Array.isArray(b)) return false
  const left = a as Readonly<Record<string, unknown>>
  const right = b as Readonly<Record<string, unknown>>
  const keys = Object.keys(left)
  if (keys.length !== Object.keys(right).length) return false
  return keys.every(key => Object.hasOwn(right, key) && isSameData(left[key], right[key]))
}

/** All that a user wrote, wherever it stands. */
export function isSameResource(a: AnyResource, b: AnyResource): boolean {
  if (!isSameConfiguration(a, b)) return false
  const { generation: _a, ...left } = a.metadata
  const { generation: _b, ...right } = b.metadata
  return isSameData(left, right)
}

/** What counts for the generation: everything but metadata. */
export function isSameConfiguration(a: AnyResource, b: AnyResource): boolean {
  const { metadata: _a, origin: _c, ...left } = a
  const { metadata: _b, origin: _d, ...right } = b
  return isSameData(left, right)
}
