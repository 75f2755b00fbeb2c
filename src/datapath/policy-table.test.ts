import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NetworkPolicySet, NetworkRule } from '../model/index.ts'
import { compileNetworkPolicies } from '../policy/index.ts'
import { MemberNumbers } from './members.ts'
import { PolicyTable } from './policy-table.ts'
import { FakeMaps } from './testing.ts'

function setOf(egress: readonly NetworkRule[] | undefined): NetworkPolicySet {
  const identity = { id: 16, name: 'shop/a', key: 'a', namespace: 'shop', service: '', labels: {}, ports: [] }
  const member = { key: 'shop/a', identity: 16, address: Uint8Array.of(127, 0, 0, 1) }
  return {
    identities: new Map([[16, identity]]),
    members: [{ ...member, ports: [{ protocol: 'TCP', port: 80 }] }],
    policies:
      egress === undefined ? [] : [{ key: 'shop/p', subjects: [16], ingress: undefined, egress, isStandIn: false }],
  }
}

const block = { bytes: Uint8Array.of(10, 1, 0, 0), prefixLength: 16 }
const rules: readonly NetworkRule[] = [
  {
    peers: [
      { kind: 'identities', ids: [16] },
      { kind: 'block', block, except: [] },
    ],
    ports: [{ kind: 'range', protocol: 'TCP', from: 0x1234, to: 0x1234 }],
  },
]

test('PolicyTable.update() opens a class by its last write, and closes it by its first', () => {
  const table = new PolicyTable(new MemberNumbers())
  const first = compileNetworkPolicies(setOf(undefined))
  const second = compileNetworkPolicies(setOf(rules), first)
  const third = compileNetworkPolicies(setOf(undefined), second)
  const names = (writes: Iterable<{ kind: string; map: string }>): string[] =>
    [...writes].map(({ kind, map }) => `${kind} ${map}`)
  assert.deepEqual(names(table.update(first).before), ['set hd_places'])
  const opened = table.update(second)
  assert.deepEqual(
    new Set(names(opened.before).slice(0, -1)),
    new Set(['set hd_peers', 'set hd_blocks', 'set hd_ports']),
  )
  assert.equal(names(opened.before).at(-1), 'set hd_classes', 'nobody is in a class before it is filled')
  assert.deepEqual(opened.after, [])
  const closed = table.update(third)
  assert.deepEqual(closed.before, [])
  assert.deepEqual(names(closed.after).slice(0, 2), ['delete hd_classes', 'delete hd_ports'])
})

test('PolicyTable.update() lays keys out as programs look them up, and leaves nothing behind', () => {
  const table = new PolicyTable(new MemberNumbers())
  const maps = new FakeMaps()
  const compiled = compileNetworkPolicies(setOf(rules))
  for (const write of table.update(compiled).before) maps.apply(write)
  const [classId] = compiled.classes.keys()
  assert.ok(classId !== undefined)
  const blocks = [...maps.of('hd_blocks').keys()]
  const address = '0a010000000000000000000000000000'
  assert.deepEqual(blocks, [JSON.stringify({ prefixBits: 48, scope: classId * 2, address })])
  const ports = [...maps.of('hd_ports').keys()].map(key => JSON.parse(key) as Record<string, unknown>)
  assert.ok(ports.every(({ prefixBits, protocol, portBe }) => prefixBits === 88 && protocol === 6 && portBe === '1234'))
  const nothing = compileNetworkPolicies({ identities: new Map(), members: [], policies: [] }, compiled)
  const { before, after } = table.update(nothing)
  for (const write of [...before, ...after]) maps.apply(write)
  assert.ok([...maps.maps.values()].every(({ size }) => size === 0))
})
