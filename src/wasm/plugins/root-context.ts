import type { Timer } from '../../core/index.ts'
import { bufferTypes, mapTypes, statuses } from './abi.ts'
import type { Status } from './abi.ts'
import type { Access, PropertyForm, Root } from './context.ts'
import { DataBuffer } from './data-buffer.ts'
import { Expressions } from './expressions.ts'
import { GrpcCalls } from './grpc-calls.ts'
import type { HeaderMap } from '../../codec/index.ts'
import type { CallRefusal, Flow, GrpcCall, HttpCall, HttpCallResult } from './ports.ts'
import { pluginProperty } from './properties.ts'
import type { PropertyValue } from './property-value.ts'
import { keyOf } from './stream-properties.ts'
import type { PluginVm } from './vm.ts'

/** What the SDKs know as a broken connection. */
const brokenConnection = 11

/**
 * The root context: start and configuration, ticks, queues, and the calls to
 * other services with what came back, which is there during their callback only.
 */
export class RootContext implements Root {
  readonly id: number
  readonly kind = 'root'
  readonly isLogging = false
  lastStatus: { readonly code: number; readonly message: string } = { code: 0, message: '' }

  readonly expressions: Expressions = new Expressions()

  readonly #vm: PluginVm
  readonly #grpc: GrpcCalls
  readonly #calls = new Map<number, { cancel(): void }>()
  #lastCallId = 0
  /** Properties that the plugin has declared. */
  readonly #declared = new Map<string, PropertyForm>()
  #maps: (HeaderMap | undefined)[] = []
  #body: DataBuffer | undefined = undefined
  #message: DataBuffer | undefined = undefined
  #timer: Timer | undefined = undefined
  #periodMs = 0
  #done: 'running' | 'asked' | 'waiting' | 'finished' | 'deleted' = 'running'
  #onGone: () => void = () => {}

  constructor(vm: PluginVm) {
    this.#vm = vm
    this.id = vm.nextId()
    this.#grpc = new GrpcCalls(vm, this)
    vm.contexts.add(this)
  }

  /** @throws MeshError MESH_PLUGIN_START, also when the plugin refuses its configuration */
  start(): void {
    const { callbacks, config } = this.#vm
    this.#step('proxy_on_context_create', callbacks.onContextCreate, 0)
    this.#vm.isStartingVm = true
    this.#step('proxy_on_vm_start', callbacks.onVmStart, config.vmConfiguration.length)
    this.#vm.isStartingVm = false
    this.#step('proxy_on_configure', callbacks.onConfigure, config.configuration.length)
    this.#vm.settle()
  }

  #step(name: string, callback: Parameters<PluginVm['callSlowly']>[0], parameter: number): void {
    const isBoolean = name !== 'proxy_on_context_create'
    const result = this.#vm.callSlowly(callback, this, 1, parameter)
    if (this.#vm.failure !== undefined)
      throw this.#vm.startError(`${name}: ${this.#vm.failure.detail}${this.#rootHint()}`)
    if (isBoolean && result === 0) throw this.#vm.startError(`${name} returned false: it refuses its configuration`)
  }

  /** SDKs that register root contexts by name abort when there is none. */
  #rootHint(): string {
    return `; its root id is '${this.#vm.config.rootId}', and the module must have registered one of that name`
  }

  // Ticks

  setTickPeriod(ms: number): void {
    this.#periodMs = ms
    this.#timer?.[Symbol.dispose]()
    this.#timer = undefined
    this.#arm()
  }

  #arm(): void {
    if (this.#periodMs === 0 || this.#done === 'deleted' || this.#vm.failure !== undefined) return
    this.#timer = this.#vm.services.clock.after(this.#periodMs, () => this.#tick()).unref()
  }

  #tick(): void {
    this.#timer = undefined
    this.#vm.defer(() => {
      this.#vm.call(this.#vm.callbacks.onTick, this, 0)
      // Again only now: ticks never overlap and none is made up for. The callback may have set another period.
      if (this.#timer === undefined) this.#arm()
      this.#vm.settle()
    })
  }

  // Queues

  registerQueue(name: string): number {
    const { queues } = this.#vm.services
    const id: number = queues.register(this.#vm.config.vmId, name, () => this.#onItem(id))
    return id
  }

  #onItem(id: number): void {
    this.#vm.defer(() => {
      // Who registered may be gone meanwhile.
      if (this.#done === 'deleted') return
      this.#vm.call(this.#vm.callbacks.onQueueReady, this, 0, id)
      this.#vm.settle()
    })
  }

  // Calls

  /** The id of the next call, which is taken when the call was sent. */
  nextCallId(kind: number): number {
    return this.#lastCallId + 4 + kind
  }

  takeCallId(): void {
    this.#lastCallId += 4
  }

  get callCount(): number {
    return this.#calls.size + this.#grpc.size
  }

  get tooManyCalls(): CallRefusal | undefined {
    const limit = this.#vm.config.limits.callouts
    return this.callCount < limit ? undefined : { refused: 'failed', detail: `${limit} calls are under way already` }
  }

  httpCall(call: HttpCall): number | CallRefusal {
    if (this.tooManyCalls !== undefined) return this.tooManyCalls
    const id = this.nextCallId(0)
    const pending = this.#vm.services.callouts.http(call, result =>
      this.#vm.defer(() => this.#onHttpResult(id, result)),
    )
    if ('refused' in pending) return pending
    this.takeCallId()
    this.#calls.set(id, pending)
    return id
  }

  #onHttpResult(id: number, result: HttpCallResult): void {
    if (!this.#calls.delete(id) || this.#vm.failure !== undefined) return
    const isResponse = result.kind === 'response'
    this.lastStatus = isResponse ? { code: 0, message: '' } : { code: brokenConnection, message: result.detail }
    if (isResponse) {
      this.#maps[mapTypes.httpCallResponseHeaders] = result.headers
      this.#maps[mapTypes.httpCallResponseTrailers] = result.trailers
      this.#body = DataBuffer.readOnly(result.body)
    }
    const sizes = isResponse
      ? ([result.headers.count, result.body.length, result.trailers.count] as const)
      : ([0, 0, 0] as const)
    this.#vm.callWith4(this.#vm.callbacks.onHttpCallResponse, this, id, ...sizes)
    this.#maps = []
    this.#body = undefined
    this.#vm.settle()
  }

  grpcCall(call: GrpcCall, message: Uint8Array | undefined): number | CallRefusal {
    return this.tooManyCalls ?? this.#grpc.open(call, message)
  }

  grpcSend(id: number, message: Uint8Array, flow: Flow): Status {
    return this.#grpc.send(id, message, flow)
  }

  grpcEnd(id: number, how: 'cancel' | 'end'): Status {
    if ((id & 3) === 0) return statuses.badArgument
    return this.#grpc.end(id, how)
  }

  /** What a callback about a call may look at. */
  show(map: number | undefined, metadata: HeaderMap | undefined, message: Uint8Array | undefined): void {
    this.#maps = []
    if (map !== undefined) this.#maps[map] = metadata
    this.#message = message === undefined ? undefined : DataBuffer.readOnly(message)
  }

  // The context

  map(type: number): HeaderMap | undefined {
    return this.#maps[type]
  }

  mapAccess(type: number): Access {
    return this.#maps[type] === undefined ? 'none' : 'read'
  }

  buffer(type: number): DataBuffer | undefined {
    switch (type) {
      case bufferTypes.httpCallResponseBody:
        return this.#body
      case bufferTypes.grpcCallMessage:
        return this.#message
      case bufferTypes.vmConfiguration:
        return DataBuffer.readOnly(this.#vm.config.vmConfiguration)
      case bufferTypes.pluginConfiguration:
        return DataBuffer.readOnly(this.#vm.config.configuration)
      default:
        return undefined
    }
  }

  continueStream(): boolean {
    return false
  }
  closeStream(): boolean {
    return false
  }
  respond(): boolean {
    return false
  }
  clearRouteCache(): void {}

  property(path: readonly string[]): PropertyValue | undefined {
    return pluginProperty(this.#vm.config, path) ?? this.#vm.services.property(path)
  }

  setProperty(): 'no-stream' {
    return 'no-stream'
  }

  setFilterState(): 'no-stream' {
    return 'no-stream'
  }

  declareProperty(name: string, form: PropertyForm): boolean {
    if (this.#declared.has(name)) return false
    this.#declared.set(name, form)
    return true
  }

  formOf(path: readonly string[]): PropertyForm | undefined {
    return this.#declared.size === 0 ? undefined : this.#declared.get(keyOf(path))
  }

  // The end

  /**
   * Tells the plugin that it ends; `onGone` is called when it has agreed, which it
   * may put off.
   */
  drain(onGone: () => void): void {
    if (this.#done !== 'running') return
    this.#onGone = onGone
    this.#done = 'asked'
    const result = this.#vm.call(this.#vm.callbacks.onDone, this, 1)
    // It may have called proxy_done in the callback itself.
    if (this.#done === 'asked') this.#done = result === 0 ? 'waiting' : 'finished'
    this.settle()
    this.#vm.settle()
  }

  finishDone(): boolean {
    if (this.#done !== 'waiting' && this.#done !== 'asked') return false
    this.#done = 'finished'
    this.#vm.touch(this)
    return true
  }

  settle(): void {
    if (this.#done !== 'finished') return
    this.#done = 'deleted'
    this.#vm.call(this.#vm.callbacks.onDelete, this, 0)
    this.#vm.contexts.delete(this.id)
    this.#release()
    this.#onGone()
  }

  onVmFailed(): void {
    this.#done = 'deleted'
    this.#release()
    this.#onGone()
  }

  #release(): void {
    this.#timer?.[Symbol.dispose]()
    this.#timer = undefined
    for (const call of this.#calls.values()) call.cancel()
    this.#calls.clear()
    this.#grpc.cancelAll()
  }
}
