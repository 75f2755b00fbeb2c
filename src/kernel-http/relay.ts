import { systemClock } from '../core/index.ts'
import type { Timer } from '../core/index.ts'
import type { ClientConnection } from './client-connection.ts'
import { elapsedMs } from './ended-request.ts'
import type { ClientAnswer, EndReason } from './ended-request.ts'
import { khParts } from './generated/http.ts'
import type { KhBackend } from './generated/http.ts'
import type { KernelHttp } from './kernel-http.ts'
import type { PooledConnection } from './pool.ts'
import { ResponseEnd } from './response-end.ts'

export interface RelayOptions {
  readonly kernel: KernelHttp
  /** Paused, and nobody listens to its data. */
  readonly connection: PooledConnection
  readonly client: ClientConnection
  /** Of the connection, as it was when the response began to come. */
  readonly entry: KhBackend
  /** It has ended, in whatever way; undefined where this was disposed. */
  readonly onOver: (entry: KhBackend, answer: ClientAnswer | undefined) => void
}

const lookMs = 1
/** A server that answers before it has read the request may wait for its rest, and the client for the answer. */
const mostWaitMs = 15_000

/** Carries one response that is not of the path from P to A; after that P is given up. */
export class Relay implements Disposable {
  readonly #options: RelayOptions
  readonly #end: ResponseEnd
  readonly #startedMs = systemClock.nowMs()
  readonly #upstreamMs: number
  /** As it was when the response was not begun yet. */
  #entry: KhBackend
  #timer: Timer | undefined
  #isOver = false
  /** Until the head is complete: one that is not understood is not shown. */
  readonly #held: Buffer[] = []
  #hasBegun = false
  #bytes = 0

  constructor(options: RelayOptions) {
    this.#options = options
    this.#end = new ResponseEnd({ isToHead: options.entry.isToHead !== 0 })
    this.#entry = options.entry
    this.#upstreamMs = elapsedMs(options.entry)
  }

  /** The request's rest is of the path, so its client has to stay there until it is sent; so is an interim response. */
  start(): void {
    const { kernel, connection, client } = this.#options
    const entry = kernel.map('kh_backends').get(connection.cookie)
    if (client.socket.destroyed) {
      this.#over('client-gone')
      return
    }
    // The endpoint's connection has ended meanwhile.
    if (entry === undefined) {
      this.#fail('upstream-reset')
      return
    }
    this.#entry = entry
    if ((entry.parts & khParts.KH_REQUEST_ENDED) === 0 || !client.hasArrived) {
      if (systemClock.nowMs() - this.#startedMs > mostWaitMs) this.#fail('upstream-timeout')
      else this.#timer = systemClock.after(lookMs, () => this.start())
      return
    }
    // An interim response may be unread; it is read before what comes by TCP.
    client.beginRelay({ staysInMap: entry.sent > 0 })
    const { socket } = connection
    socket.on('data', this.#onData)
    socket.on('end', this.#onEnd)
    socket.on('close', this.#onEnd)
    client.socket.on('drain', this.#onDrain)
    client.socket.on('close', this.#onClientClose)
    socket.resume()
  }

  readonly #onData = (bytes: Buffer): void => {
    const { connection, client } = this.#options
    const progress = this.#end.read(bytes)
    if (progress.kind === 'unknown') {
      this.#fail('upstream-protocol-error')
      return
    }
    this.#held.push(progress.kind === 'ended' ? bytes.subarray(0, progress.end) : bytes)
    if (!this.#end.isHeadComplete) return
    const piece = Buffer.concat(this.#held.splice(0))
    this.#bytes += piece.length
    const isFlowing = client.socket.write(piece)
    this.#hasBegun = true
    if (progress.kind === 'ended') this.#finish(progress)
    else if (!isFlowing) connection.socket.pause()
  }

  readonly #onDrain = (): void => {
    this.#options.connection.socket.resume()
  }

  readonly #onEnd = (): void => {
    if (this.#isOver) return
    if (this.#end.isUntilClose) this.#finish({ keepsConnection: false })
    else this.#fail('upstream-reset')
  }

  readonly #onClientClose = (): void => {
    this.#over('client-gone')
  }

  #finish({ keepsConnection }: { readonly keepsConnection: boolean }): void {
    this.#over(undefined)
    this.#options.client.endRelay({ keepsConnection })
  }

  /** Its request has taken too long. */
  timeOut(): void {
    this.#fail('upstream-timeout')
  }

  clientIsGone(): void {
    this.#over('client-gone')
  }

  #fail(end: Exclude<EndReason, 'client-gone'>): void {
    if (this.#isOver) return
    this.#over(end)
    if (this.#hasBegun) this.#options.client.reset()
    else this.#options.client.answer(end)
  }

  #over(end: EndReason | undefined): void {
    if (this.#isOver) return
    const status = this.#hasBegun ? this.#end.status : 0
    const bodyBytes = Math.max(0, this.#bytes - this.#end.headBytes)
    this.#close({ status, bodyBytes, upstreamMs: status === 0 ? -1 : this.#upstreamMs, end })
  }

  /** The client is the caller's matter. */
  [Symbol.dispose](): void {
    this.#close()
  }

  #close(answer?: ClientAnswer): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#timer?.[Symbol.dispose]()
    const { connection, client } = this.#options
    connection.socket.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onEnd)
    client.socket.off('drain', this.#onDrain).off('close', this.#onClientClose)
    connection.pool.drop(connection)
    this.#options.onOver(this.#entry, answer)
  }
}
