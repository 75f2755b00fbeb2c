import type { ResourceStatus } from '../../model/index.ts'
import type { GatewayResource, ListenerSetResource } from '../schema/resource.ts'
import { compareAge } from './age.ts'
import { condition, fails, holds, type Verdict } from './conditions.ts'
import { selects, type GatewayFacts } from './facts.ts'
import type { ListenerOwner } from './gateway-listeners.ts'
import { isProgrammed, isValid, listenerStatus, type GatewayOutcome, type JudgedListener } from './judged-listeners.ts'
import { didYouMean } from './name-index.ts'
import type { Finding } from './problems.ts'

/** ListenerSets by the Gateway they add to, `namespace/name`, each list in the order in which they win conflicts. */
export function groupByGateway(
  sets: Iterable<ListenerSetResource>,
): ReadonlyMap<string, readonly ListenerSetResource[]> {
  const groups = new Map<string, ListenerSetResource[]>()
  for (const set of [...sets].toSorted(compareAge)) {
    const key = parentKey(set)
    if (key === undefined) continue
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [set])
    else group.push(set)
  }
  return groups
}

/** The Gateway, `namespace/name`; undefined for a parent of another kind. */
export function parentKey({ metadata, spec }: ListenerSetResource): string | undefined {
  const { group, kind, name, namespace = metadata.namespace } = spec.parentRef
  return group === 'gateway.networking.k8s.io' && kind === 'Gateway' ? `${namespace}/${name}` : undefined
}

/** Whether the Gateway's `allowedListeners` admit the namespace of the set; without, none is admitted. */
export function admitsSet(
  gateway: GatewayResource,
  set: ListenerSetResource,
  namespaceLabels: (namespace: string) => Readonly<Record<string, string>>,
): boolean {
  const { from, selector } = gateway.spec.allowedListeners?.namespaces ?? { from: 'None' }
  const { namespace } = set.metadata
  switch (from) {
    case 'All':
      return true
    case 'Same':
      return namespace === gateway.metadata.namespace
    case 'Selector':
      return selects(selector, namespaceLabels(namespace))
    case 'None':
      return false
  }
}

/** A set without a Gateway of ours has no status; it is told what is missing. */
export function orphanOutcome(set: ListenerSetResource, gatewayKeys: Iterable<string>): GatewayOutcome {
  const key = parentKey(set)
  const { group, kind } = set.spec.parentRef
  const message =
    key === undefined
      ? `a parent must be a Gateway, not ${group}/${kind}`
      : `no Gateway ${key}${didYouMean(key, gatewayKeys)}`
  const findings: Finding[] = [{ resource: set, severity: 'warning', path: 'spec.parentRef', message }]
  return { facts: factsOf(set, { isOurs: false }), findings, statusWith: undefined }
}

/** Of a Gateway of another controller. */
export function foreignOutcome(set: ListenerSetResource): GatewayOutcome {
  return { facts: factsOf(set, { isOurs: false }), findings: [], statusWith: undefined }
}

/** Of a set that its Gateway knows of. */
export interface SetOutcome extends GatewayOutcome {
  /** Whether it counts as attached. */
  readonly isAccepted: boolean
}

export function notAllowedOutcome(set: ListenerSetResource, gateway: GatewayResource): SetOutcome {
  const { namespace, name } = gateway.metadata
  const message = `allowedListeners of Gateway ${namespace}/${name} does not admit namespace ${set.metadata.namespace}`
  const verdict = fails('NotAllowed', message)
  return {
    facts: { ...factsOf(set, { isOurs: true }), refusal: `ListenerSet ${keyOf(set)} is not accepted: ${message}` },
    findings: [{ resource: set, severity: 'error', path: 'spec.parentRef', message }],
    statusWith: () => statusOf(set, { accepted: verdict, programmed: verdict }, [], () => 0),
    isAccepted: false,
  }
}

/** @param refused  why its Gateway as a whole can't be used */
export function setOutcome(
  set: ListenerSetResource,
  listeners: readonly JudgedListener[],
  refused: Verdict | undefined,
  owner: ListenerOwner | undefined,
): SetOutcome {
  const verdicts = setVerdicts(listeners, refused)
  return {
    facts: { ...factsOf(set, { isOurs: true }), listeners: listeners.map(({ draft }) => draft.facts) },
    findings: owner?.findings ?? [],
    statusWith: attachedRoutes => statusOf(set, verdicts, listeners, attachedRoutes),
    isAccepted: verdicts.accepted.status === 'True',
  }
}

interface SetVerdicts {
  readonly accepted: Verdict
  readonly programmed: Verdict
}

function setVerdicts(listeners: readonly JudgedListener[], refused: Verdict | undefined): SetVerdicts {
  if (refused !== undefined) {
    return {
      accepted: fails('ParentNotAccepted', refused.message),
      programmed: fails('ParentNotProgrammed', refused.message),
    }
  }
  const invalid = listeners.filter(listener => !isValid(listener))
  const message = invalid
    .map(({ draft, accepted, programmed }) => `${draft.spec.name}: ${accepted.message || programmed.message}`)
    .join('; ')
  if (invalid.length === listeners.length) {
    const verdict = fails('ListenersNotValid', message)
    return { accepted: verdict, programmed: verdict }
  }
  const accepted = invalid.length > 0 ? holds('ListenersNotValid', message) : holds('Accepted')
  if (listeners.some(isProgrammed)) return { accepted, programmed: holds('Programmed') }
  const first = listeners.find(isValid)?.programmed
  const reason = first?.reason === 'PortUnavailable' ? 'PortUnavailable' : 'Invalid'
  return { accepted, programmed: fails(reason, first?.message ?? '') }
}

function factsOf(set: ListenerSetResource, { isOurs }: { readonly isOurs: boolean }): GatewayFacts {
  const { namespace, name } = set.metadata
  return { kind: 'ListenerSet', key: keyOf(set), namespace, name, isOurs, refusal: undefined, listeners: [] }
}

function keyOf({ metadata }: ListenerSetResource): string {
  return `${metadata.namespace}/${metadata.name}`
}

function statusOf(
  set: ListenerSetResource,
  verdicts: SetVerdicts,
  listeners: readonly JudgedListener[],
  attachedRoutes: (virtualHost: string) => number,
): ResourceStatus {
  const { namespace, name, generation } = set.metadata
  return {
    apiVersion: set.apiVersion,
    kind: set.kind,
    namespace,
    name,
    generation,
    conditions: [
      condition('Accepted', verdicts.accepted, generation),
      condition('Programmed', verdicts.programmed, generation),
    ],
    addresses: [],
    listeners: listeners.map(listener => listenerStatus(listener, generation, attachedRoutes)),
    parents: [],
  }
}
