import { isIP } from 'node:net'
import type { Listener, MeshSnapshot, RouteKey, StreamRoute, VirtualHost } from '../model/index.ts'
import { chooseHost, StreamTable } from '../proxy/index.ts'

/** What would happen to a connection or datagram that is forwarded as bytes. */
export interface ExplainedStream {
  /** Server name that the client of TLS would ask for; empty for none. */
  readonly serverName: string
  /** Null when no listener has the server name. */
  readonly virtualHost: string | null
  /** Null where there is no TLS. */
  readonly tls: 'passthrough' | 'terminate' | null
  /** Null when it is refused. */
  readonly route: RouteKey | null
  /** Routes on the virtual host that have no part, and why. */
  readonly others: readonly { readonly route: RouteKey; readonly why: string }[]
}

export const streamProtocols: ReadonlyMap<string, readonly Listener['protocol'][]> = new Map([
  ['tcp:', ['TCP']],
  ['tls:', ['TLS']],
  ['udp:', ['UDP']],
])

/** `tcp://`, `tls://` and `udp://` ask for what is forwarded as bytes. */
export function isStream({ protocol }: URL): boolean {
  return streamProtocols.has(protocol)
}

/** Explains by the same table that the proxy decides by. */
export class StreamExplainer {
  #table = StreamTable.empty<StreamRoute>()

  /** @returns undefined for a listener that speaks HTTP, as the virtual host of the server name may do */
  explain(
    { listener, hostname, clientNamespace }: StreamQuestion,
    snapshot: MeshSnapshot,
  ): { readonly stream: ExplainedStream; readonly route: StreamRoute | undefined } | undefined {
    this.#table = this.#table.update(snapshot.streamRoutes, route => route)
    const isTls = listener.protocol === 'TLS'
    if (!isTls && listener.protocol !== 'TCP' && listener.protocol !== 'UDP') return undefined
    const serverName = isTls && isIP(hostname) === 0 ? hostname : ''
    const host = isTls ? chooseHost(listener.virtualHosts, serverName) : listener.virtualHosts[0]
    if (host?.tlsMode === 'https') return undefined
    if (host === undefined) {
      return { stream: { serverName, virtualHost: null, tls: null, route: null, others: [] }, route: undefined }
    }
    const route = this.#table.find(host.id, serverName, clientNamespace)
    const stream = {
      serverName,
      virtualHost: host.id,
      tls: isTls ? (host.tlsMode ?? 'passthrough') : null,
      route: route?.key ?? null,
      others: others(host, { serverName, chosen: route, clientNamespace }, snapshot),
    }
    return { stream, route }
  }
}

export interface StreamQuestion {
  readonly listener: Listener
  /** Of the URL. */
  readonly hostname: string
  readonly clientNamespace: string | undefined
}

interface Choice {
  readonly serverName: string
  readonly chosen: StreamRoute | undefined
  readonly clientNamespace: string | undefined
}

function others(host: VirtualHost, choice: Choice, snapshot: MeshSnapshot): ExplainedStream['others'] {
  const { chosen, serverName, clientNamespace } = choice
  const list: { readonly route: RouteKey; readonly why: string }[] = []
  for (const route of snapshot.streamRoutes.values()) {
    const attachment = route.attachments.find(each => each.virtualHost === host.id)
    if (route === chosen || attachment === undefined) continue
    const { hostnames, clientNamespace: consumer } = attachment
    const why =
      consumer !== undefined && consumer !== clientNamespace
        ? `only for clients of namespace ${consumer}`
        : !hostnames.every(hostname => !fits(hostname, serverName)) || hostnames.length === 0
          ? 'another route comes first'
          : `the server name is not ${hostnames.join(', ')}`
    list.push({ route: route.key, why })
  }
  return list
}

function fits(hostname: string, serverName: string): boolean {
  return hostname === serverName || (hostname.startsWith('*.') && serverName.endsWith(hostname.slice(1)))
}
