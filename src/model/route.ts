import type { BackendTarget } from './backend.ts'
import type { Filter } from './filter.ts'
import type { PluginKey } from './plugin.ts'
import type { RetryPolicy } from './retry-policy.ts'
import type { ValueMatch } from './value-match.ts'

/** `HTTPRoute namespace/name`, `GRPCRoute namespace/name`, or `Service namespace/name:port` for the route every service has by itself. */
export type RouteKey = string

/** Where requests go. A GRPCRoute comes to the same rules: its methods are paths. */
export interface HttpRoute {
  readonly key: RouteKey
  readonly kind: HttpRouteKind
  readonly namespace: string
  readonly name: string
  /** metadata.creationTimestamp in milliseconds since 1970; the older route wins a tie. Files without one count as 0. */
  readonly createdMs: number
  /** Where the route takes part. */
  readonly attachments: readonly Attachment[]
  readonly rules: readonly RouteRule[]
}

export type HttpRouteKind = 'HTTPRoute' | 'GRPCRoute' | 'Service'

/** A route on one virtual host (a Gateway's listener, or a port of a Service in the mesh). */
export interface Attachment {
  /** `VirtualHost.id` */
  readonly virtualHost: string
  /**
   * The intersection of the route's and the listener's hostnames, lower case,
   * `*.example.com` for suffixes; empty means any host.
   */
  readonly hostnames: readonly string[]
  /**
   * Mesh only: the route holds only for clients of this namespace (a consumer
   * route); undefined for all clients (Gateway and producer routes).
   */
  readonly clientNamespace: string | undefined
  /**
   * Name of the certificate that the Gateway shows to backends reached by TLS
   * (`VirtualHost.clientCertificate`); absent for none.
   */
  readonly clientCertificate?: string
  /** Instead of the list of the virtual host: a policy is for the route itself. */
  readonly plugins?: readonly PluginKey[]
}

export interface RouteRule {
  /** Position in the resource. */
  readonly index: number
  readonly name: string | undefined
  /** Never empty: a rule without matches has the one that matches everything. */
  readonly matches: readonly RouteMatch[]
  readonly filters: readonly Filter[]
  readonly backends: readonly WeightedBackend[]
  /** 0 is no limit (GEP-1742); undefined where the route says nothing, so that a request may wait long, but not for ever. */
  readonly requestTimeoutMs: number | undefined
  /** One try; 0 is no limit. */
  readonly backendRequestTimeoutMs: number
  readonly retry: RetryPolicy | undefined
  readonly session: SessionPersistence | undefined
  /**
   * Set when a filter or an extension of the rule can't be carried out: the
   * rule answers this instead of forwarding, since a filter is never skipped.
   */
  readonly failure: RuleFailure | undefined
  /**
   * Those that the rule names itself. They come after those of the attachment or virtual host; one that is in both
   * lists runs once, in its first place. @default none
   */
  readonly plugins?: readonly PluginKey[]
}

export interface RuleFailure {
  readonly status: number
  readonly message: string
}

export interface RouteMatch {
  readonly path: PathMatch
  readonly method: string | undefined
  readonly headers: readonly ValueMatch[]
  readonly query: readonly ValueMatch[]
}

/** Prefix values have no final slash (`/` itself is the empty string) and match whole path elements. */
export type PathMatch =
  | { readonly kind: 'exact'; readonly value: string }
  | { readonly kind: 'prefix'; readonly value: string }
  /** Of regular expressions the one with more `weight` goes first; without, its own length is its weight. */
  | { readonly kind: 'regex'; readonly value: string; readonly weight?: number }

export interface WeightedBackend {
  readonly weight: number
  readonly target: BackendTarget
  readonly filters: readonly Filter[]
}

export interface SessionPersistence {
  readonly kind: 'cookie' | 'header'
  /** Name of the cookie or header. */
  readonly name: string
  /** 0 is no limit. */
  readonly absoluteTimeoutMs: number
  /** 0 is no limit. */
  readonly idleTimeoutMs: number
  /** A permanent cookie has Max-Age; a session cookie ends with the browser. */
  readonly permanent: boolean
}
