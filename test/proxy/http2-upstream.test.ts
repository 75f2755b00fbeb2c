import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import type http2 from 'node:http2'
import { suite, test } from 'node:test'
import { ask, contentOf, Http2Server } from '../support/http2-server.ts'
import { startProxy } from '../support/proxy.ts'
import type { BackendSketch, MeshSketch, TestProxy } from '../support/proxy.ts'

function sketch(backend: BackendSketch, rule: Partial<MeshSketch['rules'][number]> = {}): MeshSketch {
  return { rules: [{ backends: ['a:80'], ...rule }], backends: { 'a:80': { protocol: 'h2c', ...backend } } }
}

async function proxyFor(server: Http2Server, rule: Partial<MeshSketch['rules'][number]> = {}): Promise<TestProxy> {
  return startProxy(sketch({ ports: [server.port] }, rule))
}

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

suite('requests by HTTP/1.1 to an endpoint by HTTP/2', () => {
  test('fields arrive in lower case without those of the hop, Host as authority', async () => {
    let seen: http2.IncomingHttpHeaders = {}
    await using server = await Http2Server.start((stream, headers) => {
      seen = headers
      stream.respond({ ':status': 200 }, { endStream: true })
    })
    await using proxy = await proxyFor(server)
    await ask(proxy.port, {
      path: '/x?y=1',
      headers: {
        host: 'Shop.example:8080',
        connection: 'x-nominated, keep-alive, TE',
        'X-Nominated': '1',
        te: 'trailers',
        'X-Mixed-Case': 'Value',
        cookie: 'a=1; b=2',
      },
    })
    assert.equal(seen[':method'], 'GET')
    assert.equal(seen[':scheme'], 'http')
    assert.equal(seen[':authority'], 'Shop.example:8080')
    assert.equal(seen[':path'], '/x?y=1')
    assert.equal(seen.host, undefined)
    assert.equal(seen['x-mixed-case'], 'Value')
    assert.equal(seen['x-nominated'], undefined)
    assert.equal(seen.connection, undefined)
    assert.equal(seen.te, 'trailers')
    assert.equal(seen.cookie, 'a=1; b=2')
    assert.equal(seen['x-forwarded-for'], '127.0.0.1')
    assert.equal(seen['x-forwarded-host'], 'Shop.example:8080')
    assert.match(String(seen['x-request-id']), /^[0-9a-f-]{36}$/)
  })

  test('edits and rewrites of the rule hold', async () => {
    let seen: http2.IncomingHttpHeaders = {}
    await using server = await Http2Server.start((stream, headers) => {
      seen = headers
      stream.respond({ ':status': 200, 'x-old': '1', 'x-joined': 'a', 'set-cookie': 'a=b' }, { endStream: true })
    })
    await using proxy = await proxyFor(server, {
      prefix: '/shop',
      filters: [
        {
          kind: 'request-headers',
          set: [{ name: 'X-Set', value: 'ours' }],
          add: [
            { name: 'X-Joined', value: '2' },
            { name: 'X-New', value: 'n' },
          ],
          remove: ['x-gone'],
        },
        {
          kind: 'response-headers',
          set: [{ name: 'X-Set', value: 's' }],
          add: [
            { name: 'X-Joined', value: 'b' },
            { name: 'Set-Cookie', value: 'c=d' },
          ],
          remove: ['x-old'],
        },
        { kind: 'rewrite', hostname: 'inner.example', path: { kind: 'prefix', value: '/v2' } },
      ],
    })
    const told = await ask(proxy.port, {
      path: '/shop/cart?q',
      headers: { 'x-set': 'theirs', 'x-joined': '1', 'x-gone': '1' },
    })
    assert.equal(seen[':path'], '/v2/cart?q')
    assert.equal(seen[':authority'], 'inner.example')
    assert.equal(seen['x-set'], 'ours')
    assert.equal(seen['x-joined'], '1,2')
    assert.equal(seen['x-new'], 'n')
    assert.equal(seen['x-gone'], undefined)
    assert.equal(told.headers['x-old'], undefined)
    assert.equal(told.headers['x-set'], 's')
    assert.equal(told.headers['x-joined'], 'a,b')
    assert.deepEqual(told.headers['set-cookie'], ['a=b', 'c=d'])
  })

  const bodies: readonly { name: string; headers?: http.OutgoingHttpHeaders; body: string | string[] }[] = [
    { name: 'of a known length', body: 'hello' },
    { name: 'in chunks', headers: { 'transfer-encoding': 'chunked' }, body: ['he', 'l', 'lo'] },
    { name: 'in chunks, empty', headers: { 'transfer-encoding': 'chunked' }, body: [] },
  ]
  for (const { name, headers = {}, body } of bodies) {
    test(`body ${name} arrives as content`, async () => {
      let received = ''
      let seen: http2.IncomingHttpHeaders = {}
      await using server = await Http2Server.start((stream, fields) => {
        seen = fields
        void contentOf(stream).then(content => {
          received = content.toString()
          stream.respond({ ':status': 200 })
          stream.end('done')
        })
      })
      await using proxy = await proxyFor(server)
      const told = await ask(proxy.port, { method: 'POST', headers, body })
      assert.equal(told.body.toString(), 'done')
      assert.equal(received, Array.isArray(body) ? body.join('') : body)
      assert.equal(seen['transfer-encoding'], undefined)
      assert.equal(seen['content-length'], Array.isArray(body) ? undefined : '5')
    })
  }

  test('trailers go both ways', async () => {
    let trailers: http2.IncomingHttpHeaders = {}
    await using server = await Http2Server.start(stream => {
      stream.on('trailers', fields => (trailers = fields))
      stream.resume()
      stream.on('end', () => {
        stream.respond({ ':status': 200, trailer: 'x-sum' }, { waitForTrailers: true })
        stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '42', 'grpc-status': '0' }))
        stream.end('content')
      })
    })
    await using proxy = await proxyFor(server)
    const told = await ask(proxy.port, {
      method: 'POST',
      headers: { trailer: 'X-Checksum', 'transfer-encoding': 'chunked' },
      body: ['abc'],
      trailers: { 'X-Checksum': 'abc' },
    })
    assert.equal(trailers['x-checksum'], 'abc')
    assert.equal(told.body.toString(), 'content')
    assert.deepEqual({ ...told.trailers }, { 'x-sum': '42', 'grpc-status': '0' })
  })

  test('interim answers go on, and 100 lets the client send', async () => {
    await using server = await Http2Server.start((stream, headers) => {
      stream.additionalHeaders({ ':status': 103, link: '</a.css>; rel=preload' })
      assert.equal(headers.expect, '100-continue')
      stream.additionalHeaders({ ':status': 100 })
      void contentOf(stream).then(content => {
        stream.respond({ ':status': 200 })
        stream.end(content)
      })
    })
    await using proxy = await proxyFor(server)
    const request = http.request({
      port: proxy.port,
      method: 'PUT',
      headers: { expect: '100-continue', 'content-length': 5 },
      agent: false,
    })
    const interim: number[] = []
    request.on('information', ({ statusCode }) => interim.push(statusCode))
    request.on('continue', () => request.end('hello'))
    request.flushHeaders()
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    let text = ''
    for await (const piece of response) text += String(piece)
    assert.equal(text, 'hello')
    assert.ok(interim.includes(103))
  })

  test('interim answers that do not end are cut off', async () => {
    await using server = await Http2Server.start(stream => {
      stream.on('error', () => {})
      for (let sent = 0; sent <= 100; sent++) stream.additionalHeaders({ ':status': 103 })
      stream.respond({ ':status': 200 })
      stream.end('late')
    })
    await using proxy = await proxyFor(server)
    const response = await fetch(`http://127.0.0.1:${proxy.port}/`)
    assert.equal(response.status, 502)
    assert.match(await response.text(), /too many interim answers/)
  })
})

suite('answers by HTTP/2 to clients of HTTP/1.1', () => {
  const answers: readonly {
    name: string
    method?: string
    status?: number
    headers?: http2.OutgoingHttpHeaders
    content?: string
    endStream?: boolean
    expected: { body: string; 'content-length'?: string; 'transfer-encoding'?: string }
  }[] = [
    {
      name: 'with a length',
      headers: { 'content-length': 3 },
      content: 'abc',
      expected: { body: 'abc', 'content-length': '3' },
    },
    { name: 'without a length', content: 'abc', expected: { body: 'abc', 'transfer-encoding': 'chunked' } },
    { name: 'that ends with its head', endStream: true, expected: { body: '', 'content-length': '0' } },
    {
      name: 'to HEAD',
      method: 'HEAD',
      headers: { 'content-length': 7 },
      expected: { body: '', 'content-length': '7' },
    },
    { name: 'to HEAD, without a length', method: 'HEAD', expected: { body: '' } },
    { name: '204', status: 204, expected: { body: '' } },
    { name: '304', status: 304, headers: { etag: '"x"' }, expected: { body: '' } },
    { name: '404', status: 404, content: 'no', expected: { body: 'no', 'transfer-encoding': 'chunked' } },
  ]
  for (const row of answers) {
    test(row.name, async () => {
      await using server = await Http2Server.start(stream => {
        stream.respond({ ':status': row.status ?? 200, ...row.headers }, { endStream: row.endStream ?? false })
        if (row.endStream !== true) stream.end(row.content)
      })
      await using proxy = await proxyFor(server)
      const agent = new http.Agent({ keepAlive: true })
      // Twice on one connection: the end of the first must have been found.
      for (let round = 0; round < 2; round++) {
        const told = await ask(proxy.port, { method: row.method ?? 'GET', agent })
        assert.equal(told.status, row.status ?? 200)
        assert.equal(told.body.toString(), row.expected.body)
        assert.equal(told.headers['content-length'], row.expected['content-length'])
        assert.equal(told.headers['transfer-encoding'], row.expected['transfer-encoding'])
      }
      agent.destroy()
      assert.equal(server.connections, 1)
    })
  }

  test('10 MB up and 10 MB down arrive whole', async () => {
    const content = randomBytes(10 * 1024 * 1024)
    await using server = await Http2Server.start(stream => {
      void contentOf(stream).then(received => {
        stream.respond({ ':status': 200, 'x-digest': digest(received) })
        stream.end(content)
      })
    })
    await using proxy = await proxyFor(server)
    for (const headers of [{ 'content-length': content.length }, { 'transfer-encoding': 'chunked' }]) {
      const told = await ask(proxy.port, { method: 'POST', headers, body: content })
      assert.equal(told.headers['x-digest'], digest(content))
      assert.equal(digest(told.body), digest(content))
    }
    assert.equal(server.connections, 1)
  })

  test('an answer before the request is complete reaches the client, and the connection stays', async () => {
    await using server = await Http2Server.start((stream, headers) => {
      if (headers[':method'] === 'POST') stream.respond({ ':status': 413 }, { endStream: true })
      else stream.respond({ ':status': 204 }, { endStream: true })
    })
    await using proxy = await proxyFor(server)
    const request = http.request({
      port: proxy.port,
      method: 'POST',
      headers: { 'content-length': 1_000_000 },
      agent: false,
    })
    request.on('error', () => {})
    request.write(Buffer.alloc(1000))
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    assert.equal(response.statusCode, 413)
    response.resume()
    request.destroy()
    assert.equal((await ask(proxy.port)).status, 204)
    assert.equal(server.connections, 1)
  })
})
