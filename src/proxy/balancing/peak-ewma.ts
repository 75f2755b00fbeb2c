import type { EndpointState } from './endpoint-state.ts'

/**
 * Estimates the latency of an endpoint so that trouble shows at once and is
 * forgotten slowly: an answer slower than the estimate becomes the estimate; a
 * faster one pulls it down by an exponential average over `decayMs`.
 *
 * First start: an endpoint without an answer counts as typical, the average of
 * all endpoints, so that newcomers are neither flooded nor starved.
 * Failures: an endpoint that fails fast must not look attractive, so a failure
 * counts as at least twice the estimate.
 * Recovery: while no answers come in an estimate sinks until it is half the
 * typical one, so that an endpoint that was slow is tried again for certain, but
 * is not flooded before its first answer.
 */
export class LatencyEstimator {
  /** Average over all endpoints, in milliseconds; 0 until the first answer. */
  typicalMs = 0

  estimateMs(state: EndpointState, nowMs: number): number {
    const { ewmaMs } = state
    const { typicalMs } = this
    if (ewmaMs === 0) return typicalMs === 0 ? 1 : typicalMs
    const leastMs = typicalMs * restingShare
    if (ewmaMs <= leastMs) return ewmaMs
    return Math.max(leastMs, ewmaMs * Math.exp((state.ewmaAtMs - nowMs) / decayMs))
  }

  observe(state: EndpointState, latencyMs: number, nowMs: number, options: { failed: boolean }): void {
    const beforeMs = this.estimateMs(state, nowMs)
    const measuredMs = Math.max(latencyMs, leastLatencyMs)
    const seenMs = options.failed ? Math.min(Math.max(measuredMs, 2 * beforeMs), mostPenaltyMs) : measuredMs
    if (state.ewmaMs === 0 || seenMs > beforeMs) {
      state.ewmaMs = seenMs
    } else {
      const keep = Math.exp((state.ewmaAtMs - nowMs) / decayMs)
      state.ewmaMs = beforeMs * keep + seenMs * (1 - keep)
    }
    state.ewmaAtMs = nowMs
    if (options.failed) return
    this.typicalMs = this.typicalMs === 0 ? measuredMs : this.typicalMs + (measuredMs - this.typicalMs) * typicalShare
  }
}

/** Time after which an old measurement keeps about a third of its say. */
const decayMs = 10_000
/** A clock tick of zero would otherwise read as "no answer yet". */
const leastLatencyMs = 0.01
/** Doubling must end somewhere, or one outage would be remembered for minutes. */
const mostPenaltyMs = 30_000
const typicalShare = 0.01
const restingShare = 0.5
