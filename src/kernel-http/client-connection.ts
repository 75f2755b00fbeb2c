import type { Socket } from 'node:net'
import { resetSocket, systemClock } from '../core/index.ts'
import type { Timer } from '../core/index.ts'
import { replyText } from './ended-request.ts'
import type { EndReason } from './ended-request.ts'
import { khReason } from './generated/http.ts'
import type { KernelHttp } from './kernel-http.ts'
import { placeText } from './place.ts'

export interface ClientEvents {
  readonly onFallback: (socket: Socket, bytes: Buffer) => void
  /** It is not the agent's any more: closed, or handed over. */
  readonly onGone: () => void
}

/** How often it is asked whether a response on the path is over, while a client that pipelines waits. */
const lookMs = 2
/** A program that counts may have been left out, then the queue is never known to hold all: nothing is guessed. */
const mostLooks = 15_000 / lookMs

/**
 * A: the agent's end of a client's connection. While the client is on the path nothing comes here. The first byte that does
 * waits until the response on the path, if one is owed, is over; then the connection goes to user space for life.
 */
export class ClientConnection {
  readonly cookie: bigint
  readonly socket: Socket
  /** `127.0.0.1:51034`, also when it is gone. */
  readonly address: string
  readonly #kernel: KernelHttp
  readonly #events: ClientEvents
  readonly #held: Buffer[] = []
  #hasEnded = false
  #isOver = false
  #isLeaving = false
  /** While no response is owed. */
  #looks = 0
  /** A response comes by `write`. */
  #isRelayed = false
  /** Nothing comes in the kernel any more. */
  #isAllThere = false
  #timer: Timer | undefined

  constructor(kernel: KernelHttp, cookie: bigint, socket: Socket, events: ClientEvents) {
    this.#kernel = kernel
    this.cookie = cookie
    this.socket = socket
    this.address = placeText(socket.remoteAddress ?? '', socket.remotePort ?? 0)
    this.#events = events
    socket.on('data', this.#onData)
    socket.on('end', this.#onEnd)
    socket.on('error', ignore)
    socket.on('close', this.#onClose)
  }

  /** Whether all of the responses that programs have counted is in its queue. */
  get hasArrived(): boolean {
    // What was written here since is in the queue, too.
    return this.#isAllThere || this.#kernel.missing(this.cookie) === 0
  }

  /**
   * From here on bytes of a response are written here; the client leaves the map first, so that it sees them. All that came in
   * the kernel has arrived.
   */
  beginRelay(options: { readonly staysInMap: boolean }): void {
    this.#isRelayed = true
    this.#isAllThere = true
    this.#demote(options)
  }

  /** The response is over; what the client has sent meanwhile is another request. */
  endRelay(options: { readonly keepsConnection: boolean }): void {
    this.#isRelayed = false
    const clients = this.#kernel.map('kh_clients')
    const entry = clients.get(this.cookie)
    if (entry !== undefined) clients.set(this.cookie, { ...entry, backend: 0n }, 'existing')
    if (!options.keepsConnection) this.socket.end()
    this.#proceed()
  }

  /** In place of its endpoint, and for the last time. */
  answer(reason: Exclude<EndReason, 'client-gone'>): void {
    if (this.#isOver) return
    this.#demote({ staysInMap: false })
    this.socket.end(replyText(reason))
    this.#release()
    // What is left to come is nobody's, and it may be a reset.
    this.socket.on('error', ignore).on('data', ignore).resume()
  }

  /** Its request is the proxy's, from its first byte: an endpoint ended that had said nothing. */
  replay(request: Buffer): void {
    if (this.#isOver) return
    this.#demote({ staysInMap: false })
    this.#release()
    this.#events.onFallback(this.socket, Buffer.concat([request, ...this.#held]))
  }

  reset(): void {
    resetSocket(this.socket)
  }

  /**
   * Another agent goes on with it, by the holder's copy. One of which something was read or written here is not left: it goes to
   * user space as soon as it can.
   * @returns whether it was left
   */
  leave(): boolean {
    this.#isLeaving = true
    if (this.#isRelayed || this.#isAllThere || this.#held.length > 0) {
      this.#proceed()
      return false
    }
    this.socket.off('close', this.#onClose)
    this.destroy()
    return true
  }

  /** The maps may be gone from now on. */
  destroy(): void {
    this.#isOver = true
    this.#timer?.[Symbol.dispose]()
    this.socket.destroy()
  }

  /** Out of the map, which loses nothing of a client that has read all that was redirected to it. */
  #demote({ staysInMap }: { readonly staysInMap: boolean }): void {
    const clients = this.#kernel.map('kh_clients')
    const entry = clients.get(this.cookie)
    if (entry === undefined) return
    if (entry.reason === khReason.KH_ON_PATH) {
      clients.set(this.cookie, { ...entry, reason: khReason.KH_BY_AGENT }, 'existing')
    }
    if (!staysInMap) this.#kernel.map('kh_sockets').delete(this.cookie)
  }

  readonly #onData = (bytes: Buffer): void => {
    this.#held.push(bytes)
    this.socket.pause()
    this.#proceed()
  }

  readonly #onEnd = (): void => {
    this.#hasEnded = true
    this.#proceed()
  }

  readonly #onClose = (): void => {
    this.#isOver = true
    this.#timer?.[Symbol.dispose]()
    this.#events.onGone()
  }

  /** With the first bytes, and again until nothing is owed. */
  #proceed(): void {
    const isWanted = this.#held.length > 0 || this.#hasEnded || this.#isLeaving
    if (this.#isOver || this.#isRelayed || !isWanted) return
    const entry = this.#kernel.map('kh_clients').get(this.cookie)
    if (entry !== undefined && (entry.reason === khReason.KH_LOST || entry.reason === khReason.KH_PIECES)) {
      this.reset()
      return
    }
    if (entry !== undefined && (entry.backend !== 0n || !this.hasArrived)) {
      if (entry.backend === 0n && ++this.#looks > mostLooks) this.reset()
      else this.#later(lookMs)
      return
    }
    if (this.#hasEnded && this.#held.length === 0) {
      // What it has not read yet is read first.
      this.#release()
      this.socket.on('error', ignore).end()
      return
    }
    // One that may not have read all stays in the map: it reads that first.
    const mayHaveUnread = entry?.reason === khReason.KH_PIPELINED || entry?.reason === khReason.KH_UNREAD
    this.#demote({ staysInMap: mayHaveUnread })
    this.#release()
    this.#events.onFallback(this.socket, Buffer.concat(this.#held))
  }

  #later(delayMs: number): void {
    this.#timer?.[Symbol.dispose]()
    this.#timer = systemClock.after(delayMs, () => this.#proceed())
  }

  #release(): void {
    this.#isOver = true
    this.#timer?.[Symbol.dispose]()
    this.socket.off('data', this.#onData).off('end', this.#onEnd).off('error', ignore).off('close', this.#onClose)
    this.#events.onGone()
  }
}

function ignore(): void {}
