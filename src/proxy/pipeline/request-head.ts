import { fieldIds, framings } from '../../codec/index.ts'
import type { HeadParser } from '../../codec/index.ts'
import { bodyChanges } from '../upstream/outgoing-request.ts'
import type { OutgoingRequest } from '../upstream/outgoing-request.ts'
import { isIdempotent } from '../resilience/retry.ts'
import { dropAll } from './header-edits.ts'
import { copyKeptFields } from './head-writer.ts'
import { writeShort } from './latin1.ts'
import { writeRequestLines } from './request-lines.ts'
import { newTarget } from './request-input.ts'
import type { ForwardedFacts, RequestInput } from './request-input.ts'
import type { RequestLists } from './request-list.ts'
import { keptRequestId, traceIdOf } from './request-id.ts'
import type { RequestIds } from './request-id.ts'
import { newWebSocketKey } from './web-socket.ts'

/** Room for the request line's and our own additions beside the head as it came. */
const additionsBytes = 1024

/**
 * Renders the head for the endpoint, in the form of the endpoint's protocol:
 * the client's fields without hop-by-hop ones (RFC 9110 section 7.6.1), with the
 * rule's edits and ours. From HTTP/1.1 to HTTP/1.1 they are copied as bytes.
 */
export function renderRequest(input: RequestInput, lists: RequestLists, into: OutgoingRequest): void {
  const { request } = input
  into.hasBody = input.hasBody
  into.isRepeatable = isIdempotent(request.method)
  into.bodyChange = bodyChanges.none
  into.method = request.methodCode
  if (request.asksUpgrade) prepareUpgrade(input, into)
  if (into.isHttp2) {
    lists.render(input, into)
    if (request.framing === framings.chunked) into.bodyChange = bodyChanges.decode
  } else if (request.parser !== undefined) {
    writeRequestHead(request.parser, input, into)
  } else {
    lists.render(input, into)
    writeRequestLines(into)
    if (into.hasBody && into.list.contentLength < 0) into.bodyChange = bodyChanges.encode
  }
}

/** From HTTP/1.1 to HTTP/1.1 an upgrade is passed on as it is; else it becomes, or was, an extended CONNECT (RFC 8441). */
function prepareUpgrade({ request, hasBody }: RequestInput, into: OutgoingRequest): void {
  const { list } = request
  if (list !== undefined) {
    into.protocol = list.protocol?.value ?? ''
    into.hasBody = false
    if (into.protocol.toLowerCase() === 'websocket' && !into.isHttp2) into.webSocketKey = newWebSocketKey()
  } else if (into.isHttp2 && !hasBody && request.header('upgrade')?.toLowerCase() === 'websocket') {
    into.protocol = 'websocket'
    into.webSocketKey = request.header('sec-websocket-key') ?? ''
  }
}

function writeRequestHead(head: HeadParser, input: RequestInput, into: OutgoingRequest): void {
  const { bytes, start, rawHost, method, isTargetPlain } = input.request
  let lines = head.upgrade ? upgradeLines(head) : ''
  if (input.forwarded !== undefined) lines += forwardedLines(head, rawHost, input.forwarded)
  lines += requestIdLine(head, input.ids, into)
  into.traceId = traceId(head)
  if (!input.edits.isEmpty) lines += input.edits.apply(head)
  lines += hostLine(input)
  const target = isTargetPlain && input.rewrite?.path === undefined ? undefined : newTarget(input)
  const needed = head.length + lines.length + (target?.length ?? 0) + additionsBytes
  if (into.bytes.length < needed) into.bytes = Buffer.allocUnsafeSlow(Math.max(needed, 2048))
  const to = into.bytes
  let at: number
  if (target === undefined) at = bytes.copy(to, 0, start, start + head.targetEnd)
  else at = to.write(`${method} ${target}`, 0, 'latin1')
  at = writeShort(to, at, ' HTTP/1.1\r\n')
  at = copyKeptFields(to, at, head, bytes, start)
  into.length = at + to.write(`${lines}\r\n`, at, 'latin1')
}

/** `Upgrade` is hop-by-hop and passed on all the same: the endpoint decides whether it changes protocols. */
function upgradeLines(head: HeadParser): string {
  const at = head.find(fieldIds.upgrade)
  return at < 0 ? '' : `connection: upgrade\r\nupgrade: ${head.value(at)}\r\n`
}

function forwardedLines(head: HeadParser, rawHost: string | undefined, facts: ForwardedFacts): string {
  if (head.find(fieldIds.xForwardedProto) >= 0) dropAll(head, 'x-forwarded-proto')
  if (head.find(fieldIds.xForwardedHost) >= 0) dropAll(head, 'x-forwarded-host')
  if (head.find(fieldIds.xForwardedPort) >= 0) dropAll(head, 'x-forwarded-port')
  if (head.find(fieldIds.xForwardedClientCert) >= 0) dropAll(head, 'x-forwarded-client-cert')
  if (head.find(fieldIds.xForwardedFor) >= 0) return describeClient(facts, rawHost, takeForwardedFor(head))
  if (facts.lines === '' || facts.rawHost !== rawHost) {
    facts.rawHost = rawHost
    facts.lines = describeClient(facts, rawHost, '')
  }
  return facts.lines
}

/** Clients that came with the request, each with what parts it from the next. */
function takeForwardedFor(head: HeadParser): string {
  let clients = ''
  for (let at = 0; at < head.fieldCount; at++) {
    if (head.fieldIds[at] !== fieldIds.xForwardedFor) continue
    head.drop[at] = 1
    clients += `${head.value(at)}, `
  }
  return clients
}

function describeClient(
  { clientAddress, scheme, certificate }: ForwardedFacts,
  rawHost: string | undefined,
  clients: string,
): string {
  const host = rawHost === undefined ? '' : `x-forwarded-host: ${rawHost}\r\n`
  const shown = certificate === '' ? '' : `x-forwarded-client-cert: ${certificate}\r\n`
  return `x-forwarded-for: ${clients}${clientAddress}\r\nx-forwarded-proto: ${scheme}\r\n${host}${shown}`
}

function requestIdLine(head: HeadParser, ids: RequestIds, into: OutgoingRequest): string {
  const at = head.find(fieldIds.xRequestId)
  if (at >= 0) {
    const id = head.value(at)
    if (keptRequestId(id)) {
      into.requestId = id
      return ''
    }
    dropAll(head, 'x-request-id')
  }
  if (into.requestId === '') into.requestId = ids.next()
  return `x-request-id: ${into.requestId}\r\n`
}

function traceId(head: HeadParser): string {
  const at = head.find(fieldIds.traceparent)
  return at < 0 ? '' : traceIdOf(head.value(at))
}

/** An HTTP/1.0 request may come without Host, an HTTP/1.1 request may not leave without one (RFC 9112 section 3.2). */
function hostLine(input: RequestInput): string {
  return input.request.rawHost === undefined && !input.edits.setsHost ? `host: ${input.fallbackHost}\r\n` : ''
}
