import type { Condition, Listener, ListenerStatus, ResourceStatus } from '../../model/index.ts'
import type { GatewayResource } from '../schema/resource.ts'
import { compareAge } from './age.ts'
import type { CertificateResolver, SecretTables } from './certificates.ts'
import { condition, fails, holds, type Verdict } from './conditions.ts'
import type { GatewayFacts } from './facts.ts'
import { judgeAddresses, type AddressOutcome } from './gateway-addresses.ts'
import type { ClassTable } from './gateway-classes.ts'
import { draftListeners, type ListenerDraft } from './gateway-listeners.ts'
import { listenersOf, placeListener, type Place, type SocketDraft } from './gateway-sockets.ts'
import type { Finding } from './problems.ts'

export interface GatewayInput extends SecretTables {
  readonly gateways: Iterable<GatewayResource>
  readonly classes: ClassTable
  readonly bindAddress: string
  readonly isLocal: (address: string) => boolean
  readonly resolver: CertificateResolver
  /** By listener id: why the proxy could not listen there. */
  readonly listenFailures: ReadonlyMap<string, string>
}

export interface GatewayOutcome {
  readonly facts: GatewayFacts
  readonly findings: readonly Finding[]
  /** Status with the number of routes attached to a listener, by `VirtualHost.id`; undefined for a Gateway that is not ours. */
  readonly statusWith: ((attachedRoutes: (virtualHost: string) => number) => ResourceStatus) | undefined
}

export interface GatewaysOutcome {
  /** By `namespace/name`. */
  readonly outcomes: ReadonlyMap<string, GatewayOutcome>
  readonly sockets: ReadonlyMap<string, Listener>
}

/**
 * Judges all Gateways, the oldest first. Several Gateways may want the same
 * address and port: they share the socket as long as they speak the same
 * protocol and their hostnames differ; a listener that comes too late for its
 * hostname is off with the reason PortUnavailable. (Inside one Gateway equal
 * hostnames are a conflict without a winner.)
 */
export function judgeGateways(input: GatewayInput): GatewaysOutcome {
  const sockets = new Map<string, SocketDraft>()
  const outcomes = new Map<string, GatewayOutcome>()
  for (const gateway of [...input.gateways].toSorted(compareAge)) {
    const { namespace, name } = gateway.metadata
    outcomes.set(`${namespace}/${name}`, judgeGateway(gateway, input, sockets))
  }
  return { outcomes, sockets: listenersOf(sockets) }
}

function judgeGateway(
  gateway: GatewayResource,
  input: GatewayInput,
  sockets: Map<string, SocketDraft>,
): GatewayOutcome {
  const findings: Finding[] = []
  const report = (severity: Finding['severity'], path: string, message: string): void => {
    findings.push({ resource: gateway, severity, path, message })
  }
  const { namespace, name } = gateway.metadata
  const { gatewayClassName } = gateway.spec
  const owner = input.classes.classOf(gatewayClassName)
  const base = { key: `${namespace}/${name}`, namespace, name }
  if (owner === 'missing' || owner === 'foreign') {
    if (owner === 'foreign') {
      report('warning', 'spec.gatewayClassName', `GatewayClass ${gatewayClassName} belongs to another controller`)
    } else {
      const hint = input.classes.suggest(gatewayClassName)
      report('error', 'spec.gatewayClassName', `no GatewayClass ${gatewayClassName}${hint}`)
    }
    return { facts: { ...base, isOurs: false, listeners: [] }, findings, statusWith: undefined }
  }
  const drafts = draftListeners(gateway, input.resolver, input, findings)
  const addresses = judgeAddresses(gateway.spec.addresses, input.bindAddress, input.isLocal)
  const wrongAddress = addresses.refused ?? addresses.unusable
  if (wrongAddress !== undefined) report('error', `spec.addresses[${addresses.at}]`, wrongAddress.message)
  const proxyProtocol = expectsProxyProtocol(gateway, report)
  const refused = refuseWhole(gateway, owner, addresses, report)
  const joining = { gateway: base.key, addresses: addresses.usable, proxyProtocol }
  const listeners = drafts.map(draft => {
    const place = refused === undefined ? placeListener(draft, joining, sockets) : { lost: undefined, ids: [] }
    if (place.lost !== undefined) report('error', draft.path, place.lost)
    return judgeProgrammed(draft, place, refused, input.listenFailures)
  })
  const clientCertificate = judgeClientCertificate(gateway, input, report)
  const verdicts = gatewayVerdicts(listeners, addresses, refused, clientCertificate)
  return {
    facts: { ...base, isOurs: true, listeners: drafts.map(draft => draft.facts) },
    findings,
    statusWith: attachedRoutes => statusOf(gateway, verdicts, listeners, addresses, attachedRoutes),
  }
}

const proxyProtocolAnnotation = 'heddle.dev/proxy-protocol'

/** An annotation, since the Gateway API has no field for it; of all TCP listeners of the Gateway. */
function expectsProxyProtocol(
  gateway: GatewayResource,
  report: (severity: Finding['severity'], path: string, message: string) => void,
): boolean {
  const { annotations } = gateway.metadata
  const value = Object.hasOwn(annotations, proxyProtocolAnnotation) ? annotations[proxyProtocolAnnotation] : undefined
  if (value === undefined || value === 'Require') return value !== undefined
  const message = `${proxyProtocolAnnotation}: ${value} is not known; write Require, or leave it out`
  report('error', 'metadata.annotations', message)
  return false
}

/** What makes the Gateway as a whole unusable. */
function refuseWhole(
  gateway: GatewayResource,
  owner: 'accepted' | 'refused',
  addresses: AddressOutcome,
  report: (severity: Finding['severity'], path: string, message: string) => void,
): Verdict | undefined {
  const { gatewayClassName, infrastructure } = gateway.spec
  if (owner === 'refused') {
    const message = `GatewayClass ${gatewayClassName} is not accepted`
    report('error', 'spec.gatewayClassName', message)
    return fails('InvalidParameters', message)
  }
  const parameters = infrastructure?.parametersRef
  if (parameters !== undefined) {
    const message = `no parameters ${parameters.group}/${parameters.kind} ${parameters.name}: a Gateway takes none`
    report('error', 'spec.infrastructure.parametersRef', message)
    return fails('InvalidParameters', message)
  }
  return addresses.refused
}

interface JudgedListener {
  readonly draft: ListenerDraft
  readonly accepted: Verdict
  readonly programmed: Verdict
}

function judgeProgrammed(
  draft: ListenerDraft,
  place: Place,
  refused: Verdict | undefined,
  listenFailures: ReadonlyMap<string, string>,
): JudgedListener {
  if (place.lost !== undefined) {
    const verdict = fails('PortUnavailable', place.lost)
    return { draft, accepted: verdict, programmed: fails('Invalid', place.lost) }
  }
  const { accepted } = draft
  const obstacle = draft.obstacle ?? refused?.message
  if (obstacle !== undefined) return { draft, accepted, programmed: fails('Invalid', obstacle) }
  for (const id of place.ids) {
    const failure = listenFailures.get(id)
    if (failure !== undefined) return { draft, accepted, programmed: fails('PortUnavailable', `${id}: ${failure}`) }
  }
  if (place.ids.length === 0) return { draft, accepted, programmed: fails('Pending', 'no address to listen on') }
  return { draft, accepted, programmed: holds('Programmed') }
}

/** Backends are not reached by TLS yet, so the certificate goes unused; a wrong reference is told all the same. */
function judgeClientCertificate(
  gateway: GatewayResource,
  input: GatewayInput,
  report: (severity: Finding['severity'], path: string, message: string) => void,
): Verdict | undefined {
  const ref = gateway.spec.tls?.backend?.clientCertificateRef
  if (ref === undefined) return undefined
  const resolved = input.resolver.resolve(gateway, ref, input)
  const path = 'spec.tls.backend.clientCertificateRef'
  if (resolved.kind === 'valid') {
    report('warning', path, 'not used: connections to backends are not made with TLS')
    return undefined
  }
  report('error', path, resolved.message)
  const reason = resolved.reason === 'RefNotPermitted' ? 'RefNotPermitted' : 'InvalidClientCertificateRef'
  return fails(reason, resolved.message)
}

interface GatewayVerdicts {
  readonly accepted: Verdict
  readonly programmed: Verdict
  readonly resolvedRefs: Verdict
}

function gatewayVerdicts(
  listeners: readonly JudgedListener[],
  addresses: AddressOutcome,
  refused: Verdict | undefined,
  clientCertificate: Verdict | undefined,
): GatewayVerdicts {
  const invalid = listeners.filter(listener => listener.accepted.status !== 'True')
  const unresolved = listeners.find(listener => listener.draft.resolvedRefs.status !== 'True')
  const message = invalid.map(({ draft, accepted }) => `${draft.spec.name}: ${accepted.message}`).join('; ')
  let accepted = refused ?? holds('Accepted')
  if (refused === undefined && invalid.length > 0) {
    const isLeft = invalid.length < listeners.length
    accepted = isLeft ? holds('ListenersNotValid', message) : fails('ListenersNotValid', message)
  }
  return {
    accepted,
    programmed: gatewayProgrammed(accepted, listeners, addresses),
    resolvedRefs:
      clientCertificate ??
      (unresolved === undefined
        ? holds('ResolvedRefs')
        : fails('ListenersNotResolved', `${unresolved.draft.spec.name}: ${unresolved.draft.resolvedRefs.message}`)),
  }
}

function gatewayProgrammed(
  accepted: Verdict,
  listeners: readonly JudgedListener[],
  addresses: AddressOutcome,
): Verdict {
  if (accepted.status !== 'True') return fails('Invalid', accepted.message)
  if (addresses.unusable !== undefined) return addresses.unusable
  if (listeners.some(listener => listener.programmed.status === 'True')) return holds('Programmed')
  const [first] = listeners
  return fails(
    'Invalid',
    first === undefined ? 'no listeners' : `${first.draft.spec.name}: ${first.programmed.message}`,
  )
}

function statusOf(
  gateway: GatewayResource,
  verdicts: GatewayVerdicts,
  listeners: readonly JudgedListener[],
  addresses: AddressOutcome,
  attachedRoutes: (virtualHost: string) => number,
): ResourceStatus {
  const { namespace, name, generation } = gateway.metadata
  const isReached = listeners.some(listener => listener.programmed.status === 'True')
  return {
    apiVersion: gateway.apiVersion,
    kind: gateway.kind,
    namespace,
    name,
    generation,
    conditions: [
      condition('Accepted', verdicts.accepted, generation),
      condition('Programmed', verdicts.programmed, generation),
      condition('ResolvedRefs', verdicts.resolvedRefs, generation),
    ],
    addresses: isReached ? addresses.usable : [],
    listeners: listeners.map(listener => listenerStatus(listener, generation, attachedRoutes)),
    parents: [],
  }
}

function listenerStatus(
  { draft, accepted, programmed }: JudgedListener,
  generation: number,
  attachedRoutes: (virtualHost: string) => number,
): ListenerStatus {
  const conditions: Condition[] = [
    condition('Accepted', accepted, generation),
    condition('Programmed', programmed, generation),
    condition('ResolvedRefs', draft.resolvedRefs, generation),
    condition('Conflicted', draft.conflicted, generation),
  ]
  if (draft.overlapping !== undefined) conditions.push(condition('OverlappingTLSConfig', draft.overlapping, generation))
  return {
    name: draft.spec.name,
    port: draft.spec.port,
    protocol: draft.spec.protocol,
    hostname: draft.spec.hostname,
    attachedRoutes: attachedRoutes(draft.facts.virtualHost),
    supportedKinds: draft.supportedKinds,
    conditions,
  }
}
