/** Clients and endpoints that stop in the middle of a TLS handshake. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { after, before, describe, it } from 'node:test'
import tls from 'node:tls'
import { ManualClock, silentLogger, systemClock } from '../../src/core/index.ts'
import type { Listener } from '../../src/model/index.ts'
import { MetricRegistry } from '../../src/observe/index.ts'
import type { Connection, TlsLibrary } from '../../src/proxy/index.ts'
import { defaultLimits } from '../../src/proxy/limits.ts'
import { TicketKeys } from '../../src/proxy/listeners/ticket-keys.ts'
import { TlsServer } from '../../src/proxy/listeners/tls-server.ts'
import { TimerWheel } from '../../src/proxy/resilience/timer-wheel.ts'
import { NodeTls } from '../../src/proxy/transport/node-tls.ts'
import { TestAuthority } from '../support/certificates.ts'
import type { PemPair } from '../support/certificates.ts'
import { openNative } from '../support/proxy.ts'
import { StreamBed, TcpServer } from '../support/streams.ts'
import { until } from '../support/until.ts'
import { tlsTo } from '../support/backend-tls.ts'

let authority: TestAuthority
let pair: PemPair
before(() => {
  authority = new TestAuthority()
  pair = authority.issue({ names: ['a.example'] })
})
after(() => authority[Symbol.dispose]())

interface Library extends Disposable {
  readonly library: TlsLibrary
}

const libraries: Record<'native' | 'node', () => Library> = {
  native: () => {
    const { transport, tls: library } = openNative()
    const dispose = (): void => {
      transport[Symbol.dispose]()
      library[Symbol.dispose]()
    }
    return { library, [Symbol.dispose]: dispose }
  },
  node: () => ({ library: new NodeTls(16_384), [Symbol.dispose]: () => {} }),
}

/** What a client sends first, and by that version alone. */
async function recordHello(maxVersion: 'TLSv1.2' | 'TLSv1.3'): Promise<Buffer> {
  const { promise, resolve } = Promise.withResolvers<Buffer>()
  await using server = await TcpServer.start(socket => void socket.once('data', resolve))
  const client = tls.connect({ host: '127.0.0.1', port: server.port, servername: 'a.example', maxVersion })
  client.on('error', () => {})
  const hello = await promise
  client.destroy()
  return hello
}

/** Bytes before a client stops, and whether the server has answered by then. */
const stalls: readonly (readonly [what: string, bytes: () => Promise<Buffer>, isAnswered: boolean])[] = [
  ['before its first byte', async () => Buffer.alloc(0), false],
  ['in the middle of its hello', async () => (await recordHello('TLSv1.3')).subarray(0, 50), false],
  ['when the server has said all that it says, by TLS 1.3', () => recordHello('TLSv1.3'), true],
  ['when the server has said its first part, by TLS 1.2', () => recordHello('TLSv1.2'), true],
]

for (const kind of ['native', 'node'] as const) {
  describe(`a handshake that stops, TLS of kind ${kind}`, { timeout: 30_000 }, () => {
    for (const [what, record, isAnswered] of stalls) {
      it(`a client that stops ${what} is cut when its time is over, not before, and makes room`, async () => {
        using opened = libraries[kind]()
        const { library } = opened
        const clock = new ManualClock()
        using timers = new TimerWheel(clock)
        const meter = new MetricRegistry()
        const ticketKeys = new TicketKeys()
        const limits = { ...defaultLimits, handshakeTimeoutMs: 10_000, maxHandshakes: 1 }
        const options = { tls: library, limits, meter, logger: silentLogger, ticketKeys, timers }
        using server = new TlsServer(listenerWith(pair), options)
        let notSecured = 0
        const secured = Promise.withResolvers<Connection>()
        const listening = await library.transport.listen({
          address: '127.0.0.1',
          port: 0,
          onConnection: connection =>
            server.accept(connection, { secured: secured.resolve, notSecured: () => notSecured++ }),
          onError: error => assert.fail(error),
        })
        const bytes = await record()
        const client = net.connect(listening.port, '127.0.0.1').on('error', () => {})
        client.write(bytes)
        if (isAnswered) await once(client, 'data')
        await until(() => server.underWay === 1)
        client.resume()
        const closed = new Promise(resolve => client.once('close', resolve))
        clock.advance(9_900)
        assert.deepEqual([server.underWay, notSecured], [1, 0])
        clock.advance(200)
        assert.deepEqual([server.underWay, notSecured], [0, 1])
        await closed
        const counted = meter.counter('heddle_tls_handshakes_total', {
          listener: 'l',
          result: 'timeout',
          version: '',
          resumed: 'false',
        })
        assert.equal(counted.value, 1)
        // There was room for one.
        const next = tls.connect({
          host: '127.0.0.1',
          port: listening.port,
          servername: 'a.example',
          ca: authority.certificate,
        })
        next.on('error', () => {})
        await once(next, 'secureConnect')
        const connection = await secured.promise
        connection.destroy()
        next.destroy()
        listening.close()
      })
    }

    it('an endpoint that says nothing to our hello is given up after connectTimeout', async () => {
      await using deaf = await TcpServer.start(socket => void socket.resume())
      const host = 'Gateway test/l4/tcp'
      const policy = tlsTo('a.example', authority)
      const sketch = {
        listeners: { tcp: { protocol: 'TCP' as const, hosts: [{ id: host }] } },
        routes: [{ on: host, to: { 'db:1': 1 } }],
        backends: { 'db:1': { ports: [deaf.port], settings: { connectTimeoutMs: 100 }, tls: policy } },
      }
      await using bed = await StreamBed.start(sketch, { transport: kind })
      const started = systemClock.nowMs()
      const client = net.connect(bed.port(), '127.0.0.1').on('error', () => {})
      await new Promise(resolve => client.once('close', resolve))
      const [logged] = await bed.logged(1)
      assert.equal(logged?.reason, 'connect-timeout')
      assert.ok(systemClock.nowMs() - started < 10_000)
    })
  })
}

function listenerWith({ chain, key }: PemPair): Listener {
  const host = { id: 'h', hostname: 'a.example', tls: undefined, clientCertificate: undefined }
  return {
    id: 'l',
    address: '127.0.0.1',
    port: 0,
    kind: 'gateway',
    protocol: 'HTTPS',
    virtualHosts: [{ ...host, certificates: [{ name: 'a', chain, key }] }],
  }
}
