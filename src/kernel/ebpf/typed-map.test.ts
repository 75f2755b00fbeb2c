import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { openTestTransport, Watcher } from '../sockets/testing.ts'
import { loadObject } from './loaded-object.ts'
import type { LoadedObject } from './loaded-object.ts'
import { kernelSkip, openTestBpf, readTestObject } from './testing.ts'

const skip = kernelSkip()

function open(t: TestContext): LoadedObject {
  return loadObject(openTestBpf(t), readTestObject('maps'))
}

interface Shape {
  tiny: number
  name: string
}

const shape = {
  tiny: 255,
  portBe: 0x5000,
  count: 4_294_967_295,
  totalBytes: 2n ** 64n - 1n,
  small: -128,
  balance: -(2n ** 63n),
  isOpen: true,
  name: 'reviews',
  address: Uint8Array.from({ length: 16 }, (_, index) => index),
  words: [1, 2, 3],
  corners: [
    { x: -1, y: 2 },
    { x: 3, y: -4 },
  ],
  // COLOUR_NONE: this clang does not tell that it is negative.
  colour: 0xffff_ffff,
  v6: Uint8Array.from({ length: 16 }, (_, index) => 16 - index),
  either: { whole: 5n },
  low: 5,
  high: -4096,
  pointer: 0n,
  ratio: 0.5,
  width: 0x1_0000_0000n,
}

test('a hash map takes and gives structs', { skip }, t => {
  using object = open(t)
  const shapes = object.map<object, Shape>('shapes')
  const key = { kind: 1, id: 2, owner: 3n }
  assert.equal(shapes.get(key), undefined)
  assert.equal(shapes.set(key, shape, 'existing'), false)
  assert.equal(shapes.set(key, shape, 'new'), true)
  assert.equal(shapes.set(key, shape, 'new'), false)
  const found = shapes.get(key)
  assert.deepEqual(found, {
    ...shape,
    v4: Buffer.from(shape.v6).readUInt32LE(0),
    either: { whole: 5n, parts: { x: 5, y: 0 } },
  })
  assert.equal(shapes.set(key, { ...found, tiny: 3 }), true)
  assert.deepEqual(
    [...shapes.entries()].map(([each]) => each),
    [key],
  )
  assert.equal(shapes.take(key)?.tiny, 3)
  assert.equal(shapes.delete(key), false)
})

const misfits: readonly (readonly [change: Record<string, unknown>, message: string])[] = [
  [{ tiny: 256 }, 'map shapes, value: tiny: wants an integer from 0 to 255, not 256'],
  [{ totalBytes: 1 }, 'map shapes, value: totalBytes: wants a bigint of 64 bits, not negative, not 1'],
  [{ corners: [{ x: 1, y: 1 }] }, 'map shapes, value: corners: wants an array of 2, not an object'],
  [
    { corners: [shape.corners[0], { x: 1, y: 40_000 }] },
    'map shapes, value: corners[1].y: wants an integer from -32768 to 32767, not 40000',
  ],
  [{ name: 'far too long' }, 'map shapes, value: name: wants text of at most 8 bytes, not "far too long"'],
  [{ high: 4096 }, 'map shapes, value: high: wants an integer of 13 bits, not 4096'],
  [{ isOpen: 1 }, 'map shapes, value: isOpen: wants true or false, not 1'],
  [{ extra: 1 }, 'map shapes, value: extra: wants nothing: no such member, not 1'],
]

for (const [change, message] of misfits) {
  test(`a value with ${Object.keys(change).join()} that does not fit is refused: ${message}`, { skip }, t => {
    using object = open(t)
    const shapes = object.map<object, object>('shapes')
    assert.throws(() => shapes.set({ kind: 1, id: 2, owner: 3n }, { ...shape, ...change }), {
      code: 'MESH_EBPF_VALUE',
      message,
    })
    assert.equal([...shapes.entries()].length, 0)
  })
}

test('a key that does not fit names map and field', { skip }, t => {
  using object = open(t)
  assert.throws(() => object.map<object, object>('shapes').get({ kind: 1, id: 2, owner: 3 }), {
    message: 'map shapes, key: owner: wants a bigint of 64 bits, not negative, not 3',
  })
})

test('many entries go in and out by batches', { skip }, t => {
  using object = open(t)
  const numbers = object.map<number, bigint>('numbers')
  const count = 10_000
  numbers.setAll(Array.from({ length: count }, (_, index) => [index, BigInt(index * 2)] as const))
  const all = new Map(numbers.entries())
  assert.equal(all.size, count)
  assert.equal(all.get(4_321), 8_642n)
  // Every second one is not there any more.
  for (let key = 0; key < 100; key += 2) numbers.delete(key)
  assert.equal(numbers.deleteAll(Array.from({ length: 100 }, (_, index) => index)), 50)
  assert.equal([...numbers.entries()].length, count - 100)
})

test('a full map says so, with the number of entries it takes', { skip }, t => {
  using object = open(t)
  const named = object.map<number, bigint>('shared')
  for (let key = 0; key < 8; key++) named.set(key, 0n)
  assert.throws(() => named.set(8, 0n), {
    code: 'MESH_KERNEL_SYSCALL',
    message: /E2BIG \(map shared\)/,
    hint: /takes 8 entries/,
  })
  assert.throws(() => named.setAll([[9, 1n]]), { message: /map shared, after 0 of 1 entries/ })
})

test('entries() goes on while entries are removed', { skip }, t => {
  using object = open(t)
  const numbers = object.map<number, bigint>('numbers')
  numbers.setAll(Array.from({ length: 5_000 }, (_, index) => [index, 1n] as const))
  let seen = 0
  for (const [key] of numbers.entries()) {
    numbers.delete(key)
    seen++
  }
  assert.equal(seen, 5_000)
  assert.equal([...numbers.entries()].length, 0)
})

test('keys() tells no key twice, and all that stay, while others are removed', { skip }, t => {
  using object = open(t)
  const numbers = object.map<number, bigint>('numbers')
  numbers.setAll(Array.from({ length: 1_000 }, (_, index) => [index, 1n] as const))
  const seen: number[] = []
  for (const key of numbers.raw.keys()) {
    const number = key.readUInt32LE(0)
    seen.push(number)
    // The kernel is at the key after this one by then.
    if (number < 500) numbers.delete(number)
  }
  assert.equal(new Set(seen).size, seen.length)
  assert.deepEqual(seen.filter(key => key >= 500).length, 500)
})

test('arrays, LRU maps and tries work', { skip }, t => {
  using object = open(t)
  const points = object.map<number, { x: number; y: number }>('points')
  assert.deepEqual(points.get(15), { x: 0, y: 0 })
  points.set(15, { x: -5, y: 5 })
  assert.deepEqual(points.get(15), { x: -5, y: 5 })
  assert.throws(() => points.set(16, { x: 0, y: 0 }), { hint: /key lies outside/ })
  assert.equal([...points.entries()].length, 16)

  const recent = object.map<number, bigint>('recent')
  for (let key = 0; key < 1_000; key++) recent.set(key, 1n)
  const kept = [...recent.entries()].length
  assert.ok(kept > 0 && kept <= 64, `${kept}`)

  const prefixes = object.map<{ length: number; address: Uint8Array }, number>('prefixes')
  prefixes.setAll([
    [{ length: 8, address: Uint8Array.of(10, 0, 0, 0) }, 1],
    [{ length: 24, address: Uint8Array.of(10, 1, 2, 0) }, 2],
  ])
  assert.equal(prefixes.get({ length: 32, address: Uint8Array.of(10, 1, 2, 3) }), 2)
  assert.equal(prefixes.get({ length: 32, address: Uint8Array.of(10, 1, 3, 3) }), 1)
  assert.equal(prefixes.get({ length: 32, address: Uint8Array.of(11, 1, 3, 3) }), undefined)
  assert.deepEqual(
    [...prefixes.entries()].map(([, value]) => value).toSorted((a, b) => a - b),
    [1, 2],
  )
})

test('per-CPU maps hold a value for each CPU', { skip }, t => {
  using object = open(t)
  const counters = object.map<number, readonly number[]>('counters')
  const cpus = counters.get(0)?.length ?? 0
  assert.ok(cpus > 0)
  const values = Array.from({ length: cpus }, (_, cpu) => cpu + 1)
  counters.set(0, values)
  assert.deepEqual(counters.get(0), values)
  assert.throws(() => counters.set(0, []), { message: new RegExp(`^map counters, value: .*${cpus} values`) })
  const points = object.map<bigint, readonly object[]>('cpu_points')
  const corners = values.map(x => ({ x, y: -x }))
  points.setAll([[5n, corners]])
  assert.deepEqual([...points.entries()], [[5n, corners]])
})

test('queues and stacks are pushed and popped', { skip }, t => {
  using object = open(t)
  const waiting = object.map<undefined, bigint>('waiting')
  const idle = object.map<undefined, bigint>('idle')
  for (const value of [1n, 2n, 3n]) {
    waiting.push(value)
    idle.push(value)
  }
  assert.equal(waiting.peek(), 1n)
  assert.deepEqual([waiting.pop(), waiting.pop()], [1n, 2n])
  assert.deepEqual([idle.pop(), idle.pop(), idle.pop(), idle.pop()], [3n, 2n, 1n, undefined])
})

test('maps of maps take inner maps, which programs see', { skip }, t => {
  using object = open(t)
  const groups = object.map<number, number>('groups')
  for (const slot of [0, 3]) {
    using inner = object.createInner<number, bigint>('groups')
    inner.set(0, BigInt(slot + 10))
    groups.set(slot, inner.fd)
  }
  assert.equal(object.program('sum_groups').test({ context: Buffer.alloc(8) }).returned, 23)
  groups.delete(3)
  assert.equal(object.program('sum_groups').test({ context: Buffer.alloc(8) }).returned, 10)
  using named = object.createInner<number, bigint>('named_groups')
  const byName = object.map<bigint, number>('named_groups')
  byName.set(7n, named.fd)
  assert.equal(byName.get(7n), named.raw.info().id)
  assert.throws(() => object.createInner('points'), { hint: 'it has groups, named_groups' })
})

test('a frozen map is not changed any more', { skip }, t => {
  using object = open(t)
  const points = object.map<number, { x: number; y: number }>('points')
  points.freeze()
  assert.throws(() => points.set(1, { x: 1, y: 1 }), { message: /EPERM \(map points\)/ })
})

test('maps of sockets and storage of sockets take a socket of ours', { skip }, async t => {
  const transport = openTestTransport(t)
  const server = createServer().listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  using object = open(t)
  const watcher = new Watcher()
  const { port } = server.address() as AddressInfo
  const socket = transport.connect('127.0.0.1', port, watcher, watcher.onConnect)
  await watcher.until(() => watcher.has('connect'))
  const sockets = object.map<bigint, bigint>('sockets')
  sockets.set(1n, BigInt(socket.fd))
  assert.ok((sockets.get(1n) ?? 0n) > 0n, 'its cookie comes back')
  const storage = object.map<number, object>('of_socket')
  assert.equal(storage.get(socket.fd), undefined)
  storage.set(socket.fd, { x: 1, y: 2 })
  assert.deepEqual(storage.get(socket.fd), { x: 1, y: 2 })
  sockets.delete(1n)
  socket.destroy()
})

test('a closed map is not used any more', { skip }, t => {
  const bpf = openTestBpf(t)
  const object = loadObject(bpf, readTestObject('maps'))
  const numbers = object.map<number, bigint>('numbers')
  object[Symbol.dispose]()
  assert.throws(() => numbers.get(1), { code: 'MESH_EBPF_CLOSED', message: 'map numbers is closed' })
  assert.throws(() => numbers.delete(1), { code: 'MESH_EBPF_CLOSED' })
  assert.throws(() => [...numbers.entries()], { code: 'MESH_EBPF_CLOSED' })
})
