import { actions } from './abi.ts'
import type { MessageCallbacks } from './callbacks.ts'
import type { Access } from './context.ts'
import { DataBuffer } from './data-buffer.ts'
import { HeaderMap } from '../../codec/index.ts'
import type { Flow, HttpStreamHost, MessageSink } from './ports.ts'
import type { SeenMessage } from './properties.ts'
import type { Entry } from './stream-base.ts'
import type { PluginVm } from './vm.ts'
import type { GuestFunction } from '../engine/engine.ts'

/** The stream, as one of its two messages sees it. */
export interface FlowStream {
  readonly flowVm: PluginVm | undefined
  /** An answer or a reset is on its way: what the callback says no longer matters. */
  readonly isDecided: boolean
  enter(): Entry
  later(action: () => void): void
  /** Calls a callback of the stream. @returns undefined when it failed */
  run(callback: GuestFunction | undefined, a: number, b: number): number | undefined
  onTooLarge(flow: MessageFlow): void
}

/**
 * One message on its way through a plugin: a request, or a response.
 *
 * What the plugin pauses is held. A pause in the headers' callback holds all, and
 * the body waits without callbacks, unless the plugin is configured otherwise; a
 * pause in a body's callback collects the body, of which the next callback sees
 * the whole. Maps and bodies are the plugin's to see while their callback runs
 * and while they are held.
 */
export class MessageFlow implements MessageSink, SeenMessage {
  seenHeaders: HeaderMap | undefined = undefined
  seenTrailers: HeaderMap | undefined = undefined
  seenBodyBytes = 0
  hasPassedHeaders = false

  readonly #stream: FlowStream
  readonly #message: 'request' | 'response'
  readonly #host: HttpStreamHost
  #held: 'nothing' | 'all' | 'headers' | 'body' | 'trailers' = 'nothing'
  #running: 'none' | 'headers' | 'body' | 'trailers' = 'none'
  #headersFlow: Flow = 'more'
  #body: DataBuffer = DataBuffer.writable()
  #bodyFlow: Flow = 'more'
  #hasBody = false
  #hasTrailers = false
  /** The end has been passed on, or the plugin wants nothing more to go. */
  #isEnded = false

  constructor(stream: FlowStream, message: 'request' | 'response', host: HttpStreamHost) {
    this.#stream = stream
    this.#message = message
    this.#host = host
  }

  /** What is behind this plugin. */
  get #sink(): MessageSink {
    return this.#message === 'request' ? this.#host.request : this.#host.response
  }

  /** Not by the name: a property whose name is a value is found anew each time. */
  #callbacksOf({ callbacks }: PluginVm): MessageCallbacks {
    return this.#message === 'request' ? callbacks.request : callbacks.response
  }

  get isHeld(): boolean {
    return this.#held !== 'nothing'
  }

  get isPartlyPassed(): boolean {
    return this.hasPassedHeaders && !this.#isEnded
  }

  /** Whoever reads the message should wait. */
  get isBlocked(): boolean {
    const vm = this.#stream.flowVm
    return vm !== undefined && this.isHeld && this.#body.length >= vm.config.limits.bodyBytes
  }

  // Events

  headers(headers: HeaderMap, flow: Flow): void {
    const entry = this.#stream.enter()
    if (entry === 'later') return this.#headersLater(headers, flow)
    if (entry === 'over') return
    this.seenHeaders = headers
    this.#headersFlow = flow
    this.#held = 'all'
    const vm = this.#stream.flowVm
    if (entry === 'pass' || vm === undefined) return this.passAll()
    headers.maxBytes = vm.config.limits.headerBytes
    headers.maxCount = vm.config.limits.headerCount
    const action = this.#run('headers', this.#callbacksOf(vm).headers, headers.count, flow)
    if (action !== undefined) this.#afterHeaders(vm, action)
    vm.settle()
  }

  // Of its own, as those of the other parts: what a closure may need costs each call, where it stands in it.
  #headersLater(headers: HeaderMap, flow: Flow): void {
    this.#stream.later(() => this.headers(headers, flow))
  }

  #afterHeaders(vm: PluginVm, action: number): void {
    if (action === actions.pause && vm.config.headersPause === 'headers') {
      this.#held = 'headers'
      return
    }
    if (action !== actions.continue && action !== actions.continueAndEnd) return
    this.#held = 'nothing'
    if (action === actions.continueAndEnd) this.#headersFlow = 'end'
    this.#pass()
  }

  body(bytes: Uint8Array, flow: Flow): void {
    const entry = this.#stream.enter()
    if (entry === 'later') return this.#bodyLater(bytes, flow)
    if (entry === 'over' || this.#isEnded) return
    this.seenBodyBytes += bytes.length
    this.#body.append(bytes)
    this.#bodyFlow = flow
    this.#hasBody = true
    const vm = this.#stream.flowVm
    if (entry === 'pass' || vm === undefined) return this.passAll()
    if (this.#held !== 'all') {
      this.#runBody(vm)
      vm.settle()
    } else if (this.#body.length > vm.config.limits.bodyBytes) this.#stream.onTooLarge(this)
    this.#body.own()
  }

  #bodyLater(bytes: Uint8Array, flow: Flow): void {
    const copy = Uint8Array.from(bytes)
    this.#stream.later(() => this.body(copy, flow))
  }

  #runBody(vm: PluginVm): void {
    this.#held = 'body'
    const action = this.#run('body', this.#callbacksOf(vm).body, this.#body.length, this.#bodyFlow)
    if (action === undefined) return
    if (action === actions.continue) {
      this.#held = 'nothing'
      this.#pass()
      return
    }
    if (action >= actions.pauseWithoutBuffer) this.#body.take()
    // With back-pressure whoever reads stops at the limit; without it the whole is wanted, and there is too much.
    const mayWait = action === actions.continueAndEnd
    if (!mayWait && this.#body.length > vm.config.limits.bodyBytes) this.#stream.onTooLarge(this)
  }

  trailers(trailers: HeaderMap): void {
    const entry = this.#stream.enter()
    if (entry === 'later') return this.#trailersLater(trailers)
    if (entry === 'over' || this.#isEnded) return
    this.seenTrailers = trailers
    this.#hasTrailers = true
    const vm = this.#stream.flowVm
    if (entry === 'pass' || vm === undefined) return this.passAll()
    if (this.#held === 'all') return
    this.#runTrailers(vm, trailers)
    vm.settle()
  }

  #runTrailers(vm: PluginVm, trailers: HeaderMap): void {
    this.#held = 'trailers'
    const action = this.#run('trailers', this.#callbacksOf(vm).trailers, trailers.count, 'more')
    if (action !== actions.continue) return
    this.#held = 'nothing'
    this.#pass()
  }

  #trailersLater(trailers: HeaderMap): void {
    this.#stream.later(() => this.trailers(trailers))
  }

  /** @returns the action; undefined when it failed, or no longer matters */
  #run(
    part: 'headers' | 'body' | 'trailers',
    callback: GuestFunction | undefined,
    size: number,
    flow: Flow,
  ): number | undefined {
    this.#running = part
    const action = this.#stream.run(callback, size, flow === 'end' ? 1 : 0)
    this.#running = 'none'
    return this.#stream.isDecided ? undefined : action
  }

  // Passing on

  /** The plugin says that what is held may go on. */
  resume(): void {
    const vm = this.#stream.flowVm
    const held = this.#held
    if (held === 'nothing' || vm === undefined) return
    this.#held = 'nothing'
    if (held !== 'all') return this.#pass()
    this.#passHeaders()
    // The callbacks of what came meanwhile are still to come.
    if (this.#hasBody && !this.#isEnded) this.#runBody(vm)
    if (this.#hasTrailers && this.seenTrailers !== undefined && this.#stream.enter() === 'plugin')
      this.#runTrailers(vm, this.seenTrailers)
  }

  /** All that is held goes on, whatever the plugin wanted. */
  passAll(): void {
    this.#held = 'nothing'
    this.#pass()
  }

  /** Nothing that is held goes anywhere. */
  drop(): void {
    this.#held = 'nothing'
    this.#hasBody = this.#hasTrailers = false
    this.#isEnded = true
    this.#body.take()
  }

  #pass(): void {
    this.#passHeaders()
    if (this.#hasBody && !this.#isEnded) {
      this.#hasBody = false
      const created = !this.#hasTrailers && this.#bodyFlow === 'end' ? this.seenTrailers : undefined
      const hasCreated = created !== undefined && created.count > 0
      if (this.#bodyFlow === 'end') this.#isEnded = true
      this.#sink.body(this.#body.take(), hasCreated ? 'more' : this.#bodyFlow)
      if (hasCreated && !this.#stream.isDecided) this.#sink.trailers(created)
    }
    if (this.#hasTrailers && !this.#isEnded && this.seenTrailers !== undefined) {
      this.#isEnded = true
      this.#sink.trailers(this.seenTrailers)
    }
  }

  #passHeaders(): void {
    const headers = this.seenHeaders
    if (this.hasPassedHeaders || headers === undefined) return
    this.hasPassedHeaders = true
    const vm = this.#stream.flowVm
    const isEdited = this.#body.isEdited || (vm !== undefined && this.#mayEdit(vm))
    if (this.#headersFlow === 'more' && isEdited) headers.delete('content-length')
    if (this.#headersFlow === 'end') this.#isEnded = true
    this.#sink.headers(headers, this.#headersFlow)
  }

  /** Whether the length of the body can't be promised: plugins that change bodies often forget it. */
  #mayEdit(vm: PluginVm): boolean {
    return vm.module.editsBodies && this.#callbacksOf(vm).body !== undefined
  }

  /** Lets the plugin change an answer that is given in place of this message. @returns its body */
  answer(vm: PluginVm, headers: HeaderMap, body: Uint8Array): Uint8Array {
    this.seenHeaders = headers
    this.hasPassedHeaders = false
    this.#held = 'all'
    this.#body = DataBuffer.writable(body)
    this.#run('headers', this.#callbacksOf(vm).headers, headers.count, body.length === 0 ? 'end' : 'more')
    this.#bodyFlow = 'end'
    this.#held = 'body'
    if (body.length > 0) this.#run('body', this.#callbacksOf(vm).body, body.length, 'end')
    const result = this.#body.take()
    this.hasPassedHeaders = true
    this.drop()
    return result
  }

  // What the plugin may see

  get headersAccess(): Access {
    return this.seenHeaders !== undefined && !this.hasPassedHeaders && this.isHeld ? 'write' : 'none'
  }

  get trailersAccess(): Access {
    if (this.#held === 'trailers') return 'write'
    // None came, and the plugin may add some: with the last of the body.
    return this.#running === 'body' && this.#bodyFlow === 'end' ? 'write' : 'none'
  }

  get visibleTrailers(): HeaderMap | undefined {
    if (this.trailersAccess === 'write') this.seenTrailers ??= new HeaderMap()
    return this.seenTrailers
  }

  get buffer(): DataBuffer | undefined {
    return this.#running === 'body' || this.#held === 'body' || this.#held === 'trailers' ? this.#body : undefined
  }
}
