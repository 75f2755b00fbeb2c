import type { BackendTlsPolicySpec, BackendTLSPolicyResource, SubjectAltNameSpec } from './backend-tls-resource.ts'
import {
  group,
  hostname,
  kind,
  localReference,
  objectName,
  preciseHostname,
  qualifiedKey,
  subdomain,
} from './formats.ts'
import type { Identity } from './object.ts'
import { array, enumeration, map, object, optional, Reading, required, string } from './shape.ts'
import type { Rule, Shape } from './shape.ts'

// BackendTLSPolicy of Gateway API v1.6, with the CEL rules of its CRD.

type Target = BackendTlsPolicySpec['targetRefs'][number]

const target: Shape<Target> = object<Target>({
  group: required(group),
  kind: required(kind),
  name: required(objectName),
  sectionName: optional(subdomain),
})

/** Two references to one target both need a section name, and different ones. */
const distinctTargets: Rule<BackendTlsPolicySpec> = {
  reads: ['targetRefs'],
  check({ targetRefs }, reading) {
    const keyOf = (ref: Target): string => `${ref.group}/${ref.kind}/${ref.name}`
    for (const [index, ref] of targetRefs.entries()) {
      const twins = targetRefs.slice(0, index).filter(other => keyOf(other) === keyOf(ref))
      const first = twins[0]
      if (first === undefined) continue
      if (ref.sectionName === undefined || first.sectionName === undefined) {
        reading.error('repeats a target; then each needs a sectionName', 'targetRefs', index)
      } else if (twins.some(other => other.sectionName === ref.sectionName)) {
        reading.error('repeats a target with the same sectionName', 'targetRefs', index)
      }
    }
  },
}

/** As of `spiffe://mesh.example/ns/shop/sa/cart`; the scheme and something behind it. */
const absoluteUri = string({
  min: 1,
  max: 253,
  pattern: /^(([^:/?#]+):)(\/\/([^/?#]*))([^?#]*)(\?([^#]*))?(#(.*))?/,
  about: 'a URI with its scheme like "spiffe://mesh.example/ns/shop/sa/cart"',
})

interface AltName {
  readonly type: 'Hostname' | 'URI'
  readonly hostname?: string
  readonly uri?: string
}

const nameByType: Rule<AltName> = {
  reads: ['type', 'hostname', 'uri'],
  check({ type, hostname: host, uri }, reading) {
    if (type === 'Hostname' && host === undefined) reading.error('is required for type Hostname', 'hostname')
    if (type !== 'Hostname' && host !== undefined) reading.error(`does not go with type ${type}`, 'hostname')
    if (type === 'URI' && uri === undefined) reading.error('is required for type URI', 'uri')
    if (type !== 'URI' && uri !== undefined) reading.error(`does not go with type ${type}`, 'uri')
  },
}

// The rule leaves exactly the members of the union.
const subjectAltName = object<AltName>(
  { type: required(enumeration('Hostname', 'URI')), hostname: optional(hostname), uri: optional(absoluteUri) },
  { rules: [nameByType] },
) as unknown as Shape<SubjectAltNameSpec>

type Validation = BackendTlsPolicySpec['validation']

const oneAuthority: Rule<Validation> = {
  reads: ['caCertificateRefs', 'wellKnownCACertificates'],
  check({ caCertificateRefs = [], wellKnownCACertificates }, reading) {
    if (caCertificateRefs.length > 0 && wellKnownCACertificates !== undefined) {
      reading.error('has both caCertificateRefs and wellKnownCACertificates')
    } else if (caCertificateRefs.length === 0 && wellKnownCACertificates === undefined) {
      reading.error('needs caCertificateRefs or wellKnownCACertificates: System')
    }
  },
}

const validation: Shape<Validation> = object<Validation>(
  {
    caCertificateRefs: optional(array(localReference, { max: 8 })),
    wellKnownCACertificates: optional(
      string({
        min: 1,
        max: 253,
        pattern:
          /^(System|([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]))$/,
        about: 'System or a set like "example.com/name"',
      }),
    ),
    hostname: required(preciseHostname),
    subjectAltNames: optional(array(subjectAltName, { max: 5 })),
  },
  { rules: [oneAuthority] },
)

export const backendTlsPolicySpec: Shape<BackendTlsPolicySpec> = object<BackendTlsPolicySpec>(
  {
    targetRefs: required(array(target, { min: 1, max: 16 })),
    validation: required(validation),
    options: optional(map(string({ max: 4096 }), { max: 16, keys: qualifiedKey })),
  },
  { rules: [distinctTargets] },
)

/**
 * What takes the place of a policy with mistakes, as far as they let know what
 * it was to protect: the same targets, which are sent nothing.
 *
 * @returns undefined if name, namespace or targetRefs cannot be read
 */
export function tlsStandInFor(
  value: Readonly<Record<string, unknown>>,
  { name, namespace }: Identity,
): Omit<BackendTLSPolicyResource, 'origin'> | undefined {
  const spec = value['spec']
  if (name === undefined || typeof spec !== 'object' || spec === null || !('targetRefs' in spec)) return undefined
  const reading = new Reading()
  const targetRefs = array(target).read(spec.targetRefs, reading)
  if (targetRefs === undefined || reading.findings.some(({ severity }) => severity === 'error')) return undefined
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'BackendTLSPolicy',
    metadata: { name, namespace: namespace ?? 'default', labels: {}, annotations: {}, generation: 1 },
    spec: { targetRefs, validation: { hostname: '' } },
    isStandIn: true,
  }
}
