import type { Backend, BackendKey } from './backend.ts'
import type { NetworkAccess } from './network-access.ts'
import type { Plugin, PluginKey } from './plugin.ts'
import type { HttpRoute, RouteKey } from './route.ts'
import type { StreamRoute } from './stream-route.ts'
import type { Certificate, HostTls } from './tls.ts'

/**
 * Everything the data path needs, as one immutable value. An unchanged member
 * is the same object in the next snapshot, so that whoever holds state for it
 * (connections, balancers, compiled tables) keeps that state.
 */
export interface MeshSnapshot {
  /** Grows by one with every change. */
  readonly version: number
  readonly listeners: ReadonlyMap<string, Listener>
  readonly routes: ReadonlyMap<RouteKey, HttpRoute>
  readonly streamRoutes: ReadonlyMap<RouteKey, StreamRoute>
  readonly backends: ReadonlyMap<BackendKey, Backend>
  readonly plugins: ReadonlyMap<PluginKey, Plugin>
  /** Where the proxy enforces NetworkPolicies. @default it does not, or refuses everything, as it was started */
  readonly access?: NetworkAccess
}

/** A socket address that the proxy accepts on. */
export interface Listener {
  /** `127.0.0.1:8080`, `127.0.0.1:53/udp` */
  readonly id: string
  readonly address: string
  readonly port: number
  /** `gateway`: ingress; `service`: the virtual address of a Service's port. */
  readonly kind: 'gateway' | 'service'
  /**
   * What a connection begins with. `TLS`: the server name of its first message chooses the virtual host, whose
   * `tlsMode` says what becomes of it; HTTPS hosts may be among them. An `HTTPS` listener has nothing else.
   */
  readonly protocol: 'HTTP' | 'HTTPS' | 'TLS' | 'TCP' | 'UDP'
  /** Cookie of the network namespace that it is in, of which members are led there. @default the agent's own */
  readonly network?: bigint
  /** Every connection begins with a PROXY protocol header, which tells who the client is. @default false */
  readonly proxyProtocol?: boolean
  /** By hostname: exact before the wildcard with most labels before none. */
  readonly virtualHosts: readonly VirtualHost[]
}

/** One listener of a Gateway, or one port of a Service. Routes attach to it. */
export interface VirtualHost {
  /** `Gateway shop/web/http`, `ListenerSet shop/extra/http` or `Service shop/reviews:9080`; also its name in logs and metrics. */
  readonly id: string
  /** Lower case, `*.example.com` for suffixes; undefined for any. */
  readonly hostname: string | undefined
  /** The first is shown to whom none was made for; one per kind of key (RSA, ECDSA) and name. */
  readonly certificates: readonly Certificate[]
  /** Of an HTTPS listener; undefined for versions and ciphers by default and no look at clients. */
  readonly tls: HostTls | undefined
  /** Of a TLS listener: `https` is terminated and spoken HTTP with, `terminate` is terminated and its bytes forwarded. */
  readonly tlsMode?: 'https' | 'terminate' | 'passthrough'
  /** What its Gateway shows to backends that are reached by TLS. */
  readonly clientCertificate: Certificate | undefined
  /** What requests or connections pass, in this order, unless the attachment of their route has a list. @default none */
  readonly plugins?: readonly PluginKey[]
}

export const emptySnapshot: MeshSnapshot = {
  version: 0,
  listeners: new Map(),
  routes: new Map(),
  streamRoutes: new Map(),
  backends: new Map(),
  plugins: new Map(),
}

/** What changed between two snapshots; what crosses from the daemon to a worker thread. */
export interface SnapshotDelta {
  readonly version: number
  readonly listeners: Changes<Listener>
  readonly routes: Changes<HttpRoute>
  readonly streamRoutes: Changes<StreamRoute>
  readonly backends: Changes<Backend>
  readonly plugins: Changes<Plugin>
  /** Only when it has changed. */
  readonly access?: NetworkAccess
}

export interface Changes<T> {
  /** New or replaced members by key. */
  readonly set: readonly (readonly [string, T])[]
  readonly removed: readonly string[]
}

/** Members are compared by identity. */
export function diffSnapshots(before: MeshSnapshot, after: MeshSnapshot): SnapshotDelta {
  return {
    version: after.version,
    listeners: diffMaps(before.listeners, after.listeners),
    routes: diffMaps(before.routes, after.routes),
    streamRoutes: diffMaps(before.streamRoutes, after.streamRoutes),
    backends: diffMaps(before.backends, after.backends),
    plugins: diffMaps(before.plugins, after.plugins),
    ...(after.access === undefined || after.access === before.access ? {} : { access: after.access }),
  }
}

export function applyDelta(before: MeshSnapshot, delta: SnapshotDelta): MeshSnapshot {
  const access = delta.access ?? before.access
  return {
    ...(access === undefined ? {} : { access }),
    version: delta.version,
    listeners: patchMap(before.listeners, delta.listeners),
    routes: patchMap(before.routes, delta.routes),
    streamRoutes: patchMap(before.streamRoutes, delta.streamRoutes),
    backends: patchMap(before.backends, delta.backends),
    plugins: patchMap(before.plugins, delta.plugins),
  }
}

function diffMaps<T>(before: ReadonlyMap<string, T>, after: ReadonlyMap<string, T>): Changes<T> {
  if (before === after) return { set: [], removed: [] }
  const set: [string, T][] = []
  const removed: string[] = []
  for (const [key, value] of after) if (before.get(key) !== value) set.push([key, value])
  for (const key of before.keys()) if (!after.has(key)) removed.push(key)
  return { set, removed }
}

function patchMap<T>(before: ReadonlyMap<string, T>, changes: Changes<T>): ReadonlyMap<string, T> {
  if (changes.set.length === 0 && changes.removed.length === 0) return before
  const after = new Map(before)
  for (const key of changes.removed) after.delete(key)
  for (const [key, value] of changes.set) after.set(key, value)
  return after
}
