import { grpcStatuses, HeaderMap } from '../../codec/index.ts'
import { bufferTypes, mapTypes, streamTypes } from './abi.ts'
import type { Access } from './context.ts'
import type { DataBuffer } from './data-buffer.ts'
import { MessageFlow } from './message-flow.ts'
import type { FlowStream } from './message-flow.ts'
import type { HttpStreamHost, LocalResponse, MessageSink } from './ports.ts'
import { requestProperty, responseProperty } from './properties.ts'
import type { PropertyValue } from './property-value.ts'
import { StreamBase } from './stream-base.ts'
import type { StreamOwner } from './stream-owner.ts'
import type { GuestFunction } from '../engine/engine.ts'
import type { PluginVm } from './vm.ts'

/**
 * One exchange of HTTP on its way through a plugin. The proxy hands over the
 * request and the response as they come, and calls `close` when the exchange is
 * over; what goes on, or is answered instead, comes back by the host.
 */
export class HttpStream extends StreamBase implements FlowStream {
  readonly kind = 'http'
  readonly #host: HttpStreamHost
  readonly #request: MessageFlow
  readonly #response: MessageFlow
  #answer: LocalResponse | undefined = undefined
  #isAnswered = false
  #wantsReset = false
  #resumesRequest = false
  #resumesResponse = false

  constructor(owner: StreamOwner, host: HttpStreamHost) {
    super(owner, host)
    this.#host = host
    this.#request = new MessageFlow(this, 'request', host)
    this.#response = new MessageFlow(this, 'response', host)
  }

  /** Takes the request. */
  get request(): MessageSink & { readonly isBlocked: boolean } {
    return this.#request
  }

  /** Takes the response. */
  get response(): MessageSink & { readonly isBlocked: boolean } {
    return this.#response
  }

  // For its messages

  get flowVm(): PluginVm | undefined {
    return this.vm
  }

  get isDecided(): boolean {
    return this.#answer !== undefined || this.#isAnswered || this.#wantsReset
  }

  run(callback: GuestFunction | undefined, a: number, b: number): number | undefined {
    return this.called(this.vm?.call(callback, this, 0, a, b))
  }

  onTooLarge(flow: MessageFlow): void {
    const isRequest = flow === this.#request
    this.#conclude(isRequest ? failure(413, 'request_payload_too_large') : failure(500, 'response_payload_too_large'))
  }

  // What the plugin does

  map(type: number): HeaderMap | undefined {
    if (type > mapTypes.httpResponseTrailers) return this.vm?.root.map(type)
    if (this.mapAccess(type) === 'none') return undefined
    switch (type) {
      case mapTypes.httpRequestHeaders:
        return this.#request.seenHeaders
      case mapTypes.httpRequestTrailers:
        return this.#request.visibleTrailers
      case mapTypes.httpResponseHeaders:
        return this.#response.seenHeaders
      default:
        return this.#response.visibleTrailers
    }
  }

  mapAccess(type: number): Access {
    if (this.isLogging) return type === mapTypes.httpRequestTrailers ? 'none' : 'read'
    switch (type) {
      case mapTypes.httpRequestHeaders:
        return this.#request.headersAccess
      case mapTypes.httpRequestTrailers:
        return this.#request.trailersAccess
      case mapTypes.httpResponseHeaders:
        return this.#response.headersAccess
      case mapTypes.httpResponseTrailers:
        return this.#response.trailersAccess
      default:
        return this.vm?.root.mapAccess(type) ?? 'none'
    }
  }

  buffer(type: number): DataBuffer | undefined {
    if (type === bufferTypes.httpRequestBody) return this.#request.buffer
    if (type === bufferTypes.httpResponseBody) return this.#response.buffer
    return this.vm?.root.buffer(type)
  }

  continueStream(type: number): boolean {
    if (type === streamTypes.httpRequest) this.#resumesRequest = true
    else if (type === streamTypes.httpResponse) this.#resumesResponse = true
    else return false
    this.vm?.touch(this)
    return true
  }

  closeStream(type: number): boolean {
    if (type > streamTypes.httpResponse) return false
    this.#wantsReset = true
    this.vm?.touch(this)
    return true
  }

  respond(response: LocalResponse): boolean {
    if (this.isDecided) return false
    // What has begun can't be answered otherwise any more; the rest of it is not what the plugin wants the client to see.
    if (this.#response.isPartlyPassed) this.#wantsReset = true
    else if (this.#response.hasPassedHeaders) return false
    else this.#answer = response
    this.vm?.touch(this)
    return true
  }

  clearRouteCache(): void {
    this.#host.clearRouteCache()
  }

  protected messageProperty(path: readonly string[]): PropertyValue | undefined {
    if (path[0] === 'request') return requestProperty(this.#request, path)
    if (path[0] === 'response') return responseProperty(this.#response, path)
    return undefined
  }

  // What becomes of it after the callback

  settle(): void {
    this.settleEnd()
    if (this.#isAnswered) return
    if (this.#wantsReset) return this.#reset()
    if (this.#answer !== undefined) return this.#sendAnswer(this.#answer)
    const { vm } = this
    if (this.#resumesRequest) {
      this.#resumesRequest = false
      this.#request.resume()
    }
    if (this.#resumesResponse) {
      this.#resumesResponse = false
      this.#response.resume()
    }
    vm?.settle()
  }

  /** The plugin's own callbacks for responses may change its answer. */
  #sendAnswer(answer: LocalResponse): void {
    this.#isAnswered = true
    this.#request.drop()
    const { vm } = this
    if (vm === undefined || this.#response.seenHeaders !== undefined) {
      this.#conclude(answer)
      return
    }
    const headers = HeaderMap.of([[':status', String(answer.status)], ...answer.headers])
    const body = this.#response.answer(vm, headers, answer.body)
    const status = Number(headers.get(':status'))
    const sent = new HeaderMap()
    for (const [name, value] of headers) if (!name.startsWith(':')) sent.append(name, value)
    const isStatus = Number.isInteger(status) && status >= 200 && status <= 599
    this.#conclude({ ...answer, status: isStatus ? status : answer.status, headers: sent, body })
    vm.settle()
  }

  /** Answers, or resets what is answered in part already; nothing goes on after it. */
  #conclude(answer: LocalResponse): void {
    const hasBegun = this.#response.hasPassedHeaders && !this.#isAnswered
    this.#isAnswered = true
    this.#request.drop()
    this.#response.drop()
    this.stopEvents()
    if (hasBegun) this.#host.reset()
    else this.#host.respond(answer)
  }

  #reset(): void {
    this.#isAnswered = true
    this.#request.drop()
    this.#response.drop()
    this.stopEvents()
    this.#host.reset()
  }

  // What becomes of it when the plugin fails

  protected get isHeld(): boolean {
    return this.#request.isHeld || this.#response.isHeld || this.#answer !== undefined || this.#wantsReset
  }

  protected get isPartlyPassed(): boolean {
    return this.#request.isPartlyPassed
  }

  protected passAll(): void {
    if (this.#isAnswered) return
    this.#answer = undefined
    this.#wantsReset = false
    this.#request.passAll()
    this.#response.passAll()
  }

  protected refuse(): void {
    if (!this.#isAnswered) this.#conclude(failure(503, 'wasm_fail_stream'))
  }
}

/** What Envoy answers for a plugin that failed. */
function failure(status: number, details: string): LocalResponse {
  return { status, details, headers: new HeaderMap(), body: new Uint8Array(0), grpcStatus: grpcStatuses.unavailable }
}
