import assert from 'node:assert/strict'
import { test } from 'node:test'
import { endpointOf } from './address.ts'
import type { Endpoint, Service, Slot } from './generated/sockets.ts'
import { ServiceTable } from './service-table.ts'
import { compileServices } from './services.ts'
import type { DesiredService } from './services.ts'
import { FakeMaps, meshOf, textOf } from './testing.ts'
import type { TestService } from './testing.ts'

/** Endpoints that a program could be led to now; a missing slot is a hole. */
function reachable(maps: FakeMaps, front: Endpoint): string {
  const service = maps.of('hd_services').get(textOf(front)) as Service | undefined
  if (service === undefined) return 'none'
  const found = new Set<string>()
  for (let index = 0; index < service.slots; index++) {
    const slot = maps.of('hd_slots').get(textOf({ block: service.block, index })) as Slot | undefined
    if (slot === undefined) return 'hole'
    found.add(textOf(slot.first)).add(textOf(slot.second))
  }
  return [...found].toSorted().join()
}

function wanted(desired: ReadonlyMap<string, DesiredService>, key: string): string {
  const service = desired.get(key)
  if (service === undefined) return 'none'
  const { protocol, endpoints } = service
  const texts = endpoints.map(({ address, port }) => textOf(endpointOf(address, port, protocol)))
  return [...new Set(texts)].toSorted().join()
}

const endpoints = (ports: readonly number[]): NonNullable<TestService['endpoints']> =>
  ports.map(port => ({ port, weight: 1 + (port % 5) }))
const service = (name: string, at: number, ports: readonly number[]): TestService => ({
  name,
  addresses: [`127.77.0.${at}`, `fd68::${at}`],
  port: 80,
  endpoints: endpoints(ports),
})

const steps: readonly (readonly TestService[])[] = [
  [service('a', 1, [1, 2, 3])],
  [service('a', 1, [1, 2, 3]), service('b', 2, [])],
  [service('a', 1, [2, 3, 4, 5]), service('b', 2, [9])],
  [service('b', 2, [9, 8]), service('c', 3, [1])],
  [{ ...service('b', 2, [9, 8]), affinitySeconds: 60 }, service('c', 3, [1])],
  [{ ...service('b', 2, [9]), affinitySeconds: 60 }, service('c', 3, [1])],
  [service('b', 2, [9]), { ...service('c', 3, [1, 1]), affinitySeconds: 60 }],
  [service('a', 1, [7]), service('c', 3, [])],
  [],
]

test('ServiceTable.update() never leaves a Service half written, and leaves nothing behind', () => {
  const table = new ServiceTable()
  const maps = new FakeMaps()
  let before: ReadonlyMap<string, DesiredService> = new Map()
  for (const step of steps) {
    const after = compileServices(meshOf(step))
    const keys = new Set([...before.keys(), ...after.keys()])
    for (const write of table.update(after)) {
      maps.apply(write)
      for (const key of keys) {
        const front = before.get(key) ?? after.get(key)
        assert.ok(front !== undefined)
        const now = reachable(maps, endpointOf(front.address, front.port, front.protocol))
        assert.ok([wanted(before, key), wanted(after, key)].includes(now), `${key} leads to ${now}`)
      }
    }
    for (const key of keys) {
      const front = after.get(key)
      if (front === undefined) continue
      assert.equal(reachable(maps, endpointOf(front.address, front.port, front.protocol)), wanted(after, key))
    }
    before = after
  }
  assert.deepEqual(
    [...maps.maps.values()].map(({ size }) => size),
    [0, 0, 0],
  )
})

test('ServiceTable.update() writes nothing for what is the same, and one Service for one that changed', () => {
  const table = new ServiceTable()
  table.update(compileServices(meshOf([service('a', 1, [1, 2]), service('b', 2, [3])])))
  assert.deepEqual(table.update(compileServices(meshOf([service('b', 2, [3]), service('a', 1, [1, 2])]))), [])
  const writes = table.update(compileServices(meshOf([service('a', 1, [1, 2]), service('b', 2, [4])])))
  assert.deepEqual(
    writes.map(({ kind, map }) => `${kind} ${map}`),
    ['set hd_slots', 'set hd_slots', 'set hd_services', 'set hd_services', 'delete hd_slots', 'delete hd_slots'],
  )
})

test('ServiceTable knows what is at a virtual address, and where that leads', () => {
  const table = new ServiceTable()
  const [a] = compileServices(meshOf([service('a', 1, [7000])])).values()
  assert.ok(a !== undefined)
  const asked = endpointOf(a.address, 80, a.protocol)
  const given = (port: number): Endpoint =>
    endpointOf(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 127, 0, 0, 1), port, 6)
  const seen = (): unknown => [table.nameAt(asked), table.leads(asked, given(7000)), table.leads(asked, given(7001))]
  assert.deepEqual(seen(), [undefined, false, false])
  table.update(compileServices(meshOf([service('a', 1, [7000])])))
  assert.deepEqual(seen(), ['shop/a:80', true, false])
  table.update(new Map())
  assert.deepEqual(seen(), [undefined, false, false])
})
