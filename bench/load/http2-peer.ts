import type { Socket } from 'node:net'
import { Http2Session } from '../../src/codec/index.ts'
import type { HeaderList, Http2Handler, Http2Problem, Http2Stream } from '../../src/codec/index.ts'

/** What either end of a streaming call does. */
export interface PeerEvents {
  onHead(stream: Http2Stream<number>, list: HeaderList): void
  /** A piece of content has come. */
  onContent(stream: Http2Stream<number>, bytes: number): void
  /** The other side has sent all; undefined without trailers. */
  onEnd(stream: Http2Stream<number>, trailers: HeaderList | undefined): void
  onFailure(problem: string): void
}

/** One connection by HTTP/2 of the load or its backend: little work, so that it is not what is measured. */
export class Http2Peer implements Http2Handler<number> {
  readonly session: Http2Session<number>
  readonly #socket: Socket
  readonly #events: PeerEvents

  constructor(side: 'client' | 'server', socket: Socket, events: PeerEvents) {
    this.#socket = socket
    this.#events = events
    this.session = new Http2Session<number>(side, this)
    socket.setNoDelay(true)
    socket.on('data', (bytes: Buffer) => {
      this.session.receive(bytes, 0, bytes.length, performance.now())
      if (this.session.problem !== undefined) events.onFailure(this.session.problem)
      this.flush()
    })
    socket.on('error', error => events.onFailure(error.message))
  }

  /** Sends what was written in a turn, in one go. */
  flush(): void {
    const { output } = this.session
    if (output.length > 0) this.#socket.write(Buffer.from(output.view()))
    output.clear()
  }

  onHead(stream: Http2Stream<number>, list: HeaderList, endStream: boolean): void {
    this.#events.onHead(stream, list)
    if (endStream) this.#events.onEnd(stream, undefined)
  }

  onData(stream: Http2Stream<number>, _bytes: Buffer, from: number, to: number, endStream: boolean): void {
    this.session.consume(stream, to - from)
    if (to > from) this.#events.onContent(stream, to - from)
    if (endStream) this.#events.onEnd(stream, undefined)
  }

  onTrailers(stream: Http2Stream<number>, list: HeaderList): void {
    this.#events.onEnd(stream, list)
  }

  onReset(_stream: Http2Stream<number>, code: number): void {
    this.#events.onFailure(`reset with code ${code}`)
  }

  onStreamProblem(_stream: Http2Stream<number> | undefined, problem: Http2Problem): void {
    this.#events.onFailure(problem)
  }

  onUnprocessed(): void {
    this.#events.onFailure('not processed')
  }

  onTooLarge(): void {}
  onWritable(): void {}
  onSettings(): void {}
  onGoAway(): void {}
  onPong(): void {}
}
