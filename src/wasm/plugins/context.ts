import type { DataBuffer } from './data-buffer.ts'
import type { Expressions } from './expressions.ts'
import type { HeaderMap } from '../../codec/index.ts'
import type { Status } from './abi.ts'
import type { CallRefusal, Flow, GrpcCall, HttpCall, LocalResponse } from './ports.ts'
import type { PropertyValue } from './property-value.ts'
import type { PropertySpan } from './stream-properties.ts'

/** How a plugin may treat a map of its context at this moment. */
export type Access = 'none' | 'read' | 'write'

/**
 * What a plugin sees as a context: the root, or one of its streams. Host
 * functions act on the context whose callback runs, or on the one the plugin
 * chose instead; what they change takes effect by `settle`, after the callback.
 */
export interface Context {
  readonly id: number
  readonly kind: 'root' | 'http' | 'tcp'
  /** While `proxy_on_log` runs, maps that are gone are not found, which is no mistake then. */
  readonly isLogging: boolean
  map(type: number): HeaderMap | undefined
  mapAccess(type: number): Access
  /** Undefined when it is not there now. */
  buffer(type: number): DataBuffer | undefined
  /** @returns false for a stream type that this context has not */
  continueStream(type: number): boolean
  closeStream(type: number): boolean
  /** @returns false when it is too late for an answer */
  respond(response: LocalResponse): boolean
  clearRouteCache(): void
  property(path: readonly string[]): PropertyValue | undefined
  setProperty(path: readonly string[], value: Uint8Array): PropertySetting
  /** What plugins of the stream, or the connection, find as `filter_state.<key>`. */
  setFilterState(key: string, value: Uint8Array, span: PropertySpan): PropertySetting
  /** The plugin has ended what it deferred by a false `proxy_on_done`. @returns false when nothing was deferred */
  finishDone(): boolean
  /** Does what host functions asked for. */
  settle(): void
  /** The instance is gone with all that it knew of this context. */
  onVmFailed(): void
}

/** `read-only`: it was set before, and the plugin has declared that it stays; `full`: there is no room for it. */
export type PropertySetting = 'set' | 'no-stream' | 'read-only' | 'full'

/** What a plugin declares of a property before it is set. */
export interface PropertyForm {
  readonly isReadOnly: boolean
  readonly span: PropertySpan
}

/** What belongs to the plugin and not to one of its streams. */
export interface Root extends Context {
  /** Of the properties that streams set; each name once. @returns false for a name that was declared before */
  declareProperty(name: string, form: PropertyForm): boolean
  formOf(path: readonly string[]): PropertyForm | undefined
  /** Those of the instance. */
  readonly expressions: Expressions
  /** Of what happened last to a call. */
  readonly lastStatus: { readonly code: number; readonly message: string }
  /** @param ms  0: no more ticks */
  setTickPeriod(ms: number): void
  /** @returns the id of the call */
  httpCall(call: HttpCall): number | CallRefusal
  /** @param message  of a call with one message; undefined for a stream */
  grpcCall(call: GrpcCall, message: Uint8Array | undefined): number | CallRefusal
  grpcSend(id: number, message: Uint8Array, flow: Flow): Status
  grpcEnd(id: number, how: 'cancel' | 'end'): Status
  registerQueue(name: string): number
}
