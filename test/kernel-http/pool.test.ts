import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { MeshCgroup } from '../../src/datapath/index.ts'
import { freePort } from '../support/ports.ts'
import { until } from '../support/until.ts'
import { Backend } from './backend.ts'
import { inCgroup } from './in-cgroup.ts'
import { World } from './world.ts'

let cgroup: MeshCgroup

const skip = inCgroup(own => {
  cgroup = own
})

/** Listens with room for one connection that is not accepted; after a line of input it has room, and accepts and keeps all. */
const shortQueue = `
import socket, sys
server = socket.socket(); server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("127.0.0.1", int(sys.argv[1]))); server.listen(0); print("listens", flush=True)
sys.stdin.readline(); server.listen(64)
kept = []
while True: kept.append(server.accept())
`

test(
  'to an endpoint with a short queue few connections are on the way, none for ever, and the pool fills',
  { skip },
  async () => {
    await using backend = await Backend.open()
    await using world = await World.open(cgroup, { backendPort: backend.port, idleMs: 60_000 })
    const port = await freePort()
    const server = spawn('python3', ['-c', shortQueue, String(port)], { stdio: ['pipe', 'pipe', 'inherit'] })
    try {
      await once(server.stdout, 'data')
      using pool = world.agent.openPool({
        number: 2,
        address: '127.0.0.1',
        port,
        size: 16,
        idleMs: 60_000,
        openMs: 400,
      })
      const onTheWay = (): readonly string[] =>
        [...world.kernel.map('kh_expected').entries()].map(([{ remote }]) => String(remote.portBe))
      await until(() => onTheWay().length > 1)
      const first = onTheWay()
      let most = first.length
      await until(() => {
        const now = onTheWay()
        most = Math.max(most, now.length)
        return now.length > 0 && now.every(each => !first.includes(each))
      })
      assert.ok(most <= 4, `${most} were on the way at once`)
      assert.ok(pool.size < 16)
      server.stdin.write('\n')
      await until(() => pool.size === 16 && onTheWay().length === 0)
    } finally {
      server.kill('SIGKILL')
    }
  },
)

test('where most ports are taken the pool goes on looking for a free one, and fills', { skip }, async () => {
  await using backend = await Backend.open()
  await using world = await World.open(cgroup, { backendPort: backend.port, idleMs: 60_000 })
  await using stack = new AsyncDisposableStack()
  const taken: number[] = []
  for (let count = 0; count < 2000; count++) {
    const server = stack.use(createServer())
    await once(server.listen(0, '127.0.0.1'), 'listening')
    taken.push((server.address() as AddressInfo).port)
  }
  let free = 33_000
  // With a tenth of a second for every few of them it would take longer than anybody waits here.
  const options = { number: 2, address: '127.0.0.1', port: backend.port, idleMs: 60_000 }
  using pool = world.agent.openPool({ ...options, choosePort: () => taken.pop() ?? free++ })
  await until(() => pool.size === 16)
  assert.equal(taken.length, 0)
})
