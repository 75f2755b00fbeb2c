import { isDeepStrictEqual } from 'node:util'
import {
  defaultBackendSettings,
  type Backend,
  type BackendProtocol,
  type BackendSettings,
  type BackendTls,
  type Endpoint,
  type HttpRoute,
  type Listener,
  type NamedService,
  type ServiceAddress,
  type StreamRoute,
} from '../../model/index.ts'
import type {
  BackendPolicyResource,
  EndpointSliceResource,
  ServiceResource,
  WorkloadResource,
} from '../schema/resource.ts'
import { createdMs } from './age.ts'
import { collectEndpoints, listenerId, type EndpointSources } from './endpoints.ts'
import { portKey, type PortProtocol, type ServiceFacts, type ServicePortFacts } from './facts.ts'
import { policyOf, type ServicePolicies } from './policies.ts'
import { serviceFacts } from './ports.ts'
import type { Finding } from './problems.ts'
import { same } from './same.ts'
import { backendSettings, healthCheck } from './settings.ts'
import { isLoopbackIpv4 } from './virtual-addresses.ts'

/** Everything that makes one Service what it is in the mesh. */
export interface ServiceInput {
  readonly service: ServiceResource
  readonly slices: readonly EndpointSliceResource[]
  readonly workloads: readonly WorkloadResource[]
  readonly policies: ServicePolicies | undefined
  /** TLS of a port, by its name; undefined for plain text. */
  readonly tlsOf: (portName: string) => BackendTls | undefined
  /** Its virtual address; undefined for one that has none. */
  readonly address: string | undefined
  readonly ipv6Address: string | undefined
}

export interface ServiceOutcome {
  readonly facts: ServiceFacts
  readonly backends: readonly Backend[]
  /** One per port that is served at the virtual address. */
  readonly listeners: readonly Listener[]
  /** What each of these ports does while no route is attached: send to the Service itself. */
  readonly ownRoutes: readonly HttpRoute[]
  readonly ownStreamRoutes: readonly StreamRoute[]
  readonly addresses: readonly ServiceAddress[]
  readonly named: NamedService
  readonly findings: readonly Finding[]
}

/** @param before  the last outcome; whatever is equal in it is handed on as the same object */
export function judgeService(input: ServiceInput, before: ServiceOutcome | undefined): ServiceOutcome {
  const { service, policies, address } = input
  const facts = same(
    serviceFacts(
      service,
      portName => policyOf(policies, portName)?.spec,
      portName => input.tlsOf(portName) !== undefined,
    ),
    before?.facts,
  )
  const findings: Finding[] = []
  const backends: Backend[] = []
  const listeners: Listener[] = []
  const ownRoutes: HttpRoute[] = []
  const ownStreamRoutes: StreamRoute[] = []
  const addresses: ServiceAddress[] = []
  for (const [index, port] of facts.ports.entries()) {
    const key = portKey(facts.key, port)
    if (facts.kind === 'external-name') continue
    const protocol = port.isHttpInTls ? 'http1' : backendProtocols[port.protocol]
    if (protocol !== undefined) {
      backends.push(judgeBackend(input, facts, port, protocol, before))
    }
    if (facts.kind !== 'cluster-ip') continue
    const served = listenerProtocols[port.protocol]
    if (served === undefined) {
      const message = `port ${port.port} is not served at the Service's address: the mesh speaks HTTP, TLS, TCP and UDP (${port.declared})`
      findings.push({ resource: service, severity: 'warning', path: `spec.ports[${index}]`, message })
      continue
    }
    if (address === undefined) continue
    const listener = listenerOf(key, address, port.port, served)
    listeners.push(same(listener, find(before?.listeners, listener.id)))
    if (served === 'HTTP') ownRoutes.push(keep(ownRoute(service, key), before?.ownRoutes))
    else ownStreamRoutes.push(keep(ownStreamRoute(service, key), before?.ownStreamRoutes))
    const { namespace, name } = facts
    addresses.push({ namespace, service: name, address, port: port.port, portName: port.name })
  }
  findings.push(...addressFindings(input, facts), ...sliceFindings(input.slices, facts))
  const named = same(namedService(input, facts), before?.named)
  return { facts, backends, listeners, ownRoutes, ownStreamRoutes, addresses, named, findings }
}

function namedService({ service, address, ipv6Address }: ServiceInput, facts: ServiceFacts): NamedService {
  const { key, namespace, name, kind, ports } = facts
  return {
    key,
    namespace,
    name,
    kind,
    addresses: kind === 'cluster-ip' ? [address, ipv6Address].filter(each => each !== undefined) : [],
    externalName: kind === 'external-name' ? (service.spec.externalName ?? '') : '',
    affinitySeconds: kind === 'cluster-ip' ? affinitySeconds(service.spec) : 0,
    ports: ports.map(port => ({
      name: port.name,
      port: port.port,
      carrier: port.protocol === 'udp' || port.protocol === 'sctp' ? port.protocol : 'tcp',
      backend: portKey(key, port),
    })),
  }
}

/** Three hours, the default of Kubernetes. */
const usualAffinitySeconds = 10_800

function affinitySeconds({ sessionAffinity, sessionAffinityConfig }: ServiceResource['spec']): number {
  if (sessionAffinity === 'None') return 0
  return sessionAffinityConfig?.clientIP?.timeoutSeconds ?? usualAffinitySeconds
}

const backendProtocols: Readonly<Record<PortProtocol, BackendProtocol | undefined>> = {
  http1: 'http1',
  h2c: 'h2c',
  tcp: 'tcp',
  tls: 'tcp',
  udp: 'udp',
  sctp: undefined,
}

/** What a Service's own address is listened on with. */
const listenerProtocols: Readonly<Record<PortProtocol, Listener['protocol'] | undefined>> = {
  http1: 'HTTP',
  h2c: 'HTTP',
  tcp: 'TCP',
  tls: 'TLS',
  udp: 'UDP',
  sctp: undefined,
}

function judgeBackend(
  input: ServiceInput,
  facts: ServiceFacts,
  port: ServicePortFacts,
  protocol: BackendProtocol,
  before: ServiceOutcome | undefined,
): Backend {
  const key = portKey(facts.key, port)
  const old = before?.backends.find(backend => backend.key === key)
  const known = new Map<string, Endpoint>(old?.endpoints.map(endpoint => [endpoint.id, endpoint]))
  const { slices, workloads, service } = input
  const carrier = protocol === 'udp' ? 'UDP' : 'TCP'
  const sources: EndpointSources = {
    slices,
    workloads,
    publishNotReady: service.spec.publishNotReadyAddresses,
    carrier,
  }
  const endpoints = collectEndpoints(sources, port.name, known)
  const settings = same(settingsOf(policyOf(input.policies, port.name), input, protocol), old?.settings)
  const tls = protocol === 'udp' ? undefined : input.tlsOf(port.name)
  const { namespace, name } = facts
  const isAssumed = port.isAssumed && protocol === 'http1'
  if (
    old !== undefined &&
    old.protocol === protocol &&
    (old.isProtocolAssumed ?? false) === isAssumed &&
    old.tls === tls &&
    old.portName === port.name &&
    old.settings === settings &&
    old.endpoints.length === endpoints.length &&
    old.endpoints.every((endpoint, at) => endpoint === endpoints[at])
  ) {
    return old
  }
  return {
    key,
    namespace,
    service: name,
    port: port.port,
    portName: port.name,
    protocol,
    ...(isAssumed ? { isProtocolAssumed: true } : {}),
    tls,
    endpoints,
    settings,
  }
}

/**
 * A policy's settings. Without a health check of its own, the one that all
 * Workloads of the Service have in common counts, as long as nothing else is an
 * endpoint. Nothing checks a UDP port: that nobody answers there is no sign of anything.
 */
function settingsOf(
  policy: BackendPolicyResource | undefined,
  input: ServiceInput,
  protocol: BackendProtocol,
): BackendSettings {
  const settings = policy === undefined ? defaultBackendSettings : backendSettings(policy.spec)
  if (protocol === 'udp') return settings.healthCheck === undefined ? settings : { ...settings, healthCheck: undefined }
  const check = input.workloads[0]?.spec.healthCheck
  if (settings.healthCheck !== undefined || check === undefined || input.slices.length > 0) return settings
  const isCommon = input.workloads.every(({ spec }) => isDeepStrictEqual(spec.healthCheck, check))
  return isCommon ? { ...settings, healthCheck: healthCheck(check) } : settings
}

function listenerOf(key: string, address: string, port: number, protocol: Listener['protocol']): Listener {
  const host = {
    id: `Service ${key}`,
    hostname: undefined,
    certificates: [],
    tls: undefined,
    clientCertificate: undefined,
  }
  return {
    id: listenerId(address, port, protocol),
    address,
    port,
    kind: 'service',
    protocol,
    virtualHosts: [protocol === 'TLS' ? { ...host, tlsMode: 'passthrough' } : host],
  }
}

function ownRoute(service: ServiceResource, key: string): HttpRoute {
  const { namespace, name } = service.metadata
  return {
    key: `Service ${key}`,
    kind: 'Service',
    namespace,
    name,
    createdMs: createdMs(service),
    attachments: [{ virtualHost: `Service ${key}`, hostnames: [], clientNamespace: undefined }],
    rules: [
      {
        index: 0,
        name: undefined,
        matches: [{ path: { kind: 'prefix', value: '' }, method: undefined, headers: [], query: [] }],
        filters: [],
        backends: [{ weight: 1, target: { kind: 'backend', key }, filters: [] }],
        requestTimeoutMs: undefined,
        backendRequestTimeoutMs: 0,
        retry: undefined,
        session: undefined,
        failure: undefined,
      },
    ],
  }
}

function ownStreamRoute(service: ServiceResource, key: string): StreamRoute {
  const { namespace, name } = service.metadata
  return {
    key: `Service ${key}`,
    kind: 'Service',
    namespace,
    name,
    createdMs: createdMs(service),
    attachments: [{ virtualHost: `Service ${key}`, hostnames: [], clientNamespace: undefined }],
    ruleName: undefined,
    backends: [{ weight: 1, target: { kind: 'backend', key } }],
  }
}

function keep<Route extends { readonly key: string }>(route: Route, before: readonly Route[] | undefined): Route {
  return same(
    route,
    before?.find(old => old.key === route.key),
  )
}

function addressFindings({ service, address }: ServiceInput, facts: ServiceFacts): Finding[] {
  if (facts.kind !== 'cluster-ip') return []
  const { clusterIP } = service.spec
  if (address === undefined) {
    const message = 'no virtual address is left for the Service; use a larger network'
    return [{ resource: service, severity: 'error', path: 'spec', message }]
  }
  if (clusterIP === undefined || !isLoopbackIpv4(clusterIP) || clusterIP === address) return []
  const message = `${clusterIP} is taken by a Gateway or another Service; the Service has ${address}`
  return [{ resource: service, severity: 'warning', path: 'spec.clusterIP', message }]
}

function sliceFindings(slices: readonly EndpointSliceResource[], facts: ServiceFacts): Finding[] {
  const findings: Finding[] = []
  const warn = (resource: EndpointSliceResource, path: string, message: string): void => {
    findings.push({ resource, severity: 'warning', path, message })
  }
  for (const slice of slices) {
    if (slice.addressType === 'FQDN') {
      warn(slice, 'addressType', 'addresses of type FQDN are not used; write IPv4 or IPv6 addresses')
      continue
    }
    for (const [index, port] of slice.ports.entries()) {
      if (port.port === undefined) warn(slice, `ports[${index}]`, 'a port without a number is not used')
      else if (!facts.ports.some(candidate => candidate.name === port.name)) {
        const names = facts.ports.map(candidate => candidate.name || '""').join(', ')
        const message = `Service ${facts.key} has no port named ${port.name || '""'}, only ${names}`
        warn(slice, `ports[${index}]`, message)
      }
    }
  }
  return findings
}

function find(listeners: readonly Listener[] | undefined, id: string): Listener | undefined {
  return listeners?.find(listener => listener.id === id)
}
