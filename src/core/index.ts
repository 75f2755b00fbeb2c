/**
 * What every room may lean on: errors, time, and the ports for logs and metrics.
 * It is not a drawer: a file enters when two rooms need it and it imports nothing of ours.
 * All rooms call it, on every thread; nothing here does I/O except the system clock and `resetSocket`.
 * Read `errors.ts` first, then `clock.ts`.
 */
export { assertNever, MeshError, messageOf } from './errors.ts'
export type { ErrorSource, MeshErrorOptions, Retry } from './errors.ts'
export { ManualClock, systemClock } from './clock.ts'
export type { Clock, Timer } from './clock.ts'
export { IdTable } from './id-table.ts'
export { silentLogger } from './logger.ts'
export type { Logger, LogFields, LogLevel } from './logger.ts'
export { silentMeter } from './meter.ts'
export type { Counter, Gauge, Histogram, Labels, Meter, MetricName } from './meter.ts'
export { nodeHttp } from './node-http.ts'
export { formatProblem } from './problem.ts'
export type { Problem } from './problem.ts'
export { resetSocket } from './reset-socket.ts'
