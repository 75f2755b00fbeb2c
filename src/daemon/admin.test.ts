import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { once } from 'node:events'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { openAdminServer, openAgentSocket } from './admin-server.ts'
import type { AgentControl } from './admin-server.ts'
import { isLoopbackHost } from './admin-pages.ts'
import type { AdminView, ExplainRequest } from './admin-pages.ts'
import type { ResourceQuery } from './resource-status.ts'
import { silentMeter, systemClock } from '../core/index.ts'
import { FlowBook } from './flows/flow-book.ts'
import { LogFeed } from './log-feed.ts'

const noFlows = new FlowBook({ clock: systemClock, meter: silentMeter, isActive: false })

class FakeView implements AdminView {
  readonly pid = 4242
  readonly version = '1.2.3'
  isReady = true
  awaited: readonly string[] = []
  explained: ExplainRequest | undefined
  metrics() {
    return Promise.resolve({ contentType: 'text/plain; version=0.0.4', body: 'x 1\n' })
  }
  config(): unknown {
    return { settings: {} }
  }
  status(): Promise<unknown> {
    return Promise.resolve({ agent: { pid: 4242 } })
  }
  plugins(): Promise<unknown> {
    return Promise.resolve([])
  }
  routes(): Promise<unknown> {
    return Promise.reject(new Error('out of order'))
  }
  resource(query: ResourceQuery): unknown {
    return query
  }
  explain(request: ExplainRequest): unknown {
    this.explained = request
    return { kind: 'forward' }
  }
  console() {
    return { html: '<p>mesh</p>', headers: { 'content-security-policy': "default-src 'none'" } }
  }
}

interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

function ask(options: {
  port?: number
  socketPath?: string
  path: string
  method?: string
  host?: string
  body?: string
}): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const { body, host = 'localhost', ...rest } = options
  const request = httpRequest({ host: '127.0.0.1', ...rest, headers: { host }, agent: false }, response => {
    let text = ''
    response.setEncoding('utf8')
    response.on('data', (part: string) => (text += part))
    response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }))
    response.on('error', reject)
  })
  request.on('error', reject)
  request.end(body)
  return promise
}

async function openPages(t: TestContext) {
  const view = new FakeView()
  const server = await openAdminServer(view, { host: '127.0.0.1', port: 0 })
  t.after(() => server.close())
  const port = server.address?.port ?? 0
  return {
    view,
    get: (target: string, options: { method?: string; host?: string } = {}) => ask({ port, path: target, ...options }),
  }
}

function directoryOf(t: TestContext): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'heddle-admin-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

async function openSocket(t: TestContext) {
  const socketPath = path.join(directoryOf(t), 'own', 'agent.sock')
  const followed: boolean[] = []
  const leases: string[] = []
  const feed = new LogFeed(isFollowed => followed.push(isFollowed))
  const control: AgentControl = {
    feed,
    flows: noFlows,
    join: () => assert.fail('not asked'),
    leave: () => assert.fail('not asked'),
    kernelHttp: () => assert.fail('not asked'),
    decide: questions => ({ isEnforced: false, answers: questions.map(() => ({ verdict: 'error', error: 'asked' })) }),
    register: request => {
      leases.push(`+${request.name}`)
      return { answer: { key: request.name }, lease: { [Symbol.dispose]: () => void leases.push(`-${request.name}`) } }
    },
  }
  const server = await openAgentSocket(new FakeView(), control, socketPath)
  t.after(() => server.close())
  return { socketPath, feed, followed, leases, server }
}

const errorOf = (answer: Answer): string => (JSON.parse(answer.body) as { error: { code: string } }).error.code

test('the admin pages answer with the health, readiness, metrics, status and configuration of the agent', async t => {
  const { get, view } = await openPages(t)
  assert.deepEqual(JSON.parse((await get('/healthz')).body), { status: 'ok', pid: 4242, version: '1.2.3' })
  assert.deepEqual([(await get('/readyz')).status, (await get('/readyz')).body], [200, 'ready\n'])
  view.isReady = false
  view.awaited = ['workers', 'listeners']
  assert.deepEqual(
    [(await get('/readyz')).status, (await get('/readyz')).body],
    [503, 'awaiting: workers, listeners\n'],
  )
  const metrics = await get('/metrics')
  assert.deepEqual([metrics.headers['content-type'], metrics.body], ['text/plain; version=0.0.4', 'x 1\n'])
  assert.deepEqual(JSON.parse((await get('/status.json')).body), { agent: { pid: 4242 } })
  assert.equal((await get('/config')).headers['cache-control'], 'no-store')
})

test('the console page carries its content security policy', async t => {
  const { get } = await openPages(t)
  const page = await get('/')
  assert.deepEqual(
    [page.body, page.headers['content-security-policy'], page.headers['x-content-type-options']],
    ['<p>mesh</p>', "default-src 'none'", 'nosniff'],
  )
})

test('the admin pages refuse other hosts, other methods and unknown paths with one shape of error', async t => {
  const { get } = await openPages(t)
  const rebinding = await get('/config', { host: 'evil.example:15000' })
  assert.deepEqual([rebinding.status, errorOf(rebinding)], [403, 'MESH_ADMIN_HOST'])
  const post = await get('/config', { method: 'POST' })
  assert.deepEqual([post.status, errorOf(post), post.headers.allow], [405, 'MESH_ADMIN_METHOD', 'GET, HEAD'])
  const unknown = await get('/metric')
  assert.deepEqual([unknown.status, errorOf(unknown)], [404, 'MESH_ADMIN_NOT_FOUND'])
  assert.match(unknown.body, /did you mean \/metrics\?/)
  const broken = await get('/routes.json')
  assert.deepEqual([broken.status, errorOf(broken)], [500, 'MESH_INTERNAL'])
  assert.equal(broken.body.includes('at '), false, 'no stack')
})

test('the pages on TCP have nothing that changes the mesh', async t => {
  const { get } = await openPages(t)
  assert.equal((await get('/workloads', { method: 'POST' })).status, 405)
  assert.equal((await get('/workloads')).status, 404)
  assert.equal((await get('/logs')).status, 404)
})

test('/explain reads method, URL, headers and the client', async t => {
  const { get, view } = await openPages(t)
  const url = encodeURIComponent('http://shop.example:8080/cart?x=1')
  const answer = await get(`/explain?method=POST&url=${url}&header=x-user:%20anna&header=a:b&from=shop/web`)
  assert.equal(answer.status, 200)
  assert.deepEqual(
    [view.explained?.method, view.explained?.url.href, view.explained?.headers, view.explained?.from],
    [
      'POST',
      'http://shop.example:8080/cart?x=1',
      [
        ['x-user', 'anna'],
        ['a', 'b'],
      ],
      'shop/web',
    ],
  )
  for (const wrong of ['url=cart', 'url=ftp://a/', `url=${url}&method=G%20T`, `url=${url}&header=x`]) {
    assert.deepEqual(errorOf(await get(`/explain?${wrong}`)), 'MESH_EXPLAIN_REQUEST', wrong)
  }
})

const hosts: readonly (readonly [string | undefined, boolean])[] = [
  ['localhost', true],
  ['LOCALHOST:15000', true],
  ['127.0.0.1:15000', true],
  ['127.9.9.9', true],
  ['[::1]:15000', true],
  ['evil.example', false],
  ['127.0.0.1.evil.example', false],
  ['localhost.evil.example', false],
  ['127.0.0.1@evil.example', false],
  ['10.0.0.1', false],
  ['[::2]', false],
  ['', false],
  [undefined, false],
  ['localhost, evil.example', false],
]
for (const [host, expected] of hosts) {
  test(`isLoopbackHost() ${expected ? 'takes' : 'refuses'} ${JSON.stringify(host)}`, () => {
    assert.equal(isLoopbackHost(host), expected)
  })
}

test('openAdminServer() names the setting when the port is taken', async t => {
  const other = createServer()
  await new Promise<void>(resolve => other.listen(0, '127.0.0.1', resolve))
  t.after(() => other.close())
  const address = other.address()
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0
  await assert.rejects(openAdminServer(new FakeView(), { host: '127.0.0.1', port }), {
    code: 'MESH_ADMIN_PORT',
    hint: /adminAddress \(--admin-address, HEDDLE_ADMIN_ADDRESS\)/,
  })
})

test('the agent socket is for its owner alone', async t => {
  const { socketPath, server } = await openSocket(t)
  assert.equal(statSync(socketPath).mode & 0o777, 0o600)
  assert.equal(statSync(path.dirname(socketPath)).mode & 0o777, 0o700)
  assert.equal((await ask({ socketPath, path: '/healthz', host: 'anything' })).status, 200)
  await server.close()
  assert.throws(() => statSync(socketPath), { code: 'ENOENT' })
})

test('openAgentSocket() names the agent that already runs and replaces a socket that nobody answers', async t => {
  const { socketPath, feed, server } = await openSocket(t)
  const control: AgentControl = {
    feed,
    flows: noFlows,
    register: () => assert.fail('not asked'),
    decide: () => assert.fail('not asked'),
    join: () => assert.fail('not asked'),
    leave: () => assert.fail('not asked'),
    kernelHttp: () => assert.fail('not asked'),
  }
  await assert.rejects(openAgentSocket(new FakeView(), control, socketPath), {
    code: 'MESH_AGENT_RUNNING',
    message: `an agent already runs on ${socketPath} (pid 4242)`,
  })
  await server.close()
  const { spawnSync } = await import('node:child_process')
  spawnSync(process.execPath, [
    '-e',
    `require('net').createServer().listen(${JSON.stringify(socketPath)}, () => process.kill(process.pid, 'SIGKILL'))`,
  ])
  assert.equal(statSync(socketPath).isSocket(), true, 'a stale socket is there')
  const second = await openAgentSocket(new FakeView(), control, socketPath)
  assert.equal((await ask({ socketPath, path: '/healthz' })).status, 200)
  await second.close()
})

test('openAgentSocket() leaves alone what is no socket', async t => {
  const file = path.join(directoryOf(t), 'agent.sock')
  writeFileSync(file, 'precious')
  const control: AgentControl = {
    feed: new LogFeed(() => {}),
    flows: noFlows,
    register: () => assert.fail('not asked'),
    decide: () => assert.fail('not asked'),
    join: () => assert.fail('not asked'),
    leave: () => assert.fail('not asked'),
    kernelHttp: () => assert.fail('not asked'),
  }
  await assert.rejects(openAgentSocket(new FakeView(), control, file))
  assert.equal(statSync(file).size, 8)
})

test('questions about policies are answered on the socket, and all that is wrong with them is told', async t => {
  const { socketPath } = await openSocket(t)
  const post = (body: unknown) => ask({ socketPath, path: '/policy', method: 'POST', body: JSON.stringify(body) })
  const good = await post([
    { from: 'a', to: 'b', port: 1 },
    { from: 'a', to: 'c' },
  ])
  assert.equal(good.status, 200)
  assert.deepEqual(JSON.parse(good.body), {
    isEnforced: false,
    answers: [
      { verdict: 'error', error: 'asked' },
      { verdict: 'error', error: 'asked' },
    ],
  })
  const bad = await post([{ from: 'a', to: 'b', port: 0 }, { to: 'b' }])
  assert.equal(bad.status, 400)
  const { error } = JSON.parse(bad.body) as { error: { code: string; message: string } }
  assert.equal(error.code, 'MESH_POLICY_QUESTION')
  assert.equal(error.message.split('\n').length, 2)
  assert.equal((await ask({ socketPath, path: '/policy' })).status, 405)
  assert.equal((await ask({ socketPath, path: '/policy', method: 'POST', body: '{' })).status, 400)
})

test('a workload is registered for as long as its connection stays open', async t => {
  const { socketPath, leases } = await openSocket(t)
  const { promise, resolve } = Promise.withResolvers<IncomingMessage>()
  const request = httpRequest({ socketPath, path: '/workloads', method: 'POST' }, resolve)
  request.end(JSON.stringify({ name: 'a', port: 80 }))
  const response = await promise
  const [line] = (await once(response, 'data')) as [Buffer]
  assert.deepEqual([JSON.parse(line.toString()), leases], [{ key: 'a' }, ['+a']])
  request.destroy()
  await t.waitFor(() => assert.deepEqual(leases, ['+a', '-a']), { interval: 5 })
})

test('a workload that makes no sense is refused with the reason', async t => {
  const { socketPath, leases } = await openSocket(t)
  const post = (body: string) => ask({ socketPath, path: '/workloads', method: 'POST', body })
  assert.match((await post('{')).body, /not JSON/)
  assert.match((await post('{}')).body, /name must be/)
  assert.equal((await post(`"${'x'.repeat(70_000)}"`)).status, 413)
  assert.deepEqual(leases, [])
})

test('/logs shows the kept lines and follows those of one workload', async t => {
  const { socketPath, feed, followed } = await openSocket(t)
  const line = (source: string, text: string) => ({ timeMs: 1, source, stream: 'stdout' as const, text })
  feed.push(line('shop/a', 'one'))
  feed.push(line('shop/b', 'two'))
  const all = await ask({ socketPath, path: '/logs' })
  assert.deepEqual(
    all.body
      .trim()
      .split('\n')
      .map(each => (JSON.parse(each) as { text: string }).text),
    ['one', 'two'],
  )
  assert.equal((await ask({ socketPath, path: '/logs?lines=x' })).status, 400)
  const { promise, resolve } = Promise.withResolvers<IncomingMessage>()
  const request = httpRequest({ socketPath, path: '/logs?follow=1&source=b&lines=0' }, resolve)
  request.end()
  const response = await promise
  feed.push(line('shop/a', 'three'))
  feed.push(line('shop/b', 'four'))
  const [first] = (await once(response, 'data')) as [Buffer]
  assert.deepEqual((JSON.parse(first.toString()) as { text: string }).text, 'four')
  request.destroy()
  await t.waitFor(() => assert.deepEqual(followed, [true, false]), { interval: 5 })
})
