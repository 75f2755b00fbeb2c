import type { BackendTarget } from '../../model/index.ts'
import type { BackendReference, RouteResource } from '../schema/resource.ts'
import { portKey, type PortProtocol, type ServicePortFacts } from './facts.ts'
import type { RefReason, RouteDraft } from './route-draft.ts'

/** What an unusable reference answers for its share of the traffic. */
const invalidStatus = 500

/**
 * Judges one reference to a backend. In this order, which is also the order of
 * what an operator has to put right first: the kind, the permission, the
 * Service, its port, what the port speaks. (A missing permission is told
 * before, and instead of, whether the Service exists: a route must not learn
 * that about a namespace that grants it nothing.)
 *
 * @param speaks  the kind of route whose protocol is spoken to the backend
 */
export function resolveBackend(
  draft: RouteDraft,
  ref: BackendReference,
  path: string,
  speaks: RouteResource['kind'] = draft.resource.kind,
): BackendTarget {
  const namespace = ref.namespace ?? draft.resource.metadata.namespace
  const invalid = (reason: RefReason, message: string): BackendTarget => {
    draft.unresolve(path, reason, message)
    return { kind: 'invalid', status: invalidStatus, reason, message }
  }
  if (ref.group !== '' || ref.kind !== 'Service') {
    const kind = ref.group === '' ? ref.kind : `${ref.group}/${ref.kind}`
    return invalid('InvalidKind', `a backend must be a Service, not ${kind}`)
  }
  const key = `${namespace}/${ref.name}`
  if (
    draft.needsGrants &&
    namespace !== draft.resource.metadata.namespace &&
    !isPermitted(draft, namespace, ref.name)
  ) {
    return invalid('RefNotPermitted', `Service ${key} is in another namespace, and no ReferenceGrant there admits it`)
  }
  const service = draft.facts.service(key)
  if (service === undefined) {
    return invalid('BackendNotFound', `no Service ${key}${draft.facts.suggest('Service', key)}`)
  }
  if (service.kind === 'external-name') {
    return invalid('InvalidKind', `Service ${key} is of type ExternalName, which has no endpoints`)
  }
  if (ref.port === undefined) {
    return invalid('BackendNotFound', `port is missing; Service ${key} has ${listPorts(service.ports)}`)
  }
  const usable = usableProtocols[speaks]
  // A GRPCRoute says by itself what its backends speak, where they don't.
  const isGrpc = speaks === 'GRPCRoute' && draft.resource.kind === 'GRPCRoute'
  const isUsable = ({ protocol, isHttpInTls, isAssumed }: ServicePortFacts): boolean =>
    usable.protocols.includes(protocol) || (isHttpInTls && usable.isHttp === true) || (isGrpc && isAssumed)
  // One number may stand twice, for TCP and for UDP.
  const numbered = service.ports.filter(candidate => candidate.port === ref.port)
  const port = numbered.find(isUsable) ?? numbered.find(candidate => candidate.protocol !== 'udp') ?? numbered[0]
  if (port === undefined) {
    return invalid('BackendNotFound', `Service ${key} has no port ${ref.port}, only ${listPorts(service.ports)}`)
  }
  if (!isUsable(port)) {
    return invalid(
      'UnsupportedProtocol',
      `port ${port.port} of Service ${key} does not speak ${usable.name} (${port.declared})${port.protocol === 'tls' && usable.isHttp === true ? tlsHint : (usable.hint ?? '')}`,
    )
  }
  return { kind: 'backend', key: portKey(key, port) }
}

const tlsHint = '; a BackendTLSPolicy says how a backend is reached by TLS'

/** What a port must speak to be a backend; whatever TCP carries can be forwarded as bytes. */
const usableProtocols: Readonly<
  Record<
    RouteResource['kind'],
    {
      readonly name: string
      readonly protocols: readonly PortProtocol[]
      readonly isHttp?: boolean
      readonly hint?: string
    }
  >
> = {
  HTTPRoute: { name: 'HTTP', protocols: ['http1', 'h2c'], isHttp: true },
  GRPCRoute: {
    name: 'HTTP/2',
    protocols: ['h2c'],
    isHttp: true,
    hint: '; give the port appProtocol: kubernetes.io/h2c',
  },
  TCPRoute: { name: 'TCP', protocols: ['http1', 'h2c', 'tcp', 'tls'] },
  TLSRoute: { name: 'TCP', protocols: ['http1', 'h2c', 'tcp', 'tls'] },
  UDPRoute: { name: 'UDP', protocols: ['udp'] },
}

function isPermitted(draft: RouteDraft, namespace: string, name: string): boolean {
  return draft.facts.isGranted(
    { group: 'gateway.networking.k8s.io', kind: draft.resource.kind, namespace: draft.resource.metadata.namespace },
    { group: '', kind: 'Service', namespace, name },
  )
}

/** `80, 9090 and 9091` */
export function listPorts(ports: readonly { readonly port: number }[]): string {
  const numbers = ports.map(port => String(port.port))
  const last = numbers.pop()
  if (last === undefined) return 'none'
  return numbers.length === 0 ? last : `${numbers.join(', ')} and ${last}`
}
