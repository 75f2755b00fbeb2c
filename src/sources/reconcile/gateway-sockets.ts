import type { Listener, VirtualHost } from '../../model/index.ts'
import { listenerId } from './endpoints.ts'
import { terminatesTls, type ListenerDraft } from './gateway-listeners.ts'
import { compareSpecificity } from './hostname.ts'

/** What the first bytes of a port's connections are; HTTPS and TLS are told apart by their hostnames only. */
type Layer = 'HTTP' | 'TLS' | 'TCP' | 'UDP'

/** A socket while Gateways still join it. */
export interface SocketDraft {
  readonly address: string
  readonly port: number
  readonly layer: Layer
  readonly proxyProtocol: boolean
  readonly members: { readonly host: VirtualHost; readonly gateway: string; readonly protocol: string }[]
}

export interface Place {
  /** Why another Gateway has what the listener wants. */
  readonly lost: string | undefined
  /** Ids of the sockets it is on. */
  readonly ids: readonly string[]
}

/** The Gateway that a listener belongs to. */
export interface Joining {
  readonly gateway: string
  readonly addresses: readonly string[]
  readonly proxyProtocol: boolean
}

/** Takes the listener's hostname on all its sockets, or on none. */
export function placeListener(draft: ListenerDraft, joining: Joining, sockets: Map<string, SocketDraft>): Place {
  if (draft.obstacle !== undefined) return { lost: undefined, ids: [] }
  const { gateway, addresses } = joining
  const { port, hostname } = draft.facts
  const layer = layerOf(draft.spec.protocol)
  const proxyProtocol = joining.proxyProtocol && layer !== 'UDP'
  const idOf = (address: string): string => listenerId(address, port, layer)
  for (const address of addresses) {
    const socket = sockets.get(idOf(address))
    if (socket === undefined) continue
    const lost = whyLost(socket, idOf(address), { layer, hostname, proxyProtocol })
    if (lost !== undefined) return { lost, ids: [] }
  }
  const host = hostOf(draft)
  const { protocol } = draft.spec
  const ids = addresses.map(address => {
    const id = idOf(address)
    const socket = sockets.get(id) ?? { address, port, layer, proxyProtocol, members: [] }
    socket.members.push({ host, gateway, protocol })
    sockets.set(id, socket)
    return id
  })
  return { lost: undefined, ids }
}

function whyLost(
  socket: SocketDraft,
  id: string,
  wanted: { readonly layer: Layer; readonly hostname: string | undefined; readonly proxyProtocol: boolean },
): string | undefined {
  const [first] = socket.members
  if (socket.layer !== wanted.layer) return `Gateway ${first?.gateway ?? ''} has ${id} with protocol ${first?.protocol}`
  if (socket.proxyProtocol !== wanted.proxyProtocol) {
    return `Gateway ${first?.gateway ?? ''} has ${id} ${socket.proxyProtocol ? 'with' : 'without'} the PROXY protocol`
  }
  const rival = socket.members.find(member => member.host.hostname === wanted.hostname)
  if (rival === undefined) return undefined
  return `Gateway ${rival.gateway} has ${id} with hostname ${wanted.hostname ?? 'unset'}`
}

function hostOf(draft: ListenerDraft): VirtualHost {
  const { spec, certificates, facts } = draft
  const host = {
    id: facts.virtualHost,
    hostname: facts.hostname,
    certificates,
    tls: draft.tls,
    clientCertificate: draft.clientCertificate,
  }
  if (spec.protocol === 'HTTPS') return { ...host, tlsMode: 'https' }
  if (spec.protocol !== 'TLS') return host
  return { ...host, tlsMode: terminatesTls(spec) ? 'terminate' : 'passthrough' }
}

function layerOf(protocol: string): Layer {
  switch (protocol) {
    case 'HTTPS':
    case 'TLS':
      return 'TLS'
    case 'TCP':
    case 'UDP':
      return protocol
    default:
      return 'HTTP'
  }
}

/** The listeners that the sockets come to, by id. */
export function listenersOf(sockets: ReadonlyMap<string, SocketDraft>): ReadonlyMap<string, Listener> {
  const listeners = new Map<string, Listener>()
  for (const [id, { address, port, layer, proxyProtocol, members }] of sockets) {
    const virtualHosts = members
      .map(member => member.host)
      .toSorted((a, b) => compareSpecificity(a.hostname, b.hostname))
    const isHttps = members.every(({ protocol }) => protocol === 'HTTPS')
    listeners.set(id, {
      id,
      address,
      port,
      kind: 'gateway',
      protocol: layer === 'TLS' && isHttps ? 'HTTPS' : layer,
      ...(proxyProtocol ? { proxyProtocol } : {}),
      virtualHosts,
    })
  }
  return listeners
}
