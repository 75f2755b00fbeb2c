import type { Certificate, HostTls } from '../../model/index.ts'
import type { GatewayListener, GatewayResource, ListenerSetResource } from '../schema/resource.ts'
import type { CertificateResolver, SecretTables } from './certificates.ts'
import { judgeFrontendTls, type FrontendTables } from './frontend-tls.ts'
import { fails, holds, type Verdict } from './conditions.ts'
import type { ListenerFacts } from './facts.ts'
import { findOverlap, type Conflict } from './listener-conflicts.ts'
import type { Finding } from './problems.ts'

export interface RouteKind {
  readonly group: string
  readonly kind: string
}

/** A listener as far as its Gateway alone decides; whether it gets its socket comes later. */
export interface ListenerDraft {
  readonly spec: GatewayListener
  /** `spec.listeners[0]` */
  readonly path: string
  readonly facts: ListenerFacts
  readonly accepted: Verdict
  readonly resolvedRefs: Verdict
  readonly conflicted: Verdict
  readonly overlapping: Verdict | undefined
  readonly supportedKinds: readonly RouteKind[]
  readonly certificates: readonly Certificate[]
  /** Of a listener that terminates TLS. */
  readonly tls: HostTls | undefined
  /** What its Gateway shows to backends. */
  readonly clientCertificate: Certificate | undefined
  /** Why it can't be served, whatever the sockets say. */
  readonly obstacle: string | undefined
}

const routeGroup = 'gateway.networking.k8s.io'

const httpKinds: readonly RouteKind[] = [
  { group: routeGroup, kind: 'HTTPRoute' },
  { group: routeGroup, kind: 'GRPCRoute' },
]

/** What a listener takes without `allowedRoutes.kinds`; protocols that are not here are not supported. */
const kindsByProtocol: ReadonlyMap<string, readonly RouteKind[]> = new Map([
  ['HTTP', httpKinds],
  ['HTTPS', httpKinds],
  ['TLS', [{ group: routeGroup, kind: 'TLSRoute' }]],
  ['TCP', [{ group: routeGroup, kind: 'TCPRoute' }]],
  ['UDP', [{ group: routeGroup, kind: 'UDPRoute' }]],
])

/** Who has listeners: a Gateway, or a ListenerSet that adds some to it. */
export interface ListenerOwner {
  readonly resource: GatewayResource | ListenerSetResource
  /** Itself, or the one it adds to. */
  readonly gateway: GatewayResource
  /** By index of the listener. */
  readonly conflicts: ReadonlyMap<number, Conflict>
  /** What the Gateway shows to backends that are reached by TLS. */
  readonly clientCertificate: Certificate | undefined
  readonly findings: Finding[]
  /** What is wrong with the Gateway, told once however many listeners it concerns. */
  readonly gatewayFindings: Finding[]
}

/**
 * @param owners  a Gateway and the ListenerSets that add to it
 * @returns the listeners of each
 */
export function draftListeners(
  owners: readonly ListenerOwner[],
  resolver: CertificateResolver,
  tables: FrontendTables,
): readonly (readonly ListenerDraft[])[] {
  const credentials = owners.map(owner =>
    owner.resource.spec.listeners.map((spec, index) =>
      terminatesTls(spec)
        ? resolveCertificates(owner, spec, `spec.listeners[${index}]`, resolver, tables)
        : noCertificates,
    ),
  )
  const tlsListeners = owners.map((owner, at) =>
    owner.resource.spec.listeners.map((spec, index) => ({
      name: spec.name,
      port: spec.port,
      hostname: spec.hostname?.toLowerCase(),
      certificateHostnames: credentials[at]?.[index]?.hostnames ?? [],
      isTls: spec.protocol === 'HTTPS' || spec.protocol === 'TLS',
    })),
  )
  const allTls = tlsListeners.flat().filter(listener => listener.isTls)
  return owners.map((owner, at) =>
    owner.resource.spec.listeners.map((spec, index) => {
      const tls = tlsListeners[at]?.[index]
      const overlap = tls?.isTls ? findOverlap(tls, allTls) : undefined
      const overlapping = overlap === undefined ? undefined : holds(overlap.reason, overlap.message)
      return draftListener(owner, spec, index, credentials[at]?.[index] ?? noCertificates, overlapping, tables)
    }),
  )
}

function draftListener(
  owner: ListenerOwner,
  spec: GatewayListener,
  index: number,
  { certificates, verdict }: Credentials,
  overlapping: Verdict | undefined,
  tables: FrontendTables,
): ListenerDraft {
  const path = `spec.listeners[${index}]`
  const report = (at: string, message: string): void => {
    owner.findings.push({ resource: owner.resource, severity: 'error', path: `${path}${at}`, message })
  }
  const kinds = judgeKinds(spec, report)
  const conflict = owner.conflicts.get(index)
  if (conflict !== undefined) report('', conflict.message)
  const frontend = terminatesTls(spec) ? judgeFrontendTls(owner, spec, path, tables) : undefined
  const accepted =
    conflict === undefined ? judgeAccepted(spec, frontend?.accepted, report) : fails(conflict.reason, conflict.message)
  const resolvedRefs = kinds.verdict ?? verdict ?? frontend?.resolvedRefs ?? holds('ResolvedRefs')
  return {
    spec,
    path,
    facts: listenerFacts(owner, spec, kinds.supported),
    accepted,
    resolvedRefs,
    conflicted: conflict === undefined ? fails('NoConflicts', '') : holds(conflict.reason, conflict.message),
    overlapping,
    supportedKinds: kinds.supported,
    certificates,
    tls: frontend?.tls,
    clientCertificate: owner.clientCertificate,
    obstacle: findObstacle(accepted, spec, certificates, kinds.supported, resolvedRefs),
  }
}

/** Only a passthrough listener has no certificates: its backends show theirs. */
export function terminatesTls({ protocol, tls }: GatewayListener): boolean {
  return protocol === 'HTTPS' || (protocol === 'TLS' && tls?.mode !== 'Passthrough')
}

/** A listener with one good certificate or one supported kind among bad ones is served with that. */
function findObstacle(
  accepted: Verdict,
  spec: GatewayListener,
  certificates: readonly Certificate[],
  kinds: readonly RouteKind[],
  resolvedRefs: Verdict,
): string | undefined {
  if (accepted.status !== 'True') return accepted.message
  if (kinds.length === 0) return resolvedRefs.message
  if (terminatesTls(spec) && certificates.length === 0) return resolvedRefs.message
  return undefined
}

function listenerFacts(
  { resource: { kind, metadata }, clientCertificate }: ListenerOwner,
  spec: GatewayListener,
  supported: readonly RouteKind[],
): ListenerFacts {
  const { namespace, name } = metadata
  const { from, selector } = spec.allowedRoutes.namespaces
  return {
    name: spec.name,
    virtualHost: `${kind} ${namespace}/${name}/${spec.name}`,
    port: spec.port,
    hostname: spec.hostname?.toLowerCase(),
    from,
    selector,
    routeKinds: supported.map(entry => entry.kind),
    clientCertificate: clientCertificate?.name,
  }
}

type Report = (at: string, message: string) => void

function judgeKinds(
  { protocol, allowedRoutes }: GatewayListener,
  report: Report,
): { readonly supported: readonly RouteKind[]; readonly verdict: Verdict | undefined } {
  const natural = kindsByProtocol.get(protocol) ?? []
  const { kinds } = allowedRoutes
  if (kinds === undefined || kinds.length === 0) return { supported: natural, verdict: undefined }
  const isSupported = (entry: RouteKind): boolean =>
    natural.some(known => known.group === entry.group && known.kind === entry.kind)
  const refused = kinds.findIndex(entry => !isSupported(entry))
  const supported = kinds.filter(isSupported).map(({ group, kind }) => ({ group, kind }))
  const wrong = kinds[refused]
  if (wrong === undefined) return { supported, verdict: undefined }
  const message = `${wrong.group}/${wrong.kind} can't be attached to a listener of protocol ${protocol}`
  report(`.allowedRoutes.kinds[${refused}]`, message)
  return { supported, verdict: fails('InvalidRouteKinds', message) }
}

function judgeAccepted(spec: GatewayListener, frontend: Verdict | undefined, report: Report): Verdict {
  if (!kindsByProtocol.has(spec.protocol)) {
    const message = `protocol ${spec.protocol} is not supported, only ${[...kindsByProtocol.keys()].join(' and ')}`
    report('.protocol', message)
    return fails('UnsupportedProtocol', message)
  }
  if (spec.protocol === 'HTTPS' && spec.tls?.mode === 'Passthrough') {
    const message = 'a listener of protocol HTTPS terminates TLS; its mode must be Terminate'
    report('.tls.mode', message)
    return fails('UnsupportedValue', message)
  }
  return frontend ?? holds('Accepted')
}

interface Credentials {
  readonly certificates: readonly Certificate[]
  readonly hostnames: readonly string[]
  readonly verdict: Verdict | undefined
}

const noCertificates: Credentials = { certificates: [], hostnames: [], verdict: undefined }

function resolveCertificates(
  { resource, findings }: ListenerOwner,
  spec: GatewayListener,
  path: string,
  resolver: CertificateResolver,
  tables: SecretTables,
): Credentials {
  const certificates: Certificate[] = []
  const hostnames: string[] = []
  let verdict: Verdict | undefined
  const refuse = (at: string, reason: string, message: string): void => {
    findings.push({ resource, severity: 'error', path: `${path}.tls${at}`, message })
    verdict ??= fails(reason, message)
  }
  const refs = spec.tls?.certificateRefs ?? []
  if (refs.length === 0) {
    refuse(
      '',
      'InvalidCertificateRef',
      `a listener of protocol ${spec.protocol} that terminates TLS needs certificateRefs`,
    )
  }
  for (const [index, ref] of refs.entries()) {
    const resolved = resolver.resolve(resource, ref, tables)
    if (resolved.kind === 'invalid') {
      refuse(`.certificateRefs[${index}]`, resolved.reason, resolved.message)
      continue
    }
    certificates.push(resolved.certificate)
    hostnames.push(...resolved.hostnames)
  }
  return { certificates, hostnames, verdict }
}
