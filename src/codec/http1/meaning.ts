import { anyPort, endOfHost, sameAuthority } from './authority.ts'
import { comma, equalsIgnoringCase, htab, space } from './bytes.ts'
import { framings, methodCodes, targetForms } from './codes.ts'
import { close, keepAlive, readConnection, upgrade } from './connection.ts'
import { fieldIds } from './field-ids.ts'
import { chunkedSaid, lengthSaid, nothingSaid, readFramingFields } from './framing.ts'
import type { Head } from './head.ts'

/** What the fields of a complete request head mean; false after `head.refuse`. */
export function settleRequest(head: Head, bytes: Uint8Array, start: number): boolean {
  if (!readHost(head, bytes, start)) return false
  const options = head.has(fieldIds.connection) ? readConnection(head, bytes, start) : 0
  if (options === -1) return false
  const said = readFramingFields(head, bytes, start)
  if (said === -1) return false
  const isAnnounced = said === chunkedSaid || head.contentLength > 0
  // RFC 9110 sections 9.3.6 and 9.3.8: what follows a CONNECT belongs to the tunnel, and a TRACE has no content.
  if (isAnnounced && (head.method === methodCodes.CONNECT || head.method === methodCodes.TRACE)) {
    return head.refuse('unexpected-content', 0)
  }
  head.framing = said === chunkedSaid ? framings.chunked : isAnnounced ? framings.length : framings.none
  settlePersistence(head, options)
  if ((options & upgrade) !== 0 && head.minorVersion === 1 && head.has(fieldIds.upgrade)) {
    head.upgrade = !asksForH2c(head, bytes, start)
  }
  return !head.has(fieldIds.expect) || readExpectation(head, isAnnounced)
}

/**
 * What the fields of a complete response head mean; false after `head.refuse`.
 *
 * @param requestMethod code of the method that is answered
 */
export function settleResponse(head: Head, bytes: Uint8Array, start: number, requestMethod: number): boolean {
  const options = head.has(fieldIds.connection) ? readConnection(head, bytes, start) : 0
  if (options === -1) return false
  const said = readFramingFields(head, bytes, start)
  if (said === -1) return false
  const status = head.status
  settlePersistence(head, options)
  head.upgrade = status === 101
  if (status < 200 || status === 204) {
    // RFC 9112 section 6.3 ends these at the head; a server that announces content is about to send some.
    if (said === chunkedSaid || head.contentLength > 0) return head.refuse('unexpected-content', 0)
    head.framing = framings.none
  } else if (status === 304 || requestMethod === methodCodes.HEAD) {
    head.framing = framings.none
  } else if (requestMethod === methodCodes.CONNECT && status < 300) {
    head.framing = framings.none
  } else if (said === nothingSaid) {
    head.framing = framings.untilClose
    head.keepAlive = false
  } else if (said === lengthSaid) {
    head.framing = head.contentLength === 0 ? framings.none : framings.length
  } else {
    head.framing = framings.chunked
  }
  return true
}

/** RFC 9112 section 9.3. */
function settlePersistence(head: Head, options: number): void {
  head.keepAlive = (options & close) === 0 && (head.minorVersion === 1 || (options & keepAlive) !== 0)
}

/** RFC 9112 section 3.2: exactly one Host, only HTTP/1.0 may lack it, and it agrees with the target. */
function readHost(head: Head, bytes: Uint8Array, start: number): boolean {
  const index = head.find(fieldIds.host)
  if (index === -1) return head.minorVersion === 0 || head.refuse('missing-host', 0)
  const from = head.fields[index * 4 + 2] as number
  const to = head.fields[index * 4 + 3] as number
  if (head.isRepeated(fieldIds.host)) return head.refuse('duplicate-host', from)
  if (endOfHost(bytes, start + from, start + to) === -1) return head.refuse('invalid-host', from)
  head.hostStart = from
  head.hostEnd = to
  if (head.authorityEnd === 0) return true
  // RFC 9112 section 3.2.3 shows CONNECT with a port in the target and none in Host.
  const isHttps = head.authorityStart - head.targetStart === 'https://'.length
  const defaultPort = head.targetForm === targetForms.authority ? anyPort : isHttps ? 443 : 80
  const isSame = sameAuthority(
    bytes,
    start + head.authorityStart,
    start + head.authorityEnd,
    start + from,
    start + to,
    defaultPort,
  )
  return isSame || head.refuse('host-conflict', from)
}

/** RFC 9110 section 10.1.1: HTTP/1.0 clients do not wait, and neither does one that sends nothing. */
function readExpectation(head: Head, hasContent: boolean): boolean {
  for (let index = head.find(fieldIds.expect); index < head.fieldCount; index++) {
    if (head.fieldIds[index] === fieldIds.expect && !head.valueEquals(index, '100-continue')) {
      return head.refuse('unsupported-expectation', head.fields[index * 4 + 2] as number)
    }
  }
  head.expectContinue = hasContent && head.minorVersion === 1
  return true
}

/**
 * A tunnel to HTTP/2 would carry requests past routing and policy, so an offer
 * of h2c is ignored as RFC 9110 section 7.8 allows.
 */
function asksForH2c(head: Head, bytes: Uint8Array, start: number): boolean {
  for (let index = head.find(fieldIds.upgrade); index < head.fieldCount; index++) {
    if (head.fieldIds[index] !== fieldIds.upgrade) continue
    let position = start + (head.fields[index * 4 + 2] as number)
    const to = start + (head.fields[index * 4 + 3] as number)
    while (position < to) {
      const from = position
      while (position < to && !isSeparator(bytes[position] as number)) position++
      if (equalsIgnoringCase(bytes, from, position, 'h2c')) return true
      position++
    }
  }
  return false
}

function isSeparator(byte: number): boolean {
  return byte === comma || byte === space || byte === htab
}
