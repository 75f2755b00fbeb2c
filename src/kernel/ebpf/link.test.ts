import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { listPins, takeInventory } from './inventory.ts'
import { openById } from './info.ts'
import { attachToCgroup, attachToSockets, attachWithoutLink, openLink } from './link.ts'
import { loadObject } from './loaded-object.ts'
import { openMap } from './map.ts'
import { unpin } from './pin.ts'
import { openProgram } from './program.ts'
import { kernelSkip, makeBpffs, makeCgroup, openTestBpf, readTestObject } from './testing.ts'

const skip = kernelSkip()

/** What a child does inside of a cgroup; it exits with 0 when all of it worked. */
const everything = `
  const net = require('node:net'), dgram = require('node:dgram')
  const server = net.createServer(socket => socket.end('hello'))
  server.listen(0, '127.0.0.1', () => {
    const client = net.connect(server.address().port, '127.0.0.1')
    client.on('connect', () => client.write('hi'))
    client.resume().on('close', () => {
      server.close()
      const udp = dgram.createSocket('udp4')
      udp.bind(0, '127.0.0.1', () => udp.send('x', udp.address().port, '127.0.0.1'))
      udp.on('message', () => udp.close())
    })
  })`

/** Runs a program of Node whose process, and so its sockets, are in the cgroup from the start. */
async function runIn(cgroup: string, script: string): Promise<number> {
  const child = spawn(
    'sh',
    ['-c', 'echo $$ > "$0/cgroup.procs" && exec "$1" -e "$2"', cgroup, process.execPath, script],
    {
      stdio: 'inherit',
    },
  )
  const [code] = (await once(child, 'exit')) as [number]
  return code
}

const hooks = [
  'connect4',
  'connect6',
  'sendmsg4',
  'sendmsg6',
  'recvmsg4',
  'recvmsg6',
  'getpeername4',
  'getpeername6',
  'getsockname4',
  'getsockname6',
  'bind4',
  'bind6',
  'sock_create',
  'sock_release',
  'post_bind4',
  'post_bind6',
  'getsockopt',
  'setsockopt',
  'ingress',
  'egress',
  'sockops',
  'sk_msg',
] as const

test('programs of every hook are attached, and run for processes of the cgroup', { skip }, async t => {
  const cgroup = makeCgroup(t)
  const bpf = openTestBpf(t)
  using object = loadObject(bpf, readTestObject('hooks'))
  using sockets = attachToSockets(bpf, object.program('on_sk_msg'), object.map('sockets').raw)
  assert.equal(sockets.link?.info().mapId, object.map('sockets').raw.info().id)
  {
    using stack = new DisposableStack()
    for (const program of object.programs.values()) {
      if (program.name !== 'on_sk_msg') stack.use(attachToCgroup(bpf, program, cgroup))
    }
    assert.equal(await runIn(cgroup, everything), 0)
    const counts = new Map(object.map<number, bigint>('calls').entries())
    const called = hooks.filter((_, index) => (counts.get(index) ?? 0n) > 0n)
    // Those of IPv6 are attached but nobody calls them; asking for names is up to the program.
    const expected = hooks.filter(hook => !/6$|getpeername|getsockname/.test(hook))
    assert.deepEqual(
      expected.filter(hook => !called.includes(hook)),
      [],
    )
  }
  const before = object.map<number, bigint>('calls').get(0)
  assert.equal(await runIn(cgroup, everything), 0)
  assert.equal(object.map<number, bigint>('calls').get(0), before, 'nothing runs after the links are closed')
})

test('a link says where it leads, and its program is replaced at one moment', { skip }, t => {
  const cgroup = makeCgroup(t)
  const bpf = openTestBpf(t)
  using first = loadObject(bpf, readTestObject('hooks'))
  using second = loadObject(bpf, readTestObject('hooks'))
  const [one, two] = [first.program('on_connect4'), second.program('on_connect4')]
  using link = attachToCgroup(bpf, one, cgroup)
  assert.equal(link.info().programId, one.info().id)
  assert.equal(link.info().cgroupId, BigInt(statSync(cgroup).ino))
  assert.throws(() => link.update(one, { replaces: two }), { code: 'MESH_KERNEL_SYSCALL', hint: /another program/ })
  link.update(two, { replaces: one })
  assert.equal(link.info().programId, two.info().id)
  link.detach()
  assert.equal(link.info().cgroupId, 0n)
})

test('a program goes to maps of sockets without a link too', { skip }, t => {
  const bpf = openTestBpf(t)
  using object = loadObject(bpf, readTestObject('hooks'))
  const map = object.map('sockets').raw
  const attachment = attachWithoutLink(bpf, object.program('on_sk_msg'), map)
  assert.equal(attachment.link, undefined)
  attachment[Symbol.dispose]()
  attachment[Symbol.dispose]()
  // The place is free again.
  using again = attachToSockets(bpf, object.program('on_sk_msg'), map)
  assert.ok(again.link !== undefined)
})

test('a folder that is no cgroup, and a program for another place, are refused', { skip }, t => {
  const bpf = openTestBpf(t)
  using object = loadObject(bpf, readTestObject('hooks'))
  const program = object.program('on_connect4')
  assert.throws(() => attachToCgroup(bpf, program, '/proc'), { message: /EBADF/, hint: /cgroup of version 2/ })
  assert.throws(() => attachToCgroup(bpf, program, '/no/such'), { message: /open: ENOENT \(link of on_connect4 to/ })
  assert.throws(() => attachToCgroup(bpf, object.program('on_sk_msg'), '/proc'), TypeError)
})

test('pins outlive what made them, and are opened, listed, replaced and removed', { skip }, t => {
  const cgroup = makeCgroup(t)
  const bpf = openTestBpf(t)
  const folder = makeBpffs(t, bpf)
  const paths = { map: join(folder, 'calls'), program: join(folder, 'prog'), link: join(folder, 'link') }
  {
    using object = loadObject(bpf, readTestObject('hooks'))
    using link = attachToCgroup(bpf, object.program('on_connect4'), cgroup)
    object.map<number, bigint>('calls').set(3, 33n)
    object.map('calls').raw.pin(paths.map)
    object.program('on_connect4').pin(paths.program)
    link.pin(paths.link)
    assert.throws(() => link.pin(paths.link), { message: /EEXIST/ })
    link.pin(paths.link, { replace: true })
  }
  const shape = { name: 'calls', kind: 'array', keyBytes: 4, valueBytes: 8, maxEntries: 22, flags: 0 } as const
  {
    using map = openMap(bpf, paths.map, shape)
    assert.equal(map?.lookup(Buffer.of(3, 0, 0, 0))?.readBigUInt64LE(0), 33n)
    using program = openProgram(bpf, paths.program, { name: 'on_connect4', section: 'cgroup/connect4' })
    using link = openLink(bpf, paths.link)
    assert.equal(link?.info().programId, program?.info().id)
    assert.deepEqual(program?.info().mapIds, [map?.info().id])
    assert.deepEqual(
      listPins(bpf, folder).map(({ kind, id }) => [kind, id]),
      [
        ['map', map?.info().id],
        ['link', link?.info().id],
        ['program', program?.info().id],
      ],
    )
  }
  assert.throws(() => openMap(bpf, paths.map, { ...shape, valueBytes: 16 }), {
    code: 'MESH_EBPF_MAP_DIFFERS',
    message: `map calls at ${paths.map} differs: value bytes: 16, pinned 8`,
  })
  assert.equal(openMap(bpf, join(folder, 'nothing'), shape), undefined)
  assert.deepEqual([...unpin([...Object.values(paths), join(folder, 'nothing')])], [])
  assert.deepEqual(listPins(bpf, folder), [])
  rmSync(join(folder, 'nothing'), { force: true })
})

test('pinning outside of a bpffs says so', { skip }, t => {
  const bpf = openTestBpf(t)
  using object = loadObject(bpf, readTestObject('events'))
  assert.throws(() => object.map('events').raw.pin('/proc/x'), {
    hint: '/proc is not in a bpffs: mount -t bpf bpffs FOLDER',
  })
})

/** Waits until the kernel, which frees in the background, has none of them any more. */
async function gone(t: TestContext, isGone: () => boolean): Promise<void> {
  await t.waitFor(() => assert.ok(isGone()), { timeout: 10_000, interval: 20 })
}

test('nothing is left in the kernel after everything is closed', { skip }, async t => {
  const cgroup = makeCgroup(t)
  const bpf = openTestBpf(t)
  const ids: (readonly ['map' | 'program' | 'link', number])[] = []
  for (let round = 0; round < 10; round++) {
    using object = loadObject(bpf, readTestObject('hooks'))
    using link = attachToCgroup(bpf, object.program('on_connect4'), cgroup)
    using all = loadObject(bpf, readTestObject('maps'))
    assert.throws(() => loadObject(bpf, readTestObject('refused')))
    ids.push(['link', link.info().id])
    for (const each of [object, all]) {
      for (const map of each.maps.values()) ids.push(['map', map.info().id])
      for (const program of each.programs.values()) ids.push(['program', program.info().id])
    }
    const found = takeInventory(bpf, 'on_connect4')
    assert.ok(found.programs.some(({ id }) => id === object.program('on_connect4').info().id))
    assert.ok(found.links.some(({ id }) => id === link.info().id))
  }
  assert.deepEqual(bpf.openDescriptors(), [])
  await gone(t, () =>
    ids.every(([kind, id]) => {
      using object = openById(bpf, kind, id)
      return object === undefined
    }),
  )
})
