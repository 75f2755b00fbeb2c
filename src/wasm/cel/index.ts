/**
 * The Common Expression Language, as far as decisions on requests need it: what plugins hand over to `expr_create`.
 * It is the language of its specification without protocol buffers, time zones and what must be declared; it knows no plugins.
 * `plugins/expressions.ts` calls it, on the thread of a worker.
 * An evaluation ends after a bounded number of steps, whatever an expression says; why it is our own is in docs/decisions/0013.
 * Read `syntax.ts` first, then `evaluate.ts`.
 */
export { evaluateCel } from './evaluate.ts'
export type { Names } from './evaluate.ts'
export { parseCel } from './syntax.ts'
export type { Expression } from './syntax.ts'
export { CelFault, CelTime, CelType, CelUint, isList, isMap } from './values.ts'
export type { CelMap, CelValue } from './values.ts'
