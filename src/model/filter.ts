import type { BackendTarget } from './backend.ts'
import type { Safeguard } from './safeguard.ts'
import type { HeaderValue } from './value-match.ts'

export interface HeaderEdits {
  readonly set: readonly HeaderValue[]
  readonly add: readonly HeaderValue[]
  /** Lower case. */
  readonly remove: readonly string[]
}

export type PathModifier =
  | { readonly kind: 'full'; readonly value: string }
  | { readonly kind: 'prefix'; readonly value: string }

export type Filter =
  | ({ readonly kind: 'request-headers' } & HeaderEdits)
  | ({ readonly kind: 'response-headers' } & HeaderEdits)
  | {
      readonly kind: 'redirect'
      readonly scheme: 'http' | 'https' | undefined
      readonly hostname: string | undefined
      readonly path: PathModifier | undefined
      readonly port: number | undefined
      readonly status: number
    }
  | { readonly kind: 'rewrite'; readonly hostname: string | undefined; readonly path: PathModifier | undefined }
  | {
      readonly kind: 'mirror'
      readonly target: BackendTarget
      /** Share of the requests that are mirrored, 0 to 1. */
      readonly fraction: number
    }
  | ({ readonly kind: 'cors' } & CorsPolicy)
  | Safeguard

export interface CorsPolicy {
  /** `https://shop.example`, with `*` in the host or `*` alone. */
  readonly allowOrigins: readonly string[]
  readonly allowCredentials: boolean
  readonly allowMethods: readonly string[]
  readonly allowHeaders: readonly string[]
  readonly exposeHeaders: readonly string[]
  readonly maxAgeSeconds: number
}
