import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { StreamBed, UdpClient, UdpServer } from '../support/streams.ts'
import { until } from '../support/until.ts'
import type { StreamBackendSketch, StreamSketch } from '../support/streams.ts'
import { freePort } from '../support/ports.ts'

const host = 'Gateway test/l4/udp'

function sketchOf(
  to: Readonly<Record<string, number>>,
  backends: Readonly<Record<string, StreamBackendSketch>>,
): StreamSketch {
  return {
    listeners: { udp: { protocol: 'UDP', hosts: [{ id: host }] } },
    routes: [{ kind: 'UDPRoute', on: host, to }],
    backends,
  }
}

const says = (name: string) => (): readonly Buffer[] => [Buffer.from(name)]
const echo = (datagram: Buffer): readonly Buffer[] => [datagram]
const labels = { virtual_host: host, route: 'UDPRoute test/route-0', backend: 'dns:1' }

describe('UDP', { timeout: 60_000 }, () => {
  it('datagrams stay what they are: none merged, cut or left out, empty and large ones too', async () => {
    await using server = await UdpServer.start(datagram => [datagram, Buffer.from(String(datagram.length))])
    await using bed = await StreamBed.start(sketchOf({ 'dns:1': 1 }, { 'dns:1': { ports: [server.port] } }))
    await using client = await UdpClient.open(bed.port())
    const sizes = [1, 0, 512, 1_472, 9_000, 60_000, 2, 2]
    for (const size of sizes) {
      const before = client.answers.length
      client.send(Buffer.alloc(size, size % 251))
      await until(() => client.answers.length === before + 2)
    }
    const seen = client.answers.filter((_, at) => at % 2 === 0).map(answer => answer.length)
    assert.deepEqual(seen, sizes)
    const told = client.answers.filter((_, at) => at % 2 === 1).map(answer => Number(answer.toString()))
    assert.deepEqual(told, sizes)
    assert.equal(server.peers.size, 1)
    assert.equal(bed.counter('heddle_stream_sessions_total', labels), 1)
  })

  it('a burst before the socket to the endpoint stands is not lost', async () => {
    await using server = await UdpServer.start(echo)
    await using bed = await StreamBed.start(sketchOf({ 'dns:1': 1 }, { 'dns:1': { ports: [server.port] } }))
    await using client = await UdpClient.open(bed.port())
    for (let i = 0; i < 10; i++) client.send(`n${i}`)
    await until(() => client.answers.length === 10)
    assert.deepEqual(
      client.answers.map(String),
      Array.from({ length: 10 }, (_, i) => `n${i}`),
    )
  })

  it('sessions are shared by weight', async () => {
    await using a = await UdpServer.start(says('a'))
    await using b = await UdpServer.start(says('b'))
    const backends = { 'a:1': { ports: [a.port] }, 'b:1': { ports: [b.port] } }
    await using bed = await StreamBed.start(sketchOf({ 'a:1': 3, 'b:1': 1 }, backends))
    let ofB = 0
    for (let i = 0; i < 200; i++) {
      await using client = await UdpClient.open(bed.port())
      const answer = await client.ask('x')
      assert.equal(await client.ask('y'), answer, 'a session stays with its endpoint')
      if (answer === 'b') ofB++
    }
    // Five standard deviations of a share of a quarter.
    assert.ok(Math.abs(ofB - 50) < 31, `b got ${ofB}`)
  })

  it('a session ends when neither side says anything, and is told once', async () => {
    await using server = await UdpServer.start(echo)
    const backend = { ports: [server.port], settings: { streamIdleTimeoutMs: 500 } }
    await using bed = await StreamBed.start(sketchOf({ 'dns:1': 1 }, { 'dns:1': backend }))
    await using client = await UdpClient.open(bed.port())
    await client.ask('hello')
    const [record] = await bed.logged(1)
    assert.deepEqual(
      [record?.method, record?.requestBytes, record?.responseBytes, record?.flags, record?.backend],
      ['UDP', 5, 5, '-', 'dns:1'],
    )
    assert.equal(bed.gauge('heddle_upstream_connections', { backend: 'dns:1' }), 0)
    await client.ask('again')
    assert.equal(server.peers.size, 2)
  })

  it('nobody listens there: the session ends, counts against the endpoint, and another endpoint serves the next', async () => {
    await using server = await UdpServer.start(says('alive'))
    const dead = await freePort()
    const settings = { loadBalancing: { kind: 'RoundRobin' } as const }
    await using bed = await StreamBed.start(
      sketchOf({ 'dns:1': 1 }, { 'dns:1': { ports: [dead, server.port], settings } }),
    )
    await using client = await UdpClient.open(bed.port())
    client.send('x')
    await until(() => client.answers.length > 0 || bed.log.length > 0)
    client.send('y')
    await until(() => client.answers.length > 0)
    await using other = await UdpClient.open(bed.port())
    other.send('x')
    await until(() => other.answers.length > 0 || bed.log.length > 0)
    const [record] = await bed.logged(1)
    assert.deepEqual([record?.flags, record?.endpoint], ['UF', `127.0.0.1:${dead}`])
    assert.equal(bed.counter('heddle_upstream_connect_failures_total', { backend: 'dns:1' }), 1)
  })

  it('an endpoint that goes takes its sessions along, and the next datagram finds another', async () => {
    await using a = await UdpServer.start(says('a'))
    await using b = await UdpServer.start(says('b'))
    const sketch = (port: number): StreamSketch => sketchOf({ 'dns:1': 1 }, { 'dns:1': { ports: [port] } })
    await using bed = await StreamBed.start(sketch(a.port))
    await using client = await UdpClient.open(bed.port())
    assert.equal(await client.ask('x'), 'a')
    await bed.apply(sketch(b.port))
    await bed.logged(1)
    assert.equal(await client.ask('x'), 'b')
  })

  it('sessions are bounded: silent ones make room, busy ones do not', async () => {
    await using server = await UdpServer.start(echo)
    await using bed = await StreamBed.start(sketchOf({ 'dns:1': 1 }, { 'dns:1': { ports: [server.port] } }), {
      limits: { maxUdpSessions: 2 },
    })
    const listener = `127.0.0.1:${bed.port()}/udp`
    await using first = await UdpClient.open(bed.port())
    await using second = await UdpClient.open(bed.port())
    await using third = await UdpClient.open(bed.port())
    await first.ask('1')
    await second.ask('2')
    third.send('3')
    await until(() => bed.counter('heddle_udp_dropped_total', { listener, reason: 'sessions' }) === 1)
    assert.equal(third.answers.length, 0)
    const start = performance.now()
    while (performance.now() < start + 1_100) await second.ask('again')
    assert.equal(await third.ask('3'), '3')
    assert.equal(bed.gauge('heddle_downstream_connections', { listener }), 2)
    const before = server.peers.size
    await second.ask('still')
    assert.equal(server.peers.size, before, 'the busy session is the one that stayed')
  })

  it('the circuit breaker of the backend bounds them, too', async () => {
    await using server = await UdpServer.start(echo)
    const circuitBreaker = {
      maxConnections: 1,
      maxPending: 1,
      maxRequests: 1,
      retryBudgetPercent: 20,
      minRetryConcurrency: 3,
    }
    const backend = { ports: [server.port], settings: { circuitBreaker } }
    await using bed = await StreamBed.start(sketchOf({ 'dns:1': 1 }, { 'dns:1': backend }))
    await using first = await UdpClient.open(bed.port())
    await using second = await UdpClient.open(bed.port())
    await first.ask('1')
    second.send('2')
    await until(() => bed.counter('heddle_stream_refused_total', { virtual_host: host, reason: 'overloaded' }) === 1)
  })

  it('several workers share a port, and none takes over the session of another', async () => {
    await using server = await UdpServer.start(echo)
    await using bed = await StreamBed.start(sketchOf({ 'dns:1': 1 }, { 'dns:1': { ports: [server.port] } }), {
      workers: 4,
    })
    const clients = await Promise.all(Array.from({ length: 40 }, () => UdpClient.open(bed.port())))
    for (let round = 0; round < 5; round++) {
      await Promise.all(clients.map(async (client, at) => assert.equal(await client.ask(`${at}`), `${at}`)))
    }
    assert.equal(server.peers.size, 40, 'one socket to the endpoint for each client')
    const busy = bed.proxies.filter(proxy => proxy.endpointStates().some(({ activeRequests }) => activeRequests > 0))
    assert.ok(busy.length > 1, 'the kernel dealt them out')
    for (const client of clients) await client[Symbol.asyncDispose]()
  })

  it('a listener that goes answers what is under way, begins nothing, and leaves nothing', async () => {
    let answer: (() => void) | undefined
    await using server = await UdpServer.start(() => [])
    server.socket.on('message', (_, from) => {
      answer = () => server.socket.send('late', from.port, from.address)
    })
    const sketch = sketchOf({ 'dns:1': 1 }, { 'dns:1': { ports: [server.port] } })
    await using bed = await StreamBed.start(sketch, { limits: { lingerMs: 400 } })
    await using client = await UdpClient.open(bed.port())
    client.send('x')
    await until(() => answer !== undefined)
    await bed.apply({ ...sketch, listeners: {} })
    answer?.()
    await until(() => client.answers.length === 1)
    await using stranger = await UdpClient.open(bed.port())
    stranger.send('x')
    await bed.logged(1)
    assert.equal(stranger.answers.length, 0)
    assert.equal(server.received, 1)
    assert.equal(bed.gauge('heddle_upstream_connections', { backend: 'dns:1' }), 0)
  })

  for (const [what, to, reason] of [
    ['all weights are zero', { 'dns:1': 0 }, 'no-backend'],
    ['the reference can not be used', { 'gone:1': 1 }, 'invalid-backend'],
    ['the backend has no endpoint', { 'empty:1': 1 }, 'no-endpoint'],
  ] as const) {
    it(`${what}: datagrams are dropped as ${reason}`, async () => {
      const backends = { 'dns:1': { ports: [1] }, 'empty:1': { ports: [] } }
      await using bed = await StreamBed.start(sketchOf(to, backends))
      await using client = await UdpClient.open(bed.port())
      client.send('x')
      await until(() => bed.counter('heddle_stream_refused_total', { virtual_host: host, reason }) === 1)
    })
  }
})
