import type { RouteKey, StreamRoute } from '../../model/index.ts'
import { HostIndex } from '../routing/host-index.ts'
import type { CompiledStream } from './compiled-stream.ts'

/** The table of the newest configuration; replaced whole. */
export interface StreamsInForce {
  table: StreamTable<CompiledStream>
}

/** The routes of one virtual host: those for everybody, and by namespace of the client (GEP-1324). */
interface HostStreams<T> {
  readonly common: HostIndex<T>
  readonly consumers: Map<string, HostIndex<T>>
}

/**
 * Which route a connection takes on a virtual host. The oldest route decides,
 * for each server name by itself where there are names. On a port of the mesh
 * the most specific kind of route alone counts (GEP-1426): with a TLSRoute
 * there, TCPRoutes and the port's own route have no part.
 *
 * `T` is what a route comes to on a virtual host.
 */
export class StreamTable<T> {
  readonly #routes: ReadonlyMap<RouteKey, StreamRoute>
  readonly #hosts: ReadonlyMap<string, HostStreams<T>>
  /** By route object and virtual host, so that what did not change is not compiled again. */
  readonly #compiled: ReadonlyMap<StreamRoute, ReadonlyMap<string, T>>

  private constructor(
    routes: ReadonlyMap<RouteKey, StreamRoute>,
    hosts: ReadonlyMap<string, HostStreams<T>>,
    compiled: ReadonlyMap<StreamRoute, ReadonlyMap<string, T>>,
  ) {
    this.#routes = routes
    this.#hosts = hosts
    this.#compiled = compiled
  }

  static empty<T>(): StreamTable<T> {
    return new StreamTable<T>(new Map(), new Map(), new Map())
  }

  /**
   * @param serverName  empty when the client names none, or nobody asked
   * @param namespace   of the client; undefined when unknown and at the edge
   */
  find(virtualHost: string, serverName: string, namespace?: string): T | undefined {
    const streams = this.#hosts.get(virtualHost)
    if (streams === undefined) return undefined
    const own = namespace === undefined ? undefined : streams.consumers.get(namespace)
    const index = own ?? streams.common
    return serverName === '' ? index.any : index.best(serverName)
  }

  /** Whether it matters who calls. */
  dependsOnClient(virtualHost: string): boolean {
    return (this.#hosts.get(virtualHost)?.consumers.size ?? 0) > 0
  }

  /** @param compile  called for what is new on a virtual host */
  update(
    routes: ReadonlyMap<RouteKey, StreamRoute>,
    compile: (route: StreamRoute, virtualHost: string) => T,
  ): StreamTable<T> {
    if (routes === this.#routes) return this
    const compiled = new Map<StreamRoute, ReadonlyMap<string, T>>()
    const hosts = new Map<string, HostStreams<T>>()
    const ordered = [...routes.values()].toSorted(compareRoutes)
    const named = namedPlaces(ordered)
    for (const route of ordered) {
      const before = this.#compiled.get(route)
      const streams = new Map<string, T>()
      for (const attachment of route.attachments) {
        const { virtualHost, hostnames, clientNamespace } = attachment
        if (route.kind !== 'TLSRoute' && named.has(placeOf(attachment))) continue
        const stream = before?.get(virtualHost) ?? compile(route, virtualHost)
        streams.set(virtualHost, stream)
        const index = indexFor(hosts, virtualHost, clientNamespace)
        for (const hostname of hostnames.length === 0 ? [undefined] : hostnames) {
          if (index.get(hostname) === undefined) index.set(hostname, stream)
        }
      }
      compiled.set(route, streams)
    }
    return new StreamTable(routes, hosts, compiled)
  }
}

interface Place {
  readonly virtualHost: string
  readonly clientNamespace: string | undefined
}

function placeOf({ virtualHost, clientNamespace = '' }: Place): string {
  return `${clientNamespace} ${virtualHost}`
}

/** Where TLSRoutes are. */
function namedPlaces(routes: readonly StreamRoute[]): ReadonlySet<string> {
  return new Set(routes.filter(({ kind }) => kind === 'TLSRoute').flatMap(route => route.attachments.map(placeOf)))
}

function indexFor<T>(
  hosts: Map<string, HostStreams<T>>,
  virtualHost: string,
  namespace: string | undefined,
): HostIndex<T> {
  let streams = hosts.get(virtualHost)
  if (streams === undefined) {
    streams = { common: new HostIndex(), consumers: new Map() }
    hosts.set(virtualHost, streams)
  }
  if (namespace === undefined) return streams.common
  let own = streams.consumers.get(namespace)
  if (own === undefined) {
    own = new HostIndex()
    streams.consumers.set(namespace, own)
  }
  return own
}

/** The order in which routes win. */
function compareRoutes(a: StreamRoute, b: StreamRoute): number {
  return a.createdMs - b.createdMs || compareText(a.namespace, b.namespace) || compareText(a.name, b.name)
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
