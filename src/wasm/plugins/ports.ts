import type { Clock } from '../../core/index.ts'
import type { PluginLogLevel, PluginMetricKind } from './abi.ts'
import type { Flow, HeaderMap, MessageSink } from '../../codec/index.ts'
import type { PropertyValue } from './property-value.ts'
import type { StreamProperties } from './stream-properties.ts'

export type { Flow, MessageSink }

/** An answer that the plugin, or its failure, gives instead of the upstream. */
export interface LocalResponse {
  readonly status: number
  /** Without blanks, for access logs. */
  readonly details: string
  readonly headers: HeaderMap
  readonly body: Uint8Array
  /** 0 to 16 for clients of gRPC. */
  readonly grpcStatus: number | undefined
}

/** What any stream of a plugin needs from who has the connection. Only those about attributes and the route cache are called while the plugin runs. */
export interface StreamHost {
  /**
   * The value of an attribute, `source` and `address`, or `connection_id` alone.
   * What comes from the messages themselves, and of the plugin, is answered without asking.
   */
  property(group: string, name: string | undefined): PropertyValue | undefined
  /** What plugins set; one for all plugins of a stream. */
  readonly properties: StreamProperties
  /** Ends the stream at once: a reset for HTTP, a close for a connection. */
  reset(): void
}

/** What an HTTP stream of a plugin needs from the proxy. */
export interface HttpStreamHost extends StreamHost {
  readonly request: MessageSink
  readonly response: MessageSink
  /** Called once at most; nothing comes by the sinks after it. */
  respond(response: LocalResponse): void
  /** The route is to be chosen again, by the request as it is now. */
  clearRouteCache(): void
}

/** Takes the data of one direction. */
export type DataSink = (bytes: Uint8Array, flow: Flow) => void

/** What a connection of a plugin needs from the proxy. */
export interface TcpStreamHost extends StreamHost {
  readonly toUpstream: DataSink
  readonly toDownstream: DataSink
  /** Close one side after what was sent to it. */
  close(side: 'downstream' | 'upstream'): void
}

export interface HttpCall {
  readonly upstream: string
  /** With `:method`, `:path` and `:authority`. */
  readonly headers: HeaderMap
  readonly body: Uint8Array
  readonly trailers: HeaderMap
  /** 0: none. */
  readonly timeoutMs: number
}

export type HttpCallResult =
  | { readonly kind: 'response'; readonly headers: HeaderMap; readonly body: Uint8Array; readonly trailers: HeaderMap }
  | { readonly kind: 'failed'; readonly detail: string }

export interface GrpcCall {
  readonly upstream: string
  readonly service: string
  readonly method: string
  readonly metadata: HeaderMap
  /** 0: none. */
  readonly timeoutMs: number
}

/** What becomes of a gRPC call, in this order; `onClose` is the last. */
export interface GrpcObserver {
  onInitialMetadata(metadata: HeaderMap): void
  onMessage(message: Uint8Array): void
  onTrailingMetadata(metadata: HeaderMap): void
  onClose(status: number, message: string): void
}

export interface GrpcStream {
  send(message: Uint8Array, flow: Flow): void
  /** No more messages follow. */
  end(): void
  /** The observer hears nothing more. */
  cancel(): void
}

/** Why a call was not sent. */
export interface CallRefusal {
  readonly refused: 'unknown-upstream' | 'failed'
  readonly detail: string
}

/** Calls to other services, by the proxy's own clients. Results never come before the call returns. */
export interface Callouts {
  http(call: HttpCall, done: (result: HttpCallResult) => void): { cancel(): void } | CallRefusal
  grpc(call: GrpcCall, observer: GrpcObserver): GrpcStream | CallRefusal
}

/** A metric that a plugin defined; all instances of a plugin share it. */
export interface PluginMetric {
  readonly kind: PluginMetricKind
  /** Of counters and gauges. */
  value: bigint
  /** For histograms. */
  record(value: bigint): void
}

export interface PluginMetrics {
  /** The same for the same name. @returns undefined when there are too many */
  define(kind: PluginMetricKind, name: string): PluginMetric | undefined
}

/** Shared by all instances and plugins with the same VM id, on all threads. */
export interface SharedData {
  get(vmId: string, key: string): { readonly value: Uint8Array; readonly cas: number } | undefined
  /** @param cas  0: whatever is there */
  set(vmId: string, key: string, value: Uint8Array, cas: number): 'set' | 'cas-mismatch' | 'full'
}

export interface SharedQueues {
  /** @param onItem  called once for each item, never before `enqueue` has returned; replaces that of who registered before */
  register(vmId: string, name: string, onItem: () => void): number
  resolve(vmId: string, name: string): number | undefined
  enqueue(id: number, item: Uint8Array): 'queued' | 'unknown' | 'full'
  dequeue(id: number): Uint8Array | 'unknown' | 'empty'
}

/**
 * @param callBack  calls `proxy_on_foreign_function` of who called, now or later: after the callback that runs, and
 *   never when its context is gone by then; ABI 0.1.0 has no such callback. The first parameter is the function's own
 * @returns the result, or why there is none
 */
export type ForeignFunction = (
  argument: Uint8Array,
  callBack: (id: number, argument: Uint8Array) => void,
) => Uint8Array | 'bad-argument' | 'internal-failure'

/** What plugins of a worker share. Each has a useful form without a proxy: see `offline.ts`. */
export interface PluginServices {
  readonly clock: Clock
  /** The level below which plugins need not write. */
  readonly logLevel: PluginLogLevel
  /** Attributes that need no stream: `['xds', 'node', 'id']`. */
  property(path: readonly string[]): PropertyValue | undefined
  log(level: PluginLogLevel, plugin: string, message: string): void
  readonly callouts: Callouts
  readonly metrics: PluginMetrics
  readonly sharedData: SharedData
  readonly queues: SharedQueues
  readonly foreignFunctions: ReadonlyMap<string, ForeignFunction>
}
