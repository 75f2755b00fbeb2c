import type { EndpointState } from './endpoint-state.ts'

/** Least share while ramping: with less, a backend of few requests would never warm the newcomer up. */
const leastFactor = 0.1

/** When the ramp of an endpoint ends; -Infinity when it never had one. */
export function rampEndMs(state: EndpointState, slowStartMs: number): number {
  return Math.max(state.addedMs, state.recoveredMs) + slowStartMs
}

/** Part of its weight that an endpoint gets now, 0.1 growing evenly to 1. */
export function rampFactor(state: EndpointState, slowStartMs: number, nowMs: number): number {
  const leftMs = rampEndMs(state, slowStartMs) - nowMs
  if (leftMs <= 0) return 1
  return Math.max(leastFactor, 1 - leftMs / slowStartMs)
}
