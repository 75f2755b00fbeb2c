import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NetworkMember } from '../../model/index.ts'
import { networksOfEndpoints } from './path-networks.ts'
import type { PathNetwork } from './path-networks.ts'

const network = (cookie: bigint, ...workloads: readonly string[]): PathNetwork => ({
  cookie,
  workloads: new Set(workloads),
  listenerOf: id => id,
  within: act => act(),
})

const member = (key: string, ...address: readonly number[]): NetworkMember => ({
  key,
  identity: 16,
  address: Uint8Array.from(address),
  ports: [],
})

test('an endpoint is in the network namespace of the members that are known by its address, if that is one', () => {
  const [home, one, two] = [
    network(1n),
    network(2n, 'shop/a', 'shop/b', 'shop/both'),
    network(3n, 'shop/c', 'shop/both'),
  ]
  const mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 203, 0, 113, 1]
  const members = [
    member('shop/a', ...mapped),
    member('shop/b', 203, 0, 113, 1),
    member('shop/home', 203, 0, 113, 9),
    member('shop/c', 127, 0, 0, 1),
    member('shop/both', 203, 0, 113, 2),
  ]
  const networkOf = networksOfEndpoints(home, [one, two], members)
  const cookies = ['203.0.113.1', '::ffff:203.0.113.1', '127.0.0.1', '127.9.9.9', '203.0.113.2', '203.0.113.9'].map(
    address => networkOf({ address })?.cookie,
  )
  // Loopback is the node's, whoever gives it for his address; one workload may have processes in both.
  assert.deepEqual(cookies, [2n, 2n, 1n, 1n, undefined, undefined])
  const equal = networksOfEndpoints(home, [one, two], [...members, member('shop/c', 203, 0, 113, 1)])
  assert.equal(equal({ address: '203.0.113.1' }), undefined, 'two that have it')
  assert.equal(networksOfEndpoints(home, [], members)({ address: '203.0.113.1' }), undefined)
})
