import { grpcForms, grpcStatuses, grpcStatusOfHttp, methodCodes } from '../../codec/index.ts'
import { localReplies } from '../../model/index.ts'
import type { Caller, ReplyReason, TlsRecord } from '../../model/index.ts'
import type { ProxyRuntime } from '../runtime.ts'
import type { Answer } from './answer.ts'
import type { CompiledBackend, CompiledRule, RouteSeries } from './compiled-rule.ts'
import type { ExchangeClient } from './exchange-client.ts'
import { grpcFormOfRequest, noGrpcStatus } from './grpc-call.ts'
import type { IncomingRequest } from './incoming-request.ts'
import type { LocalReply } from './local-reply-text.ts'
import type { Tries } from './tries.ts'

/** What an exchange was about, for the access log and the metrics; used again for the next one. */
export class ExchangeRecord {
  startMs = 0
  /** From `methodCodes`; 0 for an unusual one, or none. */
  methodCode = 0
  method = ''
  target = ''
  rawHost: string | undefined = undefined
  /** 10, 11 or 20. */
  version = 11
  userAgent = ''
  /** From `grpcForms`. */
  grpcForm: number = grpcForms.none
  /** Of the call; `noGrpcStatus` before it is known, and of what is no call. */
  grpcStatus: number = noGrpcStatus
  requestBytes = 0
  /** Why we answered ourselves. */
  reason: ReplyReason | undefined = undefined
  /** Envoy's response flags. */
  flags = '-'
  rule: CompiledRule | undefined = undefined
  backend: CompiledBackend | undefined = undefined
  // What the client's side knew at the end; it may serve another request by the time that this one is counted.
  durationMs = 0
  status = 0
  responseBytes = 0
  client = ''
  caller: Caller | undefined = undefined
  tls: TlsRecord | undefined = undefined
  #series: RouteSeries | undefined = undefined
  readonly #runtime: ProxyRuntime
  readonly #tries: Tries

  constructor(runtime: ProxyRuntime, tries: Tries) {
    this.#runtime = runtime
    this.#tries = tries
  }

  begin(): void {
    this.startMs = this.#runtime.turnMs
    this.rule = undefined
    this.backend = undefined
    this.requestBytes = 0
    this.grpcForm = grpcForms.none
    this.grpcStatus = noGrpcStatus
    this.reason = undefined
    this.flags = '-'
  }

  get isGrpc(): boolean {
    return this.grpcForm !== grpcForms.none
  }

  /** What the policy of its backend says; undefined for nothing. */
  get streamIdleMs(): number | undefined {
    return this.backend?.target?.backend?.settings.streamIdleTimeoutMs
  }

  take(request: IncomingRequest): void {
    this.methodCode = request.methodCode
    this.method = request.method
    this.target = request.target
    this.rawHost = request.rawHost
    this.version = request.version
    this.userAgent = request.userAgent
    this.grpcForm = grpcFormOfRequest(request)
  }

  /** Of a head that can't be read. */
  takeUnreadable(version: number): void {
    this.methodCode = 0
    this.method = ''
    this.target = ''
    this.rawHost = undefined
    this.version = version
    this.userAgent = ''
  }

  /** An answer of our own takes the place of the endpoint's: notes and counts it, and says what it consists of. */
  answerOurselves(
    reason: ReplyReason,
    status: number,
    { detail, lines, body }: Pick<LocalReply, 'detail' | 'lines' | 'body'>,
  ): LocalReply {
    this.reason = reason
    this.flags = localReplies[reason].flag
    if (this.isGrpc && this.grpcStatus === noGrpcStatus) {
      const wasCancelled = reason === 'upstream-reset' && this.#tries.wasCancelled
      this.grpcStatus = wasCancelled ? grpcStatuses.cancelled : grpcStatusOfHttp(status)
    }
    const labels = { virtual_host: this.rule?.virtualHost ?? '', reason }
    this.#runtime.meter.counter('heddle_local_replies_total', labels).value++
    return {
      status,
      reason,
      detail,
      lines,
      body,
      isHead: this.methodCode === methodCodes.HEAD,
      grpcForm: this.grpcForm,
      grpcStatus: this.grpcStatus === noGrpcStatus ? undefined : this.grpcStatus,
      wallMs: this.startMs + this.#runtime.wallOffsetMs,
    }
  }

  /** An answer that was begun is broken off; `flags` say why. */
  breakCall(): void {
    if (!this.isGrpc) return
    if (this.flags === 'UT') this.grpcStatus = grpcStatuses['deadline-exceeded']
    else if (this.flags === 'DPE') this.grpcStatus = grpcStatuses.internal
    else this.grpcStatus = this.#tries.wasCancelled ? grpcStatuses.cancelled : grpcStatuses.unavailable
  }

  /** The exchange is over. */
  end(client: ExchangeClient, answer: Answer): void {
    this.durationMs = this.#runtime.turnMs - this.startMs
    this.status = answer.status
    this.responseBytes = answer.bodyBytes
    this.client = client.client
    this.caller = client.caller
    this.tls = client.tls
    this.#series = this.backend?.series ?? this.rule?.series ?? client.listener.series
    // An answer that was passed on has the endpoint's status.
    if (this.isGrpc && this.grpcStatus === noGrpcStatus) this.grpcStatus = this.#tries.grpcStatus
  }

  /** In the metrics. */
  count(): void {
    const { caller, status } = this
    this.#series?.record(status, this.durationMs / 1000, this.requestBytes, this.responseBytes)
    // Of whom nobody knows who he is there is no pair of Services.
    if (caller !== undefined && caller.workload !== '') this.backend?.callers.record(caller, status)
    if (this.isGrpc && this.grpcStatus !== noGrpcStatus) this.#series?.recordCall(this.grpcStatus)
  }
}
