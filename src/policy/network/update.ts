import type { CompiledNetworkPolicy, NetworkPlace, NetworkPolicyStep } from '../../model/index.ts'

/**
 * The edits that lead from one compiled policy to the next, in an order that
 * never opens what both of them close: classes are filled before anybody is in
 * them, identities have their classes before an address leads to them, and keep
 * them until none does.
 */
export function stepsBetween(
  before: CompiledNetworkPolicy,
  after: CompiledNetworkPolicy,
): readonly NetworkPolicyStep[] {
  const steps: NetworkPolicyStep[] = []
  for (const [id, each] of after.classes) if (!before.classes.has(id)) steps.push({ kind: 'fill-class', class: each })
  for (const [identity, classes] of after.subjects) {
    const old = before.subjects.get(identity)
    if (old?.ingress === classes.ingress && old.egress === classes.egress) continue
    steps.push({ kind: 'set-subject', identity, classes })
  }
  const places = new Map(before.places.map(place => [keyOf(place), place]))
  for (const place of after.places) {
    const old = places.get(keyOf(place))
    places.delete(keyOf(place))
    if (old?.identity !== place.identity || old.member !== place.member) steps.push({ kind: 'set-place', place })
  }
  for (const place of places.values()) steps.push({ kind: 'remove-place', place })
  for (const identity of before.subjects.keys()) {
    if (!after.subjects.has(identity)) steps.push({ kind: 'remove-subject', identity })
  }
  for (const [id, each] of before.classes) if (!after.classes.has(id)) steps.push({ kind: 'drop-class', class: each })
  return steps
}

function keyOf({ address, protocol, port }: NetworkPlace): string {
  return `${address.join()} ${protocol} ${port}`
}
