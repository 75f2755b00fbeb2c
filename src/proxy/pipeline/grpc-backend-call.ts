import {
  decodeGrpcMessage,
  entryOf,
  formatGrpcTimeout,
  frameGrpcMessage,
  grpcEvents,
  grpcFlags,
  grpcFormOf,
  grpcForms,
  GrpcFrameScanner,
  grpcStatuses,
  grpcStatusOfHttp,
  httpStatusOfGrpc,
  nameOf,
  parseGrpcStatus,
} from '../../codec/index.ts'
import type { HeaderList } from '../../codec/index.ts'
import { Outcome } from '../../model/index.ts'
import type { HeaderValue } from '../../model/index.ts'
import { WheelTimer } from '../resilience/timer-wheel.ts'
import type { ProxyRuntime } from '../runtime.ts'
import type { AnswerHead } from '../upstream/answer-head.ts'
import type { BackendRuntime } from '../upstream/backend-runtime.ts'
import { OutgoingRequest } from '../upstream/outgoing-request.ts'
import type { UpstreamStream } from '../upstream/upstream-stream.ts'
import { BackendCall } from './backend-call.ts'

export interface GrpcCallOptions {
  readonly backend: string
  /** `/package.Service/Method` */
  readonly path: string
  readonly authority: string
  /** Lower case names; none of those that the call itself needs. */
  readonly metadata: readonly HeaderValue[]
  /** 0: none. */
  readonly timeoutMs: number
}

/** What becomes of a call, in this order; `onClose` is the last, and comes once. Nothing comes before the call has returned. */
export interface GrpcCallObserver {
  onInitialMetadata(metadata: readonly HeaderValue[]): void
  onMessage(message: Uint8Array): void
  onTrailingMetadata(metadata: readonly HeaderValue[]): void
  onClose(status: number, message: string): void
}

export interface OpenGrpcCall {
  send(message: Uint8Array): void
  /** No more messages follow. */
  end(): void
  /** The observer hears nothing more. */
  cancel(): void
}

/** What is sent and not taken yet may be so long; a sender that goes on is stopped. */
export const maxWaitingGrpcBytes: number = 4 * 1024 * 1024

const noMetadata: readonly HeaderValue[] = []

/** One call of gRPC that begins here, of whichever form: messages go both ways until its status is known. */
export class GrpcBackendCall extends BackendCall implements OpenGrpcCall {
  readonly #options: GrpcCallOptions
  readonly #observer: GrpcCallObserver
  readonly #timer: WheelTimer
  readonly #scanner = new GrpcFrameScanner()
  #message: Buffer[] = []
  /** Before there is a connection. */
  #early: Buffer[] = []
  #earlyBytes = 0
  #isEnded = false
  #isAnswered = false
  #httpStatus = 0

  constructor(runtime: ProxyRuntime, backend: BackendRuntime, options: GrpcCallOptions, observer: GrpcCallObserver) {
    super(runtime, backend)
    this.#options = options
    this.#observer = observer
    this.#timer = new WheelTimer(() => this.#timedOut())
    if (options.timeoutMs > 0) runtime.timers.add(this.#timer, options.timeoutMs)
  }

  protected render(): OutgoingRequest {
    const { path, authority, metadata, timeoutMs } = this.#options
    const scheme = this.backend.backend?.tls === undefined ? 'http' : 'https'
    const request = new OutgoingRequest()
    request.isHttp2 = true
    request.hasBody = true
    const fields: readonly (readonly [string, string])[] = [
      [':method', 'POST'],
      [':scheme', scheme],
      [':authority', authority],
      [':path', path],
      ['te', 'trailers'],
      ['content-type', 'application/grpc'],
      ...(timeoutMs > 0 ? ([['grpc-timeout', formatGrpcTimeout(timeoutMs)]] as const) : []),
      ...metadata.map(({ name, value }) => [name, value] as const),
    ]
    for (const [name, value] of fields) request.list.add(entryOf(nameOf(name), value))
    return request
  }

  protected begun(upstream: UpstreamStream): void {
    const early = this.#early
    this.#early = []
    for (const frame of early) upstream.sendBody(frame, 0, frame.length)
    if (this.#isEnded) upstream.sendEnd(undefined)
  }

  send(message: Uint8Array): void {
    if (this.isOver || this.#isEnded) return
    const frame = frameGrpcMessage(message)
    const upstream = this.#sender()
    if (upstream?.isBlocked !== true) this.#earlyBytes = 0
    this.#earlyBytes += frame.length
    if (this.#earlyBytes > maxWaitingGrpcBytes) {
      this.#stop(grpcStatuses['resource-exhausted'], 'messages are sent faster than the endpoint takes them')
      return
    }
    if (upstream === undefined) this.#early.push(frame)
    else upstream.sendBody(frame, 0, frame.length)
    this.runtime.out.flush()
  }

  end(): void {
    if (this.isOver || this.#isEnded) return
    this.#isEnded = true
    this.#sender()?.sendEnd(undefined)
    this.runtime.out.flush()
  }

  /** Undefined until the head is sent. */
  #sender(): UpstreamStream | undefined {
    return this.upstream === undefined || this.upstream.isConnecting ? undefined : this.upstream
  }

  onResponseHead(_upstream: UpstreamStream, head: AnswerHead): void {
    this.#httpStatus = head.status
    const fields = fieldsOf(head.list)
    const type = fields.find(({ name }) => name === 'content-type')?.value
    if (head.status !== 200 || grpcFormOf(type) !== grpcForms.grpc) {
      const code = head.status === 200 ? grpcStatuses.unknown : grpcStatusOfHttp(head.status)
      this.#stop(code, `the endpoint answered ${head.status} with ${type ?? 'no content-type'}`)
      return
    }
    // A call that fails at once has its status in the head, which is all of its answer.
    if (fields.some(({ name }) => name === 'grpc-status')) {
      this.#isAnswered = true
      this.#closeWith(fields)
      return
    }
    this.#isAnswered = true
    this.#observer.onInitialMetadata(fields)
  }

  onResponseBody(_upstream: UpstreamStream, bytes: Buffer, start: number, end: number): void {
    const scanner = this.#scanner
    for (let event = scanner.next(bytes, start, end); ; event = scanner.next(bytes, scanner.at, end)) {
      if (this.isOver || event === grpcEvents.more) return
      if (event === grpcEvents.data) {
        this.#message.push(Buffer.from(bytes.subarray(scanner.from, scanner.to)))
        continue
      }
      if (event === grpcEvents.invalid || (scanner.flags & grpcFlags.compressed) !== 0) {
        this.#stop(grpcStatuses.internal, 'the endpoint sent a message that is compressed, too large or malformed')
        return
      }
      const message = Buffer.concat(this.#message)
      this.#message = []
      this.#observer.onMessage(message)
    }
  }

  onResponseEnd(_upstream: UpstreamStream, trailers: HeaderList | undefined): void {
    if (this.isOver) return
    this.#closeWith(fieldsOf(trailers))
  }

  #closeWith(fields: readonly HeaderValue[]): void {
    const status = fields.find(({ name }) => name === 'grpc-status')?.value
    const code = status === undefined ? grpcStatuses.unknown : parseGrpcStatus(status)
    const text = fields.find(({ name }) => name === 'grpc-message')?.value ?? ''
    const isFailure = httpStatusOfGrpc(code) >= 500
    this.#release(isFailure ? Outcome.failure5xx : Outcome.success)
    this.#observer.onTrailingMetadata(fields)
    this.#observer.onClose(code, status === undefined ? 'the endpoint told no status' : decodeGrpcMessage(text))
  }

  protected failed(detail: string): void {
    this.runtime.timers.cancel(this.#timer)
    this.#observer.onClose(grpcStatuses.unavailable, detail)
  }

  override cancel(): void {
    this.runtime.timers.cancel(this.#timer)
    super.cancel()
  }

  #timedOut(): void {
    this.runtime.tick()
    if (this.isOver) return
    this.#stop(grpcStatuses['deadline-exceeded'], `no status within ${this.#options.timeoutMs} ms`)
    this.runtime.out.flush()
  }

  /** Ends the call from here. */
  #stop(code: number, message: string): void {
    if (this.isOver) return
    this.cancel()
    if (this.#isAnswered) this.#observer.onTrailingMetadata(noMetadata)
    this.#observer.onClose(code, message)
  }

  #release(outcome: Outcome): void {
    this.runtime.timers.cancel(this.#timer)
    this.leave(outcome, { isJudged: this.#httpStatus !== 0 })
  }
}

function fieldsOf(list: HeaderList | undefined): readonly HeaderValue[] {
  if (list === undefined) return noMetadata
  return list.entries
    .slice(0, list.length)
    .filter(({ name }) => !name.startsWith(':'))
    .map(({ name, value }) => ({ name, value }))
}
