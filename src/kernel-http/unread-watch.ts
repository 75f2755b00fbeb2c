import type { KernelHttp } from './kernel-http.ts'

export interface UnreadWatchOptions {
  /** Told once for each message, or for several that came one after another. */
  readonly onClient: (cookie: bigint, service: number) => void
  readonly onBackend: (cookie: bigint) => void
}

interface Seen {
  /** Bytes, modulo 2^32. */
  readonly promised: number
  isAsked: boolean
}

/**
 * Finds who leaves unread what programs have put into its queue. A program that reads with splice() looks into another queue,
 * and nothing tells of that in time; nor does anything tell it from one that is slow, or has stopped.
 */
export class UnreadWatch {
  readonly #kernel: KernelHttp
  readonly #options: UnreadWatchOptions
  /** By cookie, as the last look had it. */
  #seen = new Map<bigint, Seen>()

  constructor(kernel: KernelHttp, options: UnreadWatchOptions) {
    this.#kernel = kernel
    this.#options = options
  }

  /** Who got nothing since the last look has had so long to read. */
  look(): void {
    const before = this.#seen
    this.#seen = new Map()
    for (const [cookie, { promised, service }] of this.#kernel.map('kh_clients').entries().toArray()) {
      if (this.#hasLeft(cookie, promised, before.get(cookie))) this.#options.onClient(cookie, service)
    }
    for (const [cookie, { promised, owner }] of this.#kernel.map('kh_backends').entries().toArray()) {
      if (owner !== 0n && this.#hasLeft(cookie, promised, before.get(cookie))) this.#options.onBackend(cookie)
    }
  }

  /** Asks the kernel once after each message. */
  #hasLeft(cookie: bigint, promised: number, before: Seen | undefined): boolean {
    const isSame = before?.promised === promised
    const seen = { promised, isAsked: isSame && before.isAsked }
    this.#seen.set(cookie, seen)
    if (promised === 0 || !isSame || seen.isAsked) return false
    seen.isAsked = true
    return this.#kernel.leftUnread(cookie) !== 0
  }
}
