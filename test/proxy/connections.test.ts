import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import net from 'node:net'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { defaultBackendSettings } from '../../src/model/index.ts'
import { echoServer } from '../support/clients-echo.ts'
import type { GeneratorRequest } from '../support/clients-generator.ts'
import { BookMeter } from '../support/clients-meter.ts'
import { Helper, ProxyProcess } from '../support/clients-process.ts'
import { startProxy } from '../support/proxy.ts'
import type { MeshSketch } from '../support/proxy.ts'
import { parseAnswer, RawClient, RawServer } from '../support/raw.ts'

const count = 10_000
/** For each process: its connections, as many towards endpoints in the worst case would be twice that; the pool needs few. */
const neededDescriptors = count + 1_500

/** Node raises its own limit to the hard one. */
function hardLimit(): number {
  const words = /^Max open files\s+\S+\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))
  return words?.[1] === 'unlimited' ? Infinity : Number(words?.[1] ?? 0)
}

const skip = hardLimit() < neededDescriptors ? `needs ${neededDescriptors} descriptors, ${hardLimit()} allowed` : false
if (skip !== false && (process.env.HEDDLE_TEST_REQUIRE ?? '').includes('clients')) throw new Error(skip)

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'

/** One turn after the other until `satisfied`; the test's time limit ends the wait. */
async function until(satisfied: () => boolean): Promise<void> {
  while (!satisfied()) await new Promise(resolve => setImmediate(resolve))
}

describe('proxy and many connections', { timeout: 60_000 }, () => {
  it(`holds ${count} kept-alive ones, answers each, and gives everything back`, { skip }, async t => {
    await using echo = await echoServer()
    await using proxy = await ProxyProcess.start({
      rules: [{ backends: ['a:80'] }],
      backends: { 'a:80': { ports: [echo.port] } },
    })
    await using generator = new Helper('./clients-generator.ts')
    const ask = async (request: GeneratorRequest): Promise<unknown> => generator.ask(request)
    const before = await proxy.figures()
    const descriptorsBefore = proxy.descriptors()

    assert.equal(await ask({ kind: 'open', port: proxy.port, count }), count)
    const open = await proxy.until(figures => figures.gauges.heddle_downstream_connections === count)
    t.diagnostic(`${Math.round((open.rssBytes - before.rssBytes) / count)} bytes resident for an unused connection`)
    assert.equal(await ask({ kind: 'ask' }), count)
    const used = await proxy.figures()
    const bytesEach = (used.rssBytes - before.rssBytes) / count
    t.diagnostic(`${Math.round(bytesEach)} bytes resident for one that was used`)
    t.diagnostic(`${Math.round((used.heapBytes - before.heapBytes) / count)} bytes of heap for each`)
    assert.equal(await ask({ kind: 'ask' }), count)
    assert.ok(bytesEach < 32 * 1024, `${bytesEach} bytes for each connection`)
    assert.equal(echo.requests, 2 * count)

    assert.equal(await ask({ kind: 'close' }), count)
    const after = await proxy.until(figures => figures.gauges.heddle_downstream_connections === 0)
    assert.equal(after.gauges.http_server_active_requests, 0)
    assert.equal(after.activeRequests, 0)
    const kept = after.gauges.heddle_upstream_connections ?? 0
    assert.ok(kept <= 500, `${kept} connections to the endpoint`)
    // Only pooled connections to the endpoint are left; the kernel closes the others in its own time.
    while (proxy.descriptors() > descriptorsBefore + kept) await proxy.figures()
    assert.equal(await echo.connections(), kept)
  })
})

describe('proxy queues requests for connections', { timeout: 20_000 }, () => {
  it('and gives up one whose client leaves while its connection is opening', async () => {
    // An endpoint whose kernel answers no connection attempt: its queue is full.
    const deaf = spawn(process.execPath, [fileURLToPath(new URL('../support/clients-deaf.ts', import.meta.url))])
    const fillers: net.Socket[] = []
    try {
      const [text] = (await once(deaf.stdout, 'data')) as [Buffer]
      const deafPort = Number(text.toString())
      for (let place = 0; place < 2; place++) {
        const filler = net.connect(deafPort, '127.0.0.1')
        fillers.push(filler)
        await once(filler, 'connect')
      }
      await using busy = await RawServer.open(() => {})
      const meter = new BookMeter()
      const circuitBreaker = { ...defaultBackendSettings.circuitBreaker, maxConnections: 1 }
      const sketch = (port: number): MeshSketch => ({
        rules: [{ backends: ['a:80'] }],
        backends: { 'a:80': { ports: [port], settings: { circuitBreaker, connectTimeoutMs: 0 } } },
      })
      const connections = (): number | undefined => meter.gauges().get('heddle_upstream_connections')
      await using proxy = await startProxy(sketch(busy.port), { meter })
      await using first = await RawClient.open(proxy.port)
      first.write(get)
      await until(() => busy.connections.length === 1)
      await proxy.apply(sketch(deafPort))
      await using second = await RawClient.open(proxy.port)
      second.write(get)
      await until(() => proxy.proxy.endpointStates()[0]?.activeRequests === 1)
      assert.equal(connections(), 1)
      // The first leaves: the second's turn has come, and its connection never opens.
      const [served] = busy.connections
      assert.ok(served !== undefined)
      const closed = once(served, 'close')
      first.socket.resetAndDestroy()
      await closed
      assert.equal(connections(), 1)
      second.socket.resetAndDestroy()
      await until(() => connections() === 0)
      assert.equal(proxy.proxy.endpointStates()[0]?.activeRequests, 0)
    } finally {
      for (const filler of fillers) filler.destroy()
      deaf.kill('SIGKILL')
      await once(deaf, 'exit')
    }
  })

  it('serves hundreds of clients, of whom many leave, over two connections, and nothing is left', async () => {
    await using echo = await echoServer()
    const meter = new BookMeter()
    const circuitBreaker = { ...defaultBackendSettings.circuitBreaker, maxConnections: 2, maxRequests: 300 }
    await using proxy = await startProxy(
      {
        rules: [{ backends: ['a:80'] }],
        backends: { 'a:80': { ports: [echo.port], settings: { circuitBreaker } } },
      },
      { meter },
    )
    let answered = 0
    const one = async (index: number): Promise<void> => {
      await using client = await RawClient.open(proxy.port)
      client.write(`GET /${index} HTTP/1.1\r\nHost: a\r\n\r\n`)
      if (index % 3 === 0) {
        // Some leave at once, some a few turns later.
        for (let turn = 0; turn < index % 5; turn++) await new Promise(resolve => setImmediate(resolve))
        if (index % 2 === 0) client.socket.resetAndDestroy()
        return
      }
      await client.receive(text => parseAnswer(text) !== undefined)
      assert.equal(parseAnswer(client.received)?.body, `/${index}`)
      answered++
    }
    await Promise.all(Array.from({ length: 300 }, (_, index) => one(index)))
    assert.equal(answered, 200)
    await until(() => meter.gauges().get('heddle_downstream_connections') === 0)
    assert.equal(proxy.proxy.endpointStates()[0]?.activeRequests, 0)
    assert.ok((meter.gauges().get('heddle_upstream_connections') ?? 0) <= 2)
  })
})

describe('proxy and connections that end', { timeout: 20_000 }, () => {
  it('never sends a request on a pooled connection whose end it has seen', async () => {
    const served: net.Socket[] = []
    await using server = await RawServer.open((socket, text) => {
      if (!text.endsWith('\r\n\r\n')) return
      served.push(socket)
      socket.write(ok)
    })
    await using proxy = await startProxy({
      rules: [{ backends: ['a:80'] }],
      backends: { 'a:80': { ports: [server.port] } },
    })
    for (let round = 0; round < 50; round++) {
      await using client = await RawClient.open(proxy.port)
      client.write(get)
      await client.receive(text => parseAnswer(text) !== undefined)
      client.take()
      // The endpoint's end and the next request reach the proxy in this order, in one go.
      served.pop()?.destroy()
      client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n')
      await client.receive(text => parseAnswer(text) !== undefined)
      assert.equal(parseAnswer(client.received)?.status, 200, `round ${round}`)
    }
  })

  it('never tunnels when the client did not ask for an upgrade', async () => {
    await using server = await RawServer.open(socket =>
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n',
      ),
    )
    await using proxy = await startProxy({
      rules: [{ backends: ['a:80'] }],
      backends: { 'a:80': { ports: [server.port] } },
    })
    await using client = await RawClient.open(proxy.port)
    client.write(get)
    await client.receive(text => parseAnswer(text) !== undefined)
    const answer = parseAnswer(client.received)
    assert.equal(answer?.status, 502)
    assert.equal(answer.headers.get('x-heddle-reason'), 'upstream-protocol-error')
    assert.equal(proxy.proxy.endpointStates()[0]?.activeRequests, 0)
  })

  it('says who the client was, in the access log too when the client has gone', async () => {
    await using server = await RawServer.open(() => {})
    await using proxy = await startProxy({
      kind: 'service',
      rules: [{ backends: ['a:80'] }],
      backends: { 'a:80': { ports: [server.port] } },
    })
    const client = await RawClient.open(proxy.port)
    const { localPort } = client.socket
    client.write(get)
    await until(() => server.connections.length === 1)
    client.socket.resetAndDestroy()
    await until(() => proxy.log.length === 1)
    assert.equal(proxy.log[0]?.client, `127.0.0.1:${localPort}`)
    assert.equal(proxy.log[0].flags, 'DC')
  })

  it('closes tunnels and everything behind them when it is disposed', async () => {
    await using server = await RawServer.open(
      socket => socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'),
      { allowHalfOpen: true },
    )
    const proxy = await startProxy({
      rules: [{ backends: ['a:80'] }],
      backends: { 'a:80': { ports: [server.port] } },
    })
    await using client = await RawClient.open(proxy.port, { allowHalfOpen: true })
    client.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n')
    await client.receive(text => text.includes('101'))
    const [endpoint] = server.connections
    assert.ok(endpoint !== undefined)
    const ended = once(endpoint, 'end')
    await proxy[Symbol.asyncDispose]()
    await Promise.all([ended, client.receiveAll()])
  })

  it('closes mirrored requests under way when it is disposed', async () => {
    await using server = await RawServer.open((socket, text) => {
      if (text.endsWith('\r\n\r\n')) socket.write(ok)
    })
    await using silent = await RawServer.open(() => {})
    const proxy = await startProxy({
      rules: [
        {
          backends: ['a:80'],
          filters: [{ kind: 'mirror', target: { kind: 'backend', key: 'b:80' }, fraction: 1 }],
        },
      ],
      backends: { 'a:80': { ports: [server.port] }, 'b:80': { ports: [silent.port] } },
    })
    await using client = await RawClient.open(proxy.port)
    client.write(get)
    await client.receive(text => parseAnswer(text) !== undefined)
    await until(() => silent.connections.length === 1)
    const [mirrored] = silent.connections
    assert.ok(mirrored !== undefined)
    const closed = once(mirrored, 'close')
    await proxy[Symbol.asyncDispose]()
    await closed
  })

  it('tells the endpoint of a tunnel that its client had finished sending before', async () => {
    let upgrade: (() => void) | undefined
    let hasEnded = false
    await using server = await RawServer.open(
      (socket, text) => {
        if (!text.endsWith('\r\n\r\n')) return
        socket.on('end', () => {
          hasEnded = true
          socket.end('bye')
        })
        upgrade = () => socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n')
      },
      { allowHalfOpen: true },
    )
    await using proxy = await startProxy({
      rules: [{ backends: ['a:80'] }],
      backends: { 'a:80': { ports: [server.port] } },
    })
    await using client = await RawClient.open(proxy.port, { allowHalfOpen: true })
    client.socket.end('GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n')
    await until(() => upgrade !== undefined)
    // The client's end is behind its request, which the endpoint has: some turns and it has arrived as well.
    for (let turn = 0; turn < 20; turn++) await new Promise(resolve => setImmediate(resolve))
    upgrade?.()
    assert.ok((await client.receiveAll()).endsWith('\r\n\r\nbye'))
    assert.equal(hasEnded, true)
  })

  it('answers a bad request behind a HEAD with a body', async () => {
    await using server = await RawServer.open((socket, text) => {
      if (text.endsWith('\r\n\r\n')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n')
    })
    await using proxy = await startProxy({
      rules: [{ backends: ['a:80'] }],
      backends: { 'a:80': { ports: [server.port] } },
    })
    await using client = await RawClient.open(proxy.port)
    client.write('HEAD / HTTP/1.1\r\nHost: a\r\n\r\nnonsense\r\n\r\n')
    const text = await client.receiveAll()
    const bad = parseAnswer(text.slice(text.lastIndexOf('HTTP/1.1 ')))
    assert.equal(bad?.status, 400)
    assert.equal(bad.headers.get('content-length'), String(bad.body.length))
  })

  it('streams with a backlog limit below what node:net reports on', async () => {
    // In small pieces, so that the first one that the kernel does not take is small as well.
    const pieces = 2_000
    const piece = Buffer.alloc(10_000, 'x')
    const total = pieces * piece.length
    let sent = 0
    await using server = await RawServer.open((socket, text) => {
      if (!text.endsWith('\r\n\r\n')) return
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${total}\r\n\r\n`)
      const next = (): void => {
        socket.write(piece)
        if (++sent < pieces) setImmediate(next)
      }
      next()
    })
    await using proxy = await startProxy(
      { rules: [{ backends: ['a:80'] }], backends: { 'a:80': { ports: [server.port] } } },
      { limits: { backlogBytes: 1 } },
    )
    await using client = await RawClient.open(proxy.port)
    client.socket.pause()
    client.write(get)
    await until(() => sent === pieces)
    client.socket.resume()
    await client.receive(text => text.length > total)
  })
})
