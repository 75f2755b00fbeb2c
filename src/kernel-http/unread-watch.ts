import type { KernelHttp } from './kernel-http.ts'

/** Whose program leaves something unread. */
export interface Reader {
  /** The same for all of its connections. */
  readonly name: string
  /** Its program reads after all. */
  readonly letIn: () => void
}

export interface UnreadWatchOptions {
  /** Keeps it off the path. Told once for each message, or for several that came one after another. */
  readonly onClient: (caller: bigint, service: number) => Reader
  /** @returns undefined for one that is not known */
  readonly onBackend: (cookie: bigint) => Reader | undefined
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
    const before = this.#seen
    this.#seen = new Map()
    for (const [cookie, { promised, service }] of this.#kernel.map('kh_clients').entries().toArray()) {
      this.#judge(cookie, promised, before.get(cookie), caller => this.#options.onClient(caller, service))
    }
    for (const [cookie, { promised, owner }] of this.#kernel.map('kh_backends').entries().toArray()) {
      if (owner !== 0n) this.#judge(cookie, promised, before.get(cookie), () => this.#options.onBackend(cookie))
    }
  }

  /** Nothing is held against anybody any more. */
  forget(): void {
    this.#left.clear()
    this.#lost.clear()
  }

  /** Asks the kernel once after each message. */
  #judge(
    cookie: bigint,
    promised: number,
    before: Seen | undefined,
    keepOut: (caller: bigint) => Reader | undefined,
  ): void {
    const isSame = before?.promised === promised
    const seen = { promised, isAsked: isSame && before.isAsked }
    this.#seen.set(cookie, seen)
    if (promised === 0 || !isSame || seen.isAsked) return
    seen.isAsked = true
    const progress = this.#kernel.progress(cookie)
    if (progress === undefined || progress.promised === progress.read) return
    const reader = keepOut(progress.caller)
    if (reader !== undefined) this.#left.set(cookie, { reader, read: progress.read })
  }

  #lookAgain(cookie: bigint, { reader, read }: Left): void {
    const progress = this.#kernel.progress(cookie)
    if (progress?.read === read) return
    this.#left.delete(cookie)
    if (progress === undefined) this.#lost.add(reader.name)
    const isWaiting = [...this.#left.values()].some(left => left.reader.name === reader.name)
    if (!isWaiting && !this.#lost.has(reader.name)) reader.letIn()
  }
}
