import { assertNever } from '../core/index.ts'
import type { BlockGroup, CompiledNetworkPolicy, NetworkPlace, NetworkPolicyStep, PolicyClass } from '../model/index.ts'
import { emptyCompiledPolicy, stepsBetween } from '../policy/index.ts'
import { endpointOf, widen } from './address.ts'
import type { BlockKey, PortKey } from './generated/sockets.ts'
import { deleteEntry, setEntry } from './map-write.ts'
import type { MapWrite } from './map-write.ts'
import type { MemberNumbers } from './members.ts'

const scopeBits = 32
const portScopeBits = 64

/** Edits of the tables, to be carried out around those that give processes their identities. */
export interface PolicyWrites {
  readonly before: readonly MapWrite[]
  readonly after: readonly MapWrite[]
}

/** What the kernel holds of NetworkPolicies. */
export class PolicyTable {
  readonly #numbers: MemberNumbers
  #held: CompiledNetworkPolicy = emptyCompiledPolicy

  constructor(numbers: MemberNumbers) {
    this.#numbers = numbers
  }

  /** The edits that lead to `compiled`; they count as carried out from now on. */
  update(compiled: CompiledNetworkPolicy): PolicyWrites {
    const before: MapWrite[] = []
    const after: MapWrite[] = []
    for (const step of stepsBetween(this.#held, compiled)) {
      const isLate = step.kind === 'remove-place' || step.kind === 'remove-subject' || step.kind === 'drop-class'
      for (const write of this.#writesOf(step)) (isLate ? after : before).push(write)
    }
    this.#held = compiled
    return { before, after }
  }

  #writesOf(step: NetworkPolicyStep): Iterable<MapWrite> {
    switch (step.kind) {
      case 'fill-class':
        return classWrites(step.class)
      case 'drop-class':
        return classRemovals(step.class)
      case 'set-subject':
        return [setEntry('hd_classes', step.identity, step.classes)]
      case 'remove-subject':
        return [deleteEntry('hd_classes', step.identity)]
      case 'set-place': {
        const { identity, member } = step.place
        return [setEntry('hd_places', placeKey(step.place), { identity, number: this.#numbers.of(member) })]
      }
      case 'remove-place':
        return [deleteEntry('hd_places', placeKey(step.place))]
      default:
        return assertNever(step)
    }
  }
}

function placeKey({ address, port, protocol }: NetworkPlace): ReturnType<typeof endpointOf> {
  return endpointOf(widen(address), port, protocol)
}

/** Ports last: only they allow. */
function* classWrites(each: PolicyClass): Iterable<MapWrite> {
  const { id, peers, blocks } = each
  for (const [identity, group] of peers) yield setEntry('hd_peers', { classId: id, identity }, group)
  for (const block of blocks) yield setEntry('hd_blocks', blockKey(id, block), block.group)
  for (const [key, rule] of portsOf(each)) yield setEntry('hd_ports', key, rule)
}

/** Ports first: nothing is allowed any more by what is left. */
function* classRemovals(each: PolicyClass): Iterable<MapWrite> {
  const { id, peers, blocks } = each
  for (const [key] of portsOf(each)) yield deleteEntry('hd_ports', key)
  for (const block of blocks) yield deleteEntry('hd_blocks', blockKey(id, block))
  for (const identity of peers.keys()) yield deleteEntry('hd_peers', { classId: id, identity })
}

function blockKey(id: number, { bytes, prefixLength }: BlockGroup): BlockKey {
  const address = new Uint8Array(16)
  address.set(bytes)
  return { prefixBits: scopeBits + prefixLength, scope: id * 2 + (bytes.length === 16 ? 1 : 0), address }
}

function* portsOf({ id, ports }: PolicyClass): Iterable<readonly [PortKey, rule: number]> {
  for (const [group, prefixes] of ports) {
    for (const [prefix, rule] of prefixes) {
      const key: PortKey = {
        prefixBits: portScopeBits + (prefix >>> 24),
        classId: id,
        group,
        protocol: (prefix >>> 16) & 0xff,
        portBe: Uint8Array.of((prefix >>> 8) & 0xff, prefix & 0xff),
        zero: 0,
      }
      yield [key, rule]
    }
  }
}
