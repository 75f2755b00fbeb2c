import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressBytes, endpointOf } from './address.ts'
import { MemberNumbers } from './members.ts'
import { NetworkTable } from './network-table.ts'
import type { MemberNetwork } from './network-table.ts'
import { compileServices } from './services.ts'
import { FakeMaps, meshOf, textOf } from './testing.ts'

const at = (address: string, port: number, protocol: number): ReturnType<typeof endpointOf> =>
  endpointOf(addressBytes(address) ?? new Uint8Array(16), port, protocol)

const network: MemberNetwork = {
  cookie: 4711n,
  homeNumber: 3,
  names: [
    { address: '127.0.0.1', port: 40_053 },
    { address: '::1', port: 40_054 },
  ],
  ports: new Map([['127.77.0.9:80', { address: '127.77.0.9', port: 40_080, protocol: 'TCP' }]]),
  workloads: new Set(['shop/there']),
}

const member = (key: string, identity: number): Parameters<NetworkTable['update']>[2][number] => ({
  key,
  identity,
  address: Uint8Array.of(10, 0, 0, 1),
  ports: [{ protocol: 'TCP', port: 8080 }],
})

const services = [
  ...compileServices(
    meshOf([
      { name: 'web', addresses: ['127.77.0.9', 'fd68:6564:646c::7f4d:9'], port: 80, endpoints: [{}] },
      { name: 'late', addresses: ['127.77.0.10'], port: 80, endpoints: [{}] },
    ]),
  ).values(),
]

test('another network has the agent and its own workloads on its loopback, and a way to each Service that is open there', () => {
  const [maps, numbers] = [new FakeMaps(), new MemberNumbers()]
  const table = new NetworkTable(numbers)
  const update = (networks: readonly MemberNetwork[]): number => {
    const writes = table.update(networks, services, [member('shop/there', 17), member('shop/here', 18)])
    for (const write of writes) maps.apply(write)
    return writes.length
  }
  assert.ok(update([network]) > 0)
  const key = (asked: ReturnType<typeof at>): string => textOf({ network: 4711n, asked, zero: 0 })
  const places = maps.of('hd_net_places')
  const node = { identity: 1, number: 0 }
  assert.deepEqual(places.get(key(at('127.77.0.9', 40_080, 6))), node)
  for (const protocol of [6, 17]) assert.deepEqual(places.get(key(at('::1', 40_054, protocol))), node)
  for (const address of ['127.0.0.1', '::1'])
    assert.deepEqual(places.get(key(at(address, 8080, 6))), { identity: 17, number: numbers.of('shop/there') })
  // What runs elsewhere is not there: five are the agent's.
  assert.equal(places.size, 7)
  const led = [...maps.of('hd_abroad')]
  const fronts = [at('127.77.0.9', 80, 6), at('fd68:6564:646c::7f4d:9', 80, 6)].map(key)
  assert.deepEqual(led.map(([from]) => from).toSorted(), fronts.toSorted())
  for (const [, given] of led) assert.deepEqual(given, at('127.77.0.9', 40_080, 6))
  assert.ok(table.leads(at('127.77.0.9', 40_080, 6)))
  assert.ok(!table.leads(at('127.77.0.9', 80, 6)))
  const [known] = maps.of('hd_networks').values()
  assert.deepEqual(known, { homeId: 3, namesV4: at('127.0.0.1', 40_053, 0), namesV6: at('::1', 40_054, 0) })
  assert.equal(update([network]), 0, 'nothing has changed')
  update([])
  assert.deepEqual(
    ['hd_net_places', 'hd_abroad', 'hd_networks'].map(name => maps.of(name).size),
    [0, 0, 0],
  )
})
