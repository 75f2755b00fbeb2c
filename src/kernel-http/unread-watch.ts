import type { KernelHttp } from './kernel-http.ts'

/** A client of a Service, by its number, or an endpoint's program, by the pool's place. */
export type OfPath = { readonly service: number } | { readonly endpoint: string }

export interface UnreadWatchOptions {
  /** By the cookie of its connection; undefined for one that is not known. */
  readonly endpointOf: (cookie: bigint) => string | undefined
  /** Told once for each message, or for several that came one after another. A client's program is kept off the path. */
  readonly onUnread?: ((left: OfPath) => void) | undefined
  /** It has read at last. */
  readonly onReadAgain?: ((read: OfPath) => void) | undefined
}

/** Whose program leaves something unread. */
interface Reader {
  /** The same for all of its connections. */
  readonly name: string
  readonly who: OfPath
  /** Cgroup of a client's program. */
  readonly caller: bigint | undefined
}

interface Seen {
  /** Bytes, modulo 2^32. */
  readonly promised: number
  isAsked: boolean
}

/** A connection whose program has left something unread, and how far that had read. */
interface Left {
  readonly reader: Reader
  readonly read: number
}

/**
 * Finds who leaves unread what programs have put into its queue. A program that reads with splice() looks into another queue,
 * and nothing tells of that in time; nor does anything tell it from one that is slow, or has stopped. But one that was slow
 * reads at last, which is counted, and then it is let in again; of a connection that ends unread nobody knows.
 */
export class UnreadWatch {
  readonly #kernel: KernelHttp
  readonly #options: UnreadWatchOptions
  /** By cookie, as the last look had it. */
  #before: ReadonlyMap<bigint, Seen> = new Map()
  #seen = new Map<bigint, Seen>()
  /** By cookie. */
  readonly #left = new Map<bigint, Left>()
  /** Names of readers of which a connection has ended unread. */
  readonly #lost = new Set<string>()

  constructor(kernel: KernelHttp, options: UnreadWatchOptions) {
    this.#kernel = kernel
    this.#options = options
  }

  /** Who got nothing since the last look has had so long to read. */
  look(): void {
    for (const [cookie, left] of this.#left) this.#lookAgain(cookie, left)
    this.#seen = new Map()
    for (const [cookie, { promised, service }] of this.#kernel.map('kh_clients').entries().toArray()) {
      const readerOf = (caller: bigint): Reader => ({ name: `caller ${caller}`, who: { service }, caller })
      this.#judge(cookie, promised, readerOf)
    }
    for (const [cookie, { promised, owner }] of this.#kernel.map('kh_backends').entries().toArray()) {
      if (owner !== 0n) this.#judge(cookie, promised, () => this.#endpoint(cookie))
    }
    this.#before = this.#seen
  }

  #endpoint(cookie: bigint): Reader | undefined {
    const endpoint = this.#options.endpointOf(cookie)
    return endpoint === undefined ? undefined : { name: `endpoint ${endpoint}`, who: { endpoint }, caller: undefined }
  }

  /** Nothing is held against anybody any more. */
  forgive(): void {
    this.#left.clear()
    this.#lost.clear()
    const callers = this.#kernel.map('kh_not_reading')
    for (const [caller] of callers.entries().toArray()) this.#kernel.letIn(caller)
  }

  /** Asks the kernel once after each message. */
  #judge(cookie: bigint, promised: number, readerOf: (caller: bigint) => Reader | undefined): void {
    const before = this.#before.get(cookie)
    const isSame = before?.promised === promised
    const seen = { promised, isAsked: isSame && before.isAsked }
    this.#seen.set(cookie, seen)
    if (promised === 0 || !isSame || seen.isAsked) return
    seen.isAsked = true
    const progress = this.#kernel.progress(cookie)
    if (progress === undefined || progress.promised === progress.read) return
    const reader = readerOf(progress.caller)
    if (reader === undefined) return
    this.#left.set(cookie, { reader, read: progress.read })
    if (reader.caller !== undefined) this.#kernel.keepOut(reader.caller)
    this.#options.onUnread?.(reader.who)
  }

  #lookAgain(cookie: bigint, { reader, read }: Left): void {
    const progress = this.#kernel.progress(cookie)
    if (progress?.read === read) return
    this.#left.delete(cookie)
    if (progress === undefined) this.#lost.add(reader.name)
    const isWaiting = [...this.#left.values()].some(left => left.reader.name === reader.name)
    if (isWaiting || this.#lost.has(reader.name)) return
    if (reader.caller !== undefined) this.#kernel.letIn(reader.caller)
    this.#options.onReadAgain?.(reader.who)
  }
}
