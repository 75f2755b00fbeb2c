import { networkPolicyLimits } from '../../model/index.ts'
import type {
  CompiledNetworkPolicy,
  NetworkIdentity,
  NetworkPolicy,
  NetworkPolicyRoom,
  NetworkPolicySet,
  PolicyClass,
  SubjectClasses,
} from '../../model/index.ts'
import { ClassBuilder } from './class-builder.ts'
import { ClassTable } from './class-table.ts'
import { placesOf } from './places.ts'
import { RuleNumbers } from './rule-numbers.ts'
import { WorkBudget } from './work-budget.ts'

type Direction = PolicyClass['direction']

export interface CompileOptions {
  /** @default networkPolicyLimits */
  readonly limits?: NetworkPolicyRoom
  /** Pairs of a peer and a rule that are gone through. @default 8388608 */
  readonly pairs?: number
}

export const emptyCompiledPolicy: CompiledNetworkPolicy = {
  subjects: new Map(),
  classes: new Map(),
  rules: new Map(),
  places: [],
  overfull: [],
  next: { classId: 1, ruleId: 1 },
}

/**
 * Compiles a set of policies to lookup tables.
 *
 * Sizes, with C classes (at most two for each combination of policies that
 * selects somebody; with named ports, for each way in which they resolve):
 *
 * - subjects: one per identity that is selected
 * - peers: for each class at most the identities that its rules select, each once
 * - network prefixes: for each class its distinct networks and exceptions
 * - port prefixes: for each class and each of its groups (peers that the same
 *   rules allow) the prefixes of the ports of these rules: one for a port, a
 *   protocol or everything, at most 29 for a range
 *
 * A class for which there is no room, or no time, denies everything and is told in `overfull`.
 *
 * @param before  the last result: classes with the same content keep their number and are the same object
 */
export function compileNetworkPolicies(
  set: NetworkPolicySet,
  before: CompiledNetworkPolicy = emptyCompiledPolicy,
  options: CompileOptions = {},
): CompiledNetworkPolicy {
  const limits = options.limits ?? networkPolicyLimits
  const rules = new RuleNumbers(before)
  const budget = new WorkBudget(options.pairs)
  const classes = new ClassTable(before, limits)
  const subjects = new Map<number, SubjectClasses>()
  const selecting = { ingress: selectingOf(set, 'ingress'), egress: selectingOf(set, 'egress') }
  for (const identity of set.identities.values()) {
    const classOf = (direction: Direction): number => {
      const policies = selecting[direction].get(identity.id)
      if (policies === undefined) return 0
      const key = `${direction} ${policies.map(policy => policy.key).join()} ${portKey(policies, direction, identity)}`
      return classes.get(key, room => new ClassBuilder(set, direction, identity, rules, room, budget).build(policies))
    }
    const ingress = classOf('ingress')
    const egress = classOf('egress')
    if (ingress !== 0 || egress !== 0) subjects.set(identity.id, { ingress, egress })
  }
  return {
    subjects,
    classes: classes.all,
    rules: rules.all,
    places: placesOf(set),
    overfull: [...classes.overfull].toSorted(),
    next: { classId: classes.next, ruleId: rules.next },
  }
}

/** Policies that isolate an identity, in the order of their keys. */
function selectingOf(set: NetworkPolicySet, direction: Direction): ReadonlyMap<number, readonly NetworkPolicy[]> {
  const found = new Map<number, NetworkPolicy[]>()
  for (const policy of set.policies) {
    if (policy[direction] === undefined) continue
    for (const id of policy.subjects) {
      const list = found.get(id)
      if (list === undefined) found.set(id, [policy])
      else list.push(policy)
    }
  }
  return found
}

/** How the names of ports resolve at a subject that is the destination; at a source they don't. */
function portKey(policies: readonly NetworkPolicy[], direction: Direction, { ports }: NetworkIdentity): string {
  if (direction === 'egress' || ports.length === 0) return ''
  const names = new Set<string>()
  for (const { ingress = [] } of policies) {
    for (const rule of ingress) for (const port of rule.ports ?? []) if (port.kind === 'named') names.add(port.name)
  }
  const used = ports.filter(({ name }) => names.has(name))
  return used.map(({ name, protocol, port }) => `${name}/${protocol}/${port}`).join()
}
