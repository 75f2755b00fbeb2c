import { controllerName, type Certificate, type Listener, type ResourceStatus } from '../../model/index.ts'
import { resourceIdOf, type GatewayResource, type ListenerSetResource } from '../schema/resource.ts'
import { compareAge } from './age.ts'
import type { CertificateResolver } from './certificates.ts'
import { condition, fails, holds, type Verdict } from './conditions.ts'
import { hasInsecureFallback, type FrontendTables } from './frontend-tls.ts'
import { judgeAddresses, type AddressOutcome } from './gateway-addresses.ts'
import type { ClassTable } from './gateway-classes.ts'
import { draftListeners, type ListenerOwner } from './gateway-listeners.ts'
import { listenersOf, placeListener, type Joining, type SocketDraft } from './gateway-sockets.ts'
import {
  isProgrammed,
  judgeProgrammed,
  listenerStatus,
  type GatewayOutcome,
  type JudgedListener,
} from './judged-listeners.ts'
import { findConflicts, findLateConflicts, type TakenListener } from './listener-conflicts.ts'
import {
  admitsSet,
  foreignOutcome,
  groupByGateway,
  notAllowedOutcome,
  orphanOutcome,
  setOutcome,
} from './listener-sets.ts'
import type { Finding } from './problems.ts'

export interface GatewayInput extends FrontendTables {
  readonly gateways: Iterable<GatewayResource>
  readonly listenerSets: readonly ListenerSetResource[]
  readonly namespaceLabels: (namespace: string) => Readonly<Record<string, string>>
  readonly classes: ClassTable
  readonly bindAddress: string
  readonly isLocal: (address: string) => boolean
  readonly resolver: CertificateResolver
  /** By listener id: why the proxy could not listen there. */
  readonly listenFailures: ReadonlyMap<string, string>
}

export interface GatewaysOutcome {
  /** By id, `Gateway shop/web` or `ListenerSet shop/extra`. */
  readonly outcomes: ReadonlyMap<string, GatewayOutcome>
  readonly sockets: ReadonlyMap<string, Listener>
}

/**
 * Judges all Gateways, the oldest first. Several Gateways may want the same
 * address and port: they share the socket as long as they speak the same
 * protocol and their hostnames differ; a listener that comes too late for its
 * hostname is off with the reason PortUnavailable. (Inside one Gateway equal
 * hostnames are a conflict without a winner; between it and its ListenerSets
 * the first one wins.)
 */
export function judgeGateways(input: GatewayInput): GatewaysOutcome {
  const sockets = new Map<string, SocketDraft>()
  const outcomes = new Map<string, GatewayOutcome>()
  const sets = groupByGateway(input.listenerSets)
  const gatewayKeys = new Set<string>()
  for (const gateway of [...input.gateways].toSorted(compareAge)) {
    const key = `${gateway.metadata.namespace}/${gateway.metadata.name}`
    gatewayKeys.add(key)
    judgeGateway(gateway, sets.get(key) ?? [], input, sockets, outcomes)
  }
  for (const set of input.listenerSets) {
    const id = resourceIdOf(set)
    if (!outcomes.has(id)) outcomes.set(id, orphanOutcome(set, gatewayKeys))
  }
  return { outcomes, sockets: listenersOf(sockets) }
}

/** @param sets  ListenerSets that want to add to it */
function judgeGateway(
  gateway: GatewayResource,
  sets: readonly ListenerSetResource[],
  input: GatewayInput,
  sockets: Map<string, SocketDraft>,
  outcomes: Map<string, GatewayOutcome>,
): void {
  const findings: Finding[] = []
  const report = (severity: Finding['severity'], path: string, message: string): void => {
    findings.push({ resource: gateway, severity, path, message })
  }
  const { namespace, name } = gateway.metadata
  const { gatewayClassName } = gateway.spec
  const owner = input.classes.classOf(gatewayClassName)
  const base = { kind: 'Gateway', key: `${namespace}/${name}`, namespace, name } as const
  if (owner === 'missing' || owner === 'foreign') {
    if (owner === 'foreign') {
      report(
        'warning',
        'spec.gatewayClassName',
        `GatewayClass ${gatewayClassName} belongs to another controller; Heddle's are of ${controllerName}`,
      )
    } else {
      const hint = input.classes.suggest(gatewayClassName)
      report('error', 'spec.gatewayClassName', `no GatewayClass ${gatewayClassName}${hint}`)
    }
    const facts = { ...base, isOurs: false, refusal: undefined, listeners: [] }
    outcomes.set(`Gateway ${base.key}`, { facts, findings, statusWith: undefined })
    for (const set of sets) outcomes.set(resourceIdOf(set), foreignOutcome(set))
    return
  }
  const addresses = judgeAddresses(gateway.spec.addresses, input.bindAddress, input.isLocal)
  const wrongAddress = addresses.refused ?? addresses.unusable
  if (wrongAddress !== undefined) report('error', `spec.addresses[${addresses.at}]`, wrongAddress.message)
  const proxyProtocol = expectsProxyProtocol(gateway, report)
  const refused = refuseWhole(gateway, owner, addresses, report)
  const joining = { gateway: base.key, addresses: addresses.usable, proxyProtocol }
  const clientCertificate = judgeClientCertificate(gateway, input, report)
  const owners = listenerOwners(gateway, sets, clientCertificate.certificate, input, findings)
  const judged = judgeListeners(owners, joining, refused, input, sockets)
  let attachedListenerSets = 0
  for (const set of sets) {
    const at = owners.findIndex(each => each.resource === set)
    const outcome = at < 0 ? notAllowedOutcome(set, gateway) : setOutcome(set, judged[at] ?? [], refused, owners[at])
    if (outcome.isAccepted) attachedListenerSets++
    outcomes.set(resourceIdOf(set), outcome)
  }
  const listeners = judged[0] ?? []
  const all = judged.flat()
  const verdicts = gatewayVerdicts(listeners, all, addresses, refused, clientCertificate.verdict)
  const usable = all.some(isProgrammed) ? addresses.usable : []
  outcomes.set(`Gateway ${base.key}`, {
    facts: { ...base, isOurs: true, refusal: undefined, listeners: listeners.map(({ draft }) => draft.facts) },
    findings,
    statusWith: attachedRoutes => ({
      ...statusOf(gateway, verdicts, usable),
      listeners: listeners.map(listener => listenerStatus(listener, gateway.metadata.generation, attachedRoutes)),
      ...(attachedListenerSets > 0 ? { attachedListenerSets } : {}),
    }),
  })
}

/** The Gateway, then the sets that it admits in the order in which they win conflicts. */
function listenerOwners(
  gateway: GatewayResource,
  sets: readonly ListenerSetResource[],
  clientCertificate: Certificate | undefined,
  { namespaceLabels }: GatewayInput,
  findings: Finding[],
): readonly ListenerOwner[] {
  const admitted = sets.filter(set => admitsSet(gateway, set, namespaceLabels))
  const own = gateway.spec.listeners
  const taken: TakenListener[] = own.map(listener => ({ listener, owner: resourceIdOf(gateway) }))
  return [
    {
      resource: gateway,
      gateway,
      clientCertificate,
      conflicts: findConflicts(own),
      findings,
      gatewayFindings: findings,
    },
    ...admitted.map(set => ({
      resource: set,
      gateway,
      clientCertificate,
      conflicts: findLateConflicts(resourceIdOf(set), set.spec.listeners, taken),
      findings: [],
      gatewayFindings: findings,
    })),
  ]
}

/** @returns the listeners of each owner */
function judgeListeners(
  owners: readonly ListenerOwner[],
  joining: Joining,
  refused: Verdict | undefined,
  input: GatewayInput,
  sockets: Map<string, SocketDraft>,
): readonly (readonly JudgedListener[])[] {
  return draftListeners(owners, input.resolver, input).map((drafts, at) =>
    drafts.map(draft => {
      const place = refused === undefined ? placeListener(draft, joining, sockets) : { lost: undefined, ids: [] }
      const owner = owners[at]
      if (place.lost !== undefined && owner !== undefined) {
        owner.findings.push({ resource: owner.resource, severity: 'error', path: draft.path, message: place.lost })
      }
      return judgeProgrammed(draft, place, refused, input.listenFailures)
    }),
  )
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

interface ClientCertificateOutcome {
  readonly certificate: Certificate | undefined
  readonly verdict: Verdict | undefined
}

/** What backends with a BackendTLSPolicy are shown. With a wrong reference they are shown nothing. */
function judgeClientCertificate(
  gateway: GatewayResource,
  input: GatewayInput,
  report: (severity: Finding['severity'], path: string, message: string) => void,
): ClientCertificateOutcome {
  const ref = gateway.spec.tls?.backend?.clientCertificateRef
  if (ref === undefined) return { certificate: undefined, verdict: undefined }
  const resolved = input.resolver.resolve(gateway, ref, input)
  if (resolved.kind === 'valid') return { certificate: resolved.certificate, verdict: undefined }
  report('error', 'spec.tls.backend.clientCertificateRef', resolved.message)
  const reason = resolved.reason === 'RefNotPermitted' ? 'RefNotPermitted' : 'InvalidClientCertificateRef'
  return { certificate: undefined, verdict: fails(reason, resolved.message) }
}

interface GatewayVerdicts {
  readonly accepted: Verdict
  readonly programmed: Verdict
  readonly resolvedRefs: Verdict
}

/** @param all  with those of ListenerSets, which keep a Gateway going whose own listeners are all invalid */
function gatewayVerdicts(
  listeners: readonly JudgedListener[],
  all: readonly JudgedListener[],
  addresses: AddressOutcome,
  refused: Verdict | undefined,
  clientCertificate: Verdict | undefined,
): GatewayVerdicts {
  const invalid = listeners.filter(listener => listener.accepted.status !== 'True')
  const unresolved = listeners.find(listener => listener.draft.resolvedRefs.status !== 'True')
  const message = invalid.map(({ draft, accepted }) => `${draft.spec.name}: ${accepted.message}`).join('; ')
  let accepted = refused ?? holds('Accepted')
  if (refused === undefined && invalid.length > 0) {
    const isLeft = all.some(listener => listener.accepted.status === 'True')
    accepted = isLeft ? holds('ListenersNotValid', message) : fails('ListenersNotValid', message)
  }
  return {
    accepted,
    programmed: gatewayProgrammed(accepted, all, addresses),
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
  if (listeners.some(isProgrammed)) return holds('Programmed')
  const [first] = listeners
  return fails(
    'Invalid',
    first === undefined ? 'no listeners' : `${first.draft.spec.name}: ${first.programmed.message}`,
  )
}

const insecureFallback = holds(
  'ConfigurationChanged',
  'a port of the Gateway admits clients without a valid certificate (AllowInsecureFallback)',
)

function statusOf(gateway: GatewayResource, verdicts: GatewayVerdicts, addresses: readonly string[]): ResourceStatus {
  const { namespace, name, generation } = gateway.metadata
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
      ...(hasInsecureFallback(gateway)
        ? [condition('InsecureFrontendValidationMode', insecureFallback, generation)]
        : []),
    ],
    addresses,
    listeners: [],
    parents: [],
  }
}
