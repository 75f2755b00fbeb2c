import { fieldIds, fieldKinds, methodCodes, pseudoIds } from '../../codec/index.ts'
import type { HeaderEntry } from '../../codec/index.ts'
import type { OutgoingRequest } from '../upstream/outgoing-request.ts'

/** Methods whose requests say that their body is empty (RFC 9110 section 8.6). */
const withContent: readonly number[] = [methodCodes.POST, methodCodes.PUT, methodCodes.PATCH]

/**
 * Writes `request.list` as the head of an HTTP/1.1 request into `request.bytes`:
 * the authority becomes Host, cookies that came apart are joined (RFC 9113
 * section 8.2.3), and a body whose length nobody knows gets chunk framing.
 */
export function writeRequestLines(request: OutgoingRequest): void {
  const { list } = request
  let lines = `${list.method?.value ?? ''} ${list.path?.value ?? ''} HTTP/1.1\r\nhost: ${list.authority?.value ?? ''}\r\n`
  for (let index = 0; index < list.length; index++) {
    const entry = list.entries[index] as HeaderEntry
    // TE speaks of the hop in HTTP/1.1, and cookies follow below.
    if (entry.nameId >= pseudoIds.method || entry.nameId === fieldIds.te || entry.kind === fieldKinds.cookie) continue
    lines += `${entry.name}: ${entry.value}\r\n`
  }
  const cookies = list.cookies()
  if (cookies !== undefined) lines += `cookie: ${cookies}\r\n`
  if (request.protocol !== '') lines += upgradeLines(request)
  if (list.contentLength < 0) {
    if (request.hasBody) lines += 'transfer-encoding: chunked\r\n'
    else if (withContent.includes(request.method)) lines += 'content-length: 0\r\n'
  }
  lines += '\r\n'
  if (request.bytes.length < lines.length) request.bytes = Buffer.allocUnsafeSlow(Math.max(lines.length, 2048))
  request.length = request.bytes.write(lines, 0, 'latin1')
}

function upgradeLines({ protocol, webSocketKey }: OutgoingRequest): string {
  const key = webSocketKey === '' ? '' : `sec-websocket-key: ${webSocketKey}\r\n`
  return `connection: upgrade\r\nupgrade: ${protocol}\r\n${key}`
}
