import type { LogFields, LogLevel } from '../core/index.ts'
import type { MeshSnapshot, SnapshotDelta } from '../model/index.ts'

/** What a worker thread is started with. */
export interface WorkerStart {
  readonly snapshot: MeshSnapshot
  /** Of TLS sessions, the same for all workers. */
  readonly ticketKeys: Uint8Array
  readonly options: WorkerOptions
  /** Where the thread notes the descriptors of its own sockets; undefined when it uses those of Node. */
  readonly descriptors: SharedArrayBuffer | undefined
}

export interface WorkerOptions {
  readonly workers: number
  readonly zone: string
  readonly accessLog: string
  readonly accessLogFormat: 'text' | 'json'
  readonly logLevel: LogLevel
  /** Whether somebody follows the access log. */
  readonly isTapped: boolean
}

export type ToWorker =
  | { readonly kind: 'delta'; readonly delta: SnapshotDelta }
  /** Every question is answered; endpoints are looked through only when wanted, since there may be 100,000. */
  | { readonly kind: 'collect'; readonly wantsEndpoints: boolean }
  | { readonly kind: 'tap'; readonly isOn: boolean }
  | { readonly kind: 'ticket-keys'; readonly keys: Uint8Array }
  | { readonly kind: 'reopen-logs' }
  | { readonly kind: 'drain'; readonly deadlineMs: number }

export type FromWorker =
  /** The snapshot of that version is in force; listeners that could not be opened, with the reason. */
  | { readonly kind: 'applied'; readonly version: number; readonly failures: ReadonlyMap<string, string> }
  /** Metrics are undefined when they are as they were in the last answer. */
  | {
      readonly kind: 'collected'
      readonly metrics: unknown
      readonly endpoints: readonly EndpointActivity[] | undefined
    }
  | { readonly kind: 'log'; readonly level: LogLevel; readonly message: string; readonly fields: LogFields | undefined }
  /** Lines of the access log, while tapped. */
  | { readonly kind: 'lines'; readonly lines: readonly string[] }
  | { readonly kind: 'drained'; readonly finished: number; readonly cut: number }

/** What one worker sees of one endpoint. */
export interface EndpointActivity {
  readonly backend: string
  readonly endpoint: string
  readonly activeRequests: number
  readonly ejected: boolean
}
