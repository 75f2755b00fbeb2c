import assert from 'node:assert/strict'
import { createHash, createHmac } from 'node:crypto'
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { root } from '../../scripts/files.ts'
import { freePort } from '../support/ports.ts'
import { TestMesh } from './agent-process.ts'
import { gateway, route, service } from './resources.ts'

interface Seen {
  readonly url: string
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: string
}

interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

type Handler = (seen: Seen) => { readonly status?: number; readonly headers?: Record<string, string> }

/** The resource of a guide page, as it stands there. */
function snippetOf(page: string): string {
  const text = readFileSync(path.join(root, 'docs/guide', `${page}.md`), 'utf8')
  const [, yaml] = /^```yaml\n(.*?)^```/ms.exec(text) ?? []
  assert.ok(yaml, `${page} has no YAML`)
  return yaml
}

/** A server in this process; what it got is in `seen`. */
async function serve(t: TestContext, handler: Handler = () => ({})): Promise<{ port: number; seen: Seen[] }> {
  const seen: Seen[] = []
  const server = http.createServer((request, response) => {
    const parts: Buffer[] = []
    // A request that a plugin ends is cut off here.
    request.on('error', () => {})
    request.on('data', (chunk: Buffer) => parts.push(chunk))
    request.on('end', () => {
      const headers = Object.fromEntries(
        Object.entries(request.headers).map(([name, value]) => [name, value?.toString()]),
      )
      const one = { url: request.url ?? '', headers, body: Buffer.concat(parts).toString() }
      seen.push(one)
      const { status = 200, headers: fields = {} } = handler(one)
      response.writeHead(status, fields).end('answered')
    })
  })
  const port = await freePort()
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { port, seen }
}

const endpoint = (name: string, port: number): string => `
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${name}-1, namespace: shop, labels: {kubernetes.io/service-name: ${name}}}
addressType: IPv4
ports: [{port: ${port}}]
endpoints: [{addresses: [127.0.0.1]}]
`

/** An agent that runs the plugin of a guide page, with `orders` behind its Gateway. */
async function meshWith(
  t: TestContext,
  plugin: string,
  ports: Readonly<Record<string, number>>,
  more = '',
): Promise<TestMesh> {
  const mesh = await TestMesh.create(t)
  const folder = path.join(mesh.directory, 'mesh', 'plugins')
  mkdirSync(folder)
  copyFileSync(path.join(root, 'examples/plugins', `${plugin}.wasm`), path.join(folder, `${plugin}.wasm`))
  const services = Object.entries(ports).map(([name, port]) => service(name) + endpoint(name, port))
  mesh.write('mesh.yaml', gateway(mesh.gatewayPort) + services.join('') + route([['orders', 1]]) + more)
  mesh.write('plugin.yaml', snippetOf(`plugin-${plugin}`))
  await mesh.up()
  return mesh
}

function ask(
  mesh: TestMesh,
  target: string,
  headers: http.OutgoingHttpHeaders = {},
  body?: string | { readonly chunks: readonly string[]; readonly trailers: Record<string, string> },
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const method = body === undefined ? 'GET' : 'POST'
  const options = { host: '127.0.0.1', port: mesh.gatewayPort, path: target, agent: false, headers, method } as const
  const request = http.request(options, response => {
    let text = ''
    response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
    response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }))
    response.on('error', reject)
  })
  request.on('error', reject)
  if (typeof body === 'object') {
    for (const chunk of body.chunks) request.write(chunk)
    request.addTrailers(body.trailers)
    request.end()
  } else request.end(body)
  return promise
}

test('the example rewrite-headers does what its guide says', async t => {
  const orders = await serve(t, () => ({ headers: { server: 'secret/1.0', 'x-powered-by': 'tea' } }))
  const mesh = await meshWith(t, 'rewrite-headers', { orders: orders.port })
  const answer = await ask(mesh, '/items?id=7', {
    'x-internal': '1',
    'x-user-id': 'ada',
    'x-user': 'eve',
    'x-tag': 'red',
  })
  assert.equal(answer.status, 200)
  assert.equal(answer.headers['server'], undefined)
  assert.equal(answer.headers['x-powered-by'], undefined)
  assert.equal(answer.headers['x-served-by'], 'heddle')
  const headers = orders.seen[0]?.headers ?? {}
  assert.equal(headers['x-internal'], undefined)
  assert.equal(headers['x-user-id'], undefined)
  assert.equal(headers['x-user'], 'ada')
  assert.equal(headers['x-asked'], `127.0.0.1:${mesh.gatewayPort}/items?id=7`)
  assert.equal(headers['x-tag'], 'red, blue')
  // One that is added later takes its time to come, which is no failure.
  mesh.write('another.yaml', snippetOf('plugin-rewrite-headers').replace('name: rewrite-headers', 'name: another'))
  await mesh.until(async () => /shop\/another .*running/.test((await mesh.run('plugins')).stdout))
  assert.doesNotMatch(mesh.output, /does not start/)
  // A configuration that it refuses does not replace the one that works.
  mesh.write('plugin.yaml', snippetOf('plugin-rewrite-headers').replace('    response:', '    respond:'))
  await mesh.until(async () => /a plugin does not start/.test(mesh.output))
  assert.equal((await ask(mesh, '/')).headers['x-served-by'], 'heddle')
})

function token(payload: object, { secret = 'open sesame', alg = 'HS256' } = {}): string {
  const text = [{ alg, typ: 'JWT' }, payload]
    .map(part => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
}

test('the example jwt-claims does what its guide says', async t => {
  const orders = await serve(t)
  const mesh = await meshWith(t, 'jwt-claims', { orders: orders.port })
  const inAnHour = Math.floor(Date.now() / 1000) + 3600
  const claims = { sub: 'ada', roles: ['admin', 'ops'], realm: { name: 'north' }, exp: inAnHour, nbf: inAnHour - 7200 }
  const right = await ask(mesh, '/', { authorization: `Bearer ${token(claims)}`, 'x-user': 'eve', 'x-realm': 'south' })
  assert.equal(right.status, 200)
  const headers = orders.seen[0]?.headers ?? {}
  assert.deepEqual([headers['x-user'], headers['x-roles'], headers['x-realm']], ['ada', 'admin,ops', 'north'])
  const few = await ask(mesh, '/', { authorization: `bearer ${token({ sub: 7 })}`, 'x-roles': 'admin' })
  assert.equal(few.status, 200)
  assert.deepEqual([orders.seen[1]?.headers['x-user'], orders.seen[1]?.headers['x-roles']], ['7', undefined])
  const wrong = {
    'no token': undefined,
    'another scheme': 'Basic YTpi',
    'another secret': `Bearer ${token(claims, { secret: 'guess' })}`,
    'another algorithm': `Bearer ${token(claims, { alg: 'none' })}`,
    'no signature': `Bearer ${token(claims).replace(/[^.]*$/, '')}`,
    expired: `Bearer ${token({ ...claims, exp: inAnHour - 7200 })}`,
    'not yet': `Bearer ${token({ ...claims, nbf: inAnHour })}`,
    'an end that is no number': `Bearer ${token({ ...claims, exp: 'never' })}`,
    'a claim that no header can hold': `Bearer ${token({ ...claims, sub: 'a\r\nx-roles: admin' })}`,
    nonsense: 'Bearer a.b.c',
  }
  for (const [name, authorization] of Object.entries(wrong)) {
    const answer = await ask(mesh, '/', authorization === undefined ? {} : { authorization })
    assert.equal(answer.status, 401, name)
    assert.match(answer.headers['www-authenticate'] ?? '', /^Bearer/, name)
  }
  assert.equal(orders.seen.length, 2)
})

test('the example signed-requests does what its guide says', async t => {
  const orders = await serve(t)
  const verifier = await serve(t, ({ headers }) => {
    if (headers['x-signature'] === 'broken') return { status: 500 }
    const text = [headers['x-method'], headers['x-path'], headers['content-digest']].join(' ')
    const isRight = createHmac('sha256', 'a key').update(text).digest('hex') === headers['x-signature']
    return isRight ? { headers: { 'x-signed-by': headers['x-key-id'] ?? '' } } : { status: 403 }
  })
  const mesh = await meshWith(t, 'signed-requests', { orders: orders.port, verifier: verifier.port })
  const digest = (body: string): string => `sha-256=:${createHash('sha256').update(body).digest('base64')}:`
  const signature = (line: string): string => createHmac('sha256', 'a key').update(line).digest('hex')
  const plain = await ask(mesh, '/a', { 'x-signature': signature('GET /a '), 'x-key-id': 'k1', 'x-signed-by': 'eve' })
  assert.equal(plain.status, 200)
  assert.equal(orders.seen[0]?.headers['x-signed-by'], 'k1')
  assert.equal(verifier.seen[0]?.url, '/verify')

  const body = 'an order '.repeat(10_000)
  const signed = {
    'x-signature': signature(`POST /pay ${digest(body)}`),
    'x-key-id': 'k2',
    'content-digest': digest(body),
  }
  assert.equal((await ask(mesh, '/pay', signed, body)).status, 200)
  const trailed = { chunks: [body.slice(0, 7), body.slice(7)], trailers: { 'x-sum': '1' } }
  assert.equal((await ask(mesh, '/pay', { ...signed, trailer: 'x-sum' }, trailed)).status, 200)
  assert.deepEqual(
    orders.seen.slice(1).map(one => one.body === body),
    [true, true],
  )

  const status = async (...request: Parameters<typeof ask> extends [TestMesh, ...infer Rest] ? Rest : never) =>
    (await ask(mesh, ...request)).status
  assert.equal(await status('/a'), 401)
  assert.equal(await status('/b', { 'x-signature': signature('GET /a ') }), 403)
  assert.equal(await status('/a', { 'x-signature': 'broken' }), 503)
  assert.equal(await status('/pay', { 'x-signature': signature('POST /pay ') }, body), 400)
  assert.equal(await status('/pay', signed, `${body}!`), 403)
  assert.equal(await status('/pay', { ...signed, trailer: 'x-sum' }, { ...trailed, chunks: ['other'] }), 403)
  assert.equal(orders.seen.length, 3)
})

test('the example waf does what its guide says', async t => {
  const orders = await serve(t)
  const mesh = await meshWith(t, 'waf', { orders: orders.port })
  const status = async (target: string, headers?: http.OutgoingHttpHeaders, body?: string): Promise<number> =>
    (await ask(mesh, target, headers, body)).status
  for (const target of ['/items?id=7', '/script?name=o%27brien&union=select']) assert.equal(await status(target), 200)
  assert.equal(await status('/', { 'user-agent': 'sqlmap/1.8' }), 200, 'the rule is off')
  assert.equal(await status('/', {}, 'name=Ada+Lovelace&note=100%25'), 200)
  const refused = [
    '/?q=%3Cscript%3E',
    '/?q=%253CScRiPt%253E',
    '/?file=..%2f..%2fetc/passwd',
    '/?q=1+UNION/**/SELECT%20%20password',
    '/?a=1&debug=TRUE',
  ]
  for (const target of refused) assert.equal(await status(target), 403, target)
  assert.equal(await status('/', { 'x-any': '${jndi:ldap://a/b}' }), 403)
  assert.equal(await status('/', {}, `note=${'x'.repeat(60_000)}%27%20or%20%27`), 403)
  assert.equal(await status('/', {}, 'x'.repeat(70_000)), 413)
  assert.equal(await status('/', { 'content-encoding': 'gzip' }, 'packed'), 415)
  assert.equal(orders.seen.length, 4)
  const metrics = async (): Promise<string> => (await mesh.ask('/metrics')).body
  // Each worker tells its own part, and tells it a moment later.
  await mesh.until(async () => {
    const counts = [...(await metrics()).matchAll(/^heddle_plugin_custom_total\{.*waf_matches.*\} (\d+)$/gm)]
    return counts.reduce((sum, [, count]) => sum + Number(count), 0) === 9
  })
  assert.match(mesh.output, /a request breaks the rule script-injection/)
  mesh.write('plugin.yaml', snippetOf('plugin-waf').replace('mode: block', 'mode: detect'))
  await mesh.until(async () => (await status(refused[0] ?? '')) === 200)
})
