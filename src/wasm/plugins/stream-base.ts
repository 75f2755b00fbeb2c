import type { Access, Context, PropertySetting } from './context.ts'
import type { DataBuffer } from './data-buffer.ts'
import type { HeaderMap } from '../../codec/index.ts'
import type { LocalResponse, StreamHost } from './ports.ts'
import { canonicalPath, pluginProperty } from './properties.ts'
import { descend } from './property-value.ts'
import type { PropertyValue } from './property-value.ts'
import type { PropertySpan } from './stream-properties.ts'
import type { StreamOwner } from './stream-owner.ts'
import type { PluginVm } from './vm.ts'

const filterState = 'filter_state'
/** What Envoy puts before the names of properties where all filters keep their state. */
const wasmPrefix = 'wasm.'

/**
 * What an event of a stream may do: call the plugin, wait until a callback is
 * over, pass by a plugin that failed, or nothing more since the stream has ended.
 */
export type Entry = 'plugin' | 'later' | 'pass' | 'over'

/**
 * What streams of HTTP and of TCP have in common: their context in an instance,
 * and what becomes of them when the instance fails.
 *
 *     fresh ── first event ── in an instance ── close ── done, log, delete
 *       │                         │ the instance failed
 *       │                         ├─ in a callback of this stream, or while it was held: by the policy, at once
 *       └──── next event ─────────┴─ otherwise: on with a new context in a new instance
 */
export abstract class StreamBase implements Context {
  abstract readonly kind: 'http' | 'tcp'
  id = 0
  isLogging = false
  protected vm: PluginVm | undefined = undefined
  protected readonly owner: StreamOwner
  #state: 'fresh' | 'open' | 'pass' | 'ending' | 'over' = 'fresh'
  #isFailing = false
  #isDonePending = false
  #isDone = false
  readonly #host: StreamHost

  constructor(owner: StreamOwner, host: StreamHost) {
    this.owner = owner
    this.#host = host
  }

  /** Whether the plugin keeps something back. */
  protected abstract get isHeld(): boolean
  /** The next instance would judge the rest of a request whose beginning it has not seen. */
  protected abstract get isPartlyPassed(): boolean
  /** Passes on all that is held, since the plugin can't. */
  protected abstract passAll(): void
  /** Ends the stream, since the plugin can't decide. */
  protected abstract refuse(): void
  abstract map(type: number): HeaderMap | undefined
  abstract mapAccess(type: number): Access
  abstract buffer(type: number): DataBuffer | undefined
  abstract continueStream(type: number): boolean
  abstract closeStream(type: number): boolean
  abstract respond(response: LocalResponse): boolean
  abstract clearRouteCache(): void
  abstract settle(): void
  protected abstract messageProperty(path: readonly string[]): PropertyValue | undefined

  // Into the plugin

  /** To be asked before each event. */
  enter(): Entry {
    if (this.#state === 'open') return this.vm?.isRunning === true ? 'later' : 'plugin'
    if (this.#state === 'pass') return 'pass'
    if (this.#state !== 'fresh') return 'over'
    const vm = this.#acquire()
    if (vm === undefined) {
      this.#giveUp()
      return this.enter()
    }
    if (vm.isRunning) return 'later'
    this.#open(vm)
    return this.enter()
  }

  /** Once for all events that wait until the instance is free. */
  #acquire(): PluginVm | undefined {
    if (this.vm === undefined || this.vm.failure !== undefined) this.vm = this.owner.acquire()
    return this.vm
  }

  #open(vm: PluginVm): void {
    this.id = vm.nextId()
    this.#state = 'open'
    vm.contexts.add(this)
    this.called(vm.call(vm.callbacks.onContextCreate, this, 0, vm.root.id))
    vm.settle()
  }

  later(action: () => void): void {
    this.vm?.defer(action)
  }

  /** To be told the result of each callback. @returns the action, undefined when it failed */
  called(result: number | undefined): number | undefined {
    if (result === undefined) this.#isFailing = true
    return result
  }

  onVmFailed(): void {
    const isUnseen = this.owner.config.failurePolicy === 'closed' && this.isPartlyPassed
    const hadToDecide = this.#isFailing || this.isHeld || isUnseen
    this.#isFailing = false
    if (this.vm !== undefined) this.owner.release(this.vm)
    this.vm = undefined
    if (this.#state !== 'open') {
      this.#state = 'over'
      return
    }
    if (hadToDecide) this.#giveUp()
    else this.#state = 'fresh'
  }

  /** The plugin has gone for good, and has had its time for what it holds back. */
  abandon(): void {
    if (this.#state !== 'open' || !this.isHeld || this.vm?.isRunning === true) return
    if (this.owner.config.failurePolicy === 'open') this.passAll()
    else this.refuse()
  }

  #giveUp(): void {
    if (this.owner.config.failurePolicy === 'open') {
      this.#state = 'pass'
      this.passAll()
      return
    }
    this.#state = 'over'
    this.refuse()
  }

  /** Nothing goes to the plugin any more but its end. */
  protected stopEvents(): void {
    if (this.#state === 'open' || this.#state === 'pass') this.#state = this.#state === 'open' ? 'ending' : 'over'
  }

  // The end

  /** The stream has ended, in whatever way. To be called once, whatever happened before. */
  close(): void {
    const vm = this.vm
    if (vm?.isRunning === true) {
      vm.defer(() => this.close())
      return
    }
    const wasOpen = this.#state === 'open' || this.#state === 'ending'
    if (this.#state === 'fresh' && vm !== undefined) this.owner.release(vm)
    this.#state = 'over'
    if (vm === undefined || !wasOpen || vm.failure !== undefined) return
    this.#isDonePending = true
    const result = vm.call(vm.callbacks.onDone, this, 1)
    // A plugin that has more to do says so, and ends it by proxy_done.
    if (result !== 0 || this.#isDone) this.#finish(vm)
    vm.settle()
  }

  finishDone(): boolean {
    if (!this.#isDonePending || this.#isDone) return false
    this.#isDone = true
    this.vm?.touch(this)
    return true
  }

  /** Second part of the end, which a plugin may have put off. */
  protected settleEnd(): void {
    if (this.#isDone && this.#isDonePending && this.vm !== undefined) this.#finish(this.vm)
  }

  #finish(vm: PluginVm): void {
    this.#isDonePending = false
    this.isLogging = true
    vm.call(vm.callbacks.onLog, this, 0)
    this.isLogging = false
    vm.call(vm.callbacks.onDelete, this, 0)
    if (!vm.contexts.delete(this.id)) return
    this.vm = undefined
    this.owner.release(vm)
  }

  // Properties

  property(path: readonly string[]): PropertyValue | undefined {
    const own = this.#setProperty(path) ?? pluginProperty(this.owner.config, path)
    if (own !== undefined) return own
    const names = canonicalPath(path)
    const value = this.messageProperty(names) ?? descend(this.#host.property(names[0] ?? '', names[1]), names.slice(2))
    return value === undefined ? this.vm?.services.property(names) : value
  }

  /** What was set is state of the stream's filters as well, by another name. */
  #setProperty(path: readonly string[]): Uint8Array | undefined {
    const { properties } = this.#host
    const [group, key = ''] = path
    const value = properties.get(path)
    if (value !== undefined || group !== filterState || path.length !== 2 || !key.startsWith(wasmPrefix)) return value
    return properties.get([key.slice(wasmPrefix.length)])
  }

  setProperty(path: readonly string[], value: Uint8Array): PropertySetting {
    const { properties } = this.#host
    const form = this.vm?.root.formOf(path)
    if (form?.isReadOnly === true && properties.get(path) !== undefined) return 'read-only'
    return properties.set(path, value, form?.span) ? 'set' : 'full'
  }

  setFilterState(key: string, value: Uint8Array, span: PropertySpan): PropertySetting {
    return this.#host.properties.set([filterState, key], value, span) ? 'set' : 'full'
  }
}
