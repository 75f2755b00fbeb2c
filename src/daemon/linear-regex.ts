import { setFlagsFromString } from 'node:v8'

/**
 * A pattern of a route comes from the operator, the value it is tested against
 * from anyone. V8's engine backtracks, so `(a+)+b` and forty letters would stop
 * a worker for hours; with this flag it gives up after 50,000 steps back and
 * goes on with an engine whose time grows with the value's length alone.
 * For the whole process; call it before the first worker is made and the first
 * pattern compiled.
 */
export function useLinearRegex(): void {
  setFlagsFromString('--enable-experimental-regexp-engine-on-excessive-backtracks')
}
