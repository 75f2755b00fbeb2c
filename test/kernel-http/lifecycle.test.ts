import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import type { Socket } from 'node:net'
import type { MeshCgroup } from '../../src/datapath/index.ts'
import { khBackendState } from '../../src/kernel-http/generated/http.ts'
import { parseAnswer, RawClient, RawServer } from '../support/raw.ts'
import { until } from '../support/until.ts'
import { pattern } from './backend.ts'
import { inCgroup } from './in-cgroup.ts'
import { World } from './world.ts'

const get = (path = '/a'): string => `GET ${path} HTTP/1.1\r\nHost: shop\r\n\r\n`
const head = (length: number): string => `HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n`
const whole = `${head(5)}hello`

interface Asked {
  socket?: Socket
  heard: string
  readonly everywhere: Map<number, string>
}

/** An endpoint that does nothing by itself, and what it was asked last. */
class Endpoint implements AsyncDisposable {
  readonly server: RawServer
  readonly world: World
  readonly #asked: Asked

  private constructor(server: RawServer, world: World, asked: Asked) {
    this.server = server
    this.world = world
    this.#asked = asked
  }

  static async open(): Promise<Endpoint> {
    const asked: Asked = { heard: '', everywhere: new Map() }
    const server = await RawServer.open(
      (socket, received, connection) => {
        asked.socket = socket
        asked.heard = received
        asked.everywhere.set(connection, received)
      },
      { allowHalfOpen: true },
    )
    const world = await World.open(cgroup, { backendPort: server.port, pooled: 2, timeoutMs: () => timeoutMs })
    return new Endpoint(server, world, asked)
  }

  get asked(): Socket | undefined {
    return this.#asked.socket
  }

  get heard(): string {
    return this.#asked.heard
  }

  /** How often it was sent this, on whatever connection. */
  count(text: string): number {
    return [...this.#asked.everywhere.values()].reduce((sum, heard) => sum + heard.split(text).length - 1, 0)
  }

  forget(): void {
    delete this.#asked.socket
    this.#asked.heard = ''
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world[Symbol.asyncDispose]()
    await this.server[Symbol.asyncDispose]()
  }
}

let cgroup: MeshCgroup
let endpoint: Endpoint
let world: World
let timeoutMs: number | undefined

const skip = inCgroup(async (own, stack) => {
  cgroup = own
  endpoint = stack.use(await Endpoint.open())
  world = endpoint.world
})

beforeEach(async () => {
  if (skip !== false) return
  await until(() => world.pools[0]?.size === 2)
  endpoint.forget()
})

async function ask(text: string, of: World = world): Promise<RawClient> {
  const client = await RawClient.open(of.port, { allowHalfOpen: true })
  client.write(text)
  return client
}

/** A fresh client gets its own answer, and nothing of an earlier one. */
async function checkSound(): Promise<void> {
  endpoint.forget()
  await using client = await ask(get('/fresh'))
  await until(() => endpoint.heard.includes('/fresh'))
  endpoint.asked?.write(`${head(5)}fresh`)
  assert.equal(parseAnswer(await client.receive(text => text.endsWith('fresh')))?.body, 'fresh')
}

interface Death {
  readonly name: string
  /** What the endpoint sends before it ends. */
  readonly says: string
  readonly ends: (socket: Socket) => void
  /** Status of what the client gets; `cut` when its connection ends without a whole answer. */
  readonly gives: number | 'cut'
}

const close = (socket: Socket): void => void socket.end()
const reset = (socket: Socket): void => void socket.resetAndDestroy()
const interim = 'HTTP/1.1 103 Early Hints\r\n\r\n'
const deaths: readonly Death[] = [
  { name: 'closes before its answer', says: '', ends: close, gives: 502 },
  { name: 'resets before its answer', says: '', ends: reset, gives: 502 },
  { name: 'closes after an interim response', says: interim, ends: close, gives: 'cut' },
  { name: 'resets after an interim response', says: interim, ends: reset, gives: 'cut' },
  { name: 'closes within a head', says: 'HTTP/1.1 200 OK\r\nContent-', ends: close, gives: 502 },
  { name: 'resets within a head', says: 'HTTP/1.1 200 OK\r\nContent-', ends: reset, gives: 502 },
  { name: 'closes after a head', says: head(5), ends: close, gives: 'cut' },
  { name: 'resets after a head', says: head(5), ends: reset, gives: 'cut' },
  { name: 'closes within a body', says: `${head(5)}he`, ends: close, gives: 'cut' },
  { name: 'resets within a body', says: `${head(5)}he`, ends: reset, gives: 'cut' },
  { name: 'closes within a large body', says: `${head(90_000)}${pattern(70_000)}`, ends: close, gives: 'cut' },
  { name: 'closes after its answer', says: whole, ends: close, gives: 200 },
]

/** What may not be sent a second time. */
const unsafe = 'POST /a HTTP/1.1\r\nHost: shop\r\nContent-Length: 0\r\n\r\n'

for (const { name, says, ends, gives } of deaths) {
  test(`an endpoint that ${name}: ${gives}`, { skip }, async () => {
    await using client = await ask(unsafe)
    await until(() => endpoint.asked !== undefined)
    const socket = endpoint.asked
    if (socket === undefined) return
    if (says !== '') await new Promise<void>(resolve => socket.write(says, () => resolve()))
    // What was said is on its way; an end that overtakes it would be another case.
    if (says.includes('\r\n\r\n')) await client.receive(text => text !== '' || client.hasEnded)
    ends(socket)
    const seen = (): number | undefined => {
      const text = client.received.startsWith(interim) ? client.received.slice(interim.length) : client.received
      return parseAnswer(text)?.status
    }
    await client.receive(() => seen() !== undefined || client.hasEnded || client.isClosed).catch(() => {})
    assert.equal(seen() ?? 'cut', gives)
    await checkSound()
    await client[Symbol.asyncDispose]()
    await world.settle()
  })
}

const body = pattern(40)
const post = `POST /a HTTP/1.1\r\nHost: shop\r\nContent-Length: ${body.length}\r\n\r\n`
const stages: readonly (readonly [name: string, request: string, says: string])[] = [
  ['before a request', '', ''],
  ['within a head', get().slice(0, 10), ''],
  ['within a body', post + body.slice(0, 10), ''],
  ['before its answer', get(), ''],
  ['after a head', get(), head(5)],
  ['within a body of the answer', get(), `${head(5)}he`],
  ['while a large answer is relayed', get(), `${head(900_000)}${pattern(100_000)}`],
]

for (const [name, request, says] of stages) {
  for (const how of ['close', 'reset'] as const) {
    test(`a client's ${how} ${name} harms nobody else`, { skip }, async () => {
      await using client = await ask(request)
      const isAsked = request !== '' && request.includes('\r\n\r\n')
      if (isAsked) await until(() => endpoint.asked !== undefined)
      if (says !== '') {
        endpoint.asked?.write(says)
        await client.receive(text => text !== '')
      }
      if (how === 'close') client.socket.destroy()
      else client.socket.resetAndDestroy()
      await until(() => client.isClosed)
      await checkSound()
      await world.settle()
    })
  }
}

test('a client that sends nothing more gets the answer that comes late', { skip }, async () => {
  await using client = await ask(get())
  await until(() => endpoint.asked !== undefined)
  client.socket.end()
  endpoint.asked?.write(head(5))
  await client.receive(text => text === head(5))
  endpoint.asked?.write('hello')
  assert.equal(await client.receiveAll(), whole)
})

test('an unsafe request is never sent twice', { skip }, async () => {
  const { fallbacks } = world
  const request = (post + body).replace('/a', '/once')
  await using client = await ask(request)
  await until(() => endpoint.heard !== '')
  endpoint.asked?.resetAndDestroy()
  await client.receive(text => text.startsWith('HTTP/1.1 502'))
  assert.equal(endpoint.count(request), 1)
  assert.equal(world.fallbacks, fallbacks)
})

for (const how of ['close', 'reset'] as const) {
  test(
    `a safe request whose endpoint's connection ends (${how}) before its answer is asked again`,
    { skip },
    async () => {
      const { replayed } = world.agent
      await using client = await ask(get(`/again-${how}`))
      await until(() => endpoint.heard.includes(`/again-${how}`))
      const first = endpoint.asked
      if (how === 'close') first?.end()
      else first?.resetAndDestroy()
      await until(() => endpoint.asked !== first)
      await until(() => endpoint.heard.includes(`/again-${how}`))
      endpoint.asked?.write(whole)
      await client.receive(text => text.endsWith('hello'))
      client.write(get(`/next-${how}`))
      await until(() => endpoint.heard.includes(`/next-${how}`))
      endpoint.asked?.write(whole)
      await client.receive(text => text.split('hello').length === 3)
      assert.deepEqual(client.received.match(/HTTP\/1.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 200'])
      assert.equal(world.agent.replayed, replayed + 1)
    },
  )
}

test('what an endpoint says before it has read a request is no answer to it', { skip }, async () => {
  const sockets: Socket[] = []
  await using server = await RawServer.open(socket => void sockets.push(socket))
  await using own = await World.open(cgroup, { backendPort: server.port, pooled: 1 })
  await using first = await ask(get(), own)
  await until(() => sockets.length === 1)
  const [socket] = sockets
  socket?.pause()
  socket?.write(whole)
  await first.receive(text => text === whole)
  await using second = await ask(unsafe, own)
  await until(() => [...own.kernel.map('kh_backends').entries()].some(([, { owner }]) => owner !== 0n))
  socket?.write(`${head(5)}stale`)
  assert.equal(parseAnswer(await second.receive(text => parseAnswer(text) !== undefined))?.status, 502)
})

test('a client that pipelines and sends nothing more gets both answers', { skip }, async () => {
  await using client = await ask(get('/one'))
  await until(() => endpoint.heard.includes('/one'))
  const first = endpoint.asked
  client.write(get('/two'))
  client.socket.end()
  await until(() => world.agent.sizes.clients === 1)
  first?.write(whole)
  await until(() => endpoint.heard.includes('/two'))
  endpoint.asked?.write(whole)
  await client.receive(text => text.split('hello').length === 3)
})

test('a request that takes too long is answered with 504, and its late answer reaches nobody', { skip }, async t => {
  timeoutMs = 1
  t.after(() => {
    timeoutMs = undefined
  })
  await using client = await ask(get())
  assert.equal(parseAnswer(await client.receive(text => parseAnswer(text) !== undefined))?.status, 504)
  const late = endpoint.asked
  if (late?.destroyed === false) late.write(whole)
  await client[Symbol.asyncDispose]()
  await world.settle()
})

function renewPool(): void {
  world.pools[0] = world.agent.openPool({ number: 1, address: '127.0.0.1', port: endpoint.server.port, size: 2 })
}

test('a pool that retires takes no request and gives the answers it owes', { skip }, async () => {
  await using client = await ask(get())
  await until(() => endpoint.asked !== undefined)
  const first = endpoint.asked
  const { fallbacks } = world
  world.pools[0]?.retire()
  await until(() => world.pools[0]?.size === 1)
  await using other = await ask(get('/other'))
  await until(() => world.fallbacks === fallbacks + 1)
  await until(() => endpoint.asked !== first)
  endpoint.asked?.write(whole)
  assert.equal(parseAnswer(await other.receive(text => parseAnswer(text) !== undefined))?.body, 'hello')
  first?.write(`${head(4)}late`)
  assert.equal(parseAnswer(await client.receive(text => parseAnswer(text) !== undefined))?.body, 'late')
  await until(() => world.agent.sizes.pooled === 0)
  renewPool()
})

test('whoever waits for a pool that is closed gets 502', { skip }, async () => {
  await using client = await ask(unsafe)
  await until(() => endpoint.asked !== undefined)
  world.pools[0]?.[Symbol.dispose]()
  await client.receive(text => text.startsWith('HTTP/1.1 502'))
  renewPool()
})

test('so does whoever has not sent all of the request whose large answer waits', { skip }, async () => {
  await using client = await ask(post + body.slice(0, 10))
  await until(() => endpoint.asked !== undefined)
  endpoint.asked?.write(`${head(90_000)}${pattern(70_000)}`)
  const { KH_RELAYED } = khBackendState
  await until(() => [...world.kernel.map('kh_backends').entries()].some(([, { state }]) => state === KH_RELAYED))
  world.pools[0]?.[Symbol.dispose]()
  await client.receive(text => text.startsWith('HTTP/1.1 502'))
  renewPool()
})

// The last one: nobody tells the agent anything after it.
test('events that were lost are made good', { skip }, async () => {
  world.kernel.onEvent(() => {})
  const clients = await Promise.all(Array.from({ length: 20 }, () => ask('')))
  await until(() => world.agent.sizes.clients === 20)
  await Promise.all(clients.map(client => client[Symbol.asyncDispose]()))
  // A new connection of the pool, of which nobody is told.
  const [server] = endpoint.server.connections
  server?.resetAndDestroy()
  await until(() => {
    world.agent.reap()
    return world.pools[0]?.size === 2 && [...world.kernel.map('kh_clients').entries()].length === 0
  })
  await world.settle()
})
