import type { Condition, ListenerStatus, ResourceStatus } from '../../model/index.ts'
import { condition, fails, holds, type Verdict } from './conditions.ts'
import type { GatewayFacts } from './facts.ts'
import type { ListenerDraft } from './gateway-listeners.ts'
import type { Place } from './gateway-sockets.ts'
import type { Finding } from './problems.ts'

/** A Gateway or a ListenerSet, judged. */
export interface GatewayOutcome {
  readonly facts: GatewayFacts
  readonly findings: readonly Finding[]
  /** Status with the number of routes attached to a listener, by `VirtualHost.id`; undefined for a Gateway that is not ours. */
  readonly statusWith: ((attachedRoutes: (virtualHost: string) => number) => ResourceStatus) | undefined
}

/** A listener of a Gateway or a ListenerSet with everything that is said of it. */
export interface JudgedListener {
  readonly draft: ListenerDraft
  readonly accepted: Verdict
  readonly programmed: Verdict
}

/**
 * @param refused         why its Gateway as a whole can't be used
 * @param listenFailures  by listener id: why the proxy could not listen there
 */
export function judgeProgrammed(
  draft: ListenerDraft,
  place: Place,
  refused: Verdict | undefined,
  listenFailures: ReadonlyMap<string, string>,
): JudgedListener {
  if (place.lost !== undefined) {
    const verdict = fails('PortUnavailable', place.lost)
    return { draft, accepted: verdict, programmed: fails('Invalid', place.lost) }
  }
  const { accepted } = draft
  const obstacle = draft.obstacle ?? refused?.message
  // In a ListenerSet a conflict is the reason of all three conditions.
  const isLateConflict = draft.facts.virtualHost.startsWith('ListenerSet ') && draft.conflicted.status === 'True'
  if (obstacle !== undefined) {
    return { draft, accepted, programmed: fails(isLateConflict ? draft.conflicted.reason : 'Invalid', obstacle) }
  }
  for (const id of place.ids) {
    const failure = listenFailures.get(id)
    if (failure !== undefined) return { draft, accepted, programmed: fails('PortUnavailable', `${id}: ${failure}`) }
  }
  if (place.ids.length === 0) return { draft, accepted, programmed: fails('Pending', 'no address to listen on') }
  return { draft, accepted, programmed: holds('Programmed') }
}

/** Whether it could serve, were its socket to be had. */
export function isValid({ draft, accepted }: JudgedListener): boolean {
  return accepted.status === 'True' && draft.obstacle === undefined
}

export function isProgrammed({ programmed }: JudgedListener): boolean {
  return programmed.status === 'True'
}

export function listenerStatus(
  { draft, accepted, programmed }: JudgedListener,
  generation: number,
  attachedRoutes: (virtualHost: string) => number,
): ListenerStatus {
  const conditions: Condition[] = [
    condition('Accepted', accepted, generation),
    condition('Programmed', programmed, generation),
    condition('ResolvedRefs', draft.resolvedRefs, generation),
    condition('Conflicted', draft.conflicted, generation),
  ]
  if (draft.overlapping !== undefined) conditions.push(condition('OverlappingTLSConfig', draft.overlapping, generation))
  return {
    name: draft.spec.name,
    port: draft.spec.port,
    protocol: draft.spec.protocol,
    hostname: draft.spec.hostname,
    attachedRoutes: attachedRoutes(draft.facts.virtualHost),
    supportedKinds: draft.supportedKinds,
    conditions,
  }
}
