import type { HeaderList } from '../../codec/index.ts'
import type { HeaderEdits } from '../../model/index.ts'
import type { ProxyRuntime } from '../runtime.ts'
import { OutgoingRequest } from '../upstream/outgoing-request.ts'
import type { CompiledBackend } from './compiled-rule.ts'
import type { ExchangeClient } from './exchange-client.ts'
import type { ExchangeRecord } from './exchange-record.ts'
import type { Guard } from './guard.ts'
import type { IncomingRequest } from './incoming-request.ts'
import { countDown } from './max-forwards.ts'
import { Mirrors } from './mirror.ts'
import type { MirrorChoice } from './mirror.ts'
import { renderRequest } from './request-head.ts'
import type { Tries } from './tries.ts'
import { isByHttp2 } from './version-towards.ts'

const noEdits: readonly HeaderEdits[] = []

/** The exchange. */
export interface RequestPathOwner {
  readonly isEnded: boolean
  /** A safeguard allows no content of this length. */
  onRequestTooLong(maxBytes: number): void
}

/**
 * What a client's request passes on its way to an endpoint, after the plugins:
 * the safeguards of its rule, the edits of its head, the mirrors, the tries. Used
 * again for the next request.
 */
export class RequestPath {
  readonly outgoing: OutgoingRequest = new OutgoingRequest()
  hasBody = false
  /** All of it has come from the client. */
  isDone = false
  /** Only of rules with safeguards. */
  guard: Guard | undefined = undefined
  readonly #runtime: ProxyRuntime
  readonly #tries: Tries
  readonly #record: ExchangeRecord
  readonly #owner: RequestPathOwner
  #mirrors: Mirrors | undefined = undefined

  constructor(runtime: ProxyRuntime, tries: Tries, record: ExchangeRecord, owner: RequestPathOwner) {
    this.#runtime = runtime
    this.#tries = tries
    this.#record = record
    this.#owner = owner
  }

  reset(): void {
    this.guard = undefined
    this.outgoing.reset()
  }

  begin(hasBody: boolean): void {
    this.hasBody = hasBody
    this.isDone = !hasBody
  }

  /** Safeguards hold the request. */
  get isHeld(): boolean {
    return this.guard?.isHolding === true
  }

  /** Whether the client should stop sending for now. */
  get isBlocked(): boolean {
    return this.guard?.isHolding === true ? this.guard.run.isBlocked : this.#tries.isRequestBlocked
  }

  /** What the safeguards want of the answer's head. */
  get answerEdits(): readonly HeaderEdits[] {
    return this.guard?.run.answerEdits ?? noEdits
  }

  /** Renders the head for the backend, with all edits, into `outgoing`. */
  writeHead(client: ExchangeClient, request: IncomingRequest, backend: CompiledBackend, matchedPrefix: string): void {
    const target = backend.target?.backend
    const { grpcForm, rule } = this.#record
    this.outgoing.isHttp2 = isByHttp2(target, { isGrpcRule: rule?.isGrpc === true, grpcForm })
    renderRequest(
      {
        request,
        hasBody: this.hasBody,
        scheme: target?.tls === undefined ? 'http' : 'https',
        forwarded: client.forwarded,
        rewrite: backend.rewrite,
        matchedPrefix,
        edits: backend.requestEdits.with(this.guard?.run.requestEdits ?? noEdits).with(countDown(request)),
        fallbackHost: target?.service ?? '',
        ids: this.#runtime.requestIds,
      },
      this.#runtime.requestLists,
      this.outgoing,
    )
  }

  /** Draws the copies; once the head is as the endpoint gets it. */
  mirror(client: ExchangeClient, choice: MirrorChoice): void {
    this.#mirrors = Mirrors.sample(this.#runtime, client, choice, this.outgoing)
  }

  /** A piece of the body in the client's form. */
  body(bytes: Buffer, start: number, end: number): void {
    if (this.#owner.isEnded) return
    const { guard } = this
    if (guard !== undefined) {
      const isHeld = guard.isHolding
      const fits = guard.body(bytes, start, end)
      if (!fits && !this.#owner.isEnded) this.#owner.onRequestTooLong(guard.run.maxBodyBytes)
      if (isHeld || this.#owner.isEnded) return
    }
    this.pass(bytes, start, end)
  }

  /** @param trailers  of a request by HTTP/2; those of HTTP/1.1 are part of the body */
  end(trailers: HeaderList | undefined): void {
    if (this.guard?.isHolding === true) this.guard.end(trailers)
    else this.passEnd(trailers)
  }

  /** Past the safeguards. */
  pass(bytes: Buffer, start: number, end: number): void {
    this.#mirrors?.body(bytes, start, end)
    if (this.#tries.isActive) this.#tries.requestBody(bytes, start, end)
  }

  passEnd(trailers: HeaderList | undefined): void {
    this.#tries.requestEnd(trailers)
    this.complete()
  }

  /** Nothing more of it comes. */
  complete(): void {
    this.#mirrors?.send()
    this.#mirrors = undefined
  }

  /** Asks no safeguard any more. */
  cancel(): void {
    this.guard?.cancel()
  }

  close(): void {
    this.#mirrors = undefined
  }
}
