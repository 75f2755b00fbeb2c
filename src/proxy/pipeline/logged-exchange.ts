import type { AccessRecord, ReplyReason, TlsRecord } from '../../model/index.ts'
import type { ProxyRuntime } from '../runtime.ts'
import type { OutgoingRequest } from '../upstream/outgoing-request.ts'
import type { Answer } from './answer.ts'
import type { ExchangeClient } from './exchange-client.ts'
import type { ExchangeRecord } from './exchange-record.ts'
import type { Tries } from './tries.ts'

/** An exchange as the access log reads it: nothing is copied for that. */
export class LoggedExchange implements AccessRecord {
  durationMs = 0
  readonly #runtime: ProxyRuntime
  readonly #exchange: ExchangeRecord
  readonly #tries: Tries
  readonly #outgoing: OutgoingRequest
  #client: ExchangeClient | undefined = undefined
  #answer: Answer | undefined = undefined

  constructor(runtime: ProxyRuntime, exchange: ExchangeRecord, tries: Tries, outgoing: OutgoingRequest) {
    this.#runtime = runtime
    this.#exchange = exchange
    this.#tries = tries
    this.#outgoing = outgoing
  }

  /** Once it has ended. */
  of(client: ExchangeClient, answer: Answer, durationMs: number): this {
    this.#client = client
    this.#answer = answer
    this.durationMs = durationMs
    return this
  }

  get startMs(): number {
    return this.#exchange.startMs + this.#runtime.wallOffsetMs
  }

  get upstreamMs(): number {
    return this.#tries.firstByteMs
  }

  get method(): string {
    return this.#exchange.method
  }

  get authority(): string {
    return this.#exchange.rawHost ?? ''
  }

  get target(): string {
    return this.#exchange.target
  }

  get version(): number {
    return this.#exchange.version
  }

  get status(): number {
    return this.#answer === undefined ? -1 : this.#answer.status
  }

  get grpcStatus(): number {
    return this.#exchange.grpcStatus
  }

  get requestBytes(): number {
    return this.#exchange.requestBytes
  }

  get responseBytes(): number {
    return this.#answer === undefined ? -1 : this.#answer.bodyBytes
  }

  get client(): string {
    return this.#client === undefined ? '' : this.#client.client
  }

  get clientService(): string {
    return this.#client?.caller?.service ?? ''
  }

  get clientWorkload(): string {
    return this.#client?.caller?.workload ?? ''
  }

  get virtualHost(): string {
    return this.#exchange.rule?.virtualHost ?? ''
  }

  get route(): string {
    return this.#exchange.rule?.routeName ?? ''
  }

  get rule(): string {
    return this.#exchange.rule?.ruleName ?? ''
  }

  get backend(): string {
    return this.#exchange.backend?.name ?? ''
  }

  get endpoint(): string {
    return this.#tries.endpoint?.id ?? ''
  }

  get retries(): number {
    return this.#tries.retries
  }

  get requestId(): string {
    return this.#outgoing.requestId
  }

  get traceId(): string {
    return this.#outgoing.traceId
  }

  get userAgent(): string {
    return this.#exchange.userAgent
  }

  get reason(): ReplyReason | undefined {
    return this.#exchange.reason
  }

  get flags(): string {
    return this.#exchange.flags
  }

  get tls(): TlsRecord | undefined {
    return this.#client?.tls
  }

  get upstreamTls(): string {
    return this.#tries.endpoint === undefined ? '' : this.#tries.tlsVersion
  }
}
