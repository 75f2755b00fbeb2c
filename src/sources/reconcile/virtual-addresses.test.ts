import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allocateAddresses, isLoopbackIpv4, parseNetwork } from './virtual-addresses.ts'

const network = parseNetwork('127.77.0.0/16')
assert.ok(network !== undefined)

test('parseNetwork() reads a CIDR and refuses what is none', () => {
  assert.deepEqual(parseNetwork('127.0.0.7/30'), { base: 127 * 2 ** 24 + 4, size: 4 })
  for (const bad of ['127.77.0.0', '127.77.0.0/31', '127.77.0/16', '300.0.0.0/16', '::1/64', '', '127.77.0.0/x']) {
    assert.equal(parseNetwork(bad), undefined, bad)
  }
})

test('allocateAddresses() gives every Service an address of its own, whatever the order', () => {
  const wishes = Array.from({ length: 2_000 }, (_, at) => ({ key: `shop/service-${at}`, wanted: undefined }))
  const addresses = allocateAddresses(wishes, network, [])
  assert.equal(new Set(addresses.values()).size, 2_000)
  for (const address of addresses.values()) assert.match(address, /^127\.77\.\d+\.\d+$/)
  assert.deepEqual(new Map(allocateAddresses(wishes.toReversed(), network, [])), addresses)
})

test('allocateAddresses() keeps an address when other Services come and go', () => {
  const one = allocateAddresses([{ key: 'shop/cart', wanted: undefined }], network, [])
  const two = allocateAddresses(
    [
      { key: 'shop/cart', wanted: undefined },
      { key: 'shop/aaa', wanted: undefined },
    ],
    network,
    [],
  )
  assert.equal(two.get('shop/cart'), one.get('shop/cart'))
})

test('allocateAddresses() gives a wanted address to the first that wants it and never one that is taken', () => {
  const addresses = allocateAddresses(
    [
      { key: 'b/second', wanted: '127.1.1.1' },
      { key: 'a/first', wanted: '127.1.1.1' },
      { key: 'c/taken', wanted: '127.0.0.1' },
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
  const wishes = Array.from({ length: 8 }, (_, at) => ({ key: `n/s${at}`, wanted: undefined }))
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
