import { isDeepStrictEqual } from 'node:util'
import type { CompiledNetworkPolicy, NetworkPolicyRoom, PolicyClass } from '../../model/index.ts'

/** What a class is before it has a number. */
export type ClassContent = Omit<PolicyClass, 'id'>

/** Classes of one compilation; same contents share a number, with those of the last one, too. */
export class ClassTable {
  readonly all: Map<number, PolicyClass> = new Map<number, PolicyClass>()
  readonly overfull: Set<string> = new Set<string>()
  next: number
  readonly #byKey = new Map<string, number>()
  readonly #before = new Map<string, PolicyClass[]>()
  #room: NetworkPolicyRoom

  constructor(before: CompiledNetworkPolicy, limits: NetworkPolicyRoom) {
    this.next = before.next.classId
    this.#room = limits
    for (const each of before.classes.values()) {
      const key = contentKey(each)
      const list = this.#before.get(key)
      if (list === undefined) this.#before.set(key, [each])
      else list.push(each)
    }
  }

  get(key: string, build: (room: NetworkPolicyRoom) => ClassContent): number {
    const known = this.#byKey.get(key)
    if (known !== undefined) return known
    const content = this.#fit(build(this.#room))
    const old = this.#before
      .get(contentKey(content))
      ?.find(each => isDeepStrictEqual({ ...content, id: each.id }, each))
    const settled = old ?? { ...content, id: this.next++ }
    this.all.set(settled.id, settled)
    this.#byKey.set(key, settled.id)
    return settled.id
  }

  #fit(content: ClassContent): ClassContent {
    const { peers, blocks, ports } = sizeOf(content)
    const room = {
      peers: this.#room.peers - peers,
      blocks: this.#room.blocks - blocks,
      ports: this.#room.ports - ports,
    }
    if (!content.isOverfull && Math.min(room.peers, room.blocks, room.ports) >= 0) {
      this.#room = room
      return content
    }
    for (const policy of content.policies) this.overfull.add(policy)
    return { ...content, peers: new Map(), blocks: [], ports: new Map(), isOverfull: true }
  }
}

function contentKey({ direction, policies }: Pick<PolicyClass, 'direction' | 'policies'>): string {
  return `${direction} ${policies.join()}`
}

/** How much of the maps' room a class takes. */
export function sizeOf({ peers, blocks, ports }: Pick<PolicyClass, 'peers' | 'blocks' | 'ports'>): NetworkPolicyRoom {
  let prefixes = 0
  for (const group of ports.values()) prefixes += group.size
  return { peers: peers.size, blocks: blocks.length, ports: prefixes }
}
