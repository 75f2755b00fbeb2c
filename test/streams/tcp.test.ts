import assert from 'node:assert/strict'
import net from 'node:net'
import { describe, it } from 'node:test'
import { defaultLimits } from '../../src/proxy/index.ts'
import { RawClient } from '../support/raw.ts'
import { named, StreamBed, TcpServer } from '../support/streams.ts'
import { until } from '../support/until.ts'
import type { StreamBackendSketch, StreamBedOptions, StreamSketch } from '../support/streams.ts'
import { freePort } from '../support/ports.ts'

const host = 'Gateway test/l4/tcp'

function sketchOf(to: Readonly<Record<string, number>>, backends: Readonly<Record<string, StreamBackendSketch>>) {
  const sketch: StreamSketch = {
    listeners: { tcp: { protocol: 'TCP', hosts: [{ id: host }] } },
    routes: [{ on: host, to }],
    backends,
  }
  return sketch
}

/** One connection that sends nothing; what the server says first. */
async function greeting(port: number): Promise<string> {
  await using client = await RawClient.open(port)
  return await client.receive(text => text.endsWith('\n'))
}

/** How a connection that is never served ends: the code of its error, or `end`. */
async function refusal(port: number): Promise<string> {
  const socket = net.connect(port, '127.0.0.1')
  const { promise, resolve } = Promise.withResolvers<string>()
  socket.on('error', error => resolve('code' in error ? String(error.code) : error.message))
  socket.on('data', () => resolve('data')).on('end', () => resolve('end'))
  const how = await promise
  socket.destroy()
  return how
}

for (const transport of ['native', 'node'] as const) {
  const start = (sketch: StreamSketch, options: StreamBedOptions = {}): Promise<StreamBed> =>
    StreamBed.start(sketch, { transport, ...options })

  describe(`TCP over ${transport} sockets`, { timeout: 60_000 }, () => {
    it('a server that speaks first is heard at once, and bytes go both ways', async () => {
      await using server = await TcpServer.start(named('one'))
      await using bed = await start(sketchOf({ 'db:1': 1 }, { 'db:1': { ports: [server.port] } }))
      await using client = await RawClient.open(bed.port())
      assert.equal(await client.receive(text => text.endsWith('\n')), 'one\n')
      client.write('hello')
      assert.equal(await client.receive(text => text.endsWith('hello')), 'one\nhello')
    })

    it('a server that answers after the end of the question is heard to the end', async () => {
      await using server = await TcpServer.start(socket => {
        let asked = ''
        socket.on('data', chunk => (asked += chunk.toString()))
        socket.on('end', () => socket.end(`${asked.length} bytes`))
      })
      await using bed = await start(sketchOf({ 'db:1': 1 }, { 'db:1': { ports: [server.port] } }))
      await using client = await RawClient.open(bed.port(), { allowHalfOpen: true })
      client.socket.end('x'.repeat(300_000))
      assert.equal(await client.receiveAll(), '300000 bytes')
      const [record] = await bed.logged(1)
      assert.deepEqual(
        [record?.method, record?.requestBytes, record?.responseBytes, record?.flags, record?.reason, record?.route],
        ['TCP', 300_000, 12, '-', undefined, 'TCPRoute test/route-0'],
      )
    })

    it('a server that ends first goes on hearing the client', async () => {
      const { promise, resolve } = Promise.withResolvers<string>()
      await using server = await TcpServer.start(socket => {
        let heard = ''
        socket.end('bye')
        socket.on('data', chunk => (heard += chunk.toString()))
        socket.on('end', () => resolve(heard))
      })
      await using bed = await start(sketchOf({ 'db:1': 1 }, { 'db:1': { ports: [server.port] } }))
      await using client = await RawClient.open(bed.port(), { allowHalfOpen: true })
      assert.equal(await client.receiveAll(), 'bye')
      client.socket.end('still here')
      assert.equal(await promise, 'still here')
    })

    it('a reset by the client is a reset for the server', async () => {
      const { promise, resolve } = Promise.withResolvers<string>()
      await using server = await TcpServer.start(socket => {
        socket.write('x')
        socket.on('error', error => resolve(String('code' in error && error.code)))
        socket.on('end', () => resolve('end'))
      })
      await using bed = await start(sketchOf({ 'db:1': 1 }, { 'db:1': { ports: [server.port] } }))
      await using client = await RawClient.open(bed.port())
      await client.receive(text => text === 'x')
      client.socket.resetAndDestroy()
      assert.equal(await promise, 'ECONNRESET')
      assert.equal((await bed.logged(1))[0]?.flags, 'DC')
    })

    it('a reset by the server is a reset for the client, and counts against the endpoint', async () => {
      await using server = await TcpServer.start(socket => {
        socket.on('data', () => socket.resetAndDestroy())
      })
      await using bed = await start(sketchOf({ 'db:1': 1 }, { 'db:1': { ports: [server.port] } }))
      await using client = await RawClient.open(bed.port())
      client.write('x')
      await client.receiveAll()
      assert.equal(client.error, 'ECONNRESET')
      const [record] = await bed.logged(1)
      assert.deepEqual([record?.reason, record?.flags], ['upstream-reset', 'UC'])
    })

    it('an endpoint that resets whatever it is sent is ejected', async () => {
      await using bad = await TcpServer.start(socket => socket.on('data', () => socket.resetAndDestroy()))
      await using good = await TcpServer.start(named('good'))
      const settings = { loadBalancing: { kind: 'RoundRobin' } as const, panicThresholdPercent: 0 }
      const ports = [bad.port, good.port]
      await using bed = await start(sketchOf({ 'db:1': 1 }, { 'db:1': { ports, settings } }))
      for (let i = 0; i < 20; i++) {
        await using client = await RawClient.open(bed.port())
        client.write('x')
        await Promise.race([client.receive(text => text.includes('x')).catch(() => {}), client.receiveAll()])
      }
      await until(() => bed.counter('heddle_upstream_ejections_total', { backend: 'db:1' }) === 1)
      for (let i = 0; i < 5; i++) assert.equal(await greeting(bed.port()), 'good\n')
    })

    it('nobody listens: another endpoint is tried, and the client never knows', async () => {
      await using server = await TcpServer.start(named('alive'))
      const settings = { loadBalancing: { kind: 'RoundRobin' } as const }
      const ports = [await freePort(), server.port]
      await using bed = await start(sketchOf({ 'db:1': 1 }, { 'db:1': { ports, settings } }))
      for (let i = 0; i < 4; i++) assert.equal(await greeting(bed.port()), 'alive\n')
      assert.ok(bed.counter('heddle_upstream_retries_total', { backend: 'db:1' }) >= 1)
      assert.ok((await bed.logged(4)).some(({ retries }) => retries === 1))
    })

    it('no endpoint takes the connection: it is reset, told by reason', async () => {
      const ports = [await freePort(), await freePort()]
      await using bed = await start(sketchOf({ 'db:1': 1 }, { 'db:1': { ports } }))
      assert.equal(await refusal(bed.port()), 'ECONNRESET')
      const [record] = await bed.logged(1)
      assert.deepEqual([record?.reason, record?.retries, record?.flags], ['connect-failed', 1, 'UF'])
      const labels = { virtual_host: host, reason: 'connect-failed' }
      assert.equal(bed.counter('heddle_stream_refused_total', labels), 1)
    })

    for (const [what, to, reason] of [
      ['all weights are zero', { 'db:1': 0 }, 'no-backend'],
      ['the reference can not be used', { 'gone:1': 1 }, 'invalid-backend'],
      ['the backend has no endpoint', { 'empty:1': 1 }, 'no-endpoint'],
    ] as const) {
      it(`${what}: the connection is reset as ${reason}`, async () => {
        await using bed = await start(sketchOf(to, { 'db:1': { ports: [1] }, 'empty:1': { ports: [] } }))
        assert.equal(await refusal(bed.port()), 'ECONNRESET')
        assert.equal((await bed.logged(1))[0]?.reason, reason)
      })
    }

    it('the circuit breaker bounds connections, and one that ends makes room', async () => {
      await using server = await TcpServer.start(named('one'))
      const circuitBreaker = {
        maxConnections: 2,
        maxPending: 10,
        maxRequests: 10,
        retryBudgetPercent: 20,
        minRetryConcurrency: 3,
      }
      const backend = { ports: [server.port], settings: { circuitBreaker } }
      await using bed = await start(sketchOf({ 'db:1': 1 }, { 'db:1': backend }))
      const first = await RawClient.open(bed.port())
      await using second = await RawClient.open(bed.port())
      for (const client of [first, second]) await client.receive(text => text === 'one\n')
      assert.equal(await refusal(bed.port()), 'ECONNRESET')
      assert.equal((await bed.logged(1))[0]?.reason, 'overloaded')
      await first[Symbol.asyncDispose]()
      await until(() => bed.gauge('heddle_upstream_connections', { backend: 'db:1' }) === 1)
      assert.equal(await greeting(bed.port()), 'one\n')
    })

    it('connections are shared by weight, and by turns among endpoints', async () => {
      await using a = await TcpServer.start(named('a'))
      await using b = await TcpServer.start(named('b'))
      await using c = await TcpServer.start(named('c'))
      const turns = { loadBalancing: { kind: 'RoundRobin' } as const }
      await using bed = await start(
        sketchOf(
          { 'x:1': 3, 'y:1': 1 },
          { 'x:1': { ports: [a.port, b.port], settings: turns }, 'y:1': { ports: [c.port] } },
        ),
      )
      const counts: Record<string, number> = {}
      for (let i = 0; i < 400; i++) {
        const name = await greeting(bed.port())
        counts[name] = (counts[name] ?? 0) + 1
      }
      const { 'a\n': ofA = 0, 'b\n': ofB = 0, 'c\n': ofC = 0 } = counts
      // Five standard deviations of a share of a quarter.
      assert.ok(Math.abs(ofC - 100) < 44, `c got ${ofC}`)
      assert.ok(Math.abs(ofA - ofB) <= 1, `a got ${ofA}, b got ${ofB}`)
    })

    it('a client that stops reading stops the server, and gets all of it later', async () => {
      const total = 64 * 1024 * 1024
      let written = 0
      await using server = await TcpServer.start(socket => {
        const piece = Buffer.alloc(256 * 1024, 7)
        const pour = (): void => {
          while (written < total) {
            written += piece.length
            if (!socket.write(piece)) return
          }
          socket.end()
        }
        socket.on('drain', pour)
        pour()
      })
      await using bed = await start(sketchOf({ 'db:1': 1 }, { 'db:1': { ports: [server.port] } }))
      const socket = net.connect(bed.port(), '127.0.0.1')
      await new Promise(resolve => socket.once('connect', resolve))
      socket.pause()
      let last = -1
      while (last !== written) {
        last = written
        await new Promise(resolve => setTimeout(resolve, 200))
      }
      // Socket buffers on both sides, and what the proxy keeps.
      assert.ok(written < total / 2, `the server got rid of ${written} bytes`)
      let read = 0
      socket.on('data', chunk => (read += chunk.length)).resume()
      await new Promise(resolve => socket.once('end', resolve))
      assert.equal(read, total)
      socket.destroy()
    })

    it('clients that stop reading hold no more than their backlog each', async () => {
      const piece = Buffer.alloc(256 * 1024, 7)
      let written = 0
      await using server = await TcpServer.start(socket => {
        const pour = (): void => {
          do written += piece.length
          while (socket.write(piece))
        }
        socket.on('drain', pour)
        pour()
      })
      await using bed = await start(sketchOf({ 'db:1': 1 }, { 'db:1': { ports: [server.port] } }))
      const before = process.memoryUsage().arrayBuffers
      const clients = Array.from({ length: 20 }, () => net.connect(bed.port(), '127.0.0.1').pause())
      let last = -1
      while (last !== written || server.sockets.size < clients.length) {
        last = written
        await new Promise(resolve => setTimeout(resolve, 200))
      }
      const held = process.memoryUsage().arrayBuffers - before
      // The backlog, one read beyond it, and an output buffer that the last write kept.
      const mostBytes = clients.length * (defaultLimits.backlogBytes + 64 * 1024 + 192 * 1024) + 4 * 1024 * 1024
      assert.ok(held < mostBytes, `${held} bytes are held for ${written} written`)
      for (const client of clients) client.destroy()
    })

    it('a server that stops reading stops the client', async () => {
      await using server = await TcpServer.start(socket => socket.pause())
      await using bed = await start(sketchOf({ 'db:1': 1 }, { 'db:1': { ports: [server.port] } }))
      await using client = await RawClient.open(bed.port())
      const total = 64 * 1024 * 1024
      client.socket.write(Buffer.alloc(total))
      let last = -1
      while (last !== client.socket.writableLength) {
        last = client.socket.writableLength
        await new Promise(resolve => setTimeout(resolve, 200))
      }
      const received = bed.counter('heddle_stream_received_bytes_total', {
        virtual_host: host,
        route: 'TCPRoute test/route-0',
        backend: 'db:1',
      })
      assert.ok(received < total / 2, `the proxy took ${received} bytes`)
    })

    it('a session without a byte ends after its time, and its policy says when', async () => {
      await using server = await TcpServer.start(named('one'))
      const backend = { ports: [server.port], settings: { streamIdleTimeoutMs: 1_000 } }
      await using bed = await start(sketchOf({ 'db:1': 1 }, { 'db:1': backend }))
      await using client = await RawClient.open(bed.port())
      await client.receive(text => text === 'one\n')
      await client.receiveAll()
      assert.equal((await bed.logged(1))[0]?.flags, 'SI')
      await until(() => server.sockets.size === 0)
    })

    it('a new configuration leaves sessions alone, and those of a listener that goes, too', async () => {
      await using one = await TcpServer.start(named('one'))
      await using two = await TcpServer.start(named('two'))
      const sketch = sketchOf({ 'db:1': 1 }, { 'db:1': { ports: [one.port] }, 'db:2': { ports: [two.port] } })
      await using bed = await start(sketch)
      await using client = await RawClient.open(bed.port())
      await client.receive(text => text === 'one\n')
      await bed.apply({ ...sketch, routes: [{ on: host, to: { 'db:2': 1 } }] })
      assert.equal(await greeting(bed.port()), 'two\n')
      client.write('x')
      await client.receive(text => text === 'one\nx')
      await bed.apply({ ...sketch, listeners: {} })
      await assert.rejects(RawClient.open(bed.port()))
      client.write('y')
      await client.receive(text => text === 'one\nxy')
    })

    it('draining lets sessions end, and cuts what is left with a reset', async () => {
      await using server = await TcpServer.start(named('one'))
      await using bed = await start(sketchOf({ 'db:1': 1 }, { 'db:1': { ports: [server.port] } }))
      await using quick = await RawClient.open(bed.port())
      await using slow = await RawClient.open(bed.port())
      for (const client of [quick, slow]) await client.receive(text => text === 'one\n')
      const drained = bed.proxies[0]?.drain(500)
      quick.socket.end()
      await quick.receiveAll()
      assert.deepEqual(await drained, { finished: 1, cut: 1 })
      await slow.receiveAll()
      assert.equal(slow.error, 'ECONNRESET')
      assert.ok(bed.log.some(({ reason }) => reason === 'draining'))
    })

    it('nothing is left of a session: connections, gauges, requests under way', async () => {
      await using server = await TcpServer.start(named('one'))
      await using bed = await start(sketchOf({ 'db:1': 1 }, { 'db:1': { ports: [server.port] } }))
      for (let i = 0; i < 10; i++) {
        const client = await RawClient.open(bed.port())
        await client.receive(text => text === 'one\n')
        if (i % 2 === 0) client.socket.resetAndDestroy()
        await client[Symbol.asyncDispose]()
      }
      await bed.logged(10)
      await until(() => server.sockets.size === 0)
      assert.equal(bed.gauge('heddle_upstream_connections', { backend: 'db:1' }), 0)
      assert.equal(bed.gauge('heddle_downstream_connections', { listener: `127.0.0.1:${bed.port()}` }), 0)
      assert.deepEqual(
        bed.proxies[0]?.endpointStates().map(({ activeRequests }) => activeRequests),
        [0],
      )
    })
  })
}
