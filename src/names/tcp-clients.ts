import type { Socket } from 'node:net'
import { DnsTcpFrames, frameDnsMessage } from '../codec/index.ts'
import type { NamesLimits } from './limits.ts'
import type { NamesClient, Resolver } from './resolver.ts'

/**
 * Connections of clients (RFC 7766). Queries of one connection are answered as
 * answers come, in any order; one that asks too much at once is not read for a
 * while, and one that does not ask, or does not read, is closed.
 */
export class TcpClients implements Disposable {
  readonly #resolver: Resolver
  readonly #limits: NamesLimits
  readonly #clients = new Set<TcpClient>()

  constructor(resolver: Resolver, limits: NamesLimits) {
    this.#resolver = resolver
    this.#limits = limits
  }

  /**
   * @param socket  one that may be half open: a client may have asked all it wants to know
   * @param by  where it came in
   */
  take(socket: Socket, by: CameIn): void {
    if (this.#clients.size >= this.#limits.maxConnections) {
      socket.destroy()
      return
    }
    const client = new TcpClient(socket, by, this.#resolver, this.#limits)
    this.#clients.add(client)
    socket.on('close', () => this.#clients.delete(client))
  }

  [Symbol.dispose](): void {
    for (const client of this.#clients) client[Symbol.dispose]()
  }
}

/** Where a query came in. */
export type CameIn = Pick<NamesClient, 'server' | 'isLed' | 'network'>

class TcpClient implements Disposable {
  readonly #socket: Socket
  readonly #resolver: Resolver
  readonly #limits: NamesLimits
  readonly #client: NamesClient
  readonly #frames = new DnsTcpFrames()
  readonly #waiting: Uint8Array[] = []
  #active = 0
  #isPumping = false
  #hasEnded = false

  constructor(socket: Socket, by: CameIn, resolver: Resolver, limits: NamesLimits) {
    this.#socket = socket
    this.#resolver = resolver
    this.#limits = limits
    this.#client = { address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0, transport: 'tcp', ...by }
    socket.on('data', (chunk: Buffer) => {
      this.#waiting.push(...this.#frames.read(chunk))
      this.#pump()
    })
    socket.on('end', () => {
      this.#hasEnded = true
      this.#pump()
    })
    socket.on('error', () => {})
    socket.setTimeout(limits.connectionIdleMs, () => socket.destroy())
  }

  [Symbol.dispose](): void {
    this.#socket.destroy()
  }

  /** Many answers come at once, from within: they only make room here. */
  #pump(): void {
    if (this.#isPumping) return
    this.#isPumping = true
    while (this.#active < this.#limits.maxPerConnection && this.#socket.writable) {
      const query = this.#waiting.shift()
      if (query === undefined) break
      this.#active++
      const isQuery = this.#resolver.resolve(query, this.#client, reply => this.#answer(reply))
      // What is no query has no answer to wait for, and its sender speaks something else.
      if (!isQuery) this.#socket.destroy()
    }
    this.#isPumping = false
    if (this.#waiting.length > 0) this.#socket.pause()
    else if (this.#hasEnded && this.#active === 0) this.#socket.end()
    else this.#socket.resume()
  }

  #answer(reply: Uint8Array): void {
    this.#active--
    if (!this.#socket.writable) return
    this.#socket.write(frameDnsMessage(reply))
    if (this.#socket.writableLength > this.#limits.maxUnreadBytes) this.#socket.destroy()
    else this.#pump()
  }
}
