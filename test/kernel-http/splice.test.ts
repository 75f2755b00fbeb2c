import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import type { MeshCgroup } from '../../src/datapath/index.ts'
import type { OfPath } from '../../src/kernel-http/index.ts'
import { RawClient, RawServer } from '../support/raw.ts'
import { until } from '../support/until.ts'
import { Backend } from './backend.ts'
import { inCgroup } from './in-cgroup.ts'
import { World } from './world.ts'

let cgroup: MeshCgroup

const skip = inCgroup(own => {
  cgroup = own
})

const request = 'GET /a HTTP/1.1\r\nHost: shop\r\n\r\n'

/** For each line of input it asks on a new connection, and reads the answer by splice() once that can be read. */
const splicer = `
import os, select, socket, sys
kept = []
for line in sys.stdin:
  s = socket.create_connection(("127.0.0.1", int(sys.argv[1]))); s.setblocking(False); kept.append(s)
  s.sendall(b"GET /a HTTP/1.1\\r\\nHost: shop\\r\\n\\r\\n")
  select.select([s], [], [])
  out, into = os.pipe()
  try: print("read" if os.splice(s.fileno(), into, 65536) > 0 else "end", flush=True)
  except BlockingIOError: print("nothing", flush=True)
`

test(
  'a client that reads with splice() is found by what it leaves unread, and its next connections go through the proxy',
  { skip },
  async () => {
    const told: OfPath[] = []
    await using backend = await Backend.open()
    await using world = await World.open(cgroup, { backendPort: backend.port, onUnread: left => told.push(left) })
    const child = spawn('python3', ['-c', splicer, String(world.port)], { stdio: ['pipe', 'pipe', 'inherit'] })
    try {
      const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
      child.stdin.write('\n')
      assert.equal((await lines.next()).value, 'nothing', 'the kernel tells it to read, and gives it nothing')
      world.agent.reap()
      assert.deepEqual(told, [], 'it may be slow')
      world.agent.reap()
      world.agent.reap()
      assert.deepEqual(told, [{ service: 1 }], 'once')
      child.stdin.write('\n')
      assert.equal((await lines.next()).value, 'read')
      assert.equal(world.strangers, 1, 'by the proxy')
      world.agent.forgive()
      child.stdin.write('\n')
      assert.equal((await lines.next()).value, 'nothing')
    } finally {
      child.kill('SIGKILL')
    }
  },
)

test(
  'a client that was only slow is let in again once it has read; one that has ended unread is not',
  { skip },
  async () => {
    const told: string[] = []
    await using backend = await Backend.open()
    await using world = await World.open(cgroup, {
      backendPort: backend.port,
      onUnread: () => told.push('out'),
      onReadAgain: () => told.push('in'),
    })
    const isOnPath = async (): Promise<boolean> => {
      const { served } = world
      await using client = await RawClient.open(world.port)
      client.write(request)
      await client.receive(text => text.includes('GET /a'))
      return world.served > served
    }
    // Paused before it is connected: later it would read until its own queue is full.
    const openPaused = async (): Promise<RawClient> => {
      const socket = connect(world.port, '127.0.0.1').pause()
      await once(socket, 'connect')
      return new RawClient(socket)
    }
    const leaveUnread = async (count: number): Promise<readonly RawClient[]> => {
      const { served } = world
      const slow = await Promise.all(Array.from({ length: count }, openPaused))
      for (const client of slow) client.write(request)
      await until(() => world.served === served + count)
      world.agent.reap()
      world.agent.reap()
      return slow
    }
    const [first, second] = await leaveUnread(2)
    assert.deepEqual(told.splice(0), ['out', 'out'])
    assert.equal(await isOnPath(), false)
    first?.socket.resume()
    await first?.receive(text => text.includes('GET /a'))
    world.agent.reap()
    assert.equal(await isOnPath(), false, 'another one of its connections is unread still')
    second?.socket.resume()
    await second?.receive(text => text.includes('GET /a'))
    world.agent.reap()
    assert.deepEqual(told.splice(0), ['in'])
    assert.equal(await isOnPath(), true)
    await first?.[Symbol.asyncDispose]()
    await second?.[Symbol.asyncDispose]()
    const [third, fourth] = await leaveUnread(2)
    third?.socket.resetAndDestroy()
    fourth?.socket.resume()
    await fourth?.receive(text => text.includes('GET /a'))
    await until(() => world.agent.sizes.clients === 1)
    world.agent.reap()
    assert.deepEqual(told, ['out', 'out'])
    assert.equal(await isOnPath(), false)
    await fourth?.[Symbol.asyncDispose]()
  },
)

test(
  'an endpoint that leaves a request unread is told of; one that has read it and takes long is not',
  { skip },
  async () => {
    const told: OfPath[] = []
    let heard = ''
    await using server = await RawServer.open((_, received) => (heard = received))
    const ports = { backendPort: server.port, pooled: 1 }
    const read: OfPath[] = []
    await using world = await World.open(cgroup, {
      ...ports,
      idleMs: 60_000,
      onUnread: left => told.push(left),
      onReadAgain: who => read.push(who),
    })
    {
      await using client = await RawClient.open(world.port)
      client.write(request)
      await until(() => heard === request)
      for (let look = 0; look < 3; look++) world.agent.reap()
      assert.deepEqual(told, [])
    }
    await until(() => world.pools[0]?.size === 1 && server.connections.length === 2)
    server.connections[1]?.pause()
    await using client = await RawClient.open(world.port)
    client.write(request)
    await until(() => [...world.kernel.map('kh_backends').entries()].some(([, { owner }]) => owner !== 0n))
    for (let look = 0; look < 3; look++) world.agent.reap()
    const endpoint = { endpoint: `127.0.0.1:${server.port}` }
    assert.deepEqual([told, read], [[endpoint], []])
    heard = ''
    server.connections[1]?.resume()
    await until(() => heard === request)
    world.agent.reap()
    assert.deepEqual([told, read], [[endpoint], [endpoint]])
  },
)
