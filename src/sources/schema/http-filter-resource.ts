import type { GrpcStatusName } from '../../codec/index.ts'
import type { HttpExternalAuth, HttpValueMatch } from './gateway-resource.ts'
import type { Duration, Resource } from './object.ts'

/** All requests where neither is there. */
export interface Share {
  readonly percent?: number
  readonly fraction?: { readonly numerator: number; readonly denominator: number }
}

export type RateLimitBy =
  | { readonly type: 'ClientAddress' | 'CallerNamespace' | 'CallerService' }
  | { readonly type: 'Header'; readonly header: string }

export interface RateLimitSpec {
  readonly requests: number
  /** @default '1s' */
  readonly per: Duration
  /** Absent: as many as `requests`. */
  readonly burst?: number
  /** @default [] */
  readonly by: readonly RateLimitBy[]
  /** @default 16384 */
  readonly maxKeys: number
  /** RateLimit fields in answers. @default true */
  readonly responseHeaders: boolean
}

/** At least one of `delay` and `abort`. */
export interface FaultSpec {
  readonly delay?: Share & { readonly duration: Duration }
  /** Exactly one of the two statuses. */
  readonly abort?: Share & { readonly statusCode?: number; readonly grpcStatus?: GrpcStatusName }
  /** @default [] */
  readonly headers: readonly HttpValueMatch[]
}

export interface CompressionSpec {
  /** @default ['br', 'zstd', 'gzip'] */
  readonly encodings: readonly ('gzip' | 'br' | 'zstd')[]
  /** Bytes. @default 1024 */
  readonly minSize: number
  readonly contentTypes: readonly string[]
}

export interface DirectResponseSpec {
  /** @default 200 */
  readonly statusCode: number
  /** @default 'text/plain; charset=utf-8' */
  readonly contentType: string
  /** @default [] */
  readonly headers: readonly { readonly name: string; readonly value: string }[]
  /** @default '' */
  readonly body: string
}

/** The filter of the Gateway API with what it leaves to us; also for GRPCRoutes, which have no such filter. */
export type ExternalAuthSpec = HttpExternalAuth & {
  /** @default '5s' */
  readonly timeout: Duration
  /** What happens to requests when the service can't be asked. @default 'Deny' */
  readonly onFailure: 'Deny' | 'Allow'
}

/** A filter that rules refer to by `ExtensionRef`. */
export type HttpFilterSpec =
  | { readonly type: 'RateLimit'; readonly rateLimit: RateLimitSpec }
  | { readonly type: 'ExternalAuth'; readonly externalAuth: ExternalAuthSpec }
  | { readonly type: 'Fault'; readonly fault: FaultSpec }
  | { readonly type: 'Compression'; readonly compression: CompressionSpec }
  | { readonly type: 'DirectResponse'; readonly directResponse: DirectResponseSpec }
  | { readonly type: 'BodyLimit'; readonly bodyLimit: { readonly maxSize: number } }

export type HTTPFilterResource = Resource<'HTTPFilter', HttpFilterSpec>
