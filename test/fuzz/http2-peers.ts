import type { Socket } from 'node:net'
import {
  createEntry,
  errorCodes,
  HeaderList,
  Http2Session,
  type Http2Handler,
  type Http2Problem,
  type Http2SessionOptions,
  type Http2Stream,
} from '../../src/codec/index.ts'

export type Fields = readonly (readonly [name: string, value: string])[]

/** One message as both sides must see it. */
export interface Message {
  fields: Fields
  body: Buffer
  trailers: Fields
}

export function listOf(fields: Fields): HeaderList {
  const list = new HeaderList()
  for (const [name, value] of fields) list.add(createEntry(name, value))
  return list
}

export function fieldsOf(list: HeaderList): Fields {
  return list.entries.slice(0, list.length).map(entry => [entry.name, entry.value])
}

/** What one side sends on a stream, and what it has of the other side's. */
export class Exchange {
  readonly received: Message = { fields: [], body: Buffer.alloc(0), trailers: [] }
  /** Fields of informational responses. */
  readonly informational: Fields[] = []
  outcome: 'open' | 'complete' | `reset ${number}` | 'unprocessed' | Http2Problem = 'open'
  #body: Buffer = Buffer.alloc(0)
  #sent: number = 0
  #trailers: Fields = []
  readonly chunks: Buffer[] = []

  /** Sends the rest of a message after its head, as far as the windows go. */
  send(session: Http2Session<Exchange>, stream: Http2Stream<Exchange>, message: Message): void {
    this.#body = message.body
    this.#trailers = message.trailers
    this.#sent = 0
    this.proceed(session, stream)
  }

  proceed(session: Http2Session<Exchange>, stream: Http2Stream<Exchange>): void {
    const hasTrailers = this.#trailers.length > 0
    this.#sent += session.sendData(stream, this.#body, this.#sent, this.#body.length, !hasTrailers)
    if (hasTrailers && this.#sent === this.#body.length) session.sendHeaders(stream, listOf(this.#trailers), true)
  }

  finish(): void {
    this.received.body = Buffer.concat(this.chunks)
    this.outcome = 'complete'
  }
}

/** What a server does with a complete request. */
export type Answer = (exchange: Exchange, stream: Http2Stream<Exchange>, session: Http2Session<Exchange>) => void

/** The owner of a session in tests: collects messages and sends whole ones. */
export class Peer implements Http2Handler<Exchange> {
  readonly session: Http2Session<Exchange>
  readonly #answer: Answer | undefined
  /** Told when an exchange has ended in any way. */
  onEnd: (exchange: Exchange) => void = () => {}

  constructor(side: 'client' | 'server', options: Http2SessionOptions, answer?: Answer) {
    this.session = new Http2Session<Exchange>(side, this, options)
    this.#answer = answer
  }

  /** Sends a request whole, unless the connection takes no more. */
  request(message: Message): { stream: Http2Stream<Exchange>; exchange: Exchange } | undefined {
    const exchange = new Exchange()
    const isWhole = message.body.length === 0 && message.trailers.length === 0
    const stream = this.session.request(listOf(message.fields), isWhole, exchange)
    if (stream === undefined) return undefined
    if (!isWhole) exchange.send(this.session, stream, message)
    return { stream, exchange }
  }

  onHead(stream: Http2Stream<Exchange>, list: HeaderList, endStream: boolean): void {
    const exchange = (stream.user ??= new Exchange())
    if (list.status > 0 && list.status < 200) exchange.informational.push(fieldsOf(list))
    else exchange.received.fields = fieldsOf(list)
    if (endStream) this.#complete(stream, exchange)
  }

  onData(stream: Http2Stream<Exchange>, bytes: Buffer, from: number, to: number, endStream: boolean): void {
    const exchange = stream.user as Exchange
    exchange.chunks.push(Buffer.from(bytes.subarray(from, to)))
    this.session.consume(stream, to - from)
    if (endStream) this.#complete(stream, exchange)
  }

  onTrailers(stream: Http2Stream<Exchange>, list: HeaderList): void {
    const exchange = stream.user as Exchange
    exchange.received.trailers = fieldsOf(list)
    this.#complete(stream, exchange)
  }

  #complete(stream: Http2Stream<Exchange>, exchange: Exchange): void {
    exchange.finish()
    this.#answer?.(exchange, stream, this.session)
    this.onEnd(exchange)
  }

  onTooLarge(stream: Http2Stream<Exchange>): void {
    this.session.reset(stream, errorCodes.ENHANCE_YOUR_CALM)
  }

  onReset(stream: Http2Stream<Exchange>, code: number): void {
    this.#end(stream, `reset ${code}`)
  }

  onUnprocessed(stream: Http2Stream<Exchange>): void {
    this.#end(stream, 'unprocessed')
  }

  onStreamProblem(stream: Http2Stream<Exchange> | undefined, problem: Http2Problem): void {
    if (stream !== undefined) this.#end(stream, problem)
  }

  #end(stream: Http2Stream<Exchange>, outcome: Exchange['outcome']): void {
    const exchange = stream.user
    if (exchange === undefined) return
    exchange.outcome = outcome
    this.onEnd(exchange)
  }

  onWritable(stream: Http2Stream<Exchange>): void {
    stream.user?.proceed(this.session, stream)
  }

  onSettings(): void {}
  onGoAway(): void {}
  onPong(): void {}

  /** Connects the session with a socket. */
  attach(socket: Socket): void {
    socket.setNoDelay()
    socket.on('error', () => {})
    socket.on('data', (bytes: Buffer) => {
      const goesOn = this.session.receive(bytes, 0, bytes.length, performance.now())
      this.flush(socket)
      if (!goesOn) socket.end()
    })
    this.flush(socket)
  }

  flush(socket: Socket): void {
    const output = this.session.output
    if (output.length > 0) socket.write(Buffer.from(output.view()))
    output.clear()
  }
}
