import { isDeepStrictEqual } from 'node:util'

/** The old value where the new one is equal to it, so that identity tells what changed. */
export function same<Value>(value: Value, before: Value | undefined): Value {
  return before !== undefined && isDeepStrictEqual(value, before) ? before : value
}
