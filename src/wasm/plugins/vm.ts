import { IdTable, MeshError, messageOf } from '../../core/index.ts'
import type { Engine, GuestFunction, GuestImports, HostFunction } from '../engine/engine.ts'
import type { GuestMemory } from '../engine/guest-memory.ts'
import { statuses } from './abi.ts'
import type { Status } from './abi.ts'
import { callbacksOf } from './callbacks.ts'
import type { Callbacks } from './callbacks.ts'
import type { Context, Root } from './context.ts'
import { Output } from './host/output.ts'
import { DataBuffer } from './data-buffer.ts'
import { hostFunctions } from './host/functions.ts'
import type { HostVm } from './host/host-vm.ts'
import { isAllowed } from './plugin-config.ts'
import type { PluginConfig } from './plugin-config.ts'
import type { PluginModule } from './plugin-module.ts'
import type { PluginServices } from './ports.ts'

/** What ends an instance. */
export interface VmFailure {
  readonly kind: 'trap' | 'cpu' | 'exit' | 'start' | 'removed'
  /** For the log: what happened in which callback, with the stack of the module. */
  readonly detail: string
}

/** Id of none. */
const noContext = 0

/** Thrown into a module to end it; a module that catches it is ended all the same. */
class GuestStop extends Error {}

export interface VmOptions {
  readonly engine: Engine
  readonly module: PluginModule
  readonly config: PluginConfig
  readonly services: PluginServices
  /** Hears each callback and host call; for `heddle plugins test`. */
  readonly trace?: VmTrace
}

/** Hears all that goes in and out of an instance. */
export interface VmTrace {
  onCallback(name: string, parameters: readonly number[]): void
  /** Not called when the callback failed. */
  onReturn(result: unknown): void
  onHostCall(name: string, parameters: readonly (number | bigint)[], result: unknown, memory: GuestMemory): void
}

/**
 * One instance of a plugin with its contexts: the only place that calls into the
 * module.
 *
 * No callback is called while one runs: whoever has something for the plugin
 * meanwhile defers it (`defer`), and what host functions ask for is done by
 * `settle`, which whoever calls a callback calls afterwards. An instance that
 * failed is never entered again.
 */
export class PluginVm implements HostVm {
  readonly memory: GuestMemory
  readonly callbacks: Callbacks
  readonly config: PluginConfig
  readonly module: PluginModule
  readonly services: PluginServices
  readonly output: Output
  readonly contexts: IdTable<Context> = new IdTable()
  failure: VmFailure | undefined = undefined
  effectiveId: number = noContext

  isStartingVm = false
  foreignArguments: DataBuffer | undefined = undefined

  readonly #engine: Engine
  #root: Root | undefined = undefined
  readonly #trace: VmTrace | undefined
  readonly #allocate: GuestFunction
  #lastId = noContext
  /** Whose callback runs; by its id, since a long-lived object that refers to a new one is work for the collector. */
  #currentId = noContext
  #isRunning = false
  #isAllocating = false
  #limitMs = 0
  #isAnnounced = false
  #isCatchingUp = false
  #touched: Context[] = []
  #deferred: (() => void)[] = []

  /**
   * Makes an instance and initialises its runtime; contexts come next.
   *
   * @throws MeshError MESH_PLUGIN_START
   */
  constructor({ engine, module, config, services, trace }: VmOptions) {
    this.#engine = engine
    this.#trace = trace
    this.config = config
    this.module = module
    this.services = services
    this.output = new Output((fd, text) => services.log(fd === 1 ? 'info' : 'error', config.name, text))
    const guest = this.#instantiate()
    this.memory = guest.memory
    const allocate = guest.function('proxy_on_memory_allocate') ?? guest.function('malloc')
    if (allocate === undefined) throw this.startError('it exports neither proxy_on_memory_allocate nor malloc')
    this.#allocate = allocate
    this.callbacks = callbacksOf(name => this.#callback(name, guest.function(name)))
    this.#initialize(name => guest.function(name))
  }

  #instantiate(): ReturnType<Engine['instantiate']> {
    const imports = hostFunctions(this)
    const trace = this.#trace
    try {
      return this.#engine.instantiate(this.module.guest, trace === undefined ? imports : this.#traced(imports, trace))
    } catch (error) {
      const missing = this.module.imports.filter(({ module, name }) => imports[module]?.[name] === undefined)
      if (missing.length === 0) throw this.startError(messageOf(error))
      const names = missing.map(({ module, name }) => `${module}.${name}`).join(', ')
      throw this.startError(`ABI ${this.module.abi} has no host function ${names}`)
    }
  }

  /** As proxy-wasm-cpp-host does: `_initialize` and then a main function, or `_start`, never both. */
  #initialize(find: (name: string) => GuestFunction | undefined): void {
    const initialize = find('_initialize')
    const main = find('main')
    const steps: (() => unknown)[] = []
    if (initialize === undefined) steps.push(() => find('_start')?.())
    else
      steps.push(
        () => initialize(),
        () => (main === undefined ? find('__main_void')?.() : main(0, 0)),
      )
    for (const step of steps) {
      this.#runSlowly(step)
      this.output.flush()
      if (this.failure !== undefined) throw this.startError(this.failure.detail)
    }
  }

  startError(detail: string): MeshError {
    return new MeshError('MESH_PLUGIN_START', `plugin ${this.config.name} does not start: ${detail}`, {
      source: 'plugin',
      hint: 'heddle plugins test shows each step of its start.',
    })
  }

  get root(): Root {
    if (this.#root === undefined) this.stop('trap', 'it called a host function before it had a context')
    return this.#root
  }

  set root(root: Root) {
    this.#root = root
  }

  // Into the module

  get isRunning(): boolean {
    return this.#isRunning
  }

  nextId(): number {
    return ++this.#lastId
  }

  /**
   * Calls a callback of `context`.
   *
   * @returns undefined if the instance has failed, before or in this call; `absent` if there is no such callback
   */
  call(callback: GuestFunction | undefined, context: Context, absent: number, a = 0, b = 0, c = 0): number | undefined {
    if (this.failure !== undefined) return undefined
    if (callback === undefined) return absent
    this.#currentId = context.id
    this.effectiveId = noContext
    this.#isRunning = true
    this.#begin(this.config.limits.callMs)
    let result: unknown
    try {
      result = callback(context.id, a, b, c)
    } catch (error) {
      this.#fail(error)
    }
    this.#isRunning = false
    this.#currentId = this.effectiveId = noContext
    if (this.failure !== undefined || this.#isOverdue()) return undefined
    return result === undefined ? absent : Number(result)
  }

  /** The one callback with five parameters. */
  callWith4(callback: GuestFunction | undefined, context: Context, a: number, b: number, c: number, d: number): void {
    this.call(callback === undefined ? undefined : (...ids) => callback(...ids, d), context, 0, a, b, c)
  }

  callBack(context: Context, id: number, argument: Uint8Array): void {
    this.defer(() => {
      if (this.contexts.get(context.id) !== context) return
      this.foreignArguments = DataBuffer.readOnly(argument)
      this.call(this.callbacks.onForeignFunction, context, 0, id, argument.length)
      this.foreignArguments = undefined
      this.settle()
    })
  }

  /** For the start and the configuration, which may take longer. */
  callSlowly(callback: GuestFunction | undefined, context: Context, absent: number, a: number): number | undefined {
    if (callback === undefined) return this.failure === undefined ? absent : undefined
    this.#currentId = context.id
    const result = this.#runSlowly(() => callback(context.id, a))
    return this.failure === undefined ? Number(result ?? absent) : undefined
  }

  #runSlowly(action: () => unknown): unknown {
    this.#isRunning = true
    this.#begin(this.config.limits.startMs)
    try {
      return action()
    } catch (error) {
      this.#fail(error)
      return undefined
    } finally {
      this.#isRunning = false
      this.#currentId = this.effectiveId = noContext
      this.#isOverdue()
    }
  }

  #begin(limitMs: number): void {
    this.#limitMs = limitMs
    this.#engine.budget.begin(limitMs)
  }

  /** A module may have caught what was to end it. */
  #isOverdue(): boolean {
    if (this.#engine.budget.isExceeded) this.#fail(new GuestStop('out of time'))
    return this.failure !== undefined
  }

  #fail(error: unknown): void {
    if (this.failure !== undefined) return
    this.output.flush()
    this.failure = this.#engine.budget.isExceeded
      ? { kind: 'cpu', detail: `it took more than ${this.#limitMs} ms of processor time in one call` }
      : { kind: 'trap', detail: stackOf(error) }
  }

  /** Ends the instance from within a host function. */
  stop(kind: VmFailure['kind'], detail: string): never {
    this.failure ??= { kind, detail }
    throw new GuestStop(detail)
  }

  // From the module

  /**
   * The context on which a host function acts.
   *
   * @throws into the module, where host functions may not be called or the time is over
   */
  target(): Context {
    const chosen = this.effectiveId === noContext ? undefined : this.contexts.get(this.effectiveId)
    const context = chosen ?? this.contexts.get(this.#currentId)
    if (context === undefined || this.#isAllocating)
      this.stop('trap', 'it called a host function while its memory or its runtime was being prepared')
    if (!this.#engine.budget.countCall()) throw new GuestStop('out of time')
    return context
  }

  /** For host functions that are allowed at any moment. */
  countCall(): void {
    if (!this.#engine.budget.countCall()) throw new GuestStop('out of time')
  }

  /** Gives bytes to the module: memory of its own, whose place and length are written where it asked. */
  give(bytes: Uint8Array, start: number, length: number, outPointer: number, outLength: number): Status {
    const { memory } = this
    if (!memory.has(outPointer, 4) || !memory.has(outLength, 4)) return statuses.invalidMemoryAccess
    if (length === 0) {
      memory.setU32(outPointer, 0)
      memory.setU32(outLength, 0)
      return statuses.ok
    }
    const pointer = this.allocate(length)
    if (pointer === 0) return statuses.invalidMemoryAccess
    copy(bytes, start, length, memory.bytes, pointer)
    memory.setU32(outPointer, pointer)
    memory.setU32(outLength, length)
    return statuses.ok
  }

  /** @returns 0 when the module has none, or says nonsense */
  allocate(length: number): number {
    this.#isAllocating = true
    let pointer: number
    try {
      pointer = Number(this.#allocate(length)) >>> 0
    } catch (error) {
      this.#fail(error)
      throw error
    } finally {
      this.#isAllocating = false
    }
    return this.memory.has(pointer, length) ? pointer : 0
  }

  /** Ends the instance from outside. */
  end(detail: string): void {
    this.failure ??= { kind: 'removed', detail }
    if (!this.#isRunning) this.settle()
  }

  // What waits until the callback is over

  /** The context has something to settle. */
  touch(context: Context): void {
    if (!this.#touched.includes(context)) this.#touched.push(context)
  }

  /** Runs `action` when no callback runs: at once, or after the one that does. */
  defer(action: () => void): void {
    if (this.#isRunning) this.#deferred.push(action)
    else action()
  }

  /** Does what was asked for during a callback, and tells everybody once if the instance has failed. */
  settle(): void {
    this.output.flush()
    if (this.failure !== undefined && !this.#isAnnounced) this.#announce()
    if (this.#touched.length === 0 && this.#deferred.length === 0) return
    while (this.#touched.length > 0 && !this.#isRunning) this.#touched.pop()?.settle()
    // What is deferred settles, too; events of a stream must not overtake the one before them.
    if (this.#isCatchingUp) return
    this.#isCatchingUp = true
    try {
      while (this.#deferred.length > 0 && !this.#isRunning) this.#deferred.shift()?.()
    } finally {
      this.#isCatchingUp = false
    }
  }

  #announce(): void {
    this.#isAnnounced = true
    this.#touched = []
    // What is deferred stays: events of streams go on in the next instance, all others find that this one has failed.
    const contexts = this.contexts.list()
    this.contexts.clear()
    if (this.failure !== undefined) this.onFailed(this.failure)
    for (const context of contexts) context.onVmFailed()
  }

  /** Set by the plugin. */
  onFailed: (failure: VmFailure) => void = () => {}

  log(level: 'warn' | 'error', message: string): void {
    this.services.log(level, this.config.name, message)
  }

  #traced(imports: GuestImports, trace: VmTrace): GuestImports {
    const wrap =
      (name: string, call: HostFunction): HostFunction =>
      (...parameters) => {
        const result = call(...parameters)
        trace.onHostCall(name, parameters, result, this.memory)
        return result
      }
    return Object.fromEntries(
      Object.entries(imports).map(([module, functions]) => [
        module,
        Object.fromEntries(Object.entries(functions).map(([name, call]) => [name, wrap(name, call)])),
      ]),
    )
  }

  #callback(name: string, callback: GuestFunction | undefined): GuestFunction | undefined {
    const trace = this.#trace
    if (callback === undefined || !isAllowed(this.config, name)) return undefined
    if (trace === undefined) return callback
    return (...parameters) => {
      // Functions of modules say how many parameters they take.
      const given = parameters.slice(0, callback.length)
      trace.onCallback(name, given)
      const result = callback(...parameters)
      trace.onReturn(result)
      return result
    }
  }
}

/** A view for each short copy costs more than the copy. */
function copy(source: Uint8Array, start: number, length: number, target: Uint8Array, at: number): void {
  if (length > 48) {
    target.set(source.subarray(start, start + length), at)
    return
  }
  for (let index = 0; index < length; index++) target[at + index] = source[start + index] ?? 0
}

/** The message and at most 20 places of the module; none of the host's own. */
function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return messageOf(error)
  const places = (error.stack ?? '').split('\n').filter(line => line.includes('wasm://'))
  return [error.message, ...places.slice(0, 20).map(line => line.trim().replace(/wasm:\/\/wasm\/[^:]*:/, ''))].join(
    '\n  ',
  )
}
