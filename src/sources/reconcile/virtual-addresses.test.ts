import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  allocateAddresses,
  allocateIpv6,
  displacedAddresses,
  isLoopbackIpv4,
  parseNetwork,
  uniqueLocalIpv6,
} from './virtual-addresses.ts'

const network = parseNetwork('127.77.0.0/16')
assert.ok(network !== undefined)

test('parseNetwork() reads a CIDR and refuses what is none', () => {
  assert.deepEqual(parseNetwork('127.0.0.7/30'), { base: 127 * 2 ** 24 + 4, size: 4 })
  for (const bad of ['127.77.0.0', '127.77.0.0/31', '127.77.0/16', '300.0.0.0/16', '::1/64', '', '127.77.0.0/x']) {
    assert.equal(parseNetwork(bad), undefined, bad)
  }
})

test('allocateAddresses() gives every Service an address of its own, whatever the order', () => {
  const wishes = Array.from({ length: 2_000 }, (_, at) => ({
    key: `shop/service-${at}`,
    wanted: undefined,
    wantedIpv6: undefined,
  }))
  const addresses = allocateAddresses(wishes, network, [])
  assert.equal(new Set(addresses.values()).size, 2_000)
  for (const address of addresses.values()) assert.match(address, /^127\.77\.\d+\.\d+$/)
  assert.deepEqual(new Map(allocateAddresses(wishes.toReversed(), network, [])), addresses)
})

test('allocateAddresses() keeps an address when other Services come and go', () => {
  const one = allocateAddresses([{ key: 'shop/cart', wanted: undefined, wantedIpv6: undefined }], network, [])
  const two = allocateAddresses(
    [
      { key: 'shop/cart', wanted: undefined, wantedIpv6: undefined },
      { key: 'shop/aaa', wanted: undefined, wantedIpv6: undefined },
    ],
    network,
    [],
  )
  assert.equal(two.get('shop/cart'), one.get('shop/cart'))
})

test('allocateAddresses() gives a wanted address to the first that wants it and never one that is taken', () => {
  const addresses = allocateAddresses(
    [
      { key: 'b/second', wanted: '127.1.1.1', wantedIpv6: undefined },
      { key: 'a/first', wanted: '127.1.1.1', wantedIpv6: undefined },
      { key: 'c/taken', wanted: '127.0.0.1', wantedIpv6: undefined },
    ],
    network,
    ['127.0.0.1'],
  )
  assert.equal(addresses.get('a/first'), '127.1.1.1')
  assert.match(addresses.get('b/second') ?? '', /^127\.77\./)
  assert.match(addresses.get('c/taken') ?? '', /^127\.77\./)
})

test('allocateAddresses() probes until the network is full', () => {
  const tiny = parseNetwork('127.9.0.0/29')
  assert.ok(tiny !== undefined)
  const wishes = Array.from({ length: 8 }, (_, at) => ({ key: `n/s${at}`, wanted: undefined, wantedIpv6: undefined }))
  const addresses = allocateAddresses(wishes, tiny, [])
  assert.deepEqual(
    [...addresses.values()].toSorted(),
    [1, 2, 3, 4, 5, 6].map(last => `127.9.0.${last}`),
  )
  assert.equal(addresses.has('n/s7'), false)
})

test('isLoopbackIpv4() takes 127.0.0.0/8 alone', () => {
  assert.ok(isLoopbackIpv4('127.200.1.9'))
  for (const other of ['10.0.0.1', '127.0.0', '127.0.0.256', '127.0.0.01', '::1', '']) assert.ok(!isLoopbackIpv4(other))
})

/** Two keys that hash to the same place of a network of six addresses, in the order of keys. */
function colliding(): readonly [string, string] {
  const byAddress = new Map<string, string>()
  for (let at = 0; at < 10; at++) {
    const wish = { key: `n/s${at}`, wanted: undefined, wantedIpv6: undefined }
    const address = allocateAddresses([wish], tinyNetwork(), []).get(wish.key) ?? ''
    const first = byAddress.get(address)
    if (first !== undefined) return [first, wish.key]
    byAddress.set(address, wish.key)
  }
  return assert.fail('ten keys have six places')
}

function tinyNetwork(): { base: number; size: number } {
  return parseNetwork('127.9.0.0/29') ?? assert.fail()
}

test('allocateAddresses() leaves a Service its address when one that hashes to the same place comes and goes', () => {
  const [first, second] = colliding()
  const wish = (key: string) => ({ key, wanted: undefined, wantedIpv6: undefined })
  const alone = allocateAddresses([wish(second)], tinyNetwork(), [])
  const both = allocateAddresses([wish(first), wish(second)], tinyNetwork(), [], alone)
  assert.equal(both.get(second), alone.get(second))
  assert.notEqual(both.get(first), alone.get(second))
  const left = allocateAddresses([wish(first)], tinyNetwork(), [], both)
  assert.equal(left.get(first), both.get(first))
})

test('displacedAddresses() is all that has to be remembered', () => {
  const [first, second] = colliding()
  const wishes = [first, second].map(key => ({ key, wanted: undefined, wantedIpv6: undefined }))
  const alone = allocateAddresses(wishes.slice(1), tinyNetwork(), [])
  assert.equal(displacedAddresses(wishes, tinyNetwork(), alone).size, 0)
  const both = allocateAddresses(wishes, tinyNetwork(), [], alone)
  const displaced = displacedAddresses(wishes, tinyNetwork(), both)
  assert.deepEqual([...displaced.keys()], [first])
  assert.deepEqual(allocateAddresses(wishes, tinyNetwork(), [], displaced), both)
})

test('allocateAddresses() forgets what is taken, not of the network or wanted by another', () => {
  const wish = { key: 'n/a', wanted: undefined, wantedIpv6: undefined }
  const natural = allocateAddresses([wish], network, []).get('n/a')
  for (const [kept, taken] of [
    ['127.77.3.3', ['127.77.3.3']],
    ['127.99.3.3', []],
    ['127.77.0.0', []],
    ['127.77.255.255', []],
    ['rubbish', []],
  ] as const) {
    assert.equal(allocateAddresses([wish], network, taken, new Map([['n/a', kept]])).get('n/a'), natural, kept)
  }
  const other = { key: 'n/b', wanted: '127.77.3.3', wantedIpv6: undefined }
  const both = allocateAddresses([wish, other], network, [], new Map([['n/a', '127.77.3.3']]))
  assert.deepEqual([both.get('n/a'), both.get('n/b')], [natural, '127.77.3.3'])
})

test('allocateIpv6() puts the IPv4 address behind a prefix, unless an address is wanted', () => {
  const wish = (key: string, wantedIpv6?: string) => ({ key, wanted: undefined, wantedIpv6 })
  const ipv4 = new Map([
    ['a/a', '127.77.1.2'],
    ['a/b', '127.77.1.3'],
    ['a/c', '127.77.1.4'],
    ['a/d', '127.77.1.5'],
  ])
  const wishes = [wish('a/d', 'fd00::1'), wish('a/c', 'fd00::1'), wish('a/a'), wish('a/b', 'fd68:6564:646c::7f4d:102')]
  const given = allocateIpv6([...wishes, wish('a/none')], ipv4)
  assert.deepEqual(Object.fromEntries(given), {
    'a/a': 'fd68:6564:646c:1::7f4d:102',
    'a/b': 'fd68:6564:646c::7f4d:102',
    'a/c': 'fd00::1',
    'a/d': 'fd68:6564:646c::7f4d:105',
  })
})

test('uniqueLocalIpv6() takes fc00::/7 alone, in the form that everybody writes', () => {
  assert.equal(uniqueLocalIpv6('FD00:0:0::1'), 'fd00::1')
  assert.equal(uniqueLocalIpv6('fc00::1'), 'fc00::1')
  for (const other of ['::1', 'fe80::1', '2001:db8::1', '10.0.0.1', 'None', ''])
    assert.equal(uniqueLocalIpv6(other), undefined)
})
