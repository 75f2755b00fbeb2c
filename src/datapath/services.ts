import { defaultBackendSettings, ipProtocols } from '../model/index.ts'
import type {
  Backend,
  BackendSettings,
  Endpoint as ModelEndpoint,
  Listener,
  MeshSnapshot,
  NamedService,
  NamedServicePort,
  StreamRoute,
} from '../model/index.ts'
import { addressBytes, isIpv4 } from './address.ts'
import type { AddressBytes } from './address.ts'

export interface WeightedEndpoint {
  readonly address: AddressBytes
  readonly port: number
  readonly weight: number
}

/** One virtual address and port, and where it leads. */
export interface DesiredService {
  /** `shop/db:5432`, that of its backend. */
  readonly name: string
  readonly address: AddressBytes
  readonly port: number
  /** Of IP. */
  readonly protocol: number
  /** Id of the proxy's listener for it. */
  readonly listener: string
  /** `balanced`: to an endpoint that the kernel chooses; `proxied`: to the proxy's own socket, the only endpoint. */
  readonly kind: 'balanced' | 'proxied'
  /** Empty: connections are refused. */
  readonly endpoints: readonly WeightedEndpoint[]
  /** A client comes back to its endpoint within so many seconds; 0 for a new draw each time. */
  readonly affinitySeconds: number
}

/** What the datapath reads of the mesh, with health in it. */
export interface ServiceInput {
  readonly snapshot: Pick<MeshSnapshot, 'backends' | 'listeners' | 'streamRoutes'>
  readonly namedServices: readonly NamedService[]
  /** Listeners that somebody takes connections for before the proxy does, and where. @default none */
  readonly ahead?: ReadonlyMap<string, ProxyPlace>
}

export interface ProxyPlace {
  readonly address: string
  readonly port: number
}

/**
 * Where each virtual address leads, by the proxy's own rules. The kernel balances ports of TCP and UDP that nothing
 * but their Service's own route has attached to, and whose settings ask for nothing that only the proxy can do.
 *
 * Endpoints that are not ready get nothing, unless so few are that all do (panic). On an IPv4 address there are IPv4
 * endpoints only; on an IPv6 one those of IPv6, or else those of IPv4, which sockets for both families reach.
 *
 * @returns by `protocol address port`
 */
export function compileServices({ snapshot, namedServices, ahead }: ServiceInput): ReadonlyMap<string, DesiredService> {
  const listeners = listenersByHost(snapshot.listeners)
  const routed = routedHosts(snapshot.streamRoutes)
  const services = new Map<string, DesiredService>()
  for (const service of namedServices) {
    for (const port of service.ports) {
      const backend = snapshot.backends.get(port.backend)
      const host = `Service ${port.backend}`
      const listener = listeners.get(host)
      if (backend === undefined || listener === undefined) continue
      const isBalanced = !routed.has(host) && !isPlugged(listener, host) && canBalance(backend, listener)
      for (const text of service.addresses) {
        const address = addressBytes(text)
        if (address === undefined) continue
        const endpoints = isBalanced
          ? reachable(weightedEndpoints(backend), address)
          : proxySocket(ahead?.get(listener.id) ?? listener)
        const affinitySeconds = isBalanced ? service.affinitySeconds : 0
        const kind = isBalanced ? 'balanced' : 'proxied'
        const desired = frontOf(port, address, { listener: listener.id, kind, endpoints, affinitySeconds })
        services.set(`${desired.protocol} ${text} ${port.port}`, desired)
      }
    }
  }
  return services
}

function frontOf(
  port: NamedServicePort,
  address: AddressBytes,
  target: Pick<DesiredService, 'listener' | 'kind' | 'endpoints' | 'affinitySeconds'>,
): DesiredService {
  const protocol = { tcp: ipProtocols.TCP, udp: ipProtocols.UDP, sctp: ipProtocols.SCTP }[port.carrier]
  return { name: port.backend, address, port: port.port, protocol, ...target }
}

/** Listeners of Services by their virtual host. */
function listenersByHost(listeners: MeshSnapshot['listeners']): ReadonlyMap<string, Listener> {
  const found = new Map<string, Listener>()
  for (const listener of listeners.values()) {
    if (listener.kind === 'service') for (const { id } of listener.virtualHosts) found.set(id, listener)
  }
  return found
}

/** Virtual hosts with a route that is not the Service's own. */
function routedHosts(routes: ReadonlyMap<string, StreamRoute>): ReadonlySet<string> {
  const others = [...routes.values()].filter(({ kind }) => kind !== 'Service')
  return new Set(others.flatMap(({ attachments }) => attachments.map(({ virtualHost }) => virtualHost)))
}

/** Plugins run in the proxy. */
function isPlugged({ virtualHosts }: Listener, host: string): boolean {
  return virtualHosts.some(({ id, plugins = [] }) => id === host && plugins.length > 0)
}

function canBalance(backend: Backend, listener: Listener): boolean {
  const isPlain = listener.protocol === 'TCP' || listener.protocol === 'UDP'
  const isStream = backend.protocol === 'tcp' || backend.protocol === 'udp'
  return isPlain && isStream && backend.tls === undefined && !needsProxy(backend.settings)
}

/** Settings that somebody has chosen and that only the proxy obeys. */
function needsProxy(settings: BackendSettings): boolean {
  const { kind } = settings.loadBalancing
  const isDefault = (key: 'circuitBreaker' | 'outlierDetection' | 'slowStartMs'): boolean =>
    JSON.stringify(settings[key]) === JSON.stringify(defaultBackendSettings[key])
  return (
    kind === 'RingHash' ||
    kind === 'Maglev' ||
    kind === 'PeakEwma' ||
    settings.preferLocalZone ||
    settings.proxyProtocol !== undefined ||
    settings.streamIdleTimeoutMs !== undefined ||
    !isDefault('circuitBreaker') ||
    !isDefault('outlierDetection') ||
    !isDefault('slowStartMs')
  )
}

/** Those that get traffic: healthy ones, unless so few are that all do (panic). */
export function readyEndpoints({ endpoints, settings }: Backend): readonly ModelEndpoint[] {
  const staying = endpoints.filter(({ draining }) => !draining)
  const healthy = staying.filter(each => each.healthy)
  const isPanic = healthy.length * 100 < settings.panicThresholdPercent * staying.length
  return isPanic ? staying : healthy
}

function weightedEndpoints(backend: Backend): readonly WeightedEndpoint[] {
  return readyEndpoints(backend).flatMap(({ address, port, weight }) => {
    const bytes = addressBytes(address)
    return bytes === undefined ? [] : [{ address: bytes, port, weight }]
  })
}

function reachable(endpoints: readonly WeightedEndpoint[], from: AddressBytes): readonly WeightedEndpoint[] {
  const ofIpv4 = endpoints.filter(({ address }) => isIpv4(address))
  if (isIpv4(from) || ofIpv4.length === endpoints.length) return ofIpv4
  return endpoints.filter(({ address }) => !isIpv4(address))
}

function proxySocket({ address, port }: ProxyPlace): readonly WeightedEndpoint[] {
  const bytes = addressBytes(address)
  return bytes === undefined ? [] : [{ address: bytes, port, weight: 1 }]
}
