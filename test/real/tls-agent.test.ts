import assert from 'node:assert/strict'
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { test } from 'node:test'
import { TLSSocket } from 'node:tls'
import type { TestContext } from 'node:test'
import { TestMesh } from '../mesh/agent-process.ts'
import { TestAuthority } from '../support/certificates.ts'
import type { PemPair } from '../support/certificates.ts'
import { tlsSecret } from '../support/gateway.ts'
import { run } from '../support/programs.ts'

// A whole agent with two workers that terminates TLS.

async function openMesh(t: TestContext, endpoint: number): Promise<TestMesh> {
  const mesh = await TestMesh.create(t)
  mesh.write(
    'mesh.yaml',
    `
apiVersion: v1
kind: Service
metadata: {name: back, namespace: shop}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: back-1, namespace: shop, labels: {kubernetes.io/service-name: back}}
addressType: IPv4
ports: [{name: http, port: ${endpoint}}]
endpoints: [{addresses: ['127.0.0.1'], conditions: {ready: true}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web, namespace: shop}
spec:
  gatewayClassName: heddle
  listeners: [{name: https, port: ${mesh.gatewayPort}, protocol: HTTPS, tls: {certificateRefs: [{name: web}]}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: back, namespace: shop}
spec: {parentRefs: [{name: web}], rules: [{backendRefs: [{name: back, port: 80}]}]}
`,
  )
  return mesh
}

async function openEndpoint(t: TestContext): Promise<number> {
  const server = http.createServer((_request, response) => response.end('fine'))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

function secret(mesh: TestMesh, pair: PemPair): void {
  mesh.write('secret.yaml', tlsSecret('shop/web', pair))
}

async function metric(mesh: TestMesh, pattern: RegExp): Promise<number> {
  const { body } = await mesh.ask('/metrics')
  return [...body.matchAll(new RegExp(pattern, 'gm'))].reduce((sum, match) => sum + Number(match[1]), 0)
}

test('a session is resumed in whichever worker the client comes to', async t => {
  using authority = new TestAuthority()
  const mesh = await openMesh(t, await openEndpoint(t))
  secret(mesh, authority.issue({ names: ['shop.example'] }))
  await mesh.up()
  const file = path.join(authority.directory, 'session')
  const connect = ['s_client', '-connect', `127.0.0.1:${mesh.gatewayPort}`, '-servername', 'shop.example', '-ign_eof']
  const request = 'GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n'
  assert.match((await run('openssl', [...connect, '-sess_out', file], request)).out, /^New, TLSv1\.3/m)
  // The kernel spreads connections over both workers: that twenty come to one alone happens once in a million runs.
  for (let round = 0; round < 20; round++) {
    const { out } = await run('openssl', [...connect, '-sess_in', file], request)
    assert.match(out, /^Reused, TLSv1\.3/m)
    assert.match(out, /fine/)
  }
  await mesh.until(
    async () => (await metric(mesh, /^heddle_tls_handshakes_total\{.*result="ok".*resumed="true"\} (\d+)/)) === 20,
  )
  assert.equal(await metric(mesh, /^heddle_tls_handshakes_total\{.*result="ok".*resumed="false"\} (\d+)/), 1)
})

test('certificates change under load without a lost request', async t => {
  using authority = new TestAuthority()
  const mesh = await openMesh(t, await openEndpoint(t))
  const issue = (number: number) => authority.issue({ names: ['shop.example'], subject: `/CN=number-${number}` })
  secret(mesh, issue(0))
  await mesh.up()
  const options = {
    host: '127.0.0.1',
    port: mesh.gatewayPort,
    servername: 'shop.example',
    ca: authority.certificate,
    headers: { host: 'shop.example' },
  }
  const shown = new Set<string>()
  const ask = async (agent: https.Agent | false): Promise<string> =>
    new Promise((resolve, reject) => {
      const outgoing = https.get({ ...options, agent }, response => {
        const { socket } = response
        if (socket instanceof TLSSocket) shown.add(socket.getPeerX509Certificate()?.subject ?? '')
        let text = ''
        response.setEncoding('utf8').on('data', (piece: string) => (text += piece))
        response.on('end', () => resolve(`${response.statusCode} ${text}`)).on('error', reject)
      })
      outgoing.on('error', reject)
    })
  let isOver = false
  const lost: string[] = []
  let answered = 0
  const lane = async (agent: https.Agent | false): Promise<void> => {
    while (!isOver) {
      const got = await ask(agent).catch(String)
      if (got === '200 fine') answered++
      else lost.push(got)
    }
  }
  const kept = new https.Agent({ keepAlive: true })
  const lanes = [lane(kept), lane(kept), lane(false), lane(false)]
  for (let number = 1; number <= 5; number++) {
    secret(mesh, issue(number))
    await mesh.until(async () => {
      await ask(false)
      return shown.has(`CN=number-${number}`)
    })
  }
  await mesh.until(async () => Promise.resolve(answered + lost.length > 50))
  isOver = true
  await Promise.all(lanes)
  kept.destroy()
  assert.deepEqual(lost, [])
})

test('expiry is told by status, check and metrics', async t => {
  using authority = new TestAuthority()
  const mesh = await openMesh(t, await openEndpoint(t))
  secret(mesh, authority.issue({ names: ['shop.example', 'www.shop.example'], days: 30 }))
  await mesh.up()
  const fine = await mesh.run('status')
  assert.equal(fine.code, 0, fine.stdout)
  assert.match(
    fine.stdout,
    /^shop\/web +shop\.example, www\.shop\.example +\d{4}-\d\d-\d\d +Gateway shop\/web\/https$/m,
  )
  const inDays =
    (await metric(mesh, /^heddle_certificate_not_after_seconds\{certificate="shop\/web"\} ([\d.e+]+)/)) -
    Date.now() / 1000
  assert.ok(inDays > 29 * 86_400 && inDays <= 30 * 86_400, `${inDays}`)

  secret(mesh, authority.issue({ names: ['shop.example'], days: 5 }))
  await mesh.until(async () => (await mesh.status()).certificates[0]?.state === 'expires-soon')
  const soon = await mesh.run('status')
  assert.equal(soon.code, 0)
  assert.match(
    soon.stdout,
    /warning Secret shop\/web: data\["tls\.crt"\]: the certificate expires in [45] days, on \d{4}-/,
  )

  secret(mesh, authority.issue({ names: ['shop.example'], days: 0 }))
  await mesh.until(async () => (await mesh.status()).certificates[0]?.state === 'expired')
  const late = await mesh.run('status')
  assert.equal(late.code, 1)
  assert.match(late.stdout, /\d{4}-\d\d-\d\d \(expired\)/)
  const check = await mesh.run('check', '-f', path.join(mesh.directory, 'mesh'))
  assert.equal(check.code, 1)
  assert.match(
    check.stdout,
    /error Secret shop\/web: data\["tls\.crt"\]: the certificate expired on \d{4}-.*; used by Gateway shop\/web\/https/,
  )

  const [one, other] = [authority.issue({ names: ['shop.example'] }), authority.issue({ names: ['shop.example'] })]
  secret(mesh, { chain: one.chain, key: other.key })
  const mismatch = await mesh.run('check', '-f', path.join(mesh.directory, 'mesh'))
  assert.equal(mismatch.code, 1)
  assert.match(mismatch.stdout, /Secret shop\/web: tls\.key is not the key of the certificate in tls\.crt/)
})

test('the configuration page masks every key', async t => {
  using authority = new TestAuthority()
  const mesh = await openMesh(t, await openEndpoint(t))
  const pair = authority.issue({ names: ['shop.example'] })
  secret(mesh, pair)
  await mesh.up()
  const { body } = await mesh.ask('/config')
  assert.match(body, /BEGIN CERTIFICATE/)
  assert.match(body, /\(masked\)/)
  assert.doesNotMatch(body, /PRIVATE KEY/)
})

for (const [kind, reason] of [
  ['missing', /TLS on those of node:tls: .*undefined symbol: SSL_get1_peer_certificate/],
  ['version', /TLS on those of node:tls: this process has OpenSSL 4\.0\.1, and Node OpenSSL 3\.\d/],
] as const) {
  test(`an OpenSSL that can't be called (${kind}): Node's TLS serves, and start line and status say so`, async t => {
    using authority = new TestAuthority()
    const mesh = await openMesh(t, await openEndpoint(t))
    secret(mesh, authority.issue({ names: ['shop.example'] }))
    const preload = new URL('../support/other-openssl.ts', import.meta.url).pathname
    await mesh.up({ env: { NODE_OPTIONS: `--import=${preload}`, HEDDLE_TEST_OPENSSL: kind } })
    assert.match(mesh.output, new RegExp(`sockets by system calls, ${reason.source}`))
    const { transport } = (await mesh.status()).agent
    assert.equal(transport.active, 'native')
    assert.match(transport.reason, reason)
    assert.match((await mesh.run('status')).stdout, new RegExp(`transport: native \\(.*${reason.source}`))
    for (const version of ['--tlsv1.3', '--tls-max=1.2']) {
      const where = ['--connect-to', `::127.0.0.1:${mesh.gatewayPort}`, '--cacert', authority.certificateFile]
      const { out, errors } = await run('curl', [
        '-sS',
        '--max-time',
        '20',
        ...version.split('='),
        ...where,
        'https://shop.example/',
      ])
      assert.equal(out, 'fine', errors)
    }
  })
}
