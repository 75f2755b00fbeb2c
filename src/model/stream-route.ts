import type { BackendTarget } from './backend.ts'
import type { Attachment, RouteKey } from './route.ts'

/**
 * Where whole connections or datagrams go. There is one rule, and of several
 * routes on a virtual host the oldest alone decides; on a TLS listener each for
 * its hostnames.
 */
export interface StreamRoute {
  /** `TCPRoute shop/db`, or `Service shop/db:5432` for the route every port has by itself. */
  readonly key: RouteKey
  readonly kind: StreamRouteKind
  readonly namespace: string
  readonly name: string
  /** As of an `HttpRoute`. */
  readonly createdMs: number
  /** `hostnames` are server names of TLS (SNI); empty for any, also for none. */
  readonly attachments: readonly Attachment[]
  /** Name of the rule; undefined where it has none. */
  readonly ruleName: string | undefined
  /** A reference that can't be used refuses its share of the connections. */
  readonly backends: readonly StreamBackend[]
}

export type StreamRouteKind = 'TCPRoute' | 'TLSRoute' | 'UDPRoute' | 'Service'

export interface StreamBackend {
  readonly weight: number
  readonly target: BackendTarget
}
