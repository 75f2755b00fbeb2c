import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import http2 from 'node:http2'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { suite, test } from 'node:test'
import tls from 'node:tls'
import { TestAuthority } from '../support/certificates.ts'
import { ask, contentOf, Http2Server } from '../support/http2-server.ts'
import { TestNghttpd } from '../support/nghttpd.ts'
import { TestNginx } from '../support/nginx.ts'
import { startProxy } from '../support/proxy.ts'
import type { BackendSketch, TestProxy } from '../support/proxy.ts'
import { freePort } from '../support/ports.ts'
import { tlsTo } from '../support/backend-tls.ts'

async function proxyFor(backend: BackendSketch): Promise<TestProxy> {
  return startProxy({ rules: [{ backends: ['a:80'] }], backends: { 'a:80': { protocol: 'h2c', ...backend } } })
}

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

const content = randomBytes(10 * 1024 * 1024)

/** What any endpoint that serves `/small` and `/large` must show through the proxy. */
async function checkFiles(proxy: TestProxy): Promise<void> {
  const small = await ask(proxy.port, { path: '/small' })
  assert.equal(small.status, 200)
  assert.equal(small.body.toString(), 'small')
  const agent = new http.Agent({ keepAlive: true, maxSockets: 50 })
  const many = await Promise.all(Array.from({ length: 500 }, async () => ask(proxy.port, { path: '/small', agent })))
  agent.destroy()
  assert.deepEqual(new Set(many.map(({ body }) => body.toString())), new Set(['small']))
  const large = await ask(proxy.port, { path: '/large' })
  assert.equal(digest(large.body), digest(content))
  assert.equal((await ask(proxy.port, { path: '/none' })).status, 404)
  const head = await ask(proxy.port, { path: '/large', method: 'HEAD' })
  assert.equal(head.headers['content-length'], `${content.length}`)
}

function fill(directory: string): void {
  writeFileSync(path.join(directory, 'small'), 'small')
  writeFileSync(path.join(directory, 'large'), content)
}

suite('nghttpd behind the proxy', () => {
  for (const [name, args] of [
    ['as it is', []],
    ['with padding', ['--padding=200']],
    ['with one stream at a time', ['--max-concurrent-streams=1']],
    ['with small tables of fields', ['--header-table-size=64', '--encoder-header-table-size=64']],
    ['with small windows', ['--window-bits=12', '--connection-window-bits=16']],
  ] as const) {
    test(`${name}: small and large answers, 10 MB sent back`, async () => {
      await using server = await TestNghttpd.start('--no-tls', ...args)
      fill(server.directory)
      await using proxy = await proxyFor({ ports: [server.port] })
      await checkFiles(proxy)
      const uploads = [{ 'content-length': content.length }, { 'transfer-encoding': 'chunked' }]
      for (const headers of uploads) {
        const told = await ask(proxy.port, { method: 'POST', headers, body: content })
        assert.equal(digest(told.body), digest(content))
      }
    })
  }

  test('killed and replaced: what comes after goes to the new one', async () => {
    const first = await TestNghttpd.start('--no-tls')
    fill(first.directory)
    await using proxy = await proxyFor({ ports: [first.port] })
    assert.equal((await ask(proxy.port, { path: '/small' })).status, 200)
    await first[Symbol.asyncDispose]()
    await using second = await TestNghttpd.start('--no-tls')
    fill(second.directory)
    const backends = { 'a:80': { ports: [second.port], protocol: 'h2c' } } as const
    await proxy.apply({ rules: [{ backends: ['a:80'] }], backends })
    assert.equal((await ask(proxy.port, { path: '/small' })).status, 200)
  })
})

test('nginx by HTTP/2 behind the proxy', async () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'heddle-files-'))
  fill(directory)
  const port = await freePort()
  // Few requests for each connection: it says GOAWAY again and again.
  const configuration = `server { listen 127.0.0.1:${port} http2; root ${directory}; keepalive_requests 20; }`
  {
    await using _nginx = await TestNginx.start(configuration, port)
    await using proxy = await proxyFor({ ports: [port] })
    await checkFiles(proxy)
  }
  rmSync(directory, { recursive: true })
})

suite('an endpoint by HTTP/2 over TLS', () => {
  test('is agreed upon by ALPN and verified; bodies and trailers go both ways', async () => {
    using authority = new TestAuthority()
    const pair = authority.issue({ names: ['shop.example'] })
    let scheme: string | undefined
    await using server = await Http2Server.start(
      (stream, headers) => {
        scheme = headers[':scheme']
        void contentOf(stream).then(received => {
          stream.respond({ ':status': 200, 'x-digest': digest(received) }, { waitForTrailers: true })
          stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '42' }))
          stream.end(content)
        })
      },
      { tls: pair },
    )
    await using proxy = await proxyFor({ ports: [server.port], tls: tlsTo('shop.example', authority) })
    const told = await ask(proxy.port, { method: 'POST', body: content })
    assert.equal(told.headers['x-digest'], digest(content))
    assert.equal(digest(told.body), digest(content))
    assert.deepEqual({ ...told.trailers }, { 'x-sum': '42' })
    assert.equal(scheme, 'https')
  })

  test('of nghttpd', async () => {
    using authority = new TestAuthority()
    const { chain, key } = authority.issueFiles({ names: ['shop.example'] })
    await using server = await TestNghttpd.start(key, chain)
    fill(server.directory)
    await using proxy = await proxyFor({ ports: [server.port], tls: tlsTo('shop.example', authority) })
    await checkFiles(proxy)
  })

  test('that is another server: nothing is sent', async () => {
    using authority = new TestAuthority()
    const pair = authority.issue({ names: ['other.example'] })
    await using server = await Http2Server.start(() => {}, { tls: pair })
    await using proxy = await proxyFor({ ports: [server.port], tls: tlsTo('shop.example', authority) })
    const told = await ask(proxy.port)
    assert.equal(told.headers['x-heddle-reason'], 'upstream-tls-failed')
    assert.equal(server.streams, 0)
  })

  test('that offers HTTP/1.1 alone', async () => {
    using authority = new TestAuthority()
    const { chain, key } = authority.issue({ names: ['shop.example'] })
    for (const ALPNProtocols of [undefined, ['http/1.1']]) {
      const server = tls.createServer({ cert: chain, key, ...(ALPNProtocols === undefined ? {} : { ALPNProtocols }) })
      server.on('tlsClientError', () => {})
      server.on('secureConnection', socket => socket.on('error', () => {}).resume())
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      {
        const { port } = server.address() as AddressInfo
        await using proxy = await proxyFor({ ports: [port], tls: tlsTo('shop.example', authority) })
        assert.equal((await ask(proxy.port)).headers['x-heddle-reason'], 'upstream-tls-failed')
      }
      await new Promise(resolve => server.close(resolve))
    }
  })

  test('whose policy changes: requests go on by the new one', async () => {
    using authority = new TestAuthority()
    using other = new TestAuthority('another authority')
    const pair = authority.issue({ names: ['shop.example'] })
    await using server = await Http2Server.start(
      stream => {
        stream.respond({ ':status': 200 })
        stream.end()
      },
      { tls: pair },
    )
    const backend = { ports: [server.port], protocol: 'h2c' } as const
    const rules = [{ backends: ['a:80'] }]
    await using proxy = await proxyFor({ ...backend, tls: tlsTo('shop.example', authority) })
    assert.equal((await ask(proxy.port)).status, 200)
    await proxy.apply({ rules, backends: { 'a:80': { ...backend, tls: tlsTo('shop.example', other) } } })
    assert.equal((await ask(proxy.port)).headers['x-heddle-reason'], 'upstream-tls-failed')
    await proxy.apply({ rules, backends: { 'a:80': { ...backend, tls: tlsTo('shop.example', authority) } } })
    assert.equal((await ask(proxy.port)).status, 200)
    assert.equal(server.connections, 2)
  })
})

suite('mirrors', () => {
  for (const [main, copy] of [
    ['http1', 'h2c'],
    ['h2c', 'http1'],
    ['h2c', 'h2c'],
  ] as const) {
    for (const headers of [{ 'content-length': 7 }, { 'transfer-encoding': 'chunked' }]) {
      const framing = Object.keys(headers)[0]
      test(`of a request to an endpoint by ${main}, ${framing}, to one by ${copy}`, async () => {
        const seen: string[] = []
        const copied = Promise.withResolvers<void>()
        const note = (who: string, method: string | undefined, target: string | undefined, body: string): void => {
          seen.push(`${who} ${method} ${target} ${body}`)
          if (who === 'copy') copied.resolve()
        }
        const open = async (who: string): Promise<{ h1: http.Server; h2: Http2Server }> => {
          const h1 = http.createServer((request, response) => {
            let body = ''
            request.on('data', piece => (body += String(piece)))
            request.on('end', () => {
              note(who, request.method, `${request.headers.host}${request.url}`, body)
              response.end('h1')
            })
          })
          h1.listen(0, '127.0.0.1')
          await once(h1, 'listening')
          const h2 = await Http2Server.start((stream, fields) => {
            void contentOf(stream).then(body => {
              note(who, fields[':method'], `${fields[':authority']}${fields[':path']}`, body.toString())
              stream.respond({ ':status': 200 })
              stream.end('h2')
            })
          })
          return { h1, h2 }
        }
        const [a, b] = [await open('main'), await open('copy')]
        const portOf = ({ h1, h2 }: typeof a, protocol: 'http1' | 'h2c'): number =>
          protocol === 'h2c' ? h2.port : (h1.address() as AddressInfo).port
        const proxy = await startProxy({
          rules: [
            {
              backends: ['a:80'],
              filters: [{ kind: 'mirror', target: { kind: 'backend', key: 'b:80' }, fraction: 1 }],
            },
          ],
          backends: {
            'a:80': { ports: [portOf(a, main)], protocol: main },
            'b:80': { ports: [portOf(b, copy)], protocol: copy },
          },
        })
        await ask(proxy.port, {
          method: 'PUT',
          path: '/x?y',
          headers: { host: 'shop', ...headers },
          body: ['pay', 'load'],
        })
        await copied.promise
        assert.deepEqual(seen.toSorted(), ['copy PUT shop/x?y payload', 'main PUT shop/x?y payload'])
        await proxy[Symbol.asyncDispose]()
        for (const { h1, h2 } of [a, b]) {
          h1.closeAllConnections()
          h1.close()
          await h2[Symbol.asyncDispose]()
        }
      })
    }
  }
})

suite('trailers of an answer by HTTP/2 whose length is told', () => {
  const bodies = ['', 'five!']
  const serve = (stream: http2.ServerHttp2Stream, body: string): void => {
    stream.respond({ ':status': 200, 'content-length': body.length }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '42' }))
    stream.end(body)
  }

  for (const body of bodies) {
    test(`${body.length}: they reach a client by HTTP/2`, async () => {
      await using server = await Http2Server.start(stream => serve(stream, body))
      await using proxy = await proxyFor({ ports: [server.port] })
      const session = http2.connect(`http://127.0.0.1:${proxy.port}`)
      const request = session.request({ ':path': '/' })
      const trailers = once(request, 'trailers') as Promise<[http2.IncomingHttpHeaders]>
      const [head] = (await once(request, 'response')) as [http2.IncomingHttpHeaders]
      const pieces: Buffer[] = []
      for await (const piece of request) pieces.push(piece as Buffer)
      session.close()
      assert.equal(head['content-length'], String(body.length))
      assert.equal(Buffer.concat(pieces).toString(), body)
      assert.equal((await trailers)[0]['x-sum'], '42')
    })

    test(`${body.length}: a client by HTTP/1.1 gets the answer without them, and keeps its connection`, async () => {
      await using server = await Http2Server.start(stream => serve(stream, body))
      await using proxy = await proxyFor({ ports: [server.port] })
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
      for (let round = 0; round < 2; round++) {
        const told = await ask(proxy.port, { agent })
        assert.deepEqual([told.status, told.body.toString(), { ...told.trailers }], [200, body, {}])
        assert.equal(told.headers['content-length'], String(body.length))
      }
      assert.equal(Object.values(agent.freeSockets).flat().length, 1)
      agent.destroy()
    })
  }
})
