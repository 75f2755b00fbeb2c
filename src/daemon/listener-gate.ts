import type { Listener } from '../model/index.ts'
import type { SocketPlace } from './port-probe.ts'

export interface ListenerGateOptions {
  /** Why a listener can't be opened at the place, undefined when it can; `probePort`. */
  readonly probe: (place: SocketPlace, own: Iterable<SocketPlace>) => Promise<string | undefined>
  /** Whether a socket at the place is ours already, so that nobody has to be asked. @default no */
  readonly isOurs?: (place: SocketPlace) => boolean
  /** Resolves when every worker has opened and closed what it was told so far. */
  readonly settled: () => Promise<void>
  /** Some listeners were let through or refused since the last time. */
  readonly onChange: () => void
}

/**
 * Lets a listener through to the workers once it is proven that nobody else
 * listens at its place.
 *
 * A listener that came through stays through until it is taken away and the
 * workers have closed it: while they hold it, a probe would find ourselves. One
 * that was refused waits for `retry`. One place is probed at a time, since
 * probes of overlapping places would refuse each other.
 */
export class ListenerGate {
  readonly #options: ListenerGateOptions
  #wanted: ReadonlyMap<string, Listener> = new Map()
  /** By listener id, those that workers hold or are about to. */
  readonly #held = new Map<string, SocketPlace>()
  readonly #refused = new Map<string, string>()
  #waiting: Set<string> = new Set()
  #running: Promise<void> | undefined

  constructor(options: ListenerGateOptions) {
    this.#options = options
  }

  /**
   * The listeners of a snapshot that the workers may open now; the others are
   * probed, and `onChange` tells when to ask again.
   *
   * @returns the map that was given when all may be opened
   */
  admit(wanted: ReadonlyMap<string, Listener>): ReadonlyMap<string, Listener> {
    this.#wanted = wanted
    const gone = [...this.#held.keys()].filter(id => !wanted.has(id))
    if (gone.length > 0) void this.#release(gone)
    for (const id of this.#refused.keys()) if (!wanted.has(id)) this.#refused.delete(id)
    let isWhole = true
    for (const [id, listener] of wanted) {
      if (this.#held.has(id)) continue
      const place = placeOf(listener)
      if (this.#options.isOurs?.(place) === true) {
        this.#held.set(id, place)
        this.#refused.delete(id)
        continue
      }
      isWhole = false
      if (!this.#refused.has(id)) this.#waiting.add(id)
    }
    this.#start()
    return isWhole ? wanted : new Map([...wanted].filter(([id]) => this.#held.has(id)))
  }

  /** Why listeners were refused, by id. */
  get refused(): ReadonlyMap<string, string> {
    return this.#refused
  }

  /** Resolves when every listener that was asked for is let through or refused. */
  async decided(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  /** Probes again what was refused: whoever was there may be gone. */
  retry(): void {
    for (const id of this.#refused.keys()) this.#waiting.add(id)
    this.#start()
  }

  #start(): void {
    if (this.#running !== undefined || this.#waiting.size === 0) return
    this.#running = this.#run().finally(() => {
      this.#running = undefined
      this.#start()
    })
  }

  async #run(): Promise<void> {
    const ids = this.#waiting
    this.#waiting = new Set()
    // A worker that is just opening 0.0.0.0:80 would be hindered by a probe of 127.0.0.1:80.
    await this.#options.settled()
    let hasChanged = false
    for (const id of ids) {
      const listener = this.#wanted.get(id)
      if (listener === undefined || this.#held.has(id)) continue
      const place = placeOf(listener)
      const reason = await this.#options.probe(place, this.#held.values())
      if (!this.#wanted.has(id)) continue
      if (reason === undefined) {
        this.#refused.delete(id)
        this.#held.set(id, place)
      } else if (this.#refused.get(id) === reason) continue
      else this.#refused.set(id, reason)
      hasChanged = true
    }
    if (hasChanged) this.#options.onChange()
  }

  /** Forgets what was taken away, unless it came back before the workers closed it. */
  async #release(ids: readonly string[]): Promise<void> {
    await this.#options.settled()
    for (const id of ids) if (!this.#wanted.has(id)) this.#held.delete(id)
  }
}

function placeOf({ address, port, protocol }: Listener): SocketPlace {
  return { address, port, transport: protocol === 'UDP' ? 'udp' : 'tcp' }
}
