import { entryOf, framings, nameOf } from '../../codec/index.ts'
import type { HeaderList } from '../../codec/index.ts'
import { Outcome } from '../../model/index.ts'
import type { HeaderValue } from '../../model/index.ts'
import { maxAuthAnswerBytes } from '../filters/filter-exchange.ts'
import type { AuthCall, AuthCallOutcome, AuthTransport, PendingCall } from '../filters/filter-exchange.ts'
import type { ProxyRuntime } from '../runtime.ts'
import type { AnswerHead } from '../upstream/answer-head.ts'
import type { BackendRuntime } from '../upstream/backend-runtime.ts'
import { bodyChanges, OutgoingRequest } from '../upstream/outgoing-request.ts'
import type { UpstreamStream } from '../upstream/upstream-stream.ts'
import { BackendCall } from './backend-call.ts'
import { BodyChange } from './body-change.ts'
import { translateRequest } from './translate-request.ts'

/** Asks authorizers by the connections of their backends, as requests are sent to any other. */
export class Authorizers implements AuthTransport {
  readonly #runtime: ProxyRuntime
  readonly #backend: (key: string) => BackendRuntime

  /** @param backend  the long-lived runtime of a backend, made when first named */
  constructor(runtime: ProxyRuntime, backend: (key: string) => BackendRuntime) {
    this.#runtime = runtime
    this.#backend = backend
  }

  call(call: AuthCall, done: (outcome: AuthCallOutcome) => void): PendingCall {
    const question = new Question(this.#runtime, this.#backend(call.backend), call, done)
    // Never in the turn of the request: `done` may come only after this has returned.
    process.nextTick(() => question.start())
    return question
  }
}

/** One request to an authorizer. It is asked once: the limit of time is short, and another try would come too late. */
class Question extends BackendCall implements PendingCall {
  readonly #call: AuthCall
  readonly #done: (outcome: AuthCallOutcome) => void
  #status = 0
  #headers: HeaderValue[] = []
  #pieces: Buffer[] = []
  #length = 0
  #decoder: BodyChange | undefined = undefined

  constructor(
    runtime: ProxyRuntime,
    backend: BackendRuntime,
    call: AuthCall,
    done: (outcome: AuthCallOutcome) => void,
  ) {
    super(runtime, backend)
    this.#call = call
    this.#done = done
  }

  protected render(): OutgoingRequest {
    const { method, target, host, headers, body, protocol } = this.#call
    const grpc = protocol === 'grpc' ? 'content-type: application/grpc\r\nte: trailers\r\n' : ''
    const lines = headers.map(({ name, value }) => `${name}: ${value}\r\n`).join('')
    const length = body.length > 0 || !isBodiless(method) ? `content-length: ${body.length}\r\n` : ''
    const request = new OutgoingRequest()
    request.hasBody = body.length > 0
    request.bytes = Buffer.from(
      `${method} ${target} HTTP/1.1\r\nhost: ${host}\r\n${lines}${grpc}${length}\r\n`,
      'latin1',
    )
    request.length = request.bytes.length
    const backend = this.backend.backend
    if (backend?.protocol !== 'h2c' && protocol !== 'grpc') return request
    const { requestLists, headLimits } = this.runtime
    const scheme = backend?.tls === undefined ? 'http' : 'https'
    const translated = translateRequest(request, { lists: requestLists, limits: headLimits, scheme })
    // Ends at each hop, and gRPC wants it all the same (PROTOCOL-HTTP2.md).
    if (protocol === 'grpc' && !hasTe(translated.list)) translated.list.add(entryOf(nameOf('te'), 'trailers'))
    return translated
  }

  protected begun(upstream: UpstreamStream): void {
    if (this.#call.body.length === 0) return
    const body = Buffer.from(this.#call.body)
    upstream.sendBody(body, 0, body.length)
    upstream.sendEnd(undefined)
  }

  onResponseHead(_upstream: UpstreamStream, head: AnswerHead): void {
    this.#status = head.status
    const { parser, list } = head
    if (parser !== undefined) {
      for (let at = 0; at < parser.fieldCount; at++) {
        this.#headers.push({ name: parser.name(at).toLowerCase(), value: parser.value(at) })
      }
    }
    if (list !== undefined) this.#addFields(list)
    if (head.framing !== framings.chunked) return
    this.#decoder = new BodyChange(this.runtime.chunkLimits, this.runtime.entries, {
      onChangedBody: (bytes, start, end) => this.#keep(bytes, start, end),
    })
    this.#decoder.start(bodyChanges.decode)
  }

  #addFields(list: HeaderList): void {
    for (const { name, value } of list.entries.slice(0, list.length)) {
      if (!name.startsWith(':')) this.#headers.push({ name, value })
    }
  }

  onResponseBody(upstream: UpstreamStream, bytes: Buffer, start: number, end: number): void {
    if (this.#decoder === undefined) this.#keep(bytes, start, end)
    else this.#decoder.take(bytes, start, end)
    if (this.#length <= maxAuthAnswerBytes || this.isOver) return
    upstream.abandon()
    this.fail(`it answered with more than ${maxAuthAnswerBytes} bytes`)
  }

  #keep(bytes: Buffer, start: number, end: number): void {
    this.#length += end - start
    if (this.#length <= maxAuthAnswerBytes) this.#pieces.push(Buffer.from(bytes.subarray(start, end)))
  }

  onResponseEnd(_upstream: UpstreamStream, trailers: HeaderList | undefined): void {
    if (trailers !== undefined) this.#addFields(trailers)
    const outcome = this.#status >= 500 ? Outcome.failure5xx : Outcome.success
    this.leave(outcome, { isJudged: true })
    this.#done({ kind: 'answer', status: this.#status, headers: this.#headers, body: Buffer.concat(this.#pieces) })
  }

  protected failed(detail: string): void {
    this.#done({ kind: 'failed', detail: `the authorizer: ${detail}` })
  }
}

function isBodiless(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS' || method === 'DELETE'
}

function hasTe(list: HeaderList): boolean {
  return list.entries.slice(0, list.length).some(({ name }) => name === 'te')
}
