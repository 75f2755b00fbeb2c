import type { BackendKey } from './backend.ts'
import type { HeaderValue, ValueMatch } from './value-match.ts'

/**
 * The safeguards that a rule may ask for beside the filters of the Gateway API,
 * as the data path reads them. Those of one rule are carried out in the order
 * of the rule's list.
 */
export type Safeguard =
  | ({ readonly kind: 'rate-limit' } & RateLimit)
  | ({ readonly kind: 'fault' } & Fault)
  | ({ readonly kind: 'compression' } & Compression)
  | ({ readonly kind: 'direct-response' } & DirectResponse)
  | { readonly kind: 'body-limit'; readonly maxBytes: number }
  | ({ readonly kind: 'external-auth' } & ExternalAuth)

/** Requests that a bucket lets through: `requests` every `periodMs`, up to `burst` of them at once. */
export interface RateLimit {
  /** Visible ASCII; in the fields of answers. */
  readonly name: string
  /**
   * The same text means the same buckets, on every worker and in every rule. It
   * holds everything that buckets depend on, so that a changed limit starts anew.
   */
  readonly tableKey: string
  /** 1 to 1,000,000 */
  readonly requests: number
  readonly periodMs: number
  /** 1 to 1,000,000 */
  readonly burst: number
  /** What parts the requests into buckets; empty: one bucket for all. */
  readonly by: readonly RateLimitAttribute[]
  /** How many buckets are remembered. */
  readonly maxKeys: number
  /** Whether answers tell the client what is left. */
  readonly tellsClient: boolean
}

export type RateLimitAttribute =
  | { readonly kind: 'client-address' }
  /** Lower case. */
  | { readonly kind: 'header'; readonly name: string }
  | { readonly kind: 'caller-namespace' }
  | { readonly kind: 'caller-service' }

export interface Fault {
  readonly delay: { readonly durationMs: number; readonly fraction: number } | undefined
  /** `grpcStatus` is a number of gRPC; undefined: the HTTP status stands for it. */
  readonly abort:
    | { readonly status: number; readonly grpcStatus: number | undefined; readonly fraction: number }
    | undefined
  /** All must match; empty: every request. */
  readonly headers: readonly ValueMatch[]
}

export type ContentEncoding = 'gzip' | 'br' | 'zstd'

export interface Compression {
  /** The most liked first: it decides among those that the client likes as much. */
  readonly encodings: readonly ContentEncoding[]
  /** Answers that say they are shorter stay as they are. */
  readonly minBytes: number
  /** Lower case; `text/*` for all of a kind. */
  readonly contentTypes: readonly string[]
}

export interface DirectResponse {
  readonly status: number
  readonly headers: readonly HeaderValue[]
  readonly body: string
}

/** Asks a service whether a request may pass. */
export interface ExternalAuth {
  readonly protocol: 'http' | 'grpc'
  readonly backend: BackendKey
  /** HTTP: goes before the path of the request; empty or with a slash in front and none behind. */
  readonly pathPrefix: string
  /**
   * Lower case names of the request's fields that are sent; undefined: all (gRPC
   * only). HTTP adds `host`, `authorization` and `content-length` by itself.
   */
  readonly requestHeaders: readonly string[] | undefined
  /** HTTP: lower case names of the fields of a consent that go to the backend; undefined: all but `host`. */
  readonly responseHeaders: readonly string[] | undefined
  /** How much of the body the service gets; 0: none, and the request is judged by its head. */
  readonly maxBodyBytes: number
  /** The service could not be asked when there is no answer in this time. */
  readonly timeoutMs: number
  /** Whether requests pass when the service can't be asked; else they are refused. */
  readonly failsOpen: boolean
}
