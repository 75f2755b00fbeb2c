import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mix32 } from './hash.ts'
import type { HashMember, HashTable } from './hash-table.ts'
import { buildMaglev, chooseTableSize } from './maglev-table.ts'
import { buildRing } from './ring-table.ts'

interface Scheme {
  readonly name: string
  readonly build: (members: readonly HashMember[]) => HashTable
  /** Standard deviation of equal shares, relative; and keys moved beyond those that must. */
  readonly spread: number
  readonly excess: number
}

const schemes: readonly Scheme[] = [
  { name: 'ring', build: members => buildRing(members, 4096), spread: 0.12, excess: 0 },
  { name: 'Maglev', build: members => buildMaglev(members, 65_537), spread: 0.04, excess: 0.02 },
]

const keys: readonly number[] = Array.from({ length: 20_000 }, (_, index) => mix32(index + 1))

function makeMembers(count: number, weight: (index: number) => number = () => 1): HashMember[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `10.0.${index >> 8}.${index & 255}:8080`,
    weight: weight(index),
  })).sort((a, b) => (a.id < b.id ? -1 : 1))
}

function assign(members: readonly HashMember[], table: HashTable): string[] {
  return keys.map(key => members[table.owners[table.slotOf(key)] ?? -1]?.id ?? 'none')
}

function sharesOf(owners: readonly string[]): Map<string, number> {
  const shares = new Map<string, number>()
  for (const owner of owners) shares.set(owner, (shares.get(owner) ?? 0) + 1 / owners.length)
  return shares
}

for (const { name, build, spread, excess } of schemes) {
  test(`${name} gives equal endpoints about equal shares`, () => {
    const members = makeMembers(20)
    const shares = sharesOf(assign(members, build(members)))
    assert.equal(shares.size, 20)
    const deviation = Math.sqrt([...shares.values()].reduce((sum, share) => sum + (share * 20 - 1) ** 2, 0) / 20)
    assert.ok(deviation < spread, String(deviation))
  })

  test(`${name} follows weights`, () => {
    const members = makeMembers(12, index => (index < 4 ? 5 : 1))
    const heavyIds = new Set(members.filter(member => member.weight === 5).map(member => member.id))
    let heavy = 0
    for (const [id, share] of sharesOf(assign(members, build(members)))) if (heavyIds.has(id)) heavy += share
    assert.ok(Math.abs(heavy - 20 / 28) < 0.05, String(heavy))
  })

  test(`${name} gives every endpoint a slot, however light`, () => {
    const members = makeMembers(200, index => (index === 7 ? 1_000_000 : 1))
    assert.equal(new Set(build(members).owners).size, 200)
  })

  test(`${name} moves little more than the keys of an endpoint that went or came`, () => {
    for (const count of [5, 20, 50]) {
      const all = makeMembers(count)
      const before = assign(all, build(all))
      for (const gone of [0, count >> 1, count - 1]) {
        const rest = all.filter((_, index) => index !== gone)
        const after = assign(rest, build(rest))
        const moved = before.filter((owner, index) => owner !== after[index] && owner !== all[gone]?.id).length
        // The ring doubles its points when the total falls below the wanted size: not among these.
        assert.ok(moved / keys.length <= excess, `${count} without ${gone}: ${moved} keys moved`)
      }
    }
  })

  test(`${name} depends on nothing but ids and weights`, () => {
    const members = makeMembers(30)
    assert.deepEqual(build(members).owners, build(structuredClone(members)).owners)
  })

  test(`${name} takes hashes at both ends, one endpoint and none`, () => {
    const [only] = makeMembers(1)
    assert.ok(only !== undefined)
    const table = build([only])
    for (const hash of [0, 1, 0xffff_ffff]) assert.equal(table.owners[table.slotOf(hash)], 0)
    assert.equal(build([]).owners.length, 0)
  })
}

test('chooseTableSize() gives a prime with room for every endpoint', () => {
  const cases: readonly (readonly [number, number, number])[] = [
    [10, 65_537, 65_537],
    [10, 65_536, 65_537],
    [1, 1, 11],
    [0, 0, 3],
    [10_000, 65_537, 131_101],
    [10, 1e9, 5_000_011],
  ]
  for (const [members, wanted, size] of cases) assert.equal(chooseTableSize(members, wanted), size)
})
