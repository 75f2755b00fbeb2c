import { isIP } from 'node:net'
import { hostname, subdomain } from './formats.ts'
import { backendReferenceFields, parentReference } from './http-route.ts'
import { backendPort, distinctParents } from './http-route-rules.ts'
import { array, byDefault, enumeration, integer, object, optional, required } from './shape.ts'
import type { Fields, Rule, Shape } from './shape.ts'
import type { StreamRouteRule, StreamRouteSpec, TlsRouteSpec, WeightedBackendReference } from './resource.ts'

// TCPRoute, UDPRoute and TLSRoute of Gateway API v1.6: limits and patterns of the CRDs.

const backendReference: Shape<WeightedBackendReference> = object<WeightedBackendReference>(
  { ...backendReferenceFields, weight: byDefault(integer(0, 1_000_000), 1) },
  { rules: [backendPort()] },
)

const rule: Shape<StreamRouteRule> = object<StreamRouteRule>({
  name: optional(subdomain),
  backendRefs: required(array(backendReference, { min: 1, max: 16 })),
})

const fields: Fields<StreamRouteSpec> = {
  parentRefs: optional(array(parentReference, { max: 32 })),
  rules: required(array(rule, { min: 1, max: 1 })),
  useDefaultGateways: optional(enumeration('All', 'None')),
}

/** Also that of a UDPRoute. */
export const streamRouteSpec: Shape<StreamRouteSpec> = object<StreamRouteSpec>(fields, { rules: [distinctParents] })

/** A server name is never an address (RFC 6066 section 3), so that such a route could match nothing. */
const noAddresses: Rule<TlsRouteSpec> = {
  reads: ['hostnames'],
  check({ hostnames }, reading) {
    for (const [index, name] of hostnames.entries()) {
      if (isIP(name) !== 0) reading.error('must be a name, not an IP address', 'hostnames', index)
    }
  },
}

export const tlsRouteSpec: Shape<TlsRouteSpec> = object<TlsRouteSpec>(
  { ...fields, hostnames: required(array(hostname, { min: 1, max: 1024 })) },
  { rules: [distinctParents, noAddresses] },
)
