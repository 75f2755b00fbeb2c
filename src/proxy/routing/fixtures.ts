import type { Attachment, HttpRoute, Listener, MeshSnapshot, RouteMatch, RouteRule } from '../../model/index.ts'
import { emptySnapshot } from '../../model/index.ts'
import type { RouteRequest } from './request.ts'

/** Values for this room's tests: short to write, complete to use. */
export const listenerId = '127.0.0.1:80'
export const hostId = 'Gateway shop/web/http'

export interface RouteSketch {
  readonly name: string
  readonly namespace?: string
  readonly createdMs?: number
  readonly hostnames?: readonly string[]
  readonly attachments?: readonly Attachment[]
  readonly rules: readonly (readonly Partial<RouteMatch>[])[]
}

export function sketchMatch(parts: Partial<RouteMatch>): RouteMatch {
  return { path: { kind: 'prefix', value: '' }, method: undefined, headers: [], query: [], ...parts }
}

export function sketchRoute(sketch: RouteSketch): HttpRoute {
  const namespace = sketch.namespace ?? 'shop'
  return {
    key: `HTTPRoute ${namespace}/${sketch.name}`,
    kind: 'HTTPRoute',
    namespace,
    name: sketch.name,
    createdMs: sketch.createdMs ?? 0,
    attachments: sketch.attachments ?? [
      { virtualHost: hostId, hostnames: sketch.hostnames ?? [], clientNamespace: undefined },
    ],
    rules: sketch.rules.map((matches, index) => sketchRule(matches, index)),
  }
}

function sketchRule(matches: readonly Partial<RouteMatch>[], index: number): RouteRule {
  return {
    index,
    name: undefined,
    matches: matches.map(sketchMatch),
    filters: [],
    backends: [],
    requestTimeoutMs: undefined,
    backendRequestTimeoutMs: 0,
    retry: undefined,
    session: undefined,
    failure: undefined,
  }
}

/** @param virtualHosts id to hostname */
export function sketchListener(
  virtualHosts: Readonly<Record<string, string | undefined>> = { [hostId]: undefined },
  id: string = listenerId,
): Listener {
  return {
    id,
    address: '127.0.0.1',
    port: 80,
    kind: 'gateway',
    protocol: 'HTTP',
    virtualHosts: Object.entries(virtualHosts).map(([host, hostname]) => ({
      id: host,
      hostname,
      certificates: [],
      tls: undefined,
      clientCertificate: undefined,
    })),
  }
}

export function sketchSnapshot(
  routes: readonly HttpRoute[],
  listeners: readonly Listener[] = [sketchListener()],
): MeshSnapshot {
  return {
    ...emptySnapshot,
    version: 1,
    listeners: new Map(listeners.map(listener => [listener.id, listener])),
    routes: new Map(routes.map(route => [route.key, route])),
  }
}

/** `GET shop.example/cart?a=1`, with fields by lower case name. */
export function sketchRequest(line: string, fields: Readonly<Record<string, string>> = {}): RouteRequest {
  const [method = 'GET', target = ''] = line.split(' ')
  const slash = target.indexOf('/')
  const question = target.indexOf('?')
  const end = question < 0 ? target.length : question
  return {
    method,
    host: target.slice(0, slash),
    path: target.slice(slash, end),
    query: target.slice(end + 1),
    header: name => fields[name],
  }
}

/** Deterministic numbers from 0 to 1 (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}
