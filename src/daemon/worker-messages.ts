import type { LogFields, LogLevel } from '../core/index.ts'
import type { Caller, MeshSnapshot, SnapshotDelta } from '../model/index.ts'
import type { ConnectionEnds } from '../proxy/index.ts'
import type { PluginStatus } from './plugins/plugin-status.ts'
import type { SocketTable } from './handover/listener-sockets.ts'

/** The first message to a worker thread. */
export interface WorkerStart {
  readonly snapshot: MeshSnapshot
  /** Memory of the snapshot's rate limits, shared by all workers, by `RateLimit.tableKey`. */
  readonly rateLimits: ReadonlyMap<string, SharedArrayBuffer>
  /** Modules of the snapshot's plugins, by their hash. */
  readonly modules: ReadonlyMap<string, Uint8Array>
  /** What plugins of all workers share. */
  readonly pluginData: SharedArrayBuffer
  readonly pluginQueues: SharedArrayBuffer
  /** Of TLS sessions, the same for all workers. */
  readonly ticketKeys: Uint8Array
  readonly options: WorkerOptions
  /** Where the thread notes the descriptors of its own sockets; undefined when it uses those of Node. */
  readonly descriptors: SharedArrayBuffer | undefined
  /** Folder of the kernel tier's maps: NetworkPolicies are enforced on what is forwarded. Undefined in user space. */
  readonly pins: string | undefined
  /** Sockets that it listens with; undefined when it opens all by itself. */
  readonly kept: SocketTable | undefined
}

/** What workers need for a change of routes, before they get it, and may forget. */
export interface RateLimitChanges {
  readonly added: ReadonlyMap<string, SharedArrayBuffer>
  readonly removed: readonly string[]
}

export interface WorkerOptions {
  readonly workers: number
  readonly zone: string
  readonly accessLog: string
  readonly accessLogFormat: 'text' | 'json'
  readonly logLevel: LogLevel
  /** Plugins run as their files are, for debuggers. */
  readonly areInspected: boolean
  /** Whether somebody follows the access log. */
  readonly isTapped: boolean
}

export type ToWorker =
  | {
      readonly kind: 'delta'
      readonly delta: SnapshotDelta
      readonly rateLimits: RateLimitChanges
      /** Modules of plugins that the worker has not had. */
      readonly modules: ReadonlyMap<string, Uint8Array>
      /** All sockets of the worker from now on, as at its start. */
      readonly kept: SocketTable | undefined
    }
  /** Every question is answered; endpoints are looked through only when wanted, since there may be 100,000. */
  | { readonly kind: 'collect'; readonly wantsEndpoints: boolean }
  | { readonly kind: 'tap'; readonly isOn: boolean }
  | { readonly kind: 'ticket-keys'; readonly keys: Uint8Array }
  | { readonly kind: 'reopen-logs' }
  /** Somebody else has accepted this connection, and read some bytes of it. */
  | ({ readonly kind: 'connection' } & GivenConnection)
  | { readonly kind: 'callers-answered'; readonly answers: readonly CallerAnswer[] }
  /** With `handsOver` connections that come from now on wait for another agent, in sockets that are kept. */
  | { readonly kind: 'drain'; readonly deadlineMs: number; readonly handsOver: boolean }

export type FromWorker =
  /** The snapshot of that version is in force; listeners that could not be opened, with the reason. */
  | { readonly kind: 'applied'; readonly version: number; readonly failures: ReadonlyMap<string, string> }
  /** Metrics are undefined when they are as they were in the last answer. */
  | {
      readonly kind: 'collected'
      readonly metrics: unknown
      readonly endpoints: readonly EndpointActivity[] | undefined
      readonly plugins?: readonly PluginStatus[]
    }
  | { readonly kind: 'log'; readonly level: LogLevel; readonly message: string; readonly fields: LogFields | undefined }
  /** Lines of the access log, while tapped. */
  | { readonly kind: 'lines'; readonly lines: readonly string[] }
  /** Whose connections these are; every question is answered once. */
  | { readonly kind: 'callers-asked'; readonly questions: readonly CallerQuestion[] }
  | { readonly kind: 'drained'; readonly finished: number; readonly cut: number }

export interface CallerQuestion extends ConnectionEnds {
  /** Of the worker. */
  readonly id: number
}

export interface CallerAnswer {
  readonly id: number
  /** Undefined when the client is no workload of the mesh, or is gone. */
  readonly caller: Caller | undefined
}

export interface GivenConnection {
  /** Of the snapshot. */
  readonly listener: string
  readonly descriptor: number
  readonly remote: { readonly address: string; readonly port: number }
  readonly early: Uint8Array
}

/** What one worker sees of one endpoint. */
export interface EndpointActivity {
  readonly backend: string
  readonly endpoint: string
  readonly activeRequests: number
  readonly ejected: boolean
}
