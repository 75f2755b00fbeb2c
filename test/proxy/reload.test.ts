import assert from 'node:assert/strict'
import net from 'node:net'
import { describe, it } from 'node:test'
import type { Listener, MeshSnapshot } from '../../src/model/index.ts'
import { echoServer } from '../support/clients-echo.ts'
import type { EchoServer } from '../support/clients-echo.ts'
import { httpLoad, rawLoad, undiciLoad } from '../support/clients-load.ts'
import type { Load, Tally } from '../support/clients-load.ts'
import { buildSnapshot, ProxyUnderTest, startProxy } from '../support/proxy.ts'
import type { MeshSketch, RuleSketch } from '../support/proxy.ts'
import { parseAnswer, RawClient, RawServer } from '../support/raw.ts'
import { freePort } from '../support/ports.ts'

const startLoad = (port: number): Load[] => [undiciLoad(port, 4), httpLoad(port, 4), rawLoad(port, 4)]

async function stopLoad(loads: readonly Load[]): Promise<Tally> {
  const tallies = await Promise.all(loads.map(async load => load.stop()))
  const sum = (of: (tally: Tally) => number): number => tallies.reduce((total, tally) => total + of(tally), 0)
  return {
    asked: sum(tally => tally.asked),
    answered: sum(tally => tally.answered),
    lost: tallies.flatMap(tally => tally.lost),
  }
}

function acceptsNothing(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = net.connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(false)
    })
    socket.once('error', () => resolve(true))
  })
}

/** Another shape of the same mesh with each step: rules that come and go, weights that move. */
function sketchAt(step: number, ports: readonly number[]): MeshSketch {
  const weight = step % 10
  const split = [
    { key: 'a:80', weight },
    { key: 'b:80', weight: 10 - weight },
  ]
  const more: RuleSketch[] = Array.from({ length: step % 30 }, (_, index) => ({
    prefix: `/undici/${index % 4}/${index}`,
    backends: [index % 2 === 0 ? 'a:80' : 'b:80'],
    filters: [
      { kind: 'response-headers', set: [{ name: 'x-step', value: String(step) }], add: [], remove: [] } as const,
    ],
  }))
  const kind = step % 3 === 0 ? ({ kind: 'RoundRobin' } as const) : ({ kind: 'LeastRequest' } as const)
  return {
    rules: [{ backends: split }, ...more],
    backends: { 'a:80': { ports, settings: { loadBalancing: kind } }, 'b:80': { ports: ports.slice(1) } },
  }
}

describe('proxy reloads', { timeout: 60_000 }, () => {
  it('routes, weights, endpoints and listeners 200 times under load, and loses no request', async t => {
    const port = await freePort()
    const extraPort = await freePort()
    const proxy = new ProxyUnderTest()
    await using _proxy = proxy
    let servers: EchoServer[] = await Promise.all([echoServer(), echoServer(), echoServer()])
    const leaving: Promise<void>[] = []
    let requests = 0
    const snapshotAt = (step: number): MeshSnapshot => {
      const ports = servers.map(server => server.port)
      const snapshot = buildSnapshot(sketchAt(step, ports), port, step)
      const [[id, listener] = []] = snapshot.listeners
      assert.ok(id !== undefined && listener !== undefined)
      const [virtualHost] = listener.virtualHosts
      assert.ok(virtualHost !== undefined)
      const listeners = new Map<string, Listener>()
      // The loaded listener has other virtual hosts beside the one that takes the load.
      const others = Array.from({ length: step % 5 }, (_, index) => ({
        id: `Gateway test/web/other${index}`,
        hostname: `h${index}.example`,
        certificates: [],
        tls: undefined,
        clientCertificate: undefined,
      }))
      listeners.set(id, { ...listener, virtualHosts: [...others, virtualHost] })
      if (step % 2 === 1) {
        const extra = `127.0.0.1:${extraPort}`
        listeners.set(extra, { ...listener, id: extra, port: extraPort })
      }
      return { ...snapshot, listeners }
    }
    await proxy.apply(snapshotAt(0))
    const loads = startLoad(port)
    const steps = 200
    for (let step = 1; step <= steps; step++) {
      if (step % 4 === 0) {
        // One endpoint is replaced: the new configuration goes first, then the old process ends.
        const [old, ...rest] = servers
        servers = [...rest, await echoServer()]
        const failures = await proxy.apply(snapshotAt(step))
        assert.equal(failures.size, 0)
        if (old !== undefined) {
          leaving.push(old.leave().then(() => void (requests += old.requests)))
        }
      } else {
        const failures = await proxy.apply(snapshotAt(step))
        assert.equal(failures.size, 0)
      }
      if (step % 20 === 1) {
        await using client = await RawClient.open(extraPort)
        client.write('GET /extra HTTP/1.1\r\nHost: a\r\n\r\n')
        await client.receive(text => parseAnswer(text) !== undefined)
        assert.equal(parseAnswer(client.received)?.body, '/extra')
        await client[Symbol.asyncDispose]()
      }
      // The load goes on between two changes.
      for (let turn = 0; turn < 10; turn++) await new Promise(resolve => setImmediate(resolve))
    }
    const tally = await stopLoad(loads)
    t.diagnostic(`${tally.asked} requests while the configuration changed ${steps} times`)
    assert.deepEqual(tally.lost, [])
    assert.equal(tally.answered, tally.asked)
    assert.ok(tally.asked > steps)
    // The endpoints that left were let go completely.
    await Promise.all(leaving)
    requests += servers.reduce((sum, server) => sum + server.requests, 0)
    assert.equal(requests, tally.asked + 10)
    assert.ok(proxy.endpointStates().every(state => state.activeRequests === 0))
    assert.equal(await acceptsNothing(extraPort), true)
    await proxy[Symbol.asyncDispose]()
    for (const server of servers) await server[Symbol.asyncDispose]()
  })

  it('a listener that goes while it is being opened leaves nothing behind', async () => {
    await using echo = await echoServer()
    const port = await freePort()
    await using proxy = new ProxyUnderTest()
    const sketch: MeshSketch = { rules: [{ backends: ['a:80'] }], backends: { 'a:80': { ports: [echo.port] } } }
    const snapshot = buildSnapshot(sketch, port, 1)
    const opening = proxy.apply(snapshot)
    await proxy.apply({ ...snapshot, version: 2, listeners: new Map() })
    await opening
    assert.equal(await acceptsNothing(port), true)
  })

  it('a listener whose port was taken opens with the next snapshot', async () => {
    await using echo = await echoServer()
    const taken = net.createServer()
    await new Promise<void>(resolve => taken.listen(0, '127.0.0.1', resolve))
    const address = taken.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    await using proxy = new ProxyUnderTest()
    const sketch: MeshSketch = { rules: [{ backends: ['a:80'] }], backends: { 'a:80': { ports: [echo.port] } } }
    const failures = await proxy.apply(buildSnapshot(sketch, port, 1))
    assert.match(failures.get(`127.0.0.1:${port}`) ?? '', /EADDRINUSE/)
    await new Promise<void>(resolve => taken.close(() => resolve()))
    assert.equal((await proxy.apply(buildSnapshot(sketch, port, 2))).size, 0)
    await using client = await RawClient.open(port)
    client.write('GET /now HTTP/1.1\r\nHost: a\r\n\r\n')
    await client.receive(text => text.endsWith('/now'))
  })
})

describe('proxy drains', { timeout: 30_000 }, () => {
  it('under load: every accepted request is answered, every connection told so', async t => {
    await using echo = await echoServer()
    const proxy = await startProxy({
      rules: [{ backends: ['a:80'] }],
      backends: { 'a:80': { ports: [echo.port] } },
    })
    let isDraining = false
    let answered = 0
    const problems: string[] = []
    const client = async (index: number): Promise<void> => {
      const raw = await RawClient.open(proxy.port)
      for (let round = 0; ; round++) {
        const path = `/${index}/${round}`
        // A connection that was told to close is used no more; all others must be answered.
        raw.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
        try {
          await raw.receive(text => parseAnswer(text) !== undefined)
        } catch (error) {
          problems.push(`${path}: ${String(error)}`)
          return
        }
        const answer = parseAnswer(raw.take())
        if (answer?.body !== path) problems.push(`${path}: ${answer?.status} ${answer?.body}`)
        answered++
        if (answer?.headers.get('connection') === 'close') {
          if (!isDraining) problems.push(`${path}: told to close too early`)
          await raw.receiveAll()
          if (raw.error !== undefined) problems.push(`${path}: ${raw.error}`)
          await raw[Symbol.asyncDispose]()
          return
        }
      }
    }
    const clients = Promise.all(Array.from({ length: 50 }, (_, index) => client(index)))
    while (answered < 500) await new Promise(resolve => setImmediate(resolve))
    // One connection is open and unused.
    await using idle = await RawClient.open(proxy.port)
    isDraining = true
    const drained = await proxy.proxy.drain(10_000)
    await clients
    t.diagnostic(`${answered} requests, ${JSON.stringify(drained)}`)
    assert.deepEqual(problems, [])
    assert.equal(drained.cut, 0)
    assert.ok(drained.finished >= 51)
    assert.equal(await idle.receiveAll(), '')
    assert.equal(idle.error, undefined)
    assert.equal(await acceptsNothing(proxy.port), true)
    assert.equal(proxy.proxy.endpointStates()[0]?.activeRequests, 0)
    await proxy[Symbol.asyncDispose]()
    while ((await echo.connections()) > 0) await new Promise(resolve => setImmediate(resolve))
  })

  it('cuts off what does not end within the deadline, and counts it', async () => {
    await using silent = await RawServer.open(() => {})
    await using proxy = await startProxy({
      rules: [{ backends: ['a:80'] }],
      backends: { 'a:80': { ports: [silent.port] } },
    })
    await using stuck = await RawClient.open(proxy.port)
    stuck.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    while (silent.connections.length === 0) await new Promise(resolve => setImmediate(resolve))
    assert.deepEqual(await proxy.proxy.drain(30), { finished: 0, cut: 1 })
    assert.equal(await stuck.receiveAll(), '')
    while (proxy.log.length === 0) await new Promise(resolve => setImmediate(resolve))
    assert.equal(proxy.proxy.endpointStates()[0]?.activeRequests, 0)
  })
})
