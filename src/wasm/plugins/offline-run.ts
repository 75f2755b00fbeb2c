import { messageOf, systemClock } from '../../core/index.ts'
import type { Clock, Timer } from '../../core/index.ts'
import { Engine } from '../engine/engine.ts'
import { describeCall } from './describe-call.ts'
import type { DescribedCall } from './describe-call.ts'
import { HeaderMap } from '../../codec/index.ts'
import { LocalMetrics } from './local-metrics.ts'
import { OfflineCallouts } from './offline-callouts.ts'
import { transfer } from './offline-connection.ts'
import type { OfflineConnection, OfflineTransfer, Waiting } from './offline-connection.ts'
import { offlineServices } from './offline.ts'
import { Plugin } from './plugin.ts'
import type { PluginConfig } from './plugin-config.ts'
import type { PluginModule } from './plugin-module.ts'
import type { Flow, HttpCallResult, HttpStreamHost, LocalResponse, MessageSink } from './ports.ts'
import type { PropertyValue } from './property-value.ts'
import { SharedMemory } from './shared-memory.ts'
import { StreamProperties } from './stream-properties.ts'
import type { VmTrace } from './vm.ts'

/** A message that goes in, or came out. */
export interface OfflineMessage {
  readonly headers: HeaderMap
  readonly body: Uint8Array
  readonly trailers?: HeaderMap
}

export interface OfflineOptions {
  readonly config: PluginConfig
  /** @default GET / of example.com */
  readonly request?: OfflineMessage
  /** What the upstream answers if the request gets there. @default 200 */
  readonly response?: OfflineMessage
  /** For plugins of the kind `tcp`. @default both sides say nothing and end */
  readonly connection?: OfflineConnection
  /** What services answer that the plugin calls. */
  readonly upstreams?: ReadonlyMap<string, HttpCallResult>
  /** How often the plugin's timer comes due before the request, and once more at most as often while it is held. @default 0 */
  readonly ticks?: number
  /** By name, `source.address`. @default those that every stream has, of a client at 127.0.0.1:40000 */
  readonly properties?: ReadonlyMap<string, PropertyValue>
}

/** One callback with what happened in it, in order. */
export interface OfflineStep {
  readonly callback: string
  readonly parameters: readonly number[]
  readonly calls: (DescribedCall | { readonly log: string; readonly message: string })[]
  /** Undefined when it failed, or has none. */
  result: unknown
}

export type OfflineOutcome =
  | { readonly kind: 'not-started'; readonly detail: string }
  | { readonly kind: 'passed'; readonly request: OfflineMessage; readonly response: OfflineMessage }
  | { readonly kind: 'answered'; readonly response: LocalResponse }
  | OfflineTransfer
  | { readonly kind: 'reset' }
  /** A plugin of the kind `service` sees no request. */
  | { readonly kind: 'no-stream' }
  /** The plugin paused it and nothing more came. */
  | { readonly kind: 'held'; readonly message: 'request' | 'response' }

export interface OfflineRun {
  readonly steps: readonly OfflineStep[]
  readonly outcome: OfflineOutcome
  /** Why the instance was discarded, if it was. */
  readonly failure: string | undefined
  readonly metrics: Readonly<Record<string, string>>
}

/** Collects a message until its end. */
class Collector implements MessageSink {
  headersSeen: HeaderMap | undefined = undefined
  #parts: Uint8Array[] = []
  trailersSeen: HeaderMap | undefined = undefined
  isComplete = false

  headers(headers: HeaderMap, flow: Flow): void {
    this.headersSeen = headers
    this.isComplete = flow === 'end'
  }
  body(bytes: Uint8Array, flow: Flow): void {
    this.#parts.push(bytes)
    this.isComplete = flow === 'end'
  }
  trailers(trailers: HeaderMap): void {
    this.trailersSeen = trailers
    this.isComplete = true
  }
  message(fallback: OfflineMessage): OfflineMessage {
    const trailers = this.trailersSeen
    return {
      headers: this.headersSeen ?? fallback.headers,
      body: Buffer.concat(this.#parts),
      ...(trailers === undefined ? {} : { trailers }),
    }
  }
}

/** Sends one exchange, or one connection, through a plugin without any network, and writes down all that happens. */
export function runOffline(module: PluginModule, options: OfflineOptions): OfflineRun {
  const recorder = new Recorder()
  const metrics = new LocalMetrics()
  const clock = new TickClock()
  const callouts = new OfflineCallouts(options.upstreams ?? new Map())
  const shared = new SharedMemory(undefined, { later: action => callouts.later(action) })
  const services = offlineServices({
    sharedData: shared,
    queues: shared,
    logLevel: 'trace',
    log: (level, _plugin, message) => recorder.log(level, message),
    metrics,
    callouts,
    clock,
  })
  const settle = (): void => callouts.settle()
  const ticks = options.ticks ?? 0
  const tick = (): void => {
    clock.tick()
    settle()
  }
  const wait: Waiting = isHeld => {
    settle()
    for (let left = ticks; left > 0 && isHeld(); left--) tick()
  }
  let outcome: OfflineOutcome
  let failure: string | undefined
  try {
    const plugin = new Plugin(module, options.config, { engine: new Engine(), services, trace: recorder })
    settle()
    for (let left = ticks; left > 0; left--) tick()
    outcome = stream(plugin, options, wait)
    failure = plugin.state.detail
    plugin.close()
    settle()
    plugin[Symbol.dispose]()
  } catch (error) {
    outcome = { kind: 'not-started', detail: messageOf(error) }
  }
  const values = [...metrics].map(([name, { value }]) => [name, String(value)] as const)
  return { steps: recorder.steps, outcome, failure, metrics: Object.fromEntries(values) }
}

function stream(plugin: Plugin, options: OfflineOptions, wait: Waiting): OfflineOutcome {
  const { config, connection = { fromClient: [], fromEndpoint: [] }, properties } = options
  if (config.kind === 'service') return { kind: 'no-stream' }
  const usual = usualProperties()
  const property: Property = (group, name) => {
    const path = name === undefined ? group : `${group}.${name}`
    return properties?.get(path) ?? usual.get(path)
  }
  if (config.kind === 'tcp') return transfer(plugin, connection, property, wait)
  return exchange(plugin, options, property, wait)
}

type Property = HttpStreamHost['property']

/** What every stream of a proxy has, and plugins rely on: some fail without it. */
function usualProperties(): ReadonlyMap<string, PropertyValue> {
  return new Map<string, PropertyValue>([
    ['request.time', BigInt(Math.round(systemClock.wallMs() * 1000)) * 1000n],
    ['request.protocol', 'HTTP/1.1'],
    ['source.address', '127.0.0.1:40000'],
    ['source.port', 40_000n],
    ['destination.address', '127.0.0.1:80'],
    ['destination.port', 80n],
    ['connection.id', 1n],
    ['connection.mtls', false],
  ])
}

function plainResponse(): OfflineMessage {
  return { headers: HeaderMap.of([[':status', '200']]), body: new Uint8Array() }
}

function plainRequest(): OfflineMessage {
  const fields = [
    [':method', 'GET'],
    [':path', '/'],
    [':scheme', 'http'],
    [':authority', 'example.com'],
  ] as const
  return { headers: HeaderMap.of(fields), body: new Uint8Array() }
}

function exchange(plugin: Plugin, options: OfflineOptions, property: Property, wait: Waiting): OfflineOutcome {
  const { request: sent = plainRequest(), response: answered = plainResponse() } = options
  const [request, response] = [new Collector(), new Collector()]
  let decided: OfflineOutcome | undefined
  const host: HttpStreamHost = {
    request,
    response,
    respond: answer => void (decided ??= { kind: 'answered', response: answer }),
    reset: () => void (decided ??= { kind: 'reset' }),
    clearRouteCache() {},
    property,
    properties: new StreamProperties(),
  }
  const stream = plugin.http(host)
  send(sent, stream.request)
  wait(() => decided === undefined && !request.isComplete)
  if (decided === undefined && request.isComplete) {
    send(answered, stream.response)
    wait(() => decided === undefined && !response.isComplete)
  }
  const outcome: OfflineOutcome =
    decided ??
    (!request.isComplete
      ? { kind: 'held', message: 'request' }
      : !response.isComplete
        ? { kind: 'held', message: 'response' }
        : { kind: 'passed', request: request.message(sent), response: response.message(answered) })
  stream.close()
  wait(() => false)
  return outcome
}

function send({ headers, body, trailers }: OfflineMessage, sink: MessageSink): void {
  const hasMore = body.length > 0 || trailers !== undefined
  sink.headers(headers, hasMore ? 'more' : 'end')
  if (body.length > 0) sink.body(body, trailers === undefined ? 'end' : 'more')
  if (trailers !== undefined) sink.trailers(trailers)
}

/** Time passes by itself; timers are due when `tick` says so. */
class TickClock implements Clock {
  #due: (() => void)[] = []
  nowMs = (): number => systemClock.nowMs()
  wallMs = (): number => systemClock.wallMs()
  after(_delayMs: number, action: () => void): Timer {
    const due = (): void => action()
    this.#due.push(due)
    const forget = (): void => void (this.#due = this.#due.filter(other => other !== due))
    return {
      unref() {
        return this
      },
      [Symbol.dispose]: forget,
    }
  }
  every(periodMs: number, action: () => void): Timer {
    return this.after(periodMs, action)
  }
  tick(): void {
    for (const due of this.#due.splice(0)) due()
  }
}

class Recorder implements VmTrace {
  readonly steps: OfflineStep[] = []

  get #step(): OfflineStep {
    const last = this.steps.at(-1)
    if (last !== undefined) return last
    const first: OfflineStep = { callback: '_initialize', parameters: [], calls: [], result: undefined }
    this.steps.push(first)
    return first
  }

  onCallback(callback: string, parameters: readonly number[]): void {
    this.steps.push({ callback, parameters, calls: [], result: undefined })
  }

  onReturn(result: unknown): void {
    this.#step.result = result
  }

  onHostCall(...call: Parameters<VmTrace['onHostCall']>): void {
    // The line of the log is there already.
    if (call[0] === 'proxy_log' || call[0] === 'fd_write') return
    this.#step.calls.push(describeCall(...call))
  }

  log(level: string, message: string): void {
    this.#step.calls.push({ log: level, message })
  }
}
