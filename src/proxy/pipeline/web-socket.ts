import { createHash, randomBytes } from 'node:crypto'
import type { AnswerHead } from '../upstream/answer-head.ts'

/** RFC 6455 section 1.3. */
const keySuffix = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** A `sec-websocket-key` of our own, for a client that needs none (RFC 8441 section 5). */
export function newWebSocketKey(): string {
  return randomBytes(16).toString('base64')
}

/**
 * Looks at a change of protocols between HTTP/1.1 and HTTP/2, whose handshake has its key on one side only: an
 * endpoint by HTTP/1.1 must have accepted it, and for a client by HTTP/1.1 that is done in the endpoint's place.
 *
 * @param key  empty where both sides speak the same version
 * @returns why the endpoint can't be believed, if so
 */
export function judgeUpgrade(head: AnswerHead, key: string): string | undefined {
  if (key === '') return undefined
  const accept = acceptOf(key)
  head.webSocketAccept = accept
  const { parser } = head
  if (parser === undefined) return undefined
  const at = parser.findName('sec-websocket-accept')
  return at >= 0 && parser.value(at) === accept ? undefined : 'the endpoint did not accept the WebSocket'
}

function acceptOf(key: string): string {
  return createHash('sha1')
    .update(key + keySuffix, 'latin1')
    .digest('base64')
}
