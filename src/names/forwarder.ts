import { randomInt } from 'node:crypto'
import type { Clock, Timer } from '../core/index.ts'
import { decodeDnsHeader, responseCodes, type SocketAddress } from '../codec/index.ts'
import type { NamesLimits } from './limits.ts'
import { askByTcp, askByUdp, type Attempt } from './upstream.ts'

export interface ForwarderOptions {
  readonly clock: Clock
  readonly limits: NamesLimits
  /** The resolvers as they are now, in the order in which they are to be asked. */
  readonly servers: () => readonly SocketAddress[]
}

/** How to ask. */
export interface ForwardWay {
  /** How the client asks: by TCP a truncated answer is asked for again by TCP. */
  readonly transport: 'udp' | 'tcp'
  /** The only one to be asked. @default all of `servers` */
  readonly server?: SocketAddress | undefined
}

/** An answer as it came, under the id of the query; nothing when no resolver answered; or no query was sent at all. */
export type Forwarded =
  | { readonly kind: 'reply'; readonly bytes: Uint8Array }
  | { readonly kind: 'no-answer' }
  | { readonly kind: 'overloaded' }

/**
 * Asks the resolvers of the machine what the mesh does not know. A query goes
 * out as it came, but for its id, which is drawn anew, as the port is by the
 * kernel. The resolvers are asked in their order, each with a head start; the
 * first good answer counts, and an error only when none has a better one. A
 * resolver that let others overtake it is asked last for a while. Nothing is
 * kept: whoever wants a cache has one in the resolver.
 */
export class Forwarder implements Disposable {
  readonly #options: ForwarderOptions
  readonly #restingUntilMs = new Map<string, number>()
  readonly #active = new Set<Forwarding>()

  constructor(options: ForwarderOptions) {
    this.#options = options
  }

  /** Queries under way. */
  get active(): number {
    return this.#active.size
  }

  /**
   * @param query  a decoded query with one question; not changed
   * @param done  called once, later, and never after disposal
   */
  forward(query: Uint8Array, { transport, server }: ForwardWay, done: (outcome: Forwarded) => void): void {
    const { clock, limits } = this.#options
    if (this.#active.size >= limits.maxForwarded) {
      queueMicrotask(() => done({ kind: 'overloaded' }))
      return
    }
    const forwarding = new Forwarding(query, transport, {
      clock,
      limits,
      servers: server === undefined ? this.#order() : [server],
      isLate: late => this.#restingUntilMs.set(keyOf(late), clock.nowMs() + limits.restMs),
      done: outcome => {
        this.#active.delete(forwarding)
        done(outcome)
      },
    })
    this.#active.add(forwarding)
    forwarding.start()
  }

  /** Whether a query comes from ourselves: a resolver's address leads back here. */
  isOwn(port: number): boolean {
    for (const forwarding of this.#active) if (forwarding.hasPort(port)) return true
    return false
  }

  [Symbol.dispose](): void {
    for (const forwarding of this.#active) forwarding[Symbol.dispose]()
    this.#active.clear()
  }

  #order(): readonly SocketAddress[] {
    const servers = this.#options.servers()
    const nowMs = this.#options.clock.nowMs()
    const isResting = (server: SocketAddress): boolean => (this.#restingUntilMs.get(keyOf(server)) ?? 0) > nowMs
    // Addresses of networks that the machine has left.
    if (this.#restingUntilMs.size > 32) this.#restingUntilMs.clear()
    return [...servers.filter(server => !isResting(server)), ...servers.filter(isResting)]
  }
}

function keyOf({ address, port }: SocketAddress): string {
  return `${address} ${port}`
}

interface ForwardingOptions {
  readonly clock: Clock
  readonly limits: NamesLimits
  readonly servers: readonly SocketAddress[]
  readonly isLate: (server: SocketAddress) => void
  readonly done: (outcome: Forwarded) => void
}

/** One query on its way. */
class Forwarding implements Disposable {
  readonly #query: Uint8Array
  readonly #originalId: readonly [number, number]
  readonly #transport: 'udp' | 'tcp'
  readonly #options: ForwardingOptions
  readonly #attempts = new Set<Attempt>()
  readonly #timers: Timer[] = []
  #tries = 0
  /** An answer that says no more than that it is none. */
  #poor: Uint8Array | undefined
  #isOver = false

  constructor(query: Uint8Array, transport: 'udp' | 'tcp', options: ForwardingOptions) {
    this.#query = new Uint8Array(query)
    this.#originalId = [query[0] ?? 0, query[1] ?? 0]
    this.#transport = transport
    this.#options = options
    const id = randomInt(65_536)
    this.#query[0] = id >> 8
    this.#query[1] = id & 0xff
  }

  start(): void {
    const { clock, limits } = this.#options
    this.#timers.push(clock.after(limits.forwardTimeoutMs, () => this.#finish(this.#poor)))
    this.#timers.push(clock.every(limits.tryNextMs, () => this.#tooLate()))
    this.#tryNext()
  }

  hasPort(port: number): boolean {
    for (const { localPort } of this.#attempts) if (localPort === port) return true
    return false
  }

  [Symbol.dispose](): void {
    this.#isOver = true
    for (const timer of this.#timers) timer[Symbol.dispose]()
    for (const attempt of this.#attempts) attempt[Symbol.dispose]()
    this.#attempts.clear()
  }

  #tooLate(): void {
    const { servers, isLate } = this.#options
    const last = servers[(this.#tries - 1) % servers.length]
    // The only one has nobody to stand behind.
    if (last !== undefined && servers.length > 1) isLate(last)
    this.#tryNext()
  }

  /** Asks the next resolver, and after the last one the first again. */
  #tryNext(): void {
    const { servers } = this.#options
    const server = servers[this.#tries % servers.length]
    this.#tries++
    if (server === undefined) queueMicrotask(() => this.#finish(undefined))
    else this.#ask(askByUdp, server)
  }

  #ask(how: typeof askByUdp, server: SocketAddress): void {
    const attempt: Attempt = how(this.#query, server, {
      answered: reply => {
        this.#attempts.delete(attempt)
        this.#take(reply, server, how)
      },
      failed: () => {
        this.#attempts.delete(attempt)
        this.#failed()
      },
    })
    this.#attempts.add(attempt)
  }

  #take(reply: Uint8Array, server: SocketAddress, how: typeof askByUdp): void {
    if (this.#isOver) return
    const header = decodeDnsHeader(reply)
    if (header?.flags.isTruncated === true && this.#transport === 'tcp' && how === askByUdp) {
      this.#poor ??= reply
      this.#ask(askByTcp, server)
      return
    }
    if (!isPoor(header?.responseCode ?? 0)) return this.#finish(reply)
    this.#poor = reply
    this.#failed()
  }

  /** At once to the next resolver that was not asked; there is nothing to wait for when all have failed. */
  #failed(): void {
    if (this.#isOver) return
    if (this.#tries < this.#options.servers.length) this.#tryNext()
    else if (this.#attempts.size === 0) this.#finish(this.#poor)
  }

  #finish(reply: Uint8Array | undefined): void {
    if (this.#isOver) return
    this[Symbol.dispose]()
    if (reply === undefined) return this.#options.done({ kind: 'no-answer' })
    const bytes = new Uint8Array(reply)
    bytes.set(this.#originalId)
    this.#options.done({ kind: 'reply', bytes })
  }
}

/** As the resolver of glibc has it: the next server may know better. */
function isPoor(responseCode: number): boolean {
  const { SERVFAIL, NOTIMP, REFUSED } = responseCodes
  return responseCode === SERVFAIL || responseCode === NOTIMP || responseCode === REFUSED
}
