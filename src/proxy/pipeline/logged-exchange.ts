import type { AccessRecord, ReplyReason, TlsRecord } from '../../model/index.ts'
import type { ProxyRuntime } from '../runtime.ts'
import type { OutgoingRequest } from '../upstream/outgoing-request.ts'
import type { ExchangeRecord } from './exchange-record.ts'
import type { Tries } from './tries.ts'

/** An exchange that has ended, as the access log reads it: nothing is copied for that. */
export class LoggedExchange implements AccessRecord {
  readonly #runtime: ProxyRuntime
  readonly #exchange: ExchangeRecord
  readonly #tries: Tries
  readonly #outgoing: OutgoingRequest

  constructor(runtime: ProxyRuntime, exchange: ExchangeRecord, tries: Tries, outgoing: OutgoingRequest) {
    this.#runtime = runtime
    this.#exchange = exchange
    this.#tries = tries
    this.#outgoing = outgoing
  }

  get startMs(): number {
    return this.#exchange.startMs + this.#runtime.wallOffsetMs
  }

  get durationMs(): number {
    return this.#exchange.durationMs
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
    return this.#exchange.status
  }

  get grpcStatus(): number {
    return this.#exchange.grpcStatus
  }

  get requestBytes(): number {
    return this.#exchange.requestBytes
  }

  get responseBytes(): number {
    return this.#exchange.responseBytes
  }

  get client(): string {
    return this.#exchange.client
  }

  get clientService(): string {
    return this.#exchange.caller?.service ?? ''
  }

  get clientWorkload(): string {
    return this.#exchange.caller?.workload ?? ''
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

  get requestIdBytes(): Uint8Array | undefined {
    return this.#outgoing.requestIdBytes
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
    return this.#exchange.tls
  }

  get upstreamTls(): string {
    return this.#tries.endpoint === undefined ? '' : this.#tries.tlsVersion
  }
}
