import { fieldIds, targetForms } from '../../codec/index.ts'
import type { HeadParser } from '../../codec/index.ts'
import type { RewriteFilter } from './compiled-rule.ts'
import { rewritePath } from '../routing/rewrite-path.ts'
import { dropAll } from './header-edits.ts'
import type { EditPlan } from './header-edits.ts'
import { copyKeptFields } from './head-writer.ts'
import { writeShort } from './latin1.ts'
import type { RequestIds } from './request-id.ts'

/** Room for the request line's and our own additions beside the head as it came. */
const additionsBytes = 1024

/** What is told about the client; the lines for a request without such fields of its own are kept for the next one. */
export interface ForwardedFacts {
  readonly clientAddress: string
  readonly scheme: string
  /** Value of `x-forwarded-client-cert`; empty without a certificate. */
  readonly certificate: string
  rawHost: string | undefined
  lines: string
}

export interface RequestHeadInput {
  readonly head: HeadParser
  readonly bytes: Buffer
  readonly start: number
  readonly method: string
  /** Path in the form that was matched. */
  readonly path: string
  /** With its question mark, or empty. */
  readonly search: string
  /** Whether the target can be passed on as it came. */
  readonly isTargetPlain: boolean
  /** `Host` as received, undefined in HTTP/1.0 requests without one. */
  readonly rawHost: string | undefined
  /** At the edge we tell who the client was; inside the mesh we pass on what the caller said. */
  readonly forwarded: ForwardedFacts | undefined
  readonly rewrite: RewriteFilter | undefined
  readonly matchedPrefix: string
  readonly edits: EditPlan
  readonly fallbackHost: string
  readonly ids: RequestIds
}

export interface RequestHeadOutput {
  bytes: Buffer
  length: number
  requestId: string
  traceId: string
}

/**
 * Writes the head for the endpoint: the client's fields as they came, without
 * hop-by-hop ones (RFC 9110 section 7.6.1), with the rule's edits and ours.
 * @param into reused when it is large enough
 */
export function writeRequestHead(input: RequestHeadInput, into: RequestHeadOutput): void {
  const { head, bytes, start } = input
  let lines = head.upgrade ? upgradeLines(head) : ''
  if (input.forwarded !== undefined) lines += forwardedLines(input, input.forwarded)
  lines += requestIdLine(head, input.ids, into)
  into.traceId = traceId(head)
  if (!input.edits.isEmpty) lines += input.edits.apply(head)
  lines += hostLine(input)
  const target = input.isTargetPlain && input.rewrite?.path === undefined ? undefined : newTarget(input)
  const needed = head.length + lines.length + (target?.length ?? 0) + additionsBytes
  if (into.bytes.length < needed) into.bytes = Buffer.allocUnsafeSlow(Math.max(needed, 2048))
  const to = into.bytes
  let at: number
  if (target === undefined) at = bytes.copy(to, 0, start, start + head.targetEnd)
  else at = to.write(`${input.method} ${target}`, 0, 'latin1')
  at = writeShort(to, at, ' HTTP/1.1\r\n')
  at = copyKeptFields(to, at, head, bytes, start)
  into.length = at + to.write(`${lines}\r\n`, at, 'latin1')
}

function newTarget(input: RequestHeadInput): string {
  if (input.head.targetForm === targetForms.asterisk) return '*'
  const path =
    input.rewrite?.path === undefined ? input.path : rewritePath(input.path, input.matchedPrefix, input.rewrite.path)
  return path + input.search
}

/** `Upgrade` is hop-by-hop and passed on all the same: the endpoint decides whether it changes protocols. */
function upgradeLines(head: HeadParser): string {
  const at = head.find(fieldIds.upgrade)
  return at < 0 ? '' : `connection: upgrade\r\nupgrade: ${head.value(at)}\r\n`
}

function forwardedLines(input: RequestHeadInput, facts: ForwardedFacts): string {
  const { head, rawHost } = input
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

/** Ids that came are kept, if they are of a sane length; others are made. */
function requestIdLine(head: HeadParser, ids: RequestIds, into: RequestHeadOutput): string {
  const at = head.find(fieldIds.xRequestId)
  if (at >= 0) {
    const id = head.value(at)
    if (id.length > 0 && id.length <= 128) {
      into.requestId = id
      return ''
    }
    dropAll(head, 'x-request-id')
  }
  into.requestId = ids.next()
  return `x-request-id: ${into.requestId}\r\n`
}

/** The trace id of `traceparent` (W3C Trace Context, section 3.2), empty when there is none. */
function traceId(head: HeadParser): string {
  const at = head.find(fieldIds.traceparent)
  if (at < 0) return ''
  return /^[0-9a-f]{2}-([0-9a-f]{32})-/.exec(head.value(at))?.[1] ?? ''
}

/** An HTTP/1.0 request may come without Host, an HTTP/1.1 request may not leave without one (RFC 9112 section 3.2). */
function hostLine(input: RequestHeadInput): string {
  return input.rawHost === undefined && !input.edits.setsHost ? `host: ${input.fallbackHost}\r\n` : ''
}
