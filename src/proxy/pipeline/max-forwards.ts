import { methodCodes } from '../../codec/index.ts'
import type { HeaderEdits } from '../../model/index.ts'
import type { FilterAnswer } from './filter-answers.ts'
import type { IncomingRequest } from './incoming-request.ts'

/**
 * Max-Forwards of OPTIONS and TRACE (RFC 9110 section 7.6.2), by which a client
 * finds a loop, or asks one proxy of a chain: each that passes the request on
 * counts it down, and at 0 answers itself.
 */

/** More than this are a loop; what came is cut down to it, as the RFC allows. */
const mostForwards = 255

const none: readonly HeaderEdits[] = []

/** NaN for a value that is no number; undefined where nothing is counted. */
function forwardsOf(request: IncomingRequest): number | undefined {
  const { methodCode } = request
  if (methodCode !== methodCodes.OPTIONS && methodCode !== methodCodes.TRACE) return undefined
  const value = request.header('max-forwards')
  if (value === undefined) return undefined
  return /^\d+$/.test(value) ? Math.min(Number(value), mostForwards) : NaN
}

/** What is said to a request that nobody further on may get. */
export function answerAsLast(request: IncomingRequest): FilterAnswer | undefined {
  const forwards = forwardsOf(request)
  if (forwards === undefined || forwards > 0) return undefined
  if (Number.isNaN(forwards)) {
    return { reason: 'bad-request', status: 400, detail: 'Max-Forwards is no number', lines: '' }
  }
  // Its answer would be the request as it came here: with what proxies before us have added for us alone.
  if (request.methodCode === methodCodes.TRACE) {
    return { reason: 'method-not-supported', status: 501, detail: 'Max-Forwards of TRACE ends here', lines: '' }
  }
  return { reason: 'max-forwards', status: 204, detail: '', lines: '' }
}

/** How the head that is passed on counts. */
export function countDown(request: IncomingRequest): readonly HeaderEdits[] {
  const forwards = forwardsOf(request)
  if (forwards === undefined) return none
  return [{ set: [{ name: 'max-forwards', value: String(forwards - 1) }], add: [], remove: [] }]
}
