import type { Problem } from '../core/index.ts'
import type { CompiledNetworkPolicy, Condition, NetworkPolicySet, ResourceStatus } from '../model/index.ts'
import { emptyNetworkPolicySet } from '../model/index.ts'
import type { NetworkPolicyStatus } from '../observe/index.ts'
import { compileNetworkPolicies, emptyCompiledPolicy } from '../policy/index.ts'
import type { SourceState } from '../sources/index.ts'
import { answerQuestions } from './policy-answers.ts'
import type { PolicyQuestion, PolicyReply } from './policy-answers.ts'

/** What holds NetworkPolicies up: the datapath that is active, or nobody. */
export interface Enforcement {
  readonly isActive: boolean
  /** In a few words, after "NetworkPolicies are NOT enforced: ". */
  readonly reason: string
}

/** The user-space tier: a program that connects to an endpoint itself never meets the proxy. */
export const userSpaceEnforcement: Enforcement = {
  isActive: false,
  reason: 'the user-space tier cannot hold back programs that connect by themselves',
}

export const notEnforcedHeadline = 'NetworkPolicies are NOT enforced'

/** Names in one message. */
const shownNames = 5

/** NetworkPolicies of an agent: compiled as they change, and what has to be said of them. */
export class NetworkPolicies {
  readonly enforcement: Enforcement
  #set: NetworkPolicySet = emptyNetworkPolicySet
  #compiled: CompiledNetworkPolicy = emptyCompiledPolicy

  constructor(enforcement: Enforcement = userSpaceEnforcement) {
    this.enforcement = enforcement
  }

  /** The tables in force. */
  get compiled(): CompiledNetworkPolicy {
    return this.#compiled
  }

  /** @returns whether there are policies now that nobody enforces, and were none before */
  update(set: NetworkPolicySet): boolean {
    if (set === this.#set) return false
    const isFirst = this.#set.policies.length === 0 && set.policies.length > 0
    this.#set = set
    this.#compiled = compileNetworkPolicies(set, this.#compiled)
    return isFirst && !this.enforcement.isActive
  }

  /** That they are not enforced is said in one sentence for all of them: nobody may take them for protection. */
  problems(): readonly Problem[] {
    const problems: Problem[] = this.#compiled.overfull.map(policy => ({
      severity: 'error',
      resource: `NetworkPolicy ${policy}`,
      path: 'spec',
      message:
        'there is no room for its rules, so that everything it selects is closed; use fewer peers or wider networks',
    }))
    const { policies } = this.#set
    if (policies.length === 0 || this.enforcement.isActive) return problems
    return [...problems, { severity: 'warning', path: '', message: notEnforced(policies, this.enforcement) }]
  }

  status(): readonly NetworkPolicyStatus[] {
    const workloads = new Map<number, string[]>()
    for (const { key, identity } of this.#set.members) {
      const list = workloads.get(identity)
      if (list === undefined) workloads.set(identity, [key])
      else list.push(key)
    }
    const overfull = new Set(this.#compiled.overfull)
    return this.#set.policies.map(({ key, subjects, ingress, egress, isStandIn }) => ({
      name: key,
      selects: subjects.flatMap(id => workloads.get(id) ?? []).toSorted(),
      ingressRules: ingress?.length ?? null,
      egressRules: egress?.length ?? null,
      state: isStandIn ? 'stand-in' : overfull.has(key) ? 'overfull' : 'accepted',
      isEnforced: this.enforcement.isActive,
    }))
  }

  /** @param state  undefined before the first configuration: then nobody is known */
  answer(
    questions: readonly PolicyQuestion[],
    state: Pick<SourceState, 'snapshot' | 'serviceAddresses'> | undefined,
  ): PolicyReply {
    const world = {
      set: this.#set,
      compiled: this.#compiled,
      backends: state?.snapshot.backends ?? new Map<string, never>(),
      addresses: state?.serviceAddresses ?? [],
    }
    return { isEnforced: this.enforcement.isActive, answers: answerQuestions(questions, world) }
  }

  /** Statuses with a condition that says whether a policy is enforced. */
  conditioned(statuses: readonly ResourceStatus[]): readonly ResourceStatus[] {
    const { isActive, reason } = this.enforcement
    return statuses.map(status => {
      if (status.kind !== 'NetworkPolicy') return status
      const enforced: Condition = {
        type: 'Enforced',
        status: isActive ? 'True' : 'False',
        reason: isActive ? 'Enforced' : 'NoKernelTier',
        message: isActive ? '' : reason,
        observedGeneration: status.generation,
      }
      return { ...status, conditions: [...status.conditions, enforced] }
    })
  }
}

function notEnforced(policies: NetworkPolicySet['policies'], enforcement: Enforcement): string {
  const names = policies.slice(0, shownNames).map(({ key }) => key)
  const more = policies.length > names.length ? ` and ${policies.length - names.length} more` : ''
  return `${notEnforcedHeadline}: ${enforcement.reason}; traffic flows as if ${names.join(', ')}${more} were not there`
}
