import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { closeSync, openSync, statSync } from 'node:fs'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { openTestTransport, Watcher } from '../sockets/testing.ts'
import { openDescribedMap, openMapById } from './described-map.ts'
import { attachToCgroup, attachToSockets } from './link.ts'
import { loadObject } from './loaded-object.ts'
import { kernelSkip, makeBpffs, makeCgroup, openTestBpf, readTestObject } from './testing.ts'

const skip = kernelSkip()

test('a program jumps through an array of programs, which has no batches', { skip }, t => {
  const bpf = openTestBpf(t)
  using object = loadObject(bpf, readTestObject('jumps'))
  const run = (): number => object.program('jump').test({ data: Buffer.alloc(14) }).returned
  const jumps = object.map<number, number>('jumps')
  assert.equal(run(), 1)
  const { fd } = object.program('landing')
  jumps.setAll([
    [2, fd],
    [3, fd],
  ])
  assert.equal(run(), 2)
  const { id } = object.program('landing').info()
  assert.deepEqual(
    [...jumps.entries()],
    [
      [2, id],
      [3, id],
    ],
  )
  assert.equal(jumps.deleteAll([0, 2, 3]), 2)
  assert.equal(run(), 1)
})

test('sockets in a map are read through its programs', { skip }, async t => {
  const transport = openTestTransport(t)
  const bpf = openTestBpf(t)
  using object = loadObject(bpf, readTestObject('jumps'))
  const sockets = object.map<number, bigint>('sockets')
  using parser = attachToSockets(bpf, object.program('parse'), sockets.raw)
  using verdict = attachToSockets(bpf, object.program('judge'), sockets.raw)
  assert.notEqual(parser.link?.info().id, verdict.link?.info().id)
  const server = createServer(connection => connection.write('hello')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const watcher = new Watcher()
  const { port } = server.address() as AddressInfo
  const socket = transport.connect('127.0.0.1', port, watcher, () => {
    sockets.set(0, BigInt(socket.fd))
    watcher.onConnect()
  })
  await watcher.until(() => watcher.text === 'hello')
  sockets.delete(0)
  socket.destroy()
})

test('storage of a cgroup is read by its descriptor, or by its id and the hook', { skip }, t => {
  const cgroup = makeCgroup(t)
  const bpf = openTestBpf(t)
  using object = loadObject(bpf, readTestObject('jumps'))
  const labels = object.map<number, bigint>('labels')
  const fd = openSync(cgroup, 'r')
  try {
    assert.equal(labels.get(fd), undefined)
    labels.set(fd, 5n)
    assert.equal(labels.get(fd), 5n)
    assert.equal(labels.delete(fd), true)
  } finally {
    closeSync(fd)
  }
  using link = attachToCgroup(bpf, object.program('on_connect'), cgroup)
  const script = 'echo $$ > "$0/cgroup.procs"; exec 3<>/dev/tcp/127.0.0.1/1; exec 3<>/dev/tcp/127.0.0.1/1; true'
  spawnSync('bash', ['-c', script, cgroup])
  const connects = object.map<object, bigint>('connects')
  const key = { cgroupInodeId: BigInt(statSync(cgroup).ino), attachType: link.info().attachType }
  assert.equal(connects.get(key), 2n)
  assert.deepEqual([...connects.entries()], [[key, 2n]])
})

test('a pinned map is read with the types it was made with', { skip }, t => {
  const bpf = openTestBpf(t)
  const folder = makeBpffs(t, bpf)
  const key = { kind: 1, id: 2, owner: 3n }
  {
    using object = loadObject(bpf, readTestObject('maps'))
    object.map<object, object>('cpu_points').raw.pin(join(folder, 'points'))
    object.map<object, object>('sockets').raw.pin(join(folder, 'sockets'))
    const point = Array.from({ length: bpf.cpus }, (_, x) => ({ x, y: 1 }))
    object.map<bigint, object>('cpu_points').set(7n, point)
    object.map<object, object>('shapes').raw.pin(join(folder, 'shapes'))
  }
  using points = openDescribedMap<bigint, readonly { x: number }[]>(bpf, join(folder, 'points'))
  assert.deepEqual(
    points?.get(7n)?.map(({ x }) => x),
    Array.from({ length: bpf.cpus }, (_, x) => x),
  )
  using shapes = openDescribedMap<object, object>(bpf, join(folder, 'shapes'))
  assert.equal(shapes?.get(key), undefined)
  assert.throws(() => shapes?.get({ ...key, id: -1 }), { message: /^map shapes, key: id: wants an integer/ })
  using same = openMapById(bpf, shapes?.raw.info().id ?? 0)
  assert.equal(same?.raw.shape.name, 'shapes')
  using sockets = openDescribedMap<Uint8Array, Uint8Array>(bpf, join(folder, 'sockets'))
  assert.equal(sockets?.get(new Uint8Array(8)), undefined)
  assert.equal(openDescribedMap(bpf, join(folder, 'nothing')), undefined)
})
