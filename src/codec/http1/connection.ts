import { comma, equalsIgnoringCase, htab, rangesEqualIgnoringCase, space, tokenBytes } from './bytes.ts'
import { fieldIds, identifyField } from './field-ids.ts'
import type { Head } from './head.ts'

/**
 * Connection (RFC 9110 section 7.6.1): says whether the connection persists,
 * asks for an upgrade, and nominates fields that end at this hop.
 *
 * - Connection, Keep-Alive, Proxy-Connection, TE and Upgrade always end here.
 * - Any other nominated field is dropped too, unless the codec knows its name:
 *   a client must not be able to take Authorization or X-Forwarded-For away
 *   from the services behind us, so those nominations are ignored.
 * - Nominating Host, Content-Length or Transfer-Encoding is refused: only an
 *   attack asks two readers to disagree about where a message ends or goes.
 * - Proxy-Authenticate and Proxy-Authorization pass unless nominated, since a
 *   forward proxy may be a service of the mesh.
 */
export const close = 1
export const keepAlive = 2
export const upgrade = 4
const none = 0

/** Each option is compared with every field: without a limit one head costs millions of comparisons. */
const maxOptions = 32

/** Reads all Connection fields; returns the set of `close`, `keepAlive` and `upgrade`, or -1 after `head.refuse`. */
export function readConnection(head: Head, bytes: Uint8Array, start: number): number {
  let found = none
  let options = 0
  for (let index = head.find(fieldIds.connection); index >= 0 && index < head.fieldCount; index++) {
    if (head.fieldIds[index] !== fieldIds.connection) continue
    let position = start + (head.fields[index * 4 + 2] as number)
    const to = start + (head.fields[index * 4 + 3] as number)
    while (position < to) {
      const byte = bytes[position] as number
      if (byte === comma || byte === space || byte === htab) {
        position++
        continue
      }
      const from = position
      while (position < to && tokenBytes[bytes[position] as number] === 1) position++
      if (position === from || ++options > maxOptions || !endsOption(bytes, position, to)) {
        head.refuse('invalid-connection', position - start)
        return -1
      }
      const option = readOption(head, bytes, start, from, position)
      if (option === -1) return -1
      found |= option
    }
  }
  return found
}

/** Whether a comma or the end follows, whitespace aside: `close x` is not a list. */
function endsOption(bytes: Uint8Array, from: number, to: number): boolean {
  let position = from
  while (position < to && (bytes[position] === space || bytes[position] === htab)) position++
  return position === to || bytes[position] === comma
}

function readOption(head: Head, bytes: Uint8Array, start: number, from: number, to: number): number {
  const id = identifyField(bytes, from, to)
  switch (id) {
    case 0:
      if (equalsIgnoringCase(bytes, from, to, 'close')) return close
      dropByName(head, bytes, start, from, to)
      return none
    case fieldIds.keepAlive:
      return keepAlive
    case fieldIds.upgrade:
      return upgrade
    case fieldIds.host:
    case fieldIds.contentLength:
    case fieldIds.transferEncoding:
      head.refuse('forbidden-connection-option', from - start)
      return -1
    case fieldIds.trailer:
    case fieldIds.proxyAuthenticate:
    case fieldIds.proxyAuthorization:
      dropByName(head, bytes, start, from, to)
      return none
    default:
      return none
  }
}

function dropByName(head: Head, bytes: Uint8Array, start: number, from: number, to: number): void {
  const fields = head.fields
  for (let index = 0; index < head.fieldCount; index++) {
    const nameStart = start + (fields[index * 4] as number)
    const nameEnd = start + (fields[index * 4 + 1] as number)
    if (rangesEqualIgnoringCase(bytes, from, to, nameStart, nameEnd)) head.drop[index] = 1
  }
}
