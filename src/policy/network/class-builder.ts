import { fixedGroups } from '../../model/index.ts'
import type {
  NetworkIdentity,
  NetworkPolicy,
  NetworkPolicyRoom,
  NetworkPolicySet,
  NetworkPort,
  NetworkRule,
  PolicyClass,
  PortPrefix,
} from '../../model/index.ts'
import { contains, groupBlocks, type BlockAllowance } from './block-groups.ts'
import type { ClassContent } from './class-table.ts'
import { PortGroups } from './port-groups.ts'
import { everyPort, rangePrefixes } from './port-prefix.ts'
import type { RuleNumbers } from './rule-numbers.ts'
import type { WorkBudget } from './work-budget.ts'

/** Collects what the rules of some policies allow in one direction, for subjects that resolve named ports alike. */
export class ClassBuilder {
  readonly #set: NetworkPolicySet
  readonly #direction: PolicyClass['direction']
  readonly #subject: NetworkIdentity
  readonly #rules: RuleNumbers
  readonly #groups: PortGroups
  readonly #budget: WorkBudget
  /** Allowances by what a selector selects: many rules have the same selectors. */
  readonly #selections = new Map<readonly number[], number[]>()
  /** Allowances by identity, for named ports, which each identity resolves for itself. */
  readonly #own = new Map<number, number[]>()
  readonly #blocks: BlockAllowance[] = []
  readonly #members: number[] = []
  readonly #anybody: number[] = []

  constructor(
    set: NetworkPolicySet,
    direction: PolicyClass['direction'],
    subject: NetworkIdentity,
    rules: RuleNumbers,
    room: NetworkPolicyRoom,
    budget: WorkBudget,
  ) {
    this.#set = set
    this.#direction = direction
    this.#subject = subject
    this.#rules = rules
    this.#groups = new PortGroups(room.ports, budget)
    this.#budget = budget
  }

  build(policies: readonly NetworkPolicy[]): ClassContent {
    for (const policy of policies) {
      for (const [index, rule] of (policy[this.#direction] ?? []).entries()) {
        if (this.#budget.isSpent) break
        this.#add(rule, this.#rules.get(policy.key, this.#direction, index))
      }
    }
    const groups = this.#groups
    groups.fill(fixedGroups.anybody, this.#anybody)
    groups.fill(fixedGroups.members, this.#members)
    const peers = this.#groupPeers()
    const blocks = groupBlocks(this.#blocks, groups)
    return {
      direction: this.#direction,
      policies: policies.map(({ key }) => key),
      peers,
      blocks,
      ports: groups.ports,
      isOverfull: groups.isFull,
    }
  }

  #add({ peers, ports }: NetworkRule, rule: number): void {
    const numbered = this.#numbered(ports)
    const allowance = numbered.length === 0 ? undefined : this.#groups.add(numbered, rule)
    const named = this.#direction === 'egress' ? (ports ?? []).filter(port => port.kind === 'named') : []
    if (peers === undefined) {
      if (allowance !== undefined) this.#anybody.push(allowance)
      this.#allowNamed(this.#set.identities.keys(), named, rule)
      return
    }
    for (const peer of peers) {
      switch (peer.kind) {
        case 'members':
          if (allowance !== undefined) this.#members.push(allowance)
          this.#allowNamed(this.#set.identities.keys(), named, rule)
          break
        case 'identities':
          if (allowance !== undefined) append(this.#selections, peer.ids, allowance)
          this.#allowNamed(peer.ids, named, rule)
          break
        case 'block':
          if (allowance !== undefined) this.#blocks.push({ block: peer.block, except: peer.except, allowance })
          this.#allowNamedAddresses(peer, named, rule)
      }
    }
  }

  /** Ports that are the same for every peer: numbers, and names of ports of the subject where it is the destination. */
  #numbered(ports: readonly NetworkPort[] | undefined): readonly PortPrefix[] {
    if (ports === undefined) return [everyPort]
    return ports.flatMap(port => {
      if (port.kind === 'range') return rangePrefixes(port.protocol, port.from, port.to)
      return this.#direction === 'egress' ? [] : resolve(port, this.#subject)
    })
  }

  #groupPeers(): ReadonlyMap<number, number> {
    const selections = [...this.#selections.values()]
    const selectedBy = new Map<number, number[]>()
    for (const [at, ids] of [...this.#selections.keys()].entries()) {
      this.#budget.spend(ids.length)
      if (this.#budget.isSpent) break
      for (const id of ids) append(selectedBy, id, at)
    }
    const known = new Map<string, number>()
    const peers = new Map<number, number>()
    for (const id of new Set([...selectedBy.keys(), ...this.#own.keys()])) {
      const by = selectedBy.get(id) ?? []
      const own = this.#own.get(id) ?? []
      const key = `${by.join()} ${own.join()}`
      let group = known.get(key)
      if (group === undefined) {
        group = this.#groups.groupOf([...by.flatMap(at => selections[at] ?? []), ...own])
        known.set(key, group)
      }
      peers.set(id, group)
    }
    return peers
  }

  /** Each destination has its own ports by a name. */
  #allowNamed(ids: Iterable<number>, named: readonly NetworkPort[], rule: number): void {
    if (named.length === 0 || this.#budget.isSpent) return
    for (const id of ids) {
      const ports = this.#portsOf(id, named)
      this.#budget.spend(1)
      if (ports.length > 0) append(this.#own, id, this.#groups.add(ports, rule))
    }
  }

  /** A network goes by addresses: a name stands for the ports of the workloads that are found there. */
  #allowNamedAddresses(
    peer: Pick<BlockAllowance, 'block' | 'except'>,
    named: readonly NetworkPort[],
    rule: number,
  ): void {
    if (named.length === 0 || this.#budget.isSpent) return
    this.#budget.spend(this.#set.members.length)
    for (const { address, identity } of this.#set.members) {
      const block = { bytes: address, prefixLength: address.length * 8 }
      if (!contains(peer.block, block) || peer.except.some(part => contains(part, block))) continue
      const ports = this.#portsOf(identity, named)
      if (ports.length > 0) this.#blocks.push({ block, except: [], allowance: this.#groups.add(ports, rule) })
    }
  }

  #portsOf(id: number, named: readonly NetworkPort[]): readonly PortPrefix[] {
    const identity = this.#set.identities.get(id)
    return identity === undefined ? [] : named.flatMap(port => resolve(port, identity))
  }
}

function append<Key>(lists: Map<Key, number[]>, key: Key, value: number): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [value])
  else list.push(value)
}

/** No port of that name and protocol: nothing is allowed by it. */
function resolve(port: NetworkPort, { ports }: NetworkIdentity): readonly PortPrefix[] {
  if (port.kind !== 'named') return []
  const own = ports.filter(({ name, protocol }) => name === port.name && protocol === port.protocol)
  return own.flatMap(({ protocol, port: number }) => rangePrefixes(protocol, number, number))
}
