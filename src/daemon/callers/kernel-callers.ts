import { messageOf } from '../../core/index.ts'
import type { Counter, Logger, Meter } from '../../core/index.ts'
import { callerCgroup, openCallers, openGuests } from '../../datapath/index.ts'
import type { CallerKey, CallerMaps, GuestKey } from '../../datapath/index.ts'
import { Bpf } from '../../kernel/index.ts'
import type { TypedMap } from '../../kernel/index.ts'
import type { Caller } from '../../model/index.ts'
import { forgottenCaller, unknownMember } from '../../proxy/index.ts'
import type { AccessGate, CallerSource, ConnectionEnds, Identified } from '../../proxy/index.ts'

export interface KernelCallersOptions {
  /** Folder where the agent's maps are pinned. */
  readonly pins: string
  /** Knows whose cgroup it is. */
  readonly gate: AccessGate
  readonly meter: Meter
  readonly logger: Logger
}

/**
 * A worker's source of callers in the kernel tier: the kernel has noted whose socket asked for the connection before it
 * could be accepted, so that one look at a map tells at once. What can't be looked up is nobody that is known, and not
 * nobody of the mesh.
 */
export class KernelCallers implements CallerSource, Disposable {
  readonly #options: KernelCallersOptions
  readonly #bpf = new Bpf()
  readonly #known: Counter
  readonly #unknown: Counter
  readonly #forgotten: Counter
  #maps: { readonly callers: TypedMap<CallerKey, bigint>; readonly guests: TypedMap<GuestKey, bigint> } | undefined
  #failure = ''

  constructor(options: KernelCallersOptions) {
    this.#options = options
    const counter = (outcome: string): Counter => options.meter.counter('heddle_caller_lookups_total', { outcome })
    this.#known = counter('known')
    this.#unknown = counter('unknown')
    this.#forgotten = counter('forgotten')
  }

  ask(ends: ConnectionEnds, waiting: Identified): void {
    waiting.identified(this.find(ends))
  }

  find(ends: ConnectionEnds): Caller | undefined {
    try {
      const cgroup = callerCgroup(this.#open(), ends, ends.protocol ?? 'TCP')
      if (cgroup === undefined) {
        this.#forgotten.value++
        return forgottenCaller
      }
      if (cgroup === 0n) {
        this.#unknown.value++
        return undefined
      }
      this.#known.value++
      return this.#options.gate.callerOf(cgroup) ?? unknownMember
    } catch (error) {
      this.#tell(messageOf(error))
      return unknownMember
    }
  }

  #open(): CallerMaps {
    const { pins } = this.#options
    if (this.#maps !== undefined) return this.#maps
    const callers = openCallers(this.#bpf, pins)
    const guests = callers === undefined ? undefined : openGuests(this.#bpf, pins)
    if (callers === undefined || guests === undefined) {
      callers?.raw[Symbol.dispose]()
      throw new Error(`the maps of callers are not in ${pins}`)
    }
    this.#maps = { callers, guests }
    return this.#maps
  }

  /** Once for each cause: it may be so for every connection. */
  #tell(failure: string): void {
    if (failure === this.#failure) return
    this.#failure = failure
    this.#options.logger.error('callers could not be looked up, and are refused', { error: failure })
  }

  [Symbol.dispose](): void {
    this.#maps?.callers.raw[Symbol.dispose]()
    this.#maps?.guests.raw[Symbol.dispose]()
    this.#maps = undefined
    this.#bpf[Symbol.dispose]()
  }
}
