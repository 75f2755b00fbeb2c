/** Chromium, over TLS and HTTP/2, at the HTTPS listener of a Gateway of a whole agent. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { WebSocketServer } from 'ws'
import type { WebSocket } from 'ws'
import { TestMesh } from '../mesh/agent-process.ts'
import { TestAuthority } from '../support/certificates.ts'
import { tlsSecret } from '../support/gateway.ts'

const parallel = 40
const uploadBytes = 3 * 1024 * 1024

/** What the page has seen; it sends this to the endpoint when it is done. */
interface Report {
  readonly page: string
  readonly protocols: Readonly<Record<string, string>>
  readonly answers: readonly string[]
  readonly uploaded: number
  readonly events: readonly string[]
  readonly frames: readonly (string | number)[]
  readonly closeCode: number
  readonly sticky: readonly string[]
  readonly direct: string
  readonly textLength: number
  readonly broken: string
  readonly error?: string
}

const page = readFileSync(new URL('../support/browser-page.html', import.meta.url))

interface Endpoint {
  readonly port: number
  readonly report: Promise<Report>
}

async function openEndpoint(t: TestContext, name: string): Promise<Endpoint> {
  const { promise: report, resolve: tell } = Promise.withResolvers<Report>()
  const server = http.createServer((request, response) => {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => answer(request.url ?? '', Buffer.concat(pieces), response))
  })
  const answer = (target: string, body: Buffer, response: http.ServerResponse): void => {
    switch (target) {
      case '/':
        response.setHeader('content-type', 'text/html').end(page)
        break
      case '/upload':
        response.end(`${body.length}`)
        break
      case '/events':
        response.setHeader('content-type', 'text/event-stream')
        for (let event = 0; event < 3; event++) response.write(`data: ${event}\n\n`)
        break
      case '/sticky':
        response.end(name)
        break
      case '/text':
        response.setHeader('content-type', 'text/plain').end('heddle '.repeat(100_000))
        break
      case '/broken':
        response.writeHead(200, { 'content-length': 1_000 }).write('short', () => response.destroy())
        break
      case '/report':
        tell(JSON.parse(body.toString()) as Report)
        response.end()
        break
      default:
        response.end(target)
    }
  }
  const sockets = new WebSocketServer({ server, perMessageDeflate: true })
  sockets.on('connection', (socket: WebSocket) =>
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      if (data.toString() === 'bye') socket.close(4001)
      else socket.send(data, { binary: isBinary })
    }),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    sockets.close()
    server.closeAllConnections()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, report }
}

function configuration(mesh: TestMesh, ports: readonly number[]): string {
  const slices = ports.map(
    (port, index) => `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: shop-${index}, labels: {kubernetes.io/service-name: shop}}
addressType: IPv4
ports: [{name: http, port: ${port}}]
endpoints: [{addresses: ['127.0.0.1'], conditions: {ready: true}}]
---`,
  )
  return `${slices.join('')}
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web}
spec:
  gatewayClassName: heddle
  listeners: [{name: https, port: ${mesh.gatewayPort}, protocol: HTTPS, tls: {certificateRefs: [{name: web}]}}]
---
apiVersion: heddle.dev/v1alpha1
kind: HTTPFilter
metadata: {name: direct}
spec: {type: DirectResponse, directResponse: {statusCode: 200, body: from the proxy}}
---
apiVersion: heddle.dev/v1alpha1
kind: HTTPFilter
metadata: {name: compression}
spec: {type: Compression, compression: {encodings: [zstd, br, gzip]}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{name: web}]
  hostnames: [shop.example]
  rules:
    - backendRefs: [{name: shop, port: 80}]
    - matches: [{path: {value: /sticky}}]
      sessionPersistence: {sessionName: session}
      backendRefs: [{name: shop, port: 80}]
    - matches: [{path: {value: /text}}]
      filters: [{type: ExtensionRef, extensionRef: {group: heddle.dev, kind: HTTPFilter, name: compression}}]
      backendRefs: [{name: shop, port: 80}]
    - matches: [{path: {value: /direct}}]
      filters: [{type: ExtensionRef, extensionRef: {group: heddle.dev, kind: HTTPFilter, name: direct}}]
`
}

/** Opens a page, and knows of one more key that it may trust; ends with the test. */
function browse(t: TestContext, url: string, options: { port: number; keyHash: string }): () => string {
  const profile = mkdtempSync(path.join(tmpdir(), 'heddle-browser-'))
  const flags = [
    '--headless=new',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--disable-background-networking',
    '--no-first-run',
    '--no-proxy-server',
    `--user-data-dir=${profile}`,
    `--host-resolver-rules=MAP * 127.0.0.1:${options.port}`,
    `--ignore-certificate-errors-spki-list=${options.keyHash}`,
  ]
  const browser = spawn('chromium', [...flags, url], { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  let output = ''
  for (const stream of [browser.stdout, browser.stderr]) stream.on('data', (text: Buffer) => (output += String(text)))
  t.after(async () => {
    const ended = browser.exitCode === null && browser.signalCode === null ? once(browser, 'exit') : undefined
    if (browser.pid !== undefined) process.kill(-browser.pid, 'SIGKILL')
    await ended
    // Its other processes end a moment later.
    rmSync(profile, { recursive: true, force: true, maxRetries: 20 })
  })
  return () => output
}

function keyHashOf(chain: string): string {
  const key = new X509Certificate(chain).publicKey.export({ type: 'spki', format: 'der' })
  return createHash('sha256').update(key).digest('base64')
}

test('a page in Chromium is loaded by HTTP/2, with all that it asks for', { timeout: 120_000 }, async t => {
  using authority = new TestAuthority()
  const mesh = await TestMesh.create(t)
  const endpoints = [await openEndpoint(t, 'first'), await openEndpoint(t, 'second')]
  const pair = authority.issue({ names: ['shop.example'] })
  const ports = endpoints.map(({ port }) => port)
  mesh.write('mesh.yaml', `${configuration(mesh, ports)}---\n${tlsSecret('default/web', pair)}`)
  const log = path.join(mesh.directory, 'access.log')
  await mesh.up({ flags: ['--access-log', log, '--access-log-format', 'json'] })
  const output = browse(t, 'https://shop.example/', {
    port: mesh.gatewayPort,
    keyHash: keyHashOf(pair.chain),
  })
  const gaveUp = AbortSignal.timeout(90_000)
  const report = await Promise.race([
    ...endpoints.map(endpoint => endpoint.report),
    once(gaveUp, 'abort').then(() => assert.fail(`the browser told nothing:\n${output()}\n${mesh.output}`)),
  ])
  assert.equal(report.error, undefined)
  assert.equal(report.page, 'shop')
  // Of what has failed a browser does not always say it.
  const others = Object.entries(report.protocols).filter(
    ([target, protocol]) => target !== '/broken' && protocol !== 'h2',
  )
  assert.deepEqual(others, [])
  assert.ok(Object.keys(report.protocols).length > parallel)
  assert.deepEqual(
    report.answers,
    Array.from({ length: parallel }, (_, index) => `/echo/${index}`),
  )
  assert.equal(report.uploaded, uploadBytes)
  assert.deepEqual(report.events, ['0', '1', '2'])
  assert.deepEqual(report.frames, ['hello', 1_000_000])
  assert.equal(report.closeCode, 4001)
  assert.equal(new Set(report.sticky).size, 1, 'the cookie of the session came back')
  assert.equal(report.direct, 'from the proxy')
  assert.equal(report.textLength, 700_000)
  assert.equal(report.broken, 'TypeError', 'an answer that breaks off is no whole one')
  await assertLogged(mesh, log)
  const metrics = await mesh.ask('/metrics')
  assert.match(metrics.body, /^heddle_compressed_answers_total\{encoding="zstd"\} 1$/m)
})

/** The agent has seen the same: all of it by HTTP/2, the WebSocket too. */
async function assertLogged(mesh: TestMesh, log: string): Promise<void> {
  const lines = (): Record<string, unknown>[] =>
    readFileSync(log, 'utf8')
      .split('\n')
      .filter(line => line !== '')
      .map(line => JSON.parse(line) as Record<string, unknown>)
  const isOf = (target: string) => (line: Record<string, unknown>) => line['http.request.target'] === target
  await mesh.until(async () => Promise.resolve(lines().some(isOf('/report')) && lines().some(isOf('/socket'))))
  const seen = lines()
  assert.deepEqual([...new Set(seen.map(line => line['network.protocol.version']))], ['2'])
  const compressed = seen.find(isOf('/text'))?.['http.response.body.size']
  assert.ok(typeof compressed === 'number' && compressed < 70_000, `${String(compressed)} bytes were sent of 700,000`)
  assert.ok(Number(seen.find(isOf('/socket'))?.['http.response.body.size']) > 0)
}
