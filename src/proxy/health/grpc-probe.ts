import type { Socket } from 'node:net'
import {
  createEntry,
  decodeHealthResponse,
  encodeHealthRequest,
  frameGrpcMessage,
  grpcHealthPath,
  grpcStatusNames,
  HeaderList,
  Http2Session,
  parseGrpcStatus,
  readUnaryMessage,
} from '../../codec/index.ts'
import type { Http2Handler, Http2Problem, Http2Stream } from '../../codec/index.ts'
import type { Clock } from '../../core/index.ts'
import type { ProbeResult } from './probe-result.ts'

/** An answer about health has a few bytes. */
const maxAnswerBytes = 1024

export interface GrpcQuestion {
  /** `pkg.Service`; empty for the server as a whole. */
  readonly service: string
  readonly authority: string
  readonly scheme: 'http' | 'https'
  readonly clock: Clock
}

/**
 * Asks `grpc.health.v1.Health/Check` on a connection that is open and nobody
 * else's; only SERVING is healthy. The socket's errors are the caller's.
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/health-checking.md
 */
export class GrpcProbe implements Http2Handler<true> {
  readonly #socket: Socket
  readonly #end: (result: ProbeResult) => void
  readonly #session: Http2Session<true> = new Http2Session<true>('client', this)
  #answer: Buffer = Buffer.alloc(0)

  constructor(socket: Socket, question: GrpcQuestion, end: (result: ProbeResult) => void) {
    this.#socket = socket
    this.#end = end
    socket.on('data', (bytes: Buffer) => {
      this.#session.receive(bytes, 0, bytes.length, question.clock.nowMs())
      if (this.#session.isOver) this.#fail(this.#session.problem ?? 'the connection has ended')
      else this.#flush()
    })
    socket.on('end', () => this.#fail('closed by the endpoint'))
    this.#ask(question)
  }

  #ask({ service, authority, scheme }: GrpcQuestion): void {
    const list = new HeaderList()
    list.add(createEntry(':method', 'POST'))
    list.add(createEntry(':scheme', scheme))
    list.add(createEntry(':path', grpcHealthPath))
    list.add(createEntry(':authority', authority))
    list.add(createEntry('content-type', 'application/grpc'))
    list.add(createEntry('te', 'trailers'))
    list.add(createEntry('user-agent', 'heddle-health-check'))
    const stream = this.#session.request(list, false, true)
    const frame = frameGrpcMessage(encodeHealthRequest(service))
    if (stream !== undefined) this.#session.sendData(stream, frame, 0, frame.length, true)
    this.#flush()
  }

  #flush(): void {
    const { output } = this.#session
    // A copy, since the session goes on writing to its buffer.
    if (output.length > 0) this.#socket.write(Buffer.from(output.bytes.subarray(0, output.length)))
    output.clear()
  }

  onHead(_stream: Http2Stream<true>, list: HeaderList, endStream: boolean): void {
    if (list.status < 200) return
    if (list.status !== 200) this.#fail(`HTTP ${list.status}`)
    else if (endStream) this.#judge(list)
  }

  onData(stream: Http2Stream<true>, bytes: Buffer, from: number, to: number, endStream: boolean): void {
    this.#session.consume(stream, to - from)
    if (this.#answer.length + to - from > maxAnswerBytes) this.#fail('an answer that is too long')
    else this.#answer = Buffer.concat([this.#answer, bytes.subarray(from, to)])
    if (endStream) this.#fail('no gRPC status')
  }

  onTrailers(_stream: Http2Stream<true>, list: HeaderList): void {
    this.#judge(list)
  }

  #judge(list: HeaderList): void {
    const value = list.value('grpc-status')
    const code = value === undefined ? undefined : parseGrpcStatus(value)
    if (code !== 0) {
      this.#fail(code === undefined ? 'no gRPC status' : `gRPC status ${grpcStatusNames[code] ?? code}`)
      return
    }
    const body = readUnaryMessage(this.#answer)
    const status = body.kind === 'message' ? decodeHealthResponse(body.message) : undefined
    if (status === 'serving') this.#end({ healthy: true, detail: 'gRPC serving' })
    else this.#fail(status === undefined ? 'the answer is no HealthCheckResponse' : `gRPC ${status}`)
  }

  #fail(detail: string): void {
    this.#end({ healthy: false, detail })
  }

  onReset(): void {
    this.#fail('reset by the endpoint')
  }

  onUnprocessed(): void {
    this.#fail('the endpoint goes away')
  }

  onStreamProblem(_stream: Http2Stream<true> | undefined, problem: Http2Problem): void {
    this.#fail(problem)
  }

  onTooLarge(): void {}
  onWritable(): void {}
  onSettings(): void {}
  onGoAway(): void {}
  onPong(): void {}
}
