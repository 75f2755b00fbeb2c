import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { MeshCgroup } from '../../src/datapath/index.ts'
import { placeOf } from '../../src/kernel-http/index.ts'
import { parseAnswer, RawClient, RawServer } from '../support/raw.ts'
import { until } from '../support/until.ts'
import { Backend } from './backend.ts'
import { inCgroup } from './in-cgroup.ts'
import { World } from './world.ts'

let cgroup: MeshCgroup
let backend: Backend
let world: World

const skip = inCgroup(async (own, stack) => {
  cgroup = own
  backend = stack.use(await Backend.open())
  world = stack.use(await World.open(cgroup, { backendPort: backend.port, pooled: 64, idleMs: 600_000 }))
})

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: shop\r\n\r\n`

/** Takes so many answers off a client. */
async function take(client: RawClient, count: number): Promise<readonly string[]> {
  const bodies: string[] = []
  await client.receive(() => {
    for (let answer = parseAnswer(client.received); answer !== undefined; answer = parseAnswer(client.received)) {
      client.received = answer.rest
      bodies.push(answer.body)
    }
    return bodies.length >= count
  })
  return bodies
}

async function each<T>(items: readonly T[], act: (item: T, index: number) => Promise<void>): Promise<void> {
  // As many at a time as there are connections to the endpoint.
  const size = 48
  for (let at = 0; at < items.length; at += size) {
    await Promise.all(items.slice(at, at + size).map((item, index) => act(item, at + index)))
  }
}

test('5,000 connections are on the path, each with its own answers, and leave nothing', { skip }, async () => {
  const count = 5000
  const served = world.served
  const clients: RawClient[] = []
  await each(Array.from({ length: count }), async () => {
    clients.push(await RawClient.open(world.port))
  })
  for (const round of [1, 2]) {
    await each(clients, async (client, index) => {
      client.write(get(`/n${index}-${round}`))
      assert.deepEqual(await take(client, 1), [`GET /n${index}-${round} - `])
    })
  }
  await until(() => world.agent.sizes.clients === count)
  assert.equal(world.served - served, 2 * count)
  await Promise.all(clients.map(client => client[Symbol.asyncDispose]()))
  await world.settle()
})

test('a server that closes what is idle meets no request: connections are renewed before', { skip }, async () => {
  await using own = await World.open(cgroup, { backendPort: backend.port, pooled: 2, idleMs: 100 })
  const renewed = async (): Promise<void> => {
    const known = new Set(
      own.kernel
        .map('kh_backends')
        .entries()
        .map(([cookie]) => cookie),
    )
    await until(() => {
      const cookies = own.kernel
        .map('kh_backends')
        .entries()
        .map(([cookie]) => cookie)
        .toArray()
      return cookies.length >= 2 && cookies.every(cookie => !known.has(cookie))
    })
  }
  for (let round = 0; round < 3; round++) {
    await renewed()
    await using client = await RawClient.open(own.port)
    client.write(get(`/round-${round}`))
    assert.deepEqual(await take(client, 1), [`GET /round-${round} - `])
  }
  await own.settle()
})

test('whoever does not read has one message in the kernel, and no more', { skip }, async () => {
  const [bytes, rounds] = [60_000, 6]
  const clients = await Promise.all(Array.from({ length: 48 }, () => RawClient.open(world.port)))
  const entries = () => [...world.kernel.map('kh_clients').entries()].map(([, entry]) => entry)
  await until(() => entries().length === clients.length)
  // Node reads a little ahead all the same.
  for (const client of clients) client.socket.pause()
  for (let round = 0; round < rounds; round++) {
    for (const client of clients) client.write(get(`/length/${bytes}`))
    await until(() => entries().every(({ backend: owing }) => owing === 0n))
  }
  await until(() => entries().every(({ reason }) => reason !== 0))
  // What the formula of docs/decisions/0012 has for clients and for endpoints: the most, and it comes to that.
  const cookies = new Map(
    [...world.kernel.map('kh_pairs').entries()].map(([{ remote }, cookie]) => [remote.portBe, cookie]),
  )
  const unread = clients.map(({ socket }) => {
    const { portBe } = placeOf('127.0.0.1', socket.localPort ?? 0)
    const { promised = 0 } = world.kernel.map('kh_clients').get(cookies.get(portBe) ?? 0n) ?? {}
    return promised - socket.bytesRead
  })
  assert.ok(
    unread.every(each => each <= 65_536),
    String(unread),
  )
  assert.ok(unread.filter(each => each > bytes / 2).length > clients.length / 2, String(unread))
  // An endpoint's connection is idle again when it has read everything.
  assert.ok([...world.kernel.map('kh_backends').entries()].every(([, { owner, state }]) => owner === 0n && state === 0))
  for (const client of clients) client.socket.resume()
  for (const client of clients) {
    const bodies = await take(client, rounds)
    assert.ok(bodies.every(body => body.length === bytes))
  }
  await Promise.all(clients.map(client => client[Symbol.asyncDispose]()))
  await world.settle()
})

/** Objects of 1 KB that the kernel has allocated: a `struct sk_msg` takes one. */
function kilobytes(): number {
  const lines = readFileSync('/proc/slabinfo', 'utf8').matchAll(/^kmalloc-(?:\w+-)*1k +(\d+)/gm)
  return [...lines].reduce((sum, [, count]) => sum + Number(count), 0)
}

/** Each is a message of its own. */
async function writeApart(client: RawClient, text: string, pieces: number): Promise<void> {
  const bytes = Math.ceil(text.length / pieces)
  for (let at = 0; at < text.length; at += bytes) {
    await new Promise<void>(resolve => client.socket.write(text.slice(at, at + bytes), () => resolve()))
  }
}

test(
  'an endpoint that does not read has one request in the kernel, in 1,024 pieces of 1 KB and no more',
  { skip },
  async () => {
    const count = 8
    // Its head is a piece, too.
    const pieces = 1023
    const body = 'b'.repeat(64 * pieces)
    const head = `POST /a HTTP/1.1\r\nHost: shop\r\nContent-Length: ${body.length}\r\n\r\n`
    await using server = await RawServer.open(() => {})
    await using own = await World.open(cgroup, { backendPort: server.port, pooled: count + 1, idleMs: 600_000 })
    for (const socket of server.connections) socket.pause()
    const before = kilobytes()
    const clients = await Promise.all(Array.from({ length: count }, () => RawClient.open(own.port)))
    for (const client of clients) client.write(head)
    await Promise.all(clients.map(client => writeApart(client, body, pieces)))
    const owned = [...own.kernel.map('kh_backends').entries()].filter(([, { owner }]) => owner !== 0n)
    assert.deepEqual(
      owned.map(([cookie]) => {
        const { promised = 0, read = 0 } = own.kernel.progress(cookie) ?? {}
        return promised - read
      }),
      Array.from({ length: count }, () => head.length + body.length),
    )
    assert.ok(head.length + body.length <= 65_536 && head.length + body.length > 65_000)
    const taken = kilobytes() - before
    assert.ok(taken > 0.9 * count * pieces, `${taken} objects of 1 KB for ${count * pieces} pieces`)
    await using another = await RawClient.open(own.port)
    another.write(head)
    await writeApart(another, body.slice(0, pieces), pieces)
    assert.deepEqual([another.isClosed, another.received], [false, ''])
    another.write('b')
    await until(() => another.isClosed)
    assert.equal(own.kernel.reasons().get('pieces'), 1n)
    await Promise.all(clients.map(client => client[Symbol.asyncDispose]()))
  },
)

test('a hundred requests that find four connections are all answered', { skip }, async () => {
  await using own = await World.open(cgroup, { backendPort: backend.port, pooled: 4 })
  const clients = await Promise.all(Array.from({ length: 100 }, () => RawClient.open(own.port)))
  for (const [at, client] of clients.entries()) client.write(get(`/n${at}`))
  for (const [at, client] of clients.entries()) assert.deepEqual(await take(client, 1), [`GET /n${at} - `])
  assert.ok(own.served >= 4 && own.served < 100, `${own.served} in the kernel`)
  await Promise.all(clients.map(client => client[Symbol.asyncDispose]()))
  await own.settle()
})
