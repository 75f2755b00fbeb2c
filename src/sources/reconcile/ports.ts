import type { BackendPolicySpec, ServicePort, ServiceResource } from '../schema/resource.ts'
import type { PortProtocol, ServiceFacts, ServicePortFacts } from './facts.ts'

/** `appProtocol` in lower case, by what it means to the proxy; whatever is not here is opaque TCP. */
const appProtocols: ReadonlyMap<string, PortProtocol> = new Map([
  ['http', 'http1'],
  ['http/1.1', 'http1'],
  ['kubernetes.io/ws', 'http1'],
  ['kubernetes.io/h2c', 'h2c'],
  ['h2c', 'h2c'],
  ['http2', 'h2c'],
  ['grpc', 'h2c'],
  ['https', 'tls'],
  ['tls', 'tls'],
  ['kubernetes.io/wss', 'tls'],
])

/** What routes of HTTP may send to as soon as a BackendTLSPolicy holds. */
const httpInTls = /^(https|kubernetes\.io\/wss)$/i

const policyProtocols: Readonly<Record<NonNullable<BackendPolicySpec['protocol']>, PortProtocol>> = {
  HTTP1: 'http1',
  H2C: 'h2c',
  TCP: 'tcp',
}

/**
 * Names by which a port tells that it speaks HTTP/2, `grpc` or `grpc-api`: many
 * Services were written before `appProtocol` and go by their names.
 */
const http2Name = /^(grpc|h2c|http2)(-|$)/

/**
 * What a Service is to routes. A port speaks what a BackendPolicy says, else its
 * `appProtocol`, else what its name says, else HTTP/1.1, which calls of gRPC do without.
 */
export function serviceFacts(
  service: ServiceResource,
  policyFor: (portName: string) => BackendPolicySpec | undefined,
  hasTls: (portName: string) => boolean,
): ServiceFacts {
  const { namespace, name } = service.metadata
  const { type, clusterIP, ports } = service.spec
  const hasAddress = clusterIP !== 'None'
  return {
    key: `${namespace}/${name}`,
    namespace,
    name,
    kind: type === 'ExternalName' ? 'external-name' : hasAddress ? 'cluster-ip' : 'headless',
    ports: ports.map(port => {
      const facts = portFacts(port, policyFor(port.name ?? '')?.protocol)
      const isHttps = facts.protocol === 'tls' && httpInTls.test(port.appProtocol ?? '')
      return { ...facts, isHttpInTls: isHttps && hasTls(facts.name) }
    }),
  }
}

function portFacts(port: ServicePort, policy: BackendPolicySpec['protocol']): Omit<ServicePortFacts, 'isHttpInTls'> {
  const name = port.name ?? ''
  if (port.protocol !== 'TCP') {
    const protocol = port.protocol === 'UDP' ? 'udp' : 'sctp'
    return { name, port: port.port, protocol, declared: `protocol ${port.protocol}`, isAssumed: false }
  }
  if (policy !== undefined) {
    return {
      name,
      port: port.port,
      protocol: policyProtocols[policy],
      declared: `BackendPolicy protocol ${policy}`,
      isAssumed: false,
    }
  }
  if (port.appProtocol === undefined && http2Name.test(name)) {
    return { name, port: port.port, protocol: 'h2c', declared: `port name ${name}`, isAssumed: false }
  }
  if (port.appProtocol === undefined) {
    return { name, port: port.port, protocol: 'http1', declared: 'no appProtocol', isAssumed: true }
  }
  const protocol = appProtocols.get(port.appProtocol.toLowerCase()) ?? 'tcp'
  return { name, port: port.port, protocol, declared: `appProtocol ${port.appProtocol}`, isAssumed: false }
}
