import type { ResourceStatus } from '../../model/index.ts'
import type { BackendPolicyResource } from '../schema/resource.ts'
import { compareAge } from './age.ts'
import { condition, fails, holds, type Verdict } from './conditions.ts'
import type { Names } from './facts.ts'
import { didYouMean } from './name-index.ts'
import type { Finding } from './problems.ts'

/** The policies of one Service: by the name of a port, and under `undefined` for all its other ports. */
export type ServicePolicies = ReadonlyMap<string | undefined, BackendPolicyResource>

export interface PolicyOutcome {
  readonly status: ResourceStatus
  readonly findings: readonly Finding[]
}

export interface PolicyTable {
  /** By `namespace/name` of the Service. */
  readonly byService: ReadonlyMap<string, ServicePolicies>
  readonly outcomes: ReadonlyMap<string, PolicyOutcome>
}

/**
 * Gives every Service its BackendPolicies. Two of the same target don't mix:
 * the older wins, the other is Conflicted. One that names a port holds there
 * alone, instead of the one for the whole Service. A policy with several targets
 * holds for those it wins, and its condition tells the first that it lost.
 *
 * @param portNames names of a Service's ports; undefined when there is no such Service
 */
export function assignPolicies(
  policies: Iterable<BackendPolicyResource>,
  portNames: (service: string) => readonly string[] | undefined,
  serviceNames: Names,
): PolicyTable {
  const byService = new Map<string, Map<string | undefined, BackendPolicyResource>>()
  const outcomes = new Map<string, PolicyOutcome>()
  for (const policy of [...policies].toSorted(compareAge)) {
    const { namespace, name } = policy.metadata
    const findings: Finding[] = []
    let verdict: Verdict | undefined
    const refuse = (index: number, reason: string, message: string): void => {
      findings.push({ resource: policy, severity: 'error', path: `spec.targetRefs[${index}]`, message })
      verdict ??= fails(reason, message)
    }
    for (const [index, target] of policy.spec.targetRefs.entries()) {
      const service = `${namespace}/${target.name}`
      const ports = portNames(service)
      if (ports === undefined) {
        refuse(index, 'TargetNotFound', `no Service ${service}${serviceNames.suggest(service)}`)
        continue
      }
      const { sectionName } = target
      if (sectionName !== undefined && !ports.includes(sectionName)) {
        const message = `Service ${service} has no port named ${sectionName}${didYouMean(sectionName, ports)}`
        refuse(index, 'TargetNotFound', message)
        continue
      }
      const slots = byService.get(service) ?? new Map<string | undefined, BackendPolicyResource>()
      byService.set(service, slots)
      const winner = slots.get(sectionName)
      if (winner === undefined) slots.set(sectionName, policy)
      else if (winner !== policy) {
        const older = `${winner.metadata.namespace}/${winner.metadata.name}`
        refuse(index, 'Conflicted', `BackendPolicy ${older} already holds for Service ${service}`)
      }
    }
    outcomes.set(`${namespace}/${name}`, { status: statusOf(policy, verdict ?? holds('Accepted')), findings })
  }
  return { byService, outcomes }
}

/** The policy of one port. */
export function policyOf(policies: ServicePolicies | undefined, portName: string): BackendPolicyResource | undefined {
  return policies?.get(portName) ?? policies?.get(undefined)
}

function statusOf(policy: BackendPolicyResource, verdict: Verdict): ResourceStatus {
  const { namespace, name, generation } = policy.metadata
  return {
    apiVersion: policy.apiVersion,
    kind: policy.kind,
    namespace,
    name,
    generation,
    conditions: [condition('Accepted', verdict, generation)],
    addresses: [],
    listeners: [],
    parents: [],
  }
}
