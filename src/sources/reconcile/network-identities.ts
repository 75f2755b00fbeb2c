import { parseIpAddress, unmapIpAddress } from '../../codec/index.ts'
import {
  firstIdentity,
  type MemberPort,
  type NamedPort,
  type NetworkIdentity,
  type NetworkMember,
} from '../../model/index.ts'
import type { WorkloadResource } from '../schema/resource.ts'
import { compareText } from './hostname.ts'
import { same } from './same.ts'

/** The label that names an identity to people. */
const identityLabel = 'heddle.dev/identity'

export interface NetworkMembers {
  readonly identities: ReadonlyMap<number, NetworkIdentity>
  readonly members: readonly NetworkMember[]
}

/** Numbers of identities that nobody has now are remembered up to here, so that one that comes back has its own. */
const spareNumbers = 4096

/** What a resource came to; the same object comes to the same. */
interface Known {
  readonly identity: NetworkIdentity
  readonly member: NetworkMember
}

/**
 * Gives workloads their identities. Selectors see namespace and labels, named
 * ports see the names of ports; workloads that are equal in these and belong to
 * the same Service are one identity, so that tables grow with what policies can
 * tell apart and not with the number of processes.
 *
 * Numbers are counted up and never given to another: something that still holds the
 * number of a workload that is gone must not be taken for another one.
 */
export class NetworkIdentities {
  readonly #numbers = new Map<string, number>()
  #next = firstIdentity
  readonly #known = new WeakMap<WorkloadResource, Known>()
  #last: NetworkMembers = { identities: new Map(), members: [] }

  /** @param known numbers of an earlier process, by `NetworkIdentity.key` */
  constructor(known: Iterable<readonly [key: string, id: number]> = []) {
    for (const [key, id] of known) {
      this.#numbers.set(key, id)
      this.#next = Math.max(this.#next, id + 1)
    }
  }

  /** Members that did not change are the same objects as before. */
  update(workloads: Iterable<WorkloadResource>): NetworkMembers {
    const identities = new Map<number, NetworkIdentity>()
    const before = new Map(this.#last.members.map(member => [member.key, member]))
    const members: NetworkMember[] = []
    for (const workload of [...workloads].toSorted((a, b) => compareText(memberKey(a), memberKey(b)))) {
      let known = this.#known.get(workload)
      if (known === undefined) {
        const identity = this.#identityOf(workload)
        known = { identity, member: same(memberOf(workload, identity.id), before.get(memberKey(workload))) }
        this.#known.set(workload, known)
      }
      const { identity, member } = known
      if (!identities.has(identity.id))
        identities.set(identity.id, same(identity, this.#last.identities.get(identity.id)))
      members.push(member)
    }
    this.#last = {
      identities: isSameMap(identities, this.#last.identities) ? this.#last.identities : identities,
      members: isSameList(members, this.#last.members) ? this.#last.members : members,
    }
    this.#forget()
    return this.#last
  }

  /** Workloads may come and go by the million, each with labels of its own. */
  #forget(): void {
    if (this.#numbers.size <= 2 * this.#last.identities.size + spareNumbers) return
    const keys = new Set([...this.#last.identities.values()].map(({ key }) => key))
    for (const key of this.#numbers.keys()) if (!keys.has(key)) this.#numbers.delete(key)
  }

  #identityOf({ metadata, spec }: WorkloadResource): NetworkIdentity {
    const { namespace, name, labels } = metadata
    const service = spec.service === undefined ? '' : `${namespace}/${spec.service}`
    const ports = spec.ports
      .map(({ name: portName, protocol, port }): NamedPort => ({ name: portName, protocol, port }))
      .toSorted((a, b) => compareText(`${a.name}/${a.protocol}`, `${b.name}/${b.protocol}`))
    const sorted = Object.entries(labels).toSorted((a, b) => compareText(a[0], b[0]))
    const key = JSON.stringify([namespace, service, sorted, ports.map(each => [each.name, each.protocol, each.port])])
    let id = this.#numbers.get(key)
    if (id === undefined) {
      id = this.#next++
      this.#numbers.set(key, id)
    }
    const own = Object.hasOwn(labels, identityLabel) ? labels[identityLabel] : undefined
    const shown = own === undefined || own === '' ? (spec.service ?? name) : own
    return { id, name: `${namespace}/${shown}`, key, namespace, service, labels, ports }
  }
}

function memberKey({ metadata }: WorkloadResource): string {
  return `${metadata.namespace}/${metadata.name}`
}

function memberOf(workload: WorkloadResource, identity: number): NetworkMember {
  const { address, port, ports } = workload.spec
  const listens = new Map<string, MemberPort>()
  // A Service of UDP leads to the port, too.
  listens.set(`UDP/${port}`, { protocol: 'UDP', port, isImplied: true })
  for (const each of [{ protocol: 'TCP', port } as const, ...ports]) {
    listens.set(`${each.protocol}/${each.port}`, { protocol: each.protocol, port: each.port })
  }
  return {
    key: memberKey(workload),
    identity,
    // The schema has seen to it that it is an address.
    address: unmapIpAddress(parseIpAddress(address) ?? new Uint8Array(4)),
    ports: [...listens.values()],
  }
}

function isSameList<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((value, at) => value === b[at])
}

function isSameMap<T>(a: ReadonlyMap<number, T>, b: ReadonlyMap<number, T>): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.get(key) === value)
}
