import assert from 'node:assert/strict'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it } from 'node:test'
import { defaultBackendSettings } from '../../src/model/index.ts'
import { startProxy } from '../support/proxy.ts'
import { parseAnswer, RawClient, RawServer } from '../support/raw.ts'
import type { Answer } from '../support/raw.ts'
import { freePort } from '../support/ports.ts'

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

async function ask(port: number, request = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'): Promise<Answer> {
  await using client = await RawClient.open(port)
  client.write(request)
  await client.receive(text => parseAnswer(text) !== undefined)
  const answer = parseAnswer(client.received)
  assert.ok(answer !== undefined)
  return answer
}

function expectReason(answer: Answer, status: number, reason: string): void {
  assert.equal(answer.status, status)
  assert.equal(answer.headers.get('x-heddle-reason'), reason)
}

const retry = { attempts: 2, codes: [500, 503], grpcCodes: [], backoffMs: 1 }

describe('proxy answers for itself', () => {
  it('no-route, no-backend and no-endpoint', async () => {
    await using proxy = await startProxy({
      rules: [{ prefix: '/none' }, { prefix: '/empty', backends: ['empty:80'] }],
      backends: { 'empty:80': { ports: [] } },
    })
    expectReason(await ask(proxy.port), 404, 'no-route')
    expectReason(await ask(proxy.port, 'GET /none HTTP/1.1\r\nHost: a\r\n\r\n'), 500, 'no-backend')
    expectReason(await ask(proxy.port, 'GET /empty HTTP/1.1\r\nHost: a\r\n\r\n'), 503, 'no-endpoint')
    assert.deepEqual(
      proxy.log.map(record => record.flags),
      ['NR', 'NR', 'UH'],
    )
  })

  it('connect-failed when nobody listens', async () => {
    const dead = await freePort()
    await using proxy = await startProxy({ rules: [{ backends: ['a:80'] }], backends: { 'a:80': { ports: [dead] } } })
    expectReason(await ask(proxy.port), 502, 'connect-failed')
  })

  it('upstream-timeout when the answer does not come within the request timeout', async () => {
    await using server = await RawServer.open(() => {})
    await using proxy = await startProxy({
      rules: [{ backends: ['a:80'], requestTimeoutMs: 50 }],
      backends: { 'a:80': { ports: [server.port] } },
    })
    expectReason(await ask(proxy.port), 504, 'upstream-timeout')
    assert.equal(proxy.proxy.endpointStates()[0]?.activeRequests, 0)
  })

  it('upstream-protocol-error when interim answers do not end', async () => {
    await using server = await RawServer.open(socket =>
      socket.write(`${'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(1_000)}${ok}`),
    )
    await using proxy = await startProxy({
      rules: [{ backends: ['a:80'] }],
      backends: { 'a:80': { ports: [server.port] } },
    })
    await using client = await RawClient.open(proxy.port)
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await client.receive(text => text.includes('too many interim answers'))
    assert.match(client.received, /HTTP\/1.1 502 .*x-heddle-reason: upstream-protocol-error/s)
    assert.equal(client.received.split('HTTP/1.1 103 ').length - 1, 100)
    assert.equal(proxy.proxy.endpointStates()[0]?.activeRequests, 0)
  })

  it('overloaded when more requests than allowed are under way', async () => {
    await using server = await RawServer.open(() => {})
    const circuitBreaker = { ...defaultBackendSettings.circuitBreaker, maxRequests: 1 }
    await using proxy = await startProxy({
      rules: [{ backends: ['a:80'], requestTimeoutMs: 500 }],
      backends: { 'a:80': { ports: [server.port], settings: { circuitBreaker } } },
    })
    await using first = await RawClient.open(proxy.port)
    first.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    // The first is under way once the endpoint has it.
    while (server.connections.length === 0) await new Promise(resolve => setImmediate(resolve))
    expectReason(await ask(proxy.port), 503, 'overloaded')
  })

  it('waits for a connection when there may be no more, and serves everyone', async () => {
    await using server = await RawServer.open((socket, text) => {
      if (text.endsWith('\r\n\r\n')) setImmediate(() => socket.write(ok))
    })
    const circuitBreaker = { ...defaultBackendSettings.circuitBreaker, maxConnections: 2 }
    await using proxy = await startProxy({
      rules: [{ backends: ['a:80'] }],
      backends: { 'a:80': { ports: [server.port], settings: { circuitBreaker } } },
    })
    const answers = await Promise.all(Array.from({ length: 40 }, () => ask(proxy.port)))
    assert.ok(answers.every(answer => answer.status === 200))
    assert.ok(server.connections.length <= 2, `${server.connections.length} connections`)
  })
})

describe('proxy retries', () => {
  it('a listed status, and passes the last answer on when tries are used up', async () => {
    let requests = 0
    await using server = await RawServer.open((socket, text) => {
      if (!text.endsWith('\r\n\r\n')) return
      requests++
      socket.write('HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy')
    })
    await using proxy = await startProxy({
      rules: [{ backends: ['a:80'], retry }],
      backends: { 'a:80': { ports: [server.port] } },
    })
    const answer = await ask(proxy.port)
    assert.equal(answer.status, 503)
    assert.equal(answer.body, 'busy')
    assert.equal(answer.headers.has('x-heddle-reason'), false)
    assert.equal(requests, 3)
    assert.equal(proxy.log[0]?.retries, 2)
    assert.equal(proxy.proxy.endpointStates()[0]?.activeRequests, 0)
  })

  it('at another endpoint, with the whole body', async () => {
    const bodies: string[] = []
    const isWhole = (text: string): boolean => text.length - text.lastIndexOf('\r\n\r\n') - 4 >= 5000
    await using bad = await RawServer.open((socket, text) => {
      // Once: a second answer would be taken for that of the next request.
      if (isWhole(text)) socket.write('HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n')
    })
    await using good = await RawServer.open((socket, text) => {
      if (!isWhole(text)) return
      bodies.push(text.slice(-5000))
      socket.write(ok)
    })
    await using proxy = await startProxy({
      rules: [{ backends: ['a:80'], retry }],
      backends: { 'a:80': { ports: [bad.port, good.port], settings: { loadBalancing: { kind: 'RoundRobin' } } } },
    })
    for (let round = 0; round < 4; round++) {
      const answer = await ask(
        proxy.port,
        `PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n${'x'.repeat(5000)}`,
      )
      assert.equal(answer.status, 200)
    }
    assert.ok(bodies.length === 4 && bodies.every(body => body === 'x'.repeat(5000)))
  })

  it('nothing that may have been acted on: a POST whose connection broke', async () => {
    let requests = 0
    await using server = await RawServer.open(socket => {
      requests++
      socket.destroy()
    })
    await using proxy = await startProxy({
      rules: [{ backends: ['a:80'], retry }],
      backends: { 'a:80': { ports: [server.port] } },
    })
    expectReason(
      await ask(proxy.port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n'),
      502,
      'upstream-reset',
    )
    assert.equal(requests, 1)
  })

  it('a GET whose kept-alive connection the endpoint closed just then, without any policy', async () => {
    await using server = await RawServer.open((socket, text) => {
      const requests = text.split('\r\n\r\n').length - 1
      if (requests === 1) socket.write(ok)
      else socket.destroy()
    })
    await using proxy = await startProxy({
      rules: [{ backends: ['a:80'] }],
      backends: { 'a:80': { ports: [server.port] } },
    })
    for (let round = 0; round < 5; round++) assert.equal((await ask(proxy.port)).status, 200)
  })

  it('a GET whose endpoint goes away before it answers, without any policy', async () => {
    await using bad = await RawServer.open(socket => socket.destroy())
    await using good = await RawServer.open(socket => socket.write(ok))
    await using proxy = await startProxy({
      rules: [{ backends: ['a:80'] }],
      backends: { 'a:80': { ports: [bad.port, good.port], settings: { loadBalancing: { kind: 'RoundRobin' } } } },
    })
    for (let round = 0; round < 4; round++) assert.equal((await ask(proxy.port)).status, 200)
  })

  it('another endpoint when one refuses connections, whatever the method', async () => {
    const dead = await freePort()
    await using good = await RawServer.open((socket, text) => {
      if (text.endsWith('hello')) socket.write(ok)
    })
    await using proxy = await startProxy({
      rules: [{ backends: ['a:80'] }],
      backends: { 'a:80': { ports: [dead, good.port] } },
    })
    for (let round = 0; round < 20; round++) {
      const answer = await ask(proxy.port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello')
      assert.equal(answer.status, 200)
    }
  })

  it('a try that takes longer than backendRequest', async () => {
    await using slow = await RawServer.open(() => {})
    await using fast = await RawServer.open(socket => socket.write(ok))
    await using proxy = await startProxy({
      rules: [{ backends: ['a:80'], retry, backendRequestTimeoutMs: 60 }],
      backends: { 'a:80': { ports: [slow.port, fast.port], settings: { loadBalancing: { kind: 'RoundRobin' } } } },
    })
    for (let round = 0; round < 4; round++) assert.equal((await ask(proxy.port)).status, 200)
  })
})

describe('proxy and endpoints that come and go', () => {
  it('loses no request when a backend is killed and one stays', async () => {
    const serve = async (): Promise<http.Server> => {
      const server = http.createServer((_request, response) => response.end('ok'))
      await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
      return server
    }
    const [first, second] = [await serve(), await serve()]
    const ports = [first, second].map(server => (server.address() as AddressInfo).port)
    await using proxy = await startProxy({ rules: [{ backends: ['a:80'] }], backends: { 'a:80': { ports } } })
    const statuses: number[] = []
    const load = Array.from({ length: 8 }, async () => {
      for (let round = 0; round < 50; round++) statuses.push((await ask(proxy.port)).status)
    })
    first.close()
    first.closeAllConnections()
    await Promise.all(load)
    second.close()
    second.closeAllConnections()
    assert.equal(statuses.length, 400)
    assert.deepEqual([...new Set(statuses)], [200])
  })

  it('closes unused connections to an endpoint that was removed', async () => {
    await using server = await RawServer.open((socket, text) => {
      if (text.endsWith('\r\n\r\n')) socket.write(ok)
    })
    const rules = [{ backends: ['a:80'] }]
    await using proxy = await startProxy({ rules, backends: { 'a:80': { ports: [server.port] } } })
    await ask(proxy.port)
    const [connection] = server.connections
    assert.ok(connection !== undefined)
    const closed = new Promise<void>(resolve => connection.once('close', () => resolve()))
    await proxy.apply({ rules, backends: { 'a:80': { ports: [] } } })
    await closed
    expectReason(await ask(proxy.port), 503, 'no-endpoint')
  })

  it('sends what must not be sent twice on no connection that was unused for long', async () => {
    await using server = await RawServer.open((socket, text) => {
      if (text.endsWith('\r\n\r\n')) socket.write(ok)
    })
    const mesh = { rules: [{ backends: ['a:80'] }], backends: { 'a:80': { ports: [server.port] } } }
    await using proxy = await startProxy(mesh, { limits: { unsafeReuseMs: -1 } })
    const post = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n'
    for (const request of [post, post, undefined, undefined]) await ask(proxy.port, request)
    assert.equal(server.connections.length, 2)
  })

  it('stops using a connection before the time its endpoint named', async () => {
    await using server = await RawServer.open((socket, text) => {
      if (text.endsWith('\r\n\r\n'))
        socket.write('HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 0\r\n\r\n')
    })
    await using proxy = await startProxy({
      rules: [{ backends: ['a:80'] }],
      backends: { 'a:80': { ports: [server.port] } },
    })
    await ask(proxy.port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n')
    await new Promise(resolve => setTimeout(resolve, 5))
    await ask(proxy.port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n')
    assert.equal(server.connections.length, 2)
  })
})
