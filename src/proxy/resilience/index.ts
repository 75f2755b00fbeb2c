/**
 * What happens when things go wrong: which endpoints are outliers, how much load
 * a backend may get, whether a try is made again, and timeouts for many
 * connections. Decisions and counters only: it sends nothing and picks nothing.
 * The engine calls it, each worker with objects of its own.
 * Read the prose in `outlier.ts` and `retry.ts` first.
 */
export { CircuitBreaker } from './circuit-breaker.ts'
export type { BreakerKind } from './circuit-breaker.ts'
export { judgeOutcome } from './outlier.ts'
export type { EjectionReason, EjectionScope, OutlierRecord } from './outlier.ts'
export { decideRetry, isIdempotent, pauseMs } from './retry.ts'
export type { RetryDecision, RetryInput, StopReason } from './retry.ts'
export { TimerWheel, WheelTimer } from './timer-wheel.ts'
export type { WheelEntry } from './timer-wheel.ts'
