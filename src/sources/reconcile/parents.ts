import type { Attachment } from '../../model/index.ts'
import type { ParentReference, RouteResource } from '../schema/resource.ts'
import { fails, holds, type Verdict } from './conditions.ts'
import {
  portKey,
  selects,
  type GatewayFacts,
  type ListenerFacts,
  type PortProtocol,
  type ServiceFacts,
} from './facts.ts'
import { intersectHostnames } from './hostname.ts'
import { listPorts } from './backend-refs.ts'
import { didYouMean } from './name-index.ts'
import type { RouteDraft } from './route-draft.ts'

/** What a parentRef comes to: nothing for a parent that is not there or not ours, else a verdict. */
export interface ParentOutcome {
  readonly ref: ParentReference
  readonly accepted: Verdict
  /** Empty unless accepted. */
  readonly attachments: readonly Attachment[]
}

const gatewayGroup = 'gateway.networking.k8s.io'

export function isGatewayRef(ref: ParentReference): boolean {
  return ref.group === gatewayGroup && ref.kind === 'Gateway'
}

export function isListenerSetRef(ref: ParentReference): boolean {
  return ref.group === gatewayGroup && ref.kind === 'ListenerSet'
}

export function isServiceRef(ref: ParentReference): boolean {
  return ref.group === '' && ref.kind === 'Service'
}

/** @returns undefined where the status has no entry: the parent does not exist or belongs to another controller */
export function judgeParent(draft: RouteDraft, ref: ParentReference, path: string): ParentOutcome | undefined {
  const namespace = ref.namespace ?? draft.resource.metadata.namespace
  const key = `${namespace}/${ref.name}`
  if (isGatewayRef(ref)) {
    const gateway = draft.facts.gateway(key)
    if (gateway === undefined) {
      draft.warn(path, `no Gateway ${key}${draft.facts.suggest('Gateway', key)}`)
      return undefined
    }
    return gateway.isOurs ? attachToGateway(draft, ref, gateway, path) : undefined
  }
  if (isListenerSetRef(ref)) {
    const set = draft.facts.listenerSet(key)
    if (set === undefined) {
      draft.warn(path, `no ListenerSet ${key}${draft.facts.suggest('ListenerSet', key)}`)
      return undefined
    }
    return set.isOurs ? attachToGateway(draft, ref, set, path) : undefined
  }
  if (isServiceRef(ref)) {
    const service = draft.facts.service(key)
    if (service === undefined) {
      draft.warn(path, `no Service ${key}${draft.facts.suggest('Service', key)}`)
      return undefined
    }
    return attachToService(draft, ref, service, path)
  }
  const hint = ref.kind === 'Service' ? '; the group of a Service is "", written out' : ''
  draft.warn(path, `a parent must be a Gateway, a ListenerSet or a Service, not ${ref.group}/${ref.kind}${hint}`)
  return undefined
}

function attachToGateway(draft: RouteDraft, ref: ParentReference, gateway: GatewayFacts, path: string): ParentOutcome {
  const refuse = (reason: string, message: string): ParentOutcome => {
    draft.warn(path, message)
    return { ref, accepted: fails(reason, message), attachments: [] }
  }
  if (gateway.refusal !== undefined) return refuse('NoMatchingParent', gateway.refusal)
  const named = gateway.listeners.filter(
    listener =>
      (ref.sectionName === undefined || listener.name === ref.sectionName) &&
      (ref.port === undefined || listener.port === ref.port),
  )
  if (named.length === 0) return refuse('NoMatchingParent', noListenerMessage(ref, gateway))
  const admitting = named.filter(listener => admits(draft, gateway, listener))
  if (admitting.length === 0) return refuse('NotAllowedByListeners', notAllowedMessage(draft, gateway, named))
  const attachments: Attachment[] = []
  const hostnames = hostnamesOf(draft.resource)
  for (const listener of admitting) {
    const common = intersectHostnames(listener.hostname, hostnames)
    if (common === undefined) continue
    const { virtualHost, clientCertificate } = listener
    attachments.push({
      virtualHost,
      hostnames: common,
      clientNamespace: undefined,
      ...(clientCertificate === undefined ? {} : { clientCertificate }),
    })
  }
  if (attachments.length === 0) {
    const theirs = admitting.map(listener => listener.hostname).join(', ')
    return refuse(
      'NoMatchingListenerHostname',
      `no hostname in common: the route has ${hostnames.join(', ')}, ${gateway.kind} ${gateway.key} has ${theirs}`,
    )
  }
  return { ref, accepted: holds('Accepted'), attachments }
}

function admits(draft: RouteDraft, gateway: GatewayFacts, listener: ListenerFacts): boolean {
  if (!listener.routeKinds.includes(draft.resource.kind)) return false
  const { namespace } = draft.resource.metadata
  switch (listener.from) {
    case 'All':
      return true
    case 'Same':
      return namespace === gateway.namespace
    case 'Selector':
      return selects(listener.selector, draft.facts.namespaceLabels(namespace))
  }
}

function noListenerMessage(ref: ParentReference, gateway: GatewayFacts): string {
  const { sectionName, port } = ref
  const named = gateway.listeners.find(listener => listener.name === sectionName)
  if (named !== undefined)
    return `listener ${named.name} of ${gateway.kind} ${gateway.key} has port ${named.port}, not ${port}`
  if (sectionName === undefined) {
    return `${gateway.kind} ${gateway.key} has no listener on port ${port}, only on ${listPorts(gateway.listeners)}`
  }
  const names = gateway.listeners.map(listener => listener.name)
  return `${gateway.kind} ${gateway.key} has no listener ${sectionName}${didYouMean(sectionName, names)}`
}

function notAllowedMessage(draft: RouteDraft, gateway: GatewayFacts, listeners: readonly ListenerFacts[]): string {
  const names = listeners.map(listener => listener.name).join(', ')
  const { kind } = draft.resource
  if (!listeners.some(listener => listener.routeKinds.includes(kind))) {
    return `${gateway.kind} ${gateway.key} takes no ${kind}s on ${names}`
  }
  return `allowedRoutes of ${gateway.kind} ${gateway.key} does not admit namespace ${draft.resource.metadata.namespace} on ${names}`
}

function hostnamesOf({ spec }: RouteResource): readonly string[] {
  return 'hostnames' in spec ? (spec.hostnames ?? []).map(hostname => hostname.toLowerCase()) : []
}

/** What a port of a Service must speak for a route to decide about its clients. */
const servedProtocols: Readonly<
  Record<
    RouteResource['kind'],
    { readonly name: string; readonly protocols: readonly PortProtocol[]; readonly hint: string }
  >
> = {
  HTTPRoute: { name: 'HTTP', protocols: ['http1', 'h2c'], hint: '' },
  GRPCRoute: { name: 'HTTP/2', protocols: ['h2c'], hint: '; give the port appProtocol: kubernetes.io/h2c' },
  TCPRoute: { name: 'TCP', protocols: ['tcp', 'tls'], hint: '; give the port appProtocol: tcp' },
  TLSRoute: { name: 'TLS', protocols: ['tls'], hint: '; give the port appProtocol: tls' },
  UDPRoute: { name: 'UDP', protocols: ['udp'], hint: '' },
}

/** The mesh (GAMMA): the route decides what clients of the Service's address get. Hostnames have no meaning there. */
function attachToService(draft: RouteDraft, ref: ParentReference, service: ServiceFacts, path: string): ParentOutcome {
  const refuse = (message: string): ParentOutcome => {
    draft.warn(path, message)
    return { ref, accepted: fails('NoMatchingParent', message), attachments: [] }
  }
  if (service.kind !== 'cluster-ip') {
    const what = service.kind === 'headless' ? 'is headless' : 'is of type ExternalName'
    return refuse(`Service ${service.key} ${what} and has no address that routes could hold for`)
  }
  const named = service.ports.filter(
    port =>
      (ref.sectionName === undefined || port.name === ref.sectionName) &&
      (ref.port === undefined || port.port === ref.port),
  )
  if (named.length === 0) {
    const wanted = ref.port === undefined ? `port ${ref.sectionName}` : `port ${ref.port}`
    return refuse(`Service ${service.key} has no ${wanted}, only ${listPorts(service.ports)}`)
  }
  const { kind } = draft.resource
  const spoken = named.filter(
    port => servedProtocols[kind].protocols.includes(port.protocol) || (kind === 'GRPCRoute' && port.isAssumed),
  )
  if (spoken.length === 0) {
    const declared = named.map(port => `${port.port}: ${port.declared}`).join(', ')
    const { name, hint } = servedProtocols[kind]
    return refuse(`Service ${service.key} does not speak ${name} there (${declared})${hint}`)
  }
  // Of HTTPRoutes they have no meaning here; a TLSRoute has nothing else to match by.
  const hostnames = kind === 'TLSRoute' ? hostnamesOf(draft.resource) : []
  const { namespace } = draft.resource.metadata
  const clientNamespace = namespace === service.namespace ? undefined : namespace
  const attachments = spoken.map(port => ({
    virtualHost: `Service ${portKey(service.key, port)}`,
    hostnames,
    clientNamespace,
  }))
  return { ref, accepted: holds('Accepted'), attachments }
}
