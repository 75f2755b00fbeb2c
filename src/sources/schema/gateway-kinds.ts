import {
  dnsLabel,
  group,
  hostname,
  kind,
  labelSelector,
  labelValue,
  localReference,
  objectName,
  objectReference,
  port,
  qualifiedKey,
  subdomain,
} from './formats.ts'
import { array, byDefault, enumeration, map, object, optional, required, string } from './shape.ts'
import type { Reading, Rule, Shape } from './shape.ts'
import type {
  AllowedRoutes,
  FrontendValidation,
  GatewayClassSpec,
  GatewayListener,
  GatewaySpec,
  LabelSelector,
  ListenerTls,
  ReferenceGrantSpec,
  SecretReference,
} from './resource.ts'

// GatewayClass, Gateway and ReferenceGrant of Gateway API v1.6, with the CEL rules of their CRDs.

export const gatewayGroup = 'gateway.networking.k8s.io'

export const gatewayClassSpec: Shape<GatewayClassSpec> = object<GatewayClassSpec>({
  controllerName: required(
    string({
      min: 1,
      max: 253,
      pattern: /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/,
      about: 'a controller like "heddle.dev/gateway-controller"',
    }),
  ),
  description: optional(string({ max: 64 })),
  parametersRef: optional(objectReference),
})

const secretReference: Shape<SecretReference> = object<SecretReference>({
  group: byDefault(group, ''),
  kind: byDefault(kind, 'Secret'),
  name: required(objectName),
  namespace: optional(dnsLabel),
})

const annotationText = string({ max: 4096 })

const certificateOrOptions: Rule<ListenerTls> = {
  reads: ['mode', 'certificateRefs', 'options'],
  check(tls, reading) {
    if (tls.mode !== 'Terminate') return
    if ((tls.certificateRefs?.length ?? 0) > 0 || Object.keys(tls.options ?? {}).length > 0) return
    reading.error('needs certificateRefs (or options) to terminate TLS')
  },
}

const listenerTls: Shape<ListenerTls> = object<ListenerTls>(
  {
    mode: byDefault(enumeration('Terminate', 'Passthrough'), 'Terminate'),
    certificateRefs: optional(array(secretReference, { max: 64 })),
    options: optional(map(annotationText, { max: 16, keys: qualifiedKey })),
  },
  { rules: [certificateOrOptions] },
)

interface NamespacesFrom {
  readonly from: string
  readonly selector?: LabelSelector
}

/** The CRD lets it pass and the text of the API asks for it; without it nothing could match. */
function selectorForSelector<T extends NamespacesFrom>(): Rule<T> {
  return {
    reads: ['from', 'selector'],
    check(value, reading) {
      if (value.from === 'Selector' && value.selector === undefined) {
        reading.warning('is missing, so that from: Selector admits no namespace', 'selector')
      }
    },
  }
}

const same: AllowedRoutes['namespaces'] = Object.freeze({ from: 'Same' })

const allowedRoutes: Shape<AllowedRoutes> = object<AllowedRoutes>({
  namespaces: byDefault(
    object<AllowedRoutes['namespaces']>(
      { from: byDefault(enumeration('All', 'Same', 'Selector'), 'Same'), selector: optional(labelSelector) },
      { rules: [selectorForSelector()] },
    ),
    same,
  ),
  kinds: optional(
    array(object<{ group: string; kind: string }>({ group: byDefault(group, gatewayGroup), kind: required(kind) }), {
      max: 8,
    }),
  ),
})

const tlsByProtocol: Rule<GatewayListener> = {
  reads: ['protocol', 'tls'],
  check({ protocol, tls }, reading) {
    if (protocol === 'HTTP' || protocol === 'TCP' || protocol === 'UDP') {
      if (tls !== undefined) reading.error(`does not go with protocol ${protocol}`, 'tls')
    } else if (protocol === 'HTTPS') {
      if (tls !== undefined && tls.mode !== 'Terminate') {
        reading.error('must be Terminate for protocol HTTPS', 'tls', 'mode')
      }
    } else if (protocol === 'TLS' && tls === undefined) {
      reading.error('is required for protocol TLS, with a mode', 'tls')
    }
  },
}

const hostnameByProtocol: Rule<GatewayListener> = {
  reads: ['protocol', 'hostname'],
  check({ protocol, hostname: name }, reading) {
    if ((protocol === 'TCP' || protocol === 'UDP') && name !== undefined) {
      reading.error(`does not go with protocol ${protocol}`, 'hostname')
    }
  },
}

export const listener: Shape<GatewayListener> = object<GatewayListener>(
  {
    name: required(subdomain),
    hostname: optional(hostname),
    port: required(port),
    protocol: required(
      string({
        min: 1,
        max: 255,
        pattern:
          /^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$|[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/[A-Za-z0-9]+$/,
        about: 'a protocol: HTTP, HTTPS, TLS, TCP, UDP or one like "example.com/name"',
      }),
    ),
    tls: optional(listenerTls),
    allowedRoutes: byDefault(allowedRoutes, Object.freeze({ namespaces: same })),
  },
  { rules: [tlsByProtocol, hostnameByProtocol] },
)

const frontendValidation: Shape<FrontendValidation> = object<FrontendValidation>({
  validation: optional(
    object<NonNullable<FrontendValidation['validation']>>({
      caCertificateRefs: required(array(objectReference, { min: 1, max: 16 })),
      mode: byDefault(enumeration('AllowValidOnly', 'AllowInsecureFallback'), 'AllowValidOnly'),
    }),
  ),
})

/** Name, and the triple of port, protocol and hostname. */
export function distinctListeners<T extends { readonly listeners: readonly GatewayListener[] }>(): Rule<T> {
  return {
    reads: ['listeners'],
    check({ listeners }, reading) {
      const names = new Map<string, number>()
      const triples = new Map<string, number>()
      for (const [index, item] of listeners.entries()) {
        tellRepeat(names, item.name, index, 'name', reading)
        const triple = `port ${item.port}, protocol ${item.protocol} and ${item.hostname === undefined ? 'no hostname' : `hostname ${item.hostname}`}`
        const first = triples.get(triple)
        if (first === undefined) triples.set(triple, index)
        else reading.error(`has ${triple} like listener "${listeners[first]?.name}"`, 'listeners', index)
      }
    },
  }
}

function tellRepeat(names: Map<string, number>, name: string, index: number, field: string, reading: Reading): void {
  const first = names.get(name)
  if (first === undefined) names.set(name, index)
  else reading.error(`repeats the ${field} of listeners[${first}]`, 'listeners', index, field)
}

type Address = NonNullable<GatewaySpec['addresses']>[number]

const hostnameAddress: Rule<Address> = {
  reads: ['type', 'value'],
  check(address, reading) {
    if (address.type !== 'Hostname' || address.value === undefined) return
    reading.enter('value')
    hostname.read(address.value, reading)
    reading.leave()
  },
}

const gatewayAddress: Shape<Address> = object<Address>(
  {
    type: byDefault(
      string({
        min: 1,
        max: 253,
        pattern:
          /^Hostname|IPAddress|NamedAddress|[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/,
        about: 'IPAddress, Hostname, NamedAddress or a type like "example.com/name"',
      }),
      'IPAddress',
    ),
    value: optional(string({ max: 253 })),
  },
  { rules: [hostnameAddress] },
)

export const gatewaySpec: Shape<GatewaySpec> = object<GatewaySpec>(
  {
    gatewayClassName: required(objectName),
    listeners: required(array(listener, { min: 1, max: 64 })),
    addresses: optional(
      array(gatewayAddress, {
        max: 16,
        unique: {
          by: ({ type, value }) =>
            value !== undefined && (type === 'IPAddress' || type === 'Hostname') ? `${type} ${value}` : undefined,
          what: 'address',
        },
      }),
    ),
    infrastructure: optional(
      object<NonNullable<GatewaySpec['infrastructure']>>({
        labels: optional(map(labelValue, { max: 8, keys: qualifiedKey })),
        annotations: optional(map(annotationText, { max: 16, keys: qualifiedKey })),
        parametersRef: optional(localReference),
      }),
    ),
    allowedListeners: optional(
      object<NonNullable<GatewaySpec['allowedListeners']>>({
        namespaces: byDefault(
          object<NonNullable<GatewaySpec['allowedListeners']>['namespaces']>(
            {
              from: byDefault(enumeration('All', 'Same', 'Selector', 'None'), 'None'),
              selector: optional(labelSelector),
            },
            { rules: [selectorForSelector()] },
          ),
          Object.freeze({ from: 'None' }),
        ),
      }),
    ),
    tls: optional(
      object<NonNullable<GatewaySpec['tls']>>({
        backend: optional(
          object<{ clientCertificateRef?: SecretReference }>({ clientCertificateRef: optional(secretReference) }),
        ),
        frontend: optional(
          object<NonNullable<NonNullable<GatewaySpec['tls']>['frontend']>>({
            default: required(frontendValidation),
            perPort: optional(
              array(
                object<{ port: number; tls: FrontendValidation }>({
                  port: required(port),
                  tls: required(frontendValidation),
                }),
                { max: 64, unique: { by: item => item.port, what: 'port' } },
              ),
            ),
          }),
        ),
      }),
    ),
    defaultScope: optional(enumeration('All', 'None')),
  },
  { rules: [distinctListeners()] },
)

export const referenceGrantSpec: Shape<ReferenceGrantSpec> = object<ReferenceGrantSpec>({
  from: required(
    array(
      object<ReferenceGrantSpec['from'][number]>({
        group: required(group),
        kind: required(kind),
        namespace: required(dnsLabel),
      }),
      { min: 1, max: 16 },
    ),
  ),
  to: required(
    array(
      object<ReferenceGrantSpec['to'][number]>({
        group: required(group),
        kind: required(kind),
        name: optional(objectName),
      }),
      { min: 1, max: 16 },
    ),
  ),
})
