import type { BackendSettings } from '../../model/index.ts'
import type { EndpointState } from './endpoint-state.ts'
import { rampEndMs } from './slow-start.ts'

/**
 * Which endpoints get requests until something changes.
 *
 * Draining endpoints never do. Of the others:
 * 1. Normally those that are healthy and not ejected.
 * 2. Panic: when their share of all is below the threshold, everyone gets
 *    traffic, healthy or not, because the few that are left would only fall over
 *    next, and because so many failures at once rather mean that the checks are
 *    wrong. Zones count for nothing then.
 * 3. With panic switched off and no endpoint of kind 1: those that are healthy
 *    but ejected. An ejection is a guess, and a guess must not turn into an
 *    outage. Unhealthy ones stay out.
 *
 * Zones, where they are preferred: the own zone is taken to be big enough for
 * its clients as long as five of seven of its endpoints work (by weight); what
 * it then lacks goes to the other zones, as far as those have endpoints.
 */
export interface Plan {
  /** Own zone where zones count, else everyone. */
  readonly preferred: EndpointState[]
  readonly others: EndpointState[]
  /** Part of the requests for `preferred`, 0 to 1. */
  readonly preferredShare: number
  readonly isPanic: boolean
  readonly counts: EndpointCounts
  /** When time alone changes the plan: an ejection or a ramp ends. Infinity for never. */
  readonly nextChangeMs: number
}

/** Each endpoint is counted once: draining before unhealthy before ejected before healthy. */
export interface EndpointCounts {
  readonly healthy: number
  readonly unhealthy: number
  readonly ejected: number
  readonly draining: number
}

export function planCandidates(
  states: readonly EndpointState[],
  settings: BackendSettings,
  zone: string,
  nowMs: number,
): Plan {
  const counts = countStates(states, nowMs)
  const total = counts.healthy + counts.unhealthy + counts.ejected
  const isPanic = counts.healthy * 100 < settings.panicThresholdPercent * total
  const useEjected = isPanic || counts.healthy === 0

  const byZone = settings.preferLocalZone && zone !== '' && !isPanic
  const preferred: EndpointState[] = []
  const others: EndpointState[] = []
  const near = { usable: 0, all: 0 }
  const far = { usable: 0, all: 0 }
  for (const state of states) {
    if (state.endpoint.draining) continue
    const isNear = !byZone || state.endpoint.zone === zone
    const capacity = isNear ? near : far
    const { weight } = state.endpoint
    capacity.all += weight
    if (!(isPanic || (state.endpoint.healthy && (useEjected || state.ejectedUntilMs <= nowMs)))) continue
    capacity.usable += weight
    if (isNear) preferred.push(state)
    else others.push(state)
  }
  return {
    preferred,
    others,
    preferredShare: sharePreferred(near, far),
    isPanic,
    counts,
    nextChangeMs: findNextChange(states, settings, nowMs),
  }
}

interface Capacity {
  usable: number
  all: number
}

function sharePreferred(near: Capacity, far: Capacity): number {
  const nearCan = availability(near)
  const farGets = Math.min(1 - nearCan, availability(far))
  return farGets === 0 ? 1 : nearCan / (nearCan + farGets)
}

/** Part of the whole load that a zone can carry with what is left of it. */
function availability(capacity: Capacity): number {
  return capacity.all === 0 ? 0 : Math.min(1, (overprovisioning * capacity.usable) / capacity.all)
}

/** A zone of 7 manages with 5: the factor that Envoy uses too. */
const overprovisioning = 1.4

function countStates(states: readonly EndpointState[], nowMs: number): EndpointCounts {
  const counts = { healthy: 0, unhealthy: 0, ejected: 0, draining: 0 }
  for (const state of states) {
    if (state.endpoint.draining) counts.draining++
    else if (!state.endpoint.healthy) counts.unhealthy++
    else if (state.ejectedUntilMs > nowMs) counts.ejected++
    else counts.healthy++
  }
  return counts
}

function findNextChange(states: readonly EndpointState[], settings: BackendSettings, nowMs: number): number {
  let nextMs = Infinity
  for (const state of states) {
    if (state.ejectedUntilMs > nowMs) nextMs = Math.min(nextMs, state.ejectedUntilMs)
    if (settings.slowStartMs === 0) continue
    const endMs = rampEndMs(state, settings.slowStartMs)
    if (endMs > nowMs) nextMs = Math.min(nextMs, endMs)
  }
  return nextMs
}
