import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemberNumbers, MemberTable } from './members.ts'

const api = { key: 'shop/api', identity: 16, address: Uint8Array.of(10, 0, 0, 1), ports: [] }

test('MemberTable.update() keeps a cgroup whose workload is gone, as nobody, until the cgroup goes', () => {
  const table = new MemberTable(new MemberNumbers())
  const cgroups = new Map([[7n, 'shop/api']])
  const [first] = table.update([api], cgroups)
  assert.ok(first?.kind === 'set' && first.map === 'hd_members')
  assert.equal(first.key, 7n)
  assert.deepEqual([first.value.identity, first.value.number], [16, 1])
  assert.equal(Buffer.from(first.value.address.bytes).toString('hex'), '00000000000000000000ffff0a000001')
  assert.deepEqual(table.update([api], cgroups), [])
  const [gone] = table.update([], cgroups)
  assert.ok(gone?.kind === 'set' && gone.map === 'hd_members')
  assert.equal(gone.value.identity, 0)
  assert.deepEqual(table.update([], new Map()), [{ kind: 'delete', map: 'hd_members', key: 7n }])
})

test('MemberTable.update() gives a workload that comes back its number, and a changed identity at once', () => {
  const numbers = new MemberNumbers()
  assert.deepEqual([numbers.of('a/b'), numbers.of('a/c'), numbers.of('a/b'), numbers.of('')], [1, 2, 1, 0])
  const table = new MemberTable(numbers)
  table.update([api], new Map([[7n, 'shop/api']]))
  const [write] = table.update([{ ...api, identity: 17 }], new Map([[7n, 'shop/api']]))
  assert.ok(write?.kind === 'set' && write.map === 'hd_members')
  assert.equal(write.value.identity, 17)
})

test('MemberTable.update() knows the agent, and a workload in several cgroups as one', () => {
  const table = new MemberTable(new MemberNumbers())
  const cgroups = new Map([
    [7n, 'shop/api'],
    [8n, 'shop/api'],
  ])
  const writes = table.update([api], cgroups, 5n)
  assert.deepEqual(
    writes.map(write => write.kind === 'set' && write.map === 'hd_members' && [write.key, write.value.identity]),
    [
      [5n, 1],
      [7n, 16],
      [8n, 16],
    ],
  )
  assert.deepEqual(table.update([api], cgroups, 5n), [])
})
