import { nodeHttp } from '../core/index.ts'
import { localReplies } from '../model/index.ts'
import type { ReplyReason } from '../model/index.ts'
import { khParts } from './generated/http.ts'
import type { KhBackend } from './generated/http.ts'

/** Why an exchange ended without the whole of the endpoint's answer. */
export type EndReason = 'upstream-reset' | 'upstream-timeout' | 'upstream-protocol-error' | 'client-gone'

/** What the client got, as far as it is known. */
export interface ClientAnswer {
  /** 0 where no head of a final response was passed on. */
  readonly status: number
  readonly bodyBytes: number
  /** Until its first byte came, from the request's on; -1 where none did. */
  readonly upstreamMs: number
  /** Undefined for a whole one, which the agent has carried. */
  readonly end: EndReason | undefined
}

/** A request that began in the kernel, and whose end programs did not count. Told in the words of the proxy for the same end. */
export interface EndedRequest extends Omit<ClientAnswer, 'end'> {
  /** Where it is counted. */
  readonly count: number
  /** `127.0.0.1:51034`; empty where it was not accepted yet, or is not known any more. */
  readonly client: string
  /** Cgroup of its program. */
  readonly caller: bigint
  readonly requestBytes: number
  /** From the request's first byte on. */
  readonly tookMs: number
  /** Why it was answered by the agent. */
  readonly reason: ReplyReason | undefined
  /** Envoy's response flags. */
  readonly flags: string
  /** So much of the request as was kept, from its first byte on. */
  readonly kept: Uint8Array
}

/** A client that went away before it had a status, as the proxy notes it. */
const clientGoneStatus = 499

export function endedRequest(
  entry: KhBackend,
  { status, bodyBytes, upstreamMs, end }: ClientAnswer,
  { client, kept }: Pick<EndedRequest, 'client' | 'kept'>,
): EndedRequest {
  const whyUnanswered = status > 0 || end === 'client-gone' ? undefined : end
  const own = kept.subarray(0, entry.kept)
  return {
    count: entry.count,
    client,
    caller: entry.caller,
    kept: own,
    status: status || (whyUnanswered === undefined ? clientGoneStatus : localReplies[whyUnanswered].status),
    requestBytes: sentBytes(entry, own),
    bodyBytes,
    upstreamMs,
    tookMs: elapsedMs(entry),
    reason: whyUnanswered,
    flags: flagsOf(end, status > 0),
  }
}

/** What the client has of a response that programs passed on; undefined for one that they have counted. */
export function passedAnswer(entry: KhBackend, end: EndReason): ClientAnswer | undefined {
  if ((entry.parts & khParts.KH_RESPONSE_ENDED) !== 0 || entry.owner === 0n) return undefined
  const { sent, status, responseBytes, left, waitedUs } = entry
  // Without a status it was an interim response that was sent.
  if (sent === 0 || status === 0) return { status: 0, bodyBytes: 0, upstreamMs: -1, end }
  return { status, bodyBytes: responseBytes - left, upstreamMs: waitedUs / 1000, end }
}

export function elapsedMs({ startedNs }: Pick<KhBackend, 'startedNs'>): number {
  return Number(process.hrtime.bigint() - startedNs) / 1e6
}

/** Of the request's body: as much as was sent, or all of it where that is not known. */
function sentBytes({ parts, requestBytes, promised, promisedBefore }: KhBackend, kept: Uint8Array): number {
  const headEnd = Buffer.from(kept.buffer, kept.byteOffset, kept.byteLength).indexOf('\r\n\r\n')
  if ((parts & khParts.KH_REQUEST_ENDED) !== 0 || headEnd === -1) return requestBytes
  return ((promised - promisedBefore) >>> 0) - (headEnd + 4)
}

/** An answer that has begun is broken off by whatever its endpoint does wrong, but for time. */
function flagsOf(end: EndReason | undefined, hasBegun: boolean): string {
  if (end === undefined) return '-'
  if (end === 'client-gone') return 'DC'
  return localReplies[hasBegun && end !== 'upstream-timeout' ? 'upstream-reset' : end].flag
}

/** What a client gets instead of an answer; nothing can follow it. */
export function replyText(reason: Exclude<EndReason, 'client-gone'>): string {
  const { status } = localReplies[reason]
  const first = `HTTP/1.1 ${status} ${nodeHttp.STATUS_CODES[status] ?? 'Unknown'}`
  return `${first}\r\nx-heddle-reason: ${reason}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`
}
