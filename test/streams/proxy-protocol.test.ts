import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import tls from 'node:tls'
import { encodeProxyHeader, parseProxyHeader } from '../../src/codec/index.ts'
import { defaultTlsParameters } from '../../src/model/index.ts'
import type { BackendTls } from '../../src/model/index.ts'
import { TestAuthority } from '../support/certificates.ts'
import { startProxy } from '../support/proxy.ts'
import { RawClient, RawServer } from '../support/raw.ts'
import { named, StreamBed, TcpServer } from '../support/streams.ts'
import type { ListenerSketch, StreamSketch } from '../support/streams.ts'
import { freePort } from '../support/ports.ts'

const host = 'Gateway test/l4/tcp'
const addresses = {
  source: { address: '192.0.2.7', port: 4711 },
  destination: { address: '192.0.2.1', port: 5432 },
}

function sketchOf(port: number, listener: Partial<ListenerSketch>, version?: 'v1' | 'v2'): StreamSketch {
  const settings = version === undefined ? {} : { proxyProtocol: version }
  return {
    listeners: { tcp: { protocol: 'TCP', hosts: [{ id: host }], ...listener } },
    routes: [{ on: host, to: { 'db:1': 1 } }],
    backends: { 'db:1': { ports: [port], settings } },
  }
}

for (const transport of ['native', 'node'] as const) {
  describe(`the PROXY protocol over ${transport} sockets`, { timeout: 60_000 }, () => {
    for (const version of ['v1', 'v2'] as const) {
      it(`${version} before a connection tells who the client is, however it is cut`, async () => {
        await using server = await TcpServer.start(named('one'))
        await using bed = await StreamBed.start(sketchOf(server.port, { proxyProtocol: true }), { transport })
        const bytes = Buffer.concat([encodeProxyHeader(version, addresses), Buffer.from('hello')])
        const cuts = Array.from({ length: bytes.length }, (_, at) => at)
        await Promise.all(
          cuts.map(async cut => {
            await using client = await RawClient.open(bed.port())
            client.write(bytes.subarray(0, cut))
            if (cut > 0) await new Promise(resolve => setTimeout(resolve, 5))
            client.write(bytes.subarray(cut))
            assert.equal(await client.receive(text => text.includes('hello')), 'one\nhello', `cut at ${cut}`)
          }),
        )
        const records = await bed.logged(cuts.length)
        assert.deepEqual(new Set(records.map(({ client }) => client)), new Set(['192.0.2.7:4711']))
        assert.deepEqual(new Set(records.map(({ requestBytes }) => requestBytes)), new Set([5]))
      })

      it(`${version} goes on to an endpoint that wants it`, async () => {
        const { promise, resolve } = Promise.withResolvers<Buffer>()
        await using server = await TcpServer.start(socket => socket.once('data', chunk => resolve(Buffer.from(chunk))))
        await using bed = await StreamBed.start(sketchOf(server.port, { proxyProtocol: true }, version), { transport })
        await using client = await RawClient.open(bed.port())
        client.write(encodeProxyHeader('v2', addresses))
        const bytes = await promise
        const header = parseProxyHeader(bytes, bytes.length)
        assert.deepEqual(header, {
          kind: 'header',
          version: version === 'v1' ? 1 : 2,
          length: bytes.length,
          addresses,
        })
      })

      it(`${version} is sent before a server speaks, with the client's own address`, async () => {
        const { promise, resolve } = Promise.withResolvers<Buffer>()
        await using server = await TcpServer.start(socket => socket.once('data', chunk => resolve(Buffer.from(chunk))))
        await using bed = await StreamBed.start(sketchOf(server.port, {}, version), { transport })
        await using client = await RawClient.open(bed.port())
        const bytes = await promise
        const header = parseProxyHeader(bytes, bytes.length)
        assert.ok(header.kind === 'header')
        assert.deepEqual(header.addresses, {
          source: { address: '127.0.0.1', port: client.socket.localPort },
          destination: { address: '127.0.0.1', port: bed.port() },
        })
      })
    }

    for (const [what, bytes, reason] of [
      ['no header', 'GET / HTTP/1.1\r\n\r\n', 'bad-request'],
      ['a header with an address that is none', 'PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n', 'bad-request'],
      ['half a header and silence', 'PROXY TCP4 ', 'request-timeout'],
      ['silence', '', 'request-timeout'],
    ] as const) {
      it(`${what} where one is required: refused as ${reason}`, async () => {
        const limits = { handshakeTimeoutMs: 300 }
        await using bed = await StreamBed.start(sketchOf(1, { proxyProtocol: true }), { transport, limits })
        await using client = await RawClient.open(bed.port())
        if (bytes !== '') client.write(bytes)
        await client.receiveAll()
        assert.equal((await bed.logged(1))[0]?.reason, reason)
      })
    }

    it('goes to the endpoint before its TLS, and a failure to connect is one of connecting', async () => {
      using authority = new TestAuthority()
      const { chain, key } = authority.issue({ names: ['db.example'] })
      const seen: (readonly [string, number])[] = []
      const secureContext = tls.createSecureContext({ cert: chain, key })
      await using server = await TcpServer.start(socket => {
        socket.once('data', data => {
          const chunk = Buffer.from(data)
          const header = parseProxyHeader(chunk, chunk.length)
          if (header.kind !== 'header' || header.addresses === undefined) return socket.destroy()
          seen.push([header.addresses.source.address, header.addresses.source.port])
          socket.pause()
          socket.unshift(chunk.subarray(header.length))
          const secured = new tls.TLSSocket(socket, { isServer: true, secureContext })
          secured.on('error', () => {})
          secured.write('inner\n')
          return secured
        })
      })
      const names = [{ kind: 'dns', value: 'db.example' }] as const
      const policy: BackendTls = {
        ...defaultTlsParameters,
        kind: 'valid',
        serverName: 'db.example',
        names,
        authorities: authority.certificate,
      }
      const sketch = (port: number): StreamSketch => {
        const plain = sketchOf(port, {}, 'v2')
        const settings = { proxyProtocol: 'v2' } as const
        return { ...plain, backends: { 'db:1': { ports: [port], settings, tls: policy } } }
      }
      await using bed = await StreamBed.start(sketch(server.port), { transport })
      await using client = await RawClient.open(bed.port())
      assert.equal(await client.receive(text => text.endsWith('\n')), 'inner\n')
      assert.deepEqual(seen, [['127.0.0.1', client.socket.localPort]])
      await bed.apply(sketch(await freePort()))
      await using other = await RawClient.open(bed.port())
      await other.receiveAll()
      assert.equal((await bed.logged(1))[0]?.reason, 'connect-failed')
    })

    it('before HTTP it tells the client of the log', async () => {
      await using bed = await StreamBed.start(sketchOf(1, { protocol: 'HTTP', proxyProtocol: true }), { transport })
      await using client = await RawClient.open(bed.port())
      const request = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
      client.write(Buffer.concat([encodeProxyHeader('v1', addresses), Buffer.from(request)]))
      await client.receive(text => text.includes('404'))
      client.write(request)
      await client.receive(text => text.split('404').length === 3)
      const records = await bed.logged(2)
      assert.deepEqual(
        records.map(record => record.client),
        ['192.0.2.7:4711', '192.0.2.7:4711'],
      )
    })
  })
}

describe('the PROXY protocol of connections that requests share', () => {
  for (const [version, header] of [
    ['v1', 'PROXY UNKNOWN\r\n'],
    ['v2', '\r\n\r\n\0\r\nQUIT\n\x20\0\0\0'],
  ] as const) {
    it(`${version} says once a connection that it is nobody's`, async () => {
      let first = ''
      await using server = await RawServer.open((socket, received) => {
        if (first === '') first = received
        if (received.endsWith('\r\n\r\n')) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
      })
      let bytes = ''
      await using proxy = await startProxy({
        rules: [{ backends: ['a:80'] }],
        backends: { 'a:80': { ports: [server.port], settings: { proxyProtocol: version } } },
      })
      await using client = await RawClient.open(proxy.port)
      client.write('GET /1 HTTP/1.1\r\nHost: a\r\n\r\n')
      await client.receive(text => text.endsWith('ok'))
      server.connections[0]?.on('data', chunk => (bytes += chunk.toString('latin1')))
      client.write('GET /2 HTTP/1.1\r\nHost: a\r\n\r\n')
      await client.receive(text => text.split('ok').length === 3)
      assert.equal(server.connections.length, 1)
      assert.match(bytes, /^GET \/2 /)
      assert.ok(first.startsWith(`${header}GET /1 `), JSON.stringify(first))
    })
  }
})
