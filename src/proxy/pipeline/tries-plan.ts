import type { HeaderList } from '../../codec/index.ts'
import type { ReplyReason, RetryPolicy } from '../../model/index.ts'
import type { ClientAccess } from '../access/access-gate.ts'
import type { EndpointState } from '../balancing/endpoint-state.ts'
import type { Connection } from '../transport/connection.ts'
import type { AnswerHead } from '../upstream/answer-head.ts'
import type { BackendRuntime } from '../upstream/backend-runtime.ts'
import type { OutgoingRequest } from '../upstream/outgoing-request.ts'

/** What an exchange hears of its tries. */
export interface TriesListener {
  /** A final answer that is to be passed on. */
  onAnswerHead(head: AnswerHead): void
  /** In the form of the head. */
  onAnswerBody(bytes: Buffer, start: number, end: number): void
  /** @param trailers  of an answer by HTTP/2; those of HTTP/1.1 are part of the body */
  onAnswerEnd(trailers: HeaderList | undefined): void
  /** The answer broke off after its head was passed on. */
  onAnswerBroken(detail: string): void
  onInterim(head: AnswerHead): void
  /** 101: `connection` is the listener's, and `bytes[start, end)` are what came behind the head. */
  onUpgraded(head: AnswerHead, connection: Connection, bytes: Buffer, start: number, end: number): void
  /** No try led to an answer. */
  onTriesFailed(reason: ReplyReason, detail: string): void
  /** The upstream takes bytes again, or for the first time. */
  onRequestWritable(): void
}

export interface TriesPlan {
  /** Whose request it is to policies; undefined where none are enforced. */
  readonly access: ClientAccess | undefined
  readonly backend: BackendRuntime
  readonly methodName: string
  readonly request: OutgoingRequest
  readonly retry: RetryPolicy | undefined
  /** The answers have a gRPC status, and the endpoint is told what is left of the time. */
  readonly isGrpc: boolean
  /** When the request's own time is over, in the clock's milliseconds; Infinity for never. */
  readonly deadlineMs: number
  /** 0 is no limit. */
  readonly tryTimeoutMs: number
  /** For consistent hashing; -1 for none. */
  readonly hash: number
  /** Session persistence: tried first if it may be used. */
  readonly preferred: EndpointState | undefined
}
