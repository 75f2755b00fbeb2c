import { Outcome } from '../../model/index.ts'
import type { OutlierDetection } from '../../model/index.ts'

/**
 * Passive health: an endpoint that keeps failing gets no requests for a while.
 *
 * Trips: after `consecutiveFailures` tries in a row that ended in any 5xx, a
 * reset, a timeout or no connection; or after `consecutiveGatewayFailures` in a
 * row that ended in 502, 503, 504 or no connection. Any other outcome breaks the
 * row. One worker judges by its own tries alone.
 *
 * First start: counters begin at zero; an endpoint that was never tried is not
 * suspect.
 *
 * Limit: at most `maxEjectionPercent` of the endpoints are out at a time, but
 * one always may be: a percentage of a few endpoints would otherwise round down
 * to none. A row that was complete while the limit held is acted on with the
 * next failure, once there is room.
 *
 * Length: `baseEjectionMs` times how often the endpoint was ejected lately, at
 * most `maxEjectionMs`. One ejection is forgotten for every `baseEjectionMs`
 * that the endpoint stayed in.
 *
 * Recovery: when the time is over the endpoint takes part again (the balancer's
 * slow start applies) and needs a whole row of failures to be ejected again. An
 * active health check that turns healthy ends the ejection early.
 *
 * Special case: outcomes of an endpoint that is out (requests that were under
 * way, or panic) count for nothing, so that one burst is punished once.
 */
export function judgeOutcome(
  record: OutlierRecord,
  outcome: Outcome,
  settings: OutlierDetection,
  scope: EjectionScope,
  nowMs: number,
): EjectionReason | undefined {
  if (outcome === Outcome.success) {
    record.consecutiveFailures = 0
    record.consecutiveGatewayFailures = 0
    return undefined
  }
  if (record.ejectedUntilMs > nowMs) return undefined

  const isGatewayFailure = outcome === Outcome.gatewayFailure || outcome === Outcome.connectFailure
  record.consecutiveFailures++
  record.consecutiveGatewayFailures = isGatewayFailure ? record.consecutiveGatewayFailures + 1 : 0

  const reason = findReason(record, settings)
  if (reason === undefined || !hasRoom(settings, scope)) return undefined
  eject(record, settings, nowMs)
  return reason
}

export type EjectionReason = 'consecutive-failures' | 'consecutive-gateway-failures'

/** What is remembered of one endpoint; part of the balancer's endpoint state. */
export interface OutlierRecord {
  consecutiveFailures: number
  consecutiveGatewayFailures: number
  /** How often ejected lately. */
  ejections: number
  /** 0 when not ejected. */
  ejectedUntilMs: number
  /** When the last ejection ended or will end; -Infinity for never. */
  lastEjectionEndMs: number
}

/** The endpoints that the percentage is of: all but draining ones. */
export interface EjectionScope {
  readonly endpoints: number
  readonly ejected: number
}

function findReason(record: OutlierRecord, settings: OutlierDetection): EjectionReason | undefined {
  if (reaches(record.consecutiveGatewayFailures, settings.consecutiveGatewayFailures)) {
    return 'consecutive-gateway-failures'
  }
  return reaches(record.consecutiveFailures, settings.consecutiveFailures) ? 'consecutive-failures' : undefined
}

/** A limit of 0 is switched off. */
function reaches(count: number, limit: number): boolean {
  return limit > 0 && count >= limit
}

function hasRoom(settings: OutlierDetection, scope: EjectionScope): boolean {
  const most = Math.max(1, Math.floor((scope.endpoints * settings.maxEjectionPercent) / 100))
  return scope.ejected < most
}

function eject(record: OutlierRecord, settings: OutlierDetection, nowMs: number): void {
  const forgotten = Math.floor(Math.max(0, nowMs - record.lastEjectionEndMs) / Math.max(1, settings.baseEjectionMs))
  record.ejections = Math.max(0, record.ejections - forgotten) + 1
  const lengthMs = Math.min(settings.baseEjectionMs * record.ejections, settings.maxEjectionMs)
  record.ejectedUntilMs = nowMs + lengthMs
  record.lastEjectionEndMs = record.ejectedUntilMs
  record.consecutiveFailures = 0
  record.consecutiveGatewayFailures = 0
}
