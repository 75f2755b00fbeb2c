import { MeshError, messageOf } from '../../core/index.ts'
import type { Timer } from '../../core/index.ts'
import type { Engine } from '../engine/engine.ts'
import { HttpStream } from './http-stream.ts'
import type { PluginConfig } from './plugin-config.ts'
import type { PluginModule } from './plugin-module.ts'
import type { HttpStreamHost, PluginServices, TcpStreamHost } from './ports.ts'
import { RestartBudget } from './restart-budget.ts'
import { RootContext } from './root-context.ts'
import { StreamBase } from './stream-base.ts'
import type { StreamOwner } from './stream-owner.ts'
import { TcpStream } from './tcp-stream.ts'
import { PluginVm } from './vm.ts'
import type { VmFailure, VmTrace } from './vm.ts'

export interface PluginParts {
  /** One per thread. */
  readonly engine: Engine
  readonly services: PluginServices
  readonly trace?: VmTrace
}

/** What counts as the plugin's own fault. */
export type FailureKind = Exclude<VmFailure['kind'], 'removed'>

/** What operators see of a plugin on one worker. */
export interface PluginState {
  readonly name: string
  /** `restarting`: an instance was discarded, and the next event, or the next second, makes another. */
  readonly status: 'running' | 'restarting' | 'failed' | 'closed'
  /** The current one, and older ones whose streams have not ended. */
  readonly instances: number
  readonly memoryBytes: number
  readonly streams: number
  readonly failures: Readonly<Record<FailureKind, number>>
  /** Of the last failure. */
  readonly detail: string | undefined
}

/** One instance with how many streams are in it. */
interface Generation {
  readonly vm: PluginVm
  streams: number
  isRetired: boolean
  /** Until what it holds is decided without it. */
  timer: Timer | undefined
}

/** A retired instance may wait that long for what it asked somebody else, about the streams that it holds. */
const drainMs = 10_000

/** Without a stream that makes the next instance a plugin still has ticks, and items of queues, to wait for. */
const restartMs = 1000

/**
 * A configured plugin on one thread.
 *
 * It has one instance, in which all its streams are. An instance that fails is
 * discarded: what was held is decided by the failure policy at once, streams
 * that were not waiting go on in the next instance, which the next event makes.
 * `replace` puts another module or configuration in place: new streams go there,
 * the older ones finish where they are.
 */
export class Plugin implements StreamOwner, Disposable {
  #module: PluginModule
  #config: PluginConfig
  readonly #parts: PluginParts
  readonly #restarts: RestartBudget
  readonly #generations = new Map<PluginVm, Generation>()
  #current: Generation | undefined = undefined
  #restartTimer: Timer | undefined = undefined
  #isClosed = false
  #failures: Record<FailureKind, number> = { trap: 0, cpu: 0, exit: 0, start: 0 }
  #detail: string | undefined = undefined

  /**
   * Starts the plugin.
   *
   * @throws MeshError MESH_PLUGIN_START
   */
  constructor(module: PluginModule, config: PluginConfig, parts: PluginParts) {
    this.#module = module
    this.#config = config
    this.#parts = parts
    this.#restarts = new RestartBudget(() => parts.services.clock.nowMs())
    this.#current = this.#start(module, config)
  }

  get config(): PluginConfig {
    return this.#config
  }

  /** Of a plugin of kind `http`. */
  http(host: HttpStreamHost): HttpStream {
    this.#expect('http')
    return new HttpStream(this, host)
  }

  /** Of a plugin of kind `tcp`. */
  tcp(host: TcpStreamHost): TcpStream {
    this.#expect('tcp')
    return new TcpStream(this, host)
  }

  /** SDKs abort on streams of a kind for which they have no context. */
  #expect(kind: 'http' | 'tcp'): void {
    if (this.#config.kind === kind) return
    const message = `plugin ${this.#config.name} is of kind ${this.#config.kind} and gets no streams of kind ${kind}`
    throw new MeshError('MESH_INTERNAL', message, { source: 'internal' })
  }

  /**
   * Takes over for new streams.
   *
   * @throws MeshError MESH_PLUGIN_START; then everything stays as it was
   */
  replace(module: PluginModule, config: PluginConfig): void {
    const next = this.#start(module, config)
    this.#module = module
    this.#config = config
    this.#retire()
    this.#current = next
  }

  /** No new streams; instances go with their last streams. */
  close(): void {
    this.#isClosed = true
    this.#restartTimer?.[Symbol.dispose]()
    this.#retire()
  }

  /** Ends all at once: what is held is decided by the failure policy. */
  [Symbol.dispose](): void {
    this.#isClosed = true
    this.#restartTimer?.[Symbol.dispose]()
    this.#current = undefined
    for (const { vm } of this.#generations.values()) vm.end('the plugin was removed')
    for (const { timer } of this.#generations.values()) timer?.[Symbol.dispose]()
    this.#generations.clear()
  }

  get state(): PluginState {
    const generations = [...this.#generations.values()]
    return {
      name: this.#config.name,
      status: this.#status,
      instances: generations.length,
      memoryBytes: generations.reduce((sum, { vm }) => sum + vm.memory.byteLength, 0),
      streams: generations.reduce((sum, { streams }) => sum + streams, 0),
      failures: { ...this.#failures },
      detail: this.#detail,
    }
  }

  get #status(): PluginState['status'] {
    if (this.#isClosed) return 'closed'
    if (this.#current !== undefined) return 'running'
    return this.#restarts.allows ? 'restarting' : 'failed'
  }

  // For streams

  acquire(): PluginVm | undefined {
    const generation = this.#current ?? this.#restart()
    if (generation === undefined) return undefined
    generation.streams++
    return generation.vm
  }

  release(vm: PluginVm): void {
    const generation = this.#generations.get(vm)
    if (generation === undefined) return
    generation.streams--
    this.#endIfUnused(generation)
  }

  // Instances

  #start(module: PluginModule, config: PluginConfig): Generation {
    const vm = new PluginVm({ ...this.#parts, module, config })
    const root = new RootContext(vm)
    vm.root = root
    try {
      root.start()
    } catch (error) {
      // Timers and calls that it began before it failed.
      vm.end(messageOf(error))
      throw error
    }
    const generation: Generation = { vm, streams: 0, isRetired: false, timer: undefined }
    this.#generations.set(vm, generation)
    vm.onFailed = failure => this.#onFailed(generation, failure)
    return generation
  }

  #restart(): Generation | undefined {
    if (this.#isClosed || !this.#restarts.allows) return undefined
    const { clock } = this.#parts.services
    const beganMs = clock.nowMs()
    try {
      this.#current = this.#start(this.#module, this.#config)
      this.#restarts.started(clock.nowMs() - beganMs)
      return this.#current
    } catch (error) {
      this.#failures.start++
      this.#detail = messageOf(error)
      this.#restarts.failedToStart()
      this.#parts.services.log('error', this.#config.name, messageOf(error))
      return undefined
    }
  }

  #onFailed(generation: Generation, failure: VmFailure): void {
    this.#forget(generation.vm)
    if (this.#current === generation) this.#current = undefined
    if (failure.kind === 'removed') return
    if (generation.isRetired && generation.streams === 0) {
      // Nobody is left whom it could harm; G-Core's SDK for AssemblyScript always aborts in the root's proxy_on_done.
      this.#parts.services.log('warn', this.#config.name, `an instance did not end well: ${failure.detail}`)
      return
    }
    this.#failures[failure.kind]++
    this.#detail = failure.detail
    this.#parts.services.log('error', this.#config.name, `the instance is discarded: ${failure.detail}`)
    this.#restartLater()
  }

  #restartLater(): void {
    if (this.#isClosed || this.#restartTimer !== undefined) return
    this.#restartTimer = this.#parts.services.clock
      .after(restartMs, () => {
        this.#restartTimer = undefined
        if (this.#current === undefined && this.#restart() === undefined) this.#restartLater()
      })
      .unref()
  }

  #retire(): void {
    const generation = this.#current
    this.#current = undefined
    if (generation === undefined) return
    generation.isRetired = true
    this.#abandonLater(generation)
    this.#endIfUnused(generation)
  }

  /** No stream hangs because its plugin has gone; again and again, since the plugin may hold the next part as well. */
  #abandonLater(generation: Generation): void {
    generation.timer = this.#parts.services.clock
      .after(drainMs, () => {
        if (!this.#generations.has(generation.vm)) return
        for (const context of generation.vm.contexts.list()) if (context instanceof StreamBase) context.abandon()
        if (this.#generations.has(generation.vm)) this.#abandonLater(generation)
      })
      .unref()
  }

  #forget(vm: PluginVm): void {
    this.#generations.get(vm)?.timer?.[Symbol.dispose]()
    this.#generations.delete(vm)
  }

  #endIfUnused(generation: Generation): void {
    if (!generation.isRetired || generation.streams > 0) return
    generation.vm.defer(() => {
      if (generation.vm.root instanceof RootContext) generation.vm.root.drain(() => this.#forget(generation.vm))
    })
  }
}
