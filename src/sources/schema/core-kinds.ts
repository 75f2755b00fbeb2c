import { dnsLabel, labels, port, subdomain } from './formats.ts'
import {
  array,
  boolean,
  byDefault,
  either,
  enumeration,
  integer,
  map,
  object,
  optional,
  required,
  string,
} from './shape.ts'
import type { Rule, Shape } from './shape.ts'
import type { ServicePort, ServiceSpec, SliceEndpoint, SlicePort, StringMap } from './resource.ts'

// Core v1 and discovery v1, as Kubernetes 1.35 reads them. Null counts as absent
// here: `kubectl get -o yaml` prints `endpoints: null` and the like.

const nulls = { nulls: 'absent' } as const

const text = string()

const protocol = enumeration('TCP', 'UDP', 'SCTP')

/** IANA service name: at most 15 characters with at least one letter. */
export const portName: Shape<string> = string({
  min: 1,
  max: 15,
  pattern: /^(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*$/,
  about: 'a port name of at most 15 lower-case letters, digits and "-"',
})

const servicePort: Shape<ServicePort> = completed(
  object<Omit<ServicePort, 'targetPort'> & { readonly targetPort?: number | string }>(
    {
      name: optional(either(string({ max: 0 }), dnsLabel)),
      port: required(port),
      targetPort: optional(either(port, portName)),
      protocol: byDefault(protocol, 'TCP'),
      appProtocol: optional(string({ max: 253 })),
      nodePort: optional(integer(0, 65_535)),
    },
    nulls,
  ),
  value => ({ ...value, targetPort: value.targetPort ?? value.port }),
)

const clusterPorts: Rule<ServiceSpec> = {
  reads: ['type', 'ports', 'clusterIP', 'externalName'],
  check(service, reading) {
    if (service.type === 'ExternalName') {
      if (service.externalName === undefined) reading.error('is required for type ExternalName', 'externalName')
    } else if (service.ports.length === 0 && service.clusterIP !== 'None') {
      reading.error('needs at least one item, save in headless and ExternalName Services', 'ports')
    }
    if (service.ports.length < 2) return
    const names = new Set<string>()
    for (const [index, { name = '' }] of service.ports.entries()) {
      if (name === '') reading.error('needs a name, since the Service has several ports', 'ports', index)
      else if (names.has(name)) reading.error(`repeats the name "${name}"`, 'ports', index, 'name')
      names.add(name)
    }
  },
}

const distinctPorts: Rule<ServiceSpec> = {
  reads: ['ports'],
  check(service, reading) {
    const seen = new Set<string>()
    for (const [index, { protocol: transport, port: number }] of service.ports.entries()) {
      const key = `${transport} ${number}`
      if (seen.has(key)) reading.error(`repeats ${key}`, 'ports', index, 'port')
      seen.add(key)
    }
  },
}

const traffic = enumeration('Cluster', 'Local')

export const serviceSpec: Shape<ServiceSpec> = object<ServiceSpec>(
  {
    type: byDefault(enumeration('ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'), 'ClusterIP'),
    clusterIP: optional(string({ max: 64 })),
    clusterIPs: optional(array(text, { max: 2 })),
    externalName: optional(string({ min: 1, max: 253 })),
    selector: optional(labels),
    ports: byDefault(array(servicePort, { max: 250 }), []),
    publishNotReadyAddresses: byDefault(boolean, false),
    sessionAffinity: byDefault(enumeration('None', 'ClientIP'), 'None'),
    sessionAffinityConfig: optional(
      object<NonNullable<ServiceSpec['sessionAffinityConfig']>>(
        {
          clientIP: optional(
            object<{ timeoutSeconds?: number }>({ timeoutSeconds: optional(integer(1, 86_400)) }, nulls),
          ),
        },
        nulls,
      ),
    ),
    internalTrafficPolicy: optional(traffic),
    externalTrafficPolicy: optional(traffic),
    trafficDistribution: optional(text),
    ipFamilies: optional(array(enumeration('IPv4', 'IPv6'), { max: 2 })),
    ipFamilyPolicy: optional(enumeration('SingleStack', 'PreferDualStack', 'RequireDualStack')),
    externalIPs: optional(array(text)),
    allocateLoadBalancerNodePorts: optional(boolean),
    healthCheckNodePort: optional(integer(0, 65_535)),
    loadBalancerClass: optional(text),
    loadBalancerIP: optional(text),
    loadBalancerSourceRanges: optional(array(text)),
  },
  { rules: [clusterPorts, distinctPorts], ...nulls },
)

export const namespaceSpec: Shape<{ readonly finalizers?: readonly string[] }> = object<{
  readonly finalizers?: readonly string[]
}>({ finalizers: optional(array(text)) }, nulls)

const dataKey = string({
  min: 1,
  max: 253,
  pattern: /^[-._a-zA-Z0-9]+$/,
  about: 'a key of letters, digits, "-", "_" and "."',
})

export const textData: Shape<StringMap> = map(text, { keys: dataKey })

/** Base64 as `base64` prints it, line breaks allowed. */
const base64: Shape<string> = {
  expects: 'base64',
  read(value, reading) {
    if (typeof value !== 'string') return text.read(value, reading)
    const bare = value.replace(/[\r\n]/g, '')
    // The value may be a secret: it is not shown.
    if (bare.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(bare)) return bare
    reading.error('is not base64; plain text belongs in stringData')
    return undefined
  },
}

export const base64Data: Shape<StringMap> = map(base64, { keys: dataKey })

type Conditions = SliceEndpoint['conditions']

const noConditions: Conditions = Object.freeze({ ready: true, serving: true, terminating: false })

/** An unknown `ready` reads as ready, an unknown `serving` as `ready` (discovery/v1 EndpointConditions). */
const endpointConditions: Shape<Conditions> = completed(
  object<Partial<Conditions>>(
    { ready: optional(boolean), serving: optional(boolean), terminating: optional(boolean) },
    nulls,
  ),
  ({ ready = true, serving = ready, terminating = false }) => ({ ready, serving, terminating }),
)

type TargetReference = NonNullable<SliceEndpoint['targetRef']>

const targetReference: Shape<TargetReference> = object<
  TargetReference & { readonly fieldPath?: string; readonly resourceVersion?: string }
>(
  {
    apiVersion: optional(text),
    kind: optional(text),
    name: optional(text),
    namespace: optional(text),
    uid: optional(text),
    fieldPath: optional(text),
    resourceVersion: optional(text),
  },
  nulls,
)

const named = array(object<{ name: string }>({ name: required(string({ min: 1 })) }, nulls), { max: 8 })

export const sliceEndpoints: Shape<readonly SliceEndpoint[]> = array(
  object<SliceEndpoint>(
    {
      addresses: required(array(string({ min: 1, max: 253 }), { min: 1, max: 100 })),
      conditions: byDefault(endpointConditions, noConditions),
      hostname: optional(dnsLabel),
      nodeName: optional(subdomain),
      zone: optional(text),
      targetRef: optional(targetReference),
      hints: optional(
        object<NonNullable<SliceEndpoint['hints']>>({ forZones: optional(named), forNodes: optional(named) }, nulls),
      ),
      deprecatedTopology: optional(map(text)),
    },
    nulls,
  ),
  { max: 1000 },
)

export const slicePorts: Shape<readonly SlicePort[]> = array(
  object<SlicePort>(
    {
      name: byDefault(either(string({ max: 0 }), dnsLabel), ''),
      port: optional(port),
      protocol: byDefault(protocol, 'TCP'),
      appProtocol: optional(string({ max: 253 })),
    },
    nulls,
  ),
  { max: 100, unique: { by: item => item.name, what: 'name' } },
)

/** A shape whose result still gets defaults that depend on its other fields. */
function completed<A, B>(shape: Shape<A>, complete: (value: A) => B): Shape<B> {
  return {
    expects: shape.expects,
    read(value, reading) {
      const read = shape.read(value, reading)
      return read === undefined ? undefined : complete(read)
    },
  }
}
