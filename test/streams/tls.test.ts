import assert from 'node:assert/strict'
import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import tls from 'node:tls'
import type { Certificate } from '../../src/model/index.ts'
import { defaultTlsParameters } from '../../src/model/index.ts'
import { TestAuthority } from '../support/certificates.ts'
import { run } from '../support/programs.ts'
import { RawClient } from '../support/raw.ts'
import { named, StreamBed, TcpServer } from '../support/streams.ts'
import { until } from '../support/until.ts'
import type { HostSketch, StreamBackendSketch, StreamRouteSketch, StreamSketch } from '../support/streams.ts'
import { tlsTo } from '../support/backend-tls.ts'

let authority: TestAuthority
let certificate: Certificate

before(() => {
  authority = new TestAuthority()
  const { chain, key } = authority.issue({ names: ['a.example', '*.b.example', 'localhost'] })
  certificate = { name: 'Secret test/web', chain, key }
})
after(() => authority[Symbol.dispose]())

function sketchOf(
  hosts: readonly HostSketch[],
  routes: readonly StreamRouteSketch[],
  backends: Readonly<Record<string, StreamBackendSketch>>,
): StreamSketch {
  return { listeners: { tls: { protocol: 'TLS', hosts } }, routes, backends }
}

/** An endpoint that speaks TLS itself, with a greeting. */
async function tlsServer(name: string): Promise<{ port: number } & AsyncDisposable> {
  const { chain, key } = authority.issue({ names: ['a.example', '*.b.example'] })
  const sockets = new Set<net.Socket>()
  const server = tls.createServer({ cert: chain, key, allowHalfOpen: true }, socket => {
    socket.on('error', () => {})
    named(name)(socket)
  })
  // Those whose handshake never ends, too.
  server.on('connection', (socket: net.Socket) => sockets.add(socket))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>(resolve => server.close(() => resolve()))
    },
  }
}

/** The alert comes while the client reads or writes, with one code or the other. */
function nameOf(error: Error): string {
  if (/unrecognized.name/i.test(error.message)) return 'unrecognized name'
  return 'code' in error ? String(error.code) : error.message
}

/** What the server says first by TLS, or the code of the failure. */
async function ask(port: number, servername: string, options: tls.ConnectionOptions = {}): Promise<string> {
  const socket = tls.connect({ host: '127.0.0.1', port, servername, ca: authority.certificate, ...options })
  const { promise, resolve } = Promise.withResolvers<string>()
  let text = ''
  socket.on('error', error => resolve(nameOf(error)))
  socket.on('close', () => resolve(`closed after ${text}`))
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
    if (text.endsWith('\n')) resolve(text)
  })
  const answer = await promise
  socket.destroy()
  return answer
}

for (const transport of ['native', 'node'] as const) {
  describe(`TLS over ${transport} sockets`, { timeout: 60_000 }, () => {
    it('passes through by server name: exact before wildcard, and unknown names get an alert', async () => {
      await using one = await tlsServer('one')
      await using two = await tlsServer('two')
      const host = 'Gateway test/l4/tls'
      const sketch = sketchOf(
        [{ id: host, tlsMode: 'passthrough' }],
        [
          { kind: 'TLSRoute', on: host, hostnames: ['a.example'], to: { 'one:1': 1 } },
          { kind: 'TLSRoute', on: host, hostnames: ['*.b.example'], to: { 'two:1': 1 } },
          { kind: 'TLSRoute', on: host, hostnames: ['*.b.example', 'c.b.example'], to: { 'one:1': 1 } },
        ],
        { 'one:1': { ports: [one.port] }, 'two:1': { ports: [two.port] } },
      )
      await using bed = await StreamBed.start(sketch, { transport })
      assert.equal(await ask(bed.port(), 'a.example'), 'one\n')
      assert.equal(await ask(bed.port(), 'x.b.example'), 'two\n')
      assert.equal(await ask(bed.port(), 'c.b.example'), 'one\n')
      assert.equal(await ask(bed.port(), 'other.example'), 'unrecognized name')
      assert.equal(await ask(bed.port(), ''), 'unrecognized name')
      const records = await bed.logged(5)
      assert.deepEqual(
        records
          .map(({ authority: name, reason, method }) => [method, name, reason ?? ''])
          .toSorted((a, b) => (a.join() < b.join() ? -1 : 1)),
        [
          ['TLS', '', 'no-route'],
          ['TLS', 'a.example', ''],
          ['TLS', 'c.b.example', ''],
          ['TLS', 'other.example', 'no-route'],
          ['TLS', 'x.b.example', ''],
        ],
      )
    })

    for (const [what, bytes, reason] of [
      ['bytes that are no TLS', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', 'bad-request'],
      ['a client that says nothing', '', 'request-timeout'],
      ['a client that stops in its hello', '\u0016\u0003\u0001\u0002', 'request-timeout'],
    ] as const) {
      it(`${what}: closed within a bound`, async () => {
        const host = 'Gateway test/l4/tls'
        const sketch = sketchOf([{ id: host, tlsMode: 'passthrough' }], [], {})
        await using bed = await StreamBed.start(sketch, { transport, limits: { handshakeTimeoutMs: 300 } })
        await using client = await RawClient.open(bed.port())
        if (bytes !== '') client.write(bytes)
        await client.receiveAll()
        assert.equal((await bed.logged(1))[0]?.reason, reason)
      })
    }

    it('a hello that comes byte by byte is read like any other', async () => {
      await using one = await tlsServer('one')
      const host = 'Gateway test/l4/tls'
      const route: StreamRouteSketch = { kind: 'TLSRoute', on: host, hostnames: ['a.example'], to: { 'one:1': 1 } }
      const sketch = sketchOf([{ id: host, tlsMode: 'passthrough' }], [route], { 'one:1': { ports: [one.port] } })
      await using bed = await StreamBed.start(sketch, { transport })
      // Between client and proxy, each byte a segment of its own.
      await using slow = await TcpServer.start(socket => {
        const onward = net.connect({ host: '127.0.0.1', port: bed.port(), noDelay: true })
        onward.on('error', () => {})
        socket.on('data', chunk => {
          socket.pause()
          void (async () => {
            for (const byte of Buffer.from(chunk))
              await new Promise(resolve => onward.write(Buffer.from([byte]), resolve))
            socket.resume()
          })()
        })
        onward.pipe(socket)
        socket.on('close', () => onward.destroy())
      })
      assert.equal(await ask(slow.port, 'a.example'), 'one\n')
    })

    it('terminates, keeps half-close in both directions, and forwards bytes', async () => {
      await using server = await TcpServer.start(socket => {
        let asked = ''
        socket.on('data', chunk => (asked += chunk.toString()))
        socket.on('end', () => socket.end(`got ${asked}`))
      })
      const host: HostSketch = { id: 'Gateway test/l4/end', tlsMode: 'terminate', certificates: [certificate] }
      const route: StreamRouteSketch = { kind: 'TLSRoute', on: host.id, to: { 'db:1': 1 } }
      await using bed = await StreamBed.start(sketchOf([host], [route], { 'db:1': { ports: [server.port] } }), {
        transport,
      })
      const socket = tls.connect({
        host: '127.0.0.1',
        port: bed.port(),
        servername: 'a.example',
        ca: authority.certificate,
        allowHalfOpen: true,
      } as tls.ConnectionOptions)
      let answer = ''
      socket.setEncoding('utf8').on('data', (chunk: string) => (answer += chunk))
      socket.end('a question')
      await new Promise(resolve => socket.once('end', resolve))
      assert.equal(answer, 'got a question')
      const [record] = await bed.logged(1)
      assert.deepEqual([record?.method, record?.authority, record?.flags], ['TLS', 'a.example', '-'])
      socket.destroy()
    })

    it('agrees by ALPN on what its listener names, and passes that on to an endpoint by TLS', async () => {
      const asked: (string | false | null)[] = []
      const { chain, key } = authority.issue({ names: ['a.example'] })
      const db = tls.createServer({ cert: chain, key, ALPNProtocols: ['postgresql'] }, socket => {
        asked.push(socket.alpnProtocol)
        socket.on('error', () => {}).end('db\n')
      })
      await new Promise<void>(resolve => db.listen(0, '127.0.0.1', resolve))
      const policy = tlsTo('a.example', authority)
      const sketch = (alpn: readonly string[] | undefined): StreamSketch => {
        const end = { ...defaultTlsParameters, alpn, clients: undefined }
        const host: HostSketch = {
          id: 'Gateway test/l4/end',
          tlsMode: 'terminate',
          certificates: [certificate],
          tls: end,
        }
        const backends = { 'db:1': { ports: [(db.address() as AddressInfo).port], tls: policy } }
        return sketchOf([host], [{ kind: 'TLSRoute', on: host.id, to: { 'db:1': 1 } }], backends)
      }
      await using bed = await StreamBed.start(sketch(undefined), { transport })
      const shake = async (...protocols: readonly string[]): Promise<string> => {
        const offer = protocols.length === 0 ? [] : ['-alpn', protocols.join(',')]
        const place = ['-connect', `127.0.0.1:${bed.port()}`, '-servername', 'a.example']
        const { code, out, errors } = await run('openssl', ['s_client', '-ign_eof', ...place, ...offer])
        if (code !== 0) return /no application protocol/i.test(errors) ? 'refused' : errors
        assert.ok(out.includes('db\n'), out)
        return /^ALPN protocol: (\S+)/m.exec(out)?.[1] ?? 'none'
      }
      assert.equal(await shake(), 'none')
      assert.equal(await shake('h2', 'postgresql'), 'none', 'nothing is named: nothing is agreed upon')
      await bed.apply(sketch(['x-db', 'postgresql']))
      assert.equal(await shake(), 'none', 'who asks for nothing is served')
      assert.equal(await shake('h2', 'postgresql'), 'postgresql')
      assert.equal(await shake('h2'), 'refused')
      const records = await bed.logged(4)
      assert.deepEqual(
        records.map(({ tls: agreed, upstreamTls }) => [agreed?.protocol, upstreamTls]),
        ['', '', '', 'postgresql'].map(protocol => [protocol, 'TLSv1.3']),
      )
      assert.deepEqual(asked, [false, false, false, 'postgresql'])
      await new Promise<void>(resolve => db.close(() => resolve()))
    })

    it('one port: HTTPS, termination and passthrough, by server name', async () => {
      await using through = await tlsServer('through')
      await using plain = await TcpServer.start(named('plain'))
      const web = http.createServer((_request, response) => response.end('web'))
      await new Promise<void>(resolve => web.listen(0, '127.0.0.1', resolve))
      const hosts: HostSketch[] = [
        { id: 'Gateway test/l4/web', hostname: 'a.example', tlsMode: 'https', certificates: [certificate] },
        { id: 'Gateway test/l4/end', hostname: 'end.b.example', tlsMode: 'terminate', certificates: [certificate] },
        { id: 'Gateway test/l4/any', tlsMode: 'passthrough' },
      ]
      const sketch = sketchOf(
        hosts,
        [
          { kind: 'TLSRoute', on: 'Gateway test/l4/end', to: { 'plain:1': 1 } },
          { kind: 'TLSRoute', on: 'Gateway test/l4/any', hostnames: ['*.b.example'], to: { 'through:1': 1 } },
        ],
        { 'plain:1': { ports: [plain.port] }, 'through:1': { ports: [through.port] } },
      )
      await using bed = await StreamBed.start(sketch, { transport })
      assert.equal(await ask(bed.port(), 'end.b.example'), 'plain\n')
      assert.equal(await ask(bed.port(), 'x.b.example'), 'through\n')
      const answer = await new Promise<http.IncomingMessage>((resolve, reject) => {
        const options = { host: '127.0.0.1', port: bed.port(), servername: 'a.example', ca: authority.certificate }
        https.get({ ...options, headers: { host: 'a.example' }, agent: false }, resolve).on('error', reject)
      })
      // No HTTPRoute is there: an answer at all says that HTTP was spoken.
      assert.equal(answer.statusCode, 404)
      assert.equal(answer.headers['x-heddle-reason'], 'no-route')
      answer.resume()
      await new Promise<void>(resolve => web.close(() => resolve()))
      await until(() => bed.gauge('heddle_downstream_connections', { listener: `127.0.0.1:${bed.port()}` }) === 0)
    })

    it('goes to the endpoint by TLS where a policy says so, and tells when that fails', async () => {
      await using server = await tlsServer('inner')
      const host = 'Gateway test/l4/tcp'
      const policy = tlsTo('a.example', authority)
      const sketch = (serverName: string): StreamSketch => ({
        listeners: { tcp: { protocol: 'TCP', hosts: [{ id: host }] } },
        routes: [{ on: host, to: { 'db:1': 1 } }],
        backends: {
          'db:1': { ports: [server.port], tls: { ...policy, names: [{ kind: 'dns', value: serverName }] } },
        },
      })
      await using bed = await StreamBed.start(sketch('a.example'), { transport })
      {
        await using client = await RawClient.open(bed.port(), { allowHalfOpen: true })
        assert.equal(await client.receive(text => text.endsWith('\n')), 'inner\n')
        client.socket.end('and on')
        assert.equal(await client.receiveAll(), 'inner\nand on')
      }
      await bed.apply(sketch('other.example'))
      await using client = await RawClient.open(bed.port())
      await client.receiveAll()
      assert.equal((await bed.logged(2))[1]?.reason, 'upstream-tls-failed')
    })

    it('a changed certificate holds for the next handshake, and sessions go on', async () => {
      await using plain = await TcpServer.start(named('plain'))
      const host: HostSketch = { id: 'Gateway test/l4/end', tlsMode: 'terminate', certificates: [certificate] }
      const route: StreamRouteSketch = { kind: 'TLSRoute', on: host.id, to: { 'db:1': 1 } }
      const backends = { 'db:1': { ports: [plain.port] } }
      await using bed = await StreamBed.start(sketchOf([host], [route], backends), { transport })
      const options = { host: '127.0.0.1', port: bed.port(), servername: 'a.example', ca: authority.certificate }
      const old = tls.connect(options)
      await new Promise(resolve => old.once('data', resolve))
      const { chain, key } = authority.issue({ names: ['new.example'] })
      const next = { ...certificate, name: 'Secret test/next', chain, key }
      await bed.apply(sketchOf([{ ...host, certificates: [next] }], [route], backends))
      assert.equal(await ask(bed.port(), 'a.example'), 'ERR_TLS_CERT_ALTNAME_INVALID')
      assert.equal(await ask(bed.port(), 'new.example'), 'plain\n')
      old.write('still')
      const echo = await new Promise<string>(resolve => old.once('data', chunk => resolve(String(chunk))))
      assert.equal(echo, 'still')
      old.destroy()
    })
  })
}
