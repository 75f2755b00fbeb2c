/**
 * Every protocol of clients with every protocol of backends: what is sent arrives whole, what breaks off breaks off
 * on both sides, and nothing stays behind.
 */
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { tlsTo } from '../support/backend-tls.ts'
import { TestAuthority } from '../support/certificates.ts'
import { ProxyProcess } from '../support/clients-process.ts'
import type { HostFigures } from '../support/clients-process.ts'
import { Noise, pour } from '../support/clients-stream.ts'
import { MatrixBackend, receive } from '../support/matrix-backend.ts'
import type { BackendKind } from '../support/matrix-backend.ts'
import { connectClient, undiciClient } from '../support/matrix-client.ts'
import type { ClientKind, MatrixClient } from '../support/matrix-client.ts'
import type { MeshSketch } from '../support/proxy.ts'

const clientKinds: readonly ClientKind[] = ['HTTP/1.1', 'h2c', 'h2 over TLS']
const backendKinds: readonly BackendKind[] = ['HTTP/1.1', 'h2c', 'h2 over TLS']
const prefixes: Readonly<Record<BackendKind, string>> = { 'HTTP/1.1': '/http1', h2c: '/h2c', 'h2 over TLS': '/h2' }

const ofClients = ['http_server_active_requests', 'heddle_downstream_connections', 'heddle_http2_connections']
const patienceMs = 8_000

const mib = 1024 * 1024
/** More than the kernel keeps for two connections, so that a reader who stops stops the sender. */
const slowBytes = 24 * mib
/** What a reader who stops may cost: windows of HTTP/2 (1 MiB each) and backlogs on both sides, in buffers that may double. */
const heldBytes = 5 * mib
/** Garbage between collections, buffers of TLS, code that is compiled meanwhile. */
const slackBytes = 64 * mib

const authority = new TestAuthority()
const front = authority.issue({ names: ['front.example'] })
const back = authority.issue({ names: ['back.example'] })
const proxies = new Map<ClientKind, ProxyProcess>()
const backends = new Map<BackendKind, MatrixBackend>()
/** Descriptors of each proxy without a connection. */
const unused = new Map<ProxyProcess, number>()

before(async () => {
  for (const kind of backendKinds) backends.set(kind, await MatrixBackend.start(kind, back))
  const [plain, tls] = await Promise.all([ProxyProcess.start(sketch()), ProxyProcess.start(sketch(front))])
  for (const kind of clientKinds) proxies.set(kind, kind === 'h2 over TLS' ? tls : plain)
  // What is opened once and kept is open from here on.
  for (const clientKind of clientKinds) {
    for (const backendKind of backendKinds) await smallRequests(clientKind, backendKind, 1)
  }
  for (const proxy of [plain, tls]) {
    await withoutConnections(proxy)
    unused.set(proxy, proxy.descriptors())
  }
})

after(async () => {
  for (const proxy of new Set(proxies.values())) await proxy[Symbol.asyncDispose]()
  for (const backend of backends.values()) await backend[Symbol.asyncDispose]()
  authority[Symbol.dispose]()
})

function sketch(certificate?: MeshSketch['certificate']): MeshSketch {
  const tls = tlsTo('back.example', authority)
  const backendOf = (kind: BackendKind): MeshSketch['backends'][string] => ({
    ports: [backends.get(kind)?.port ?? 0],
    protocol: kind === 'HTTP/1.1' ? 'http1' : 'h2c',
    tls: kind === 'h2 over TLS' ? tls : undefined,
  })
  return {
    rules: backendKinds.map(kind => ({ prefix: prefixes[kind], backends: [`a${prefixes[kind].slice(1)}:80`] })),
    backends: Object.fromEntries(backendKinds.map(kind => [`a${prefixes[kind].slice(1)}:80`, backendOf(kind)])),
    ...(certificate === undefined ? {} : { certificate }),
  }
}

function partsOf(clientKind: ClientKind, backendKind: BackendKind): { proxy: ProxyProcess; backend: MatrixBackend } {
  const [proxy, backend] = [proxies.get(clientKind), backends.get(backendKind)]
  if (proxy === undefined || backend === undefined) throw new Error('not started')
  return { proxy, backend }
}

function openClient(kind: ClientKind): MatrixClient {
  return connectClient(kind, proxies.get(kind)?.port ?? 0, authority.certificate)
}

/** Polls, since what it waits for happens in another process. @param seen  what there is instead, when it does not come */
async function until(satisfied: () => boolean | Promise<boolean>, seen: () => unknown): Promise<void> {
  const endMs = performance.now() + patienceMs
  while (!(await satisfied())) {
    if (performance.now() > endMs) assert.fail(JSON.stringify(seen()))
    await sleep(2)
  }
}

/** Until all these gauges are 0. */
async function untilNone(proxy: ProxyProcess, names: readonly string[]): Promise<void> {
  let left: unknown
  const isDone = async (): Promise<boolean> => {
    const { gauges, activeRequests } = await proxy.gauges()
    left = { activeRequests, ...gauges }
    return activeRequests === 0 && names.every(name => gauges[name] === 0)
  }
  await until(isDone, () => left)
}

async function withoutConnections(proxy: ProxyProcess): Promise<void> {
  for (const backend of backends.values()) backend.closeConnections()
  await untilNone(proxy, [...ofClients, 'heddle_upstream_connections'])
}

/** Called when the client has gone: nothing is open, nothing under way, at either side of the proxy. */
async function nothingIsLeft(clientKind: ClientKind, backendKind: BackendKind): Promise<void> {
  const { proxy, backend } = partsOf(clientKind, backendKind)
  // Before its connections are closed: a stream that the proxy has forgotten shows as one that is open.
  await until(
    () => backend.open === 0,
    () => `${backend.open} requests are open at the backend`,
  )
  await untilNone(proxy, ofClients)
  await withoutConnections(proxy)
  const wanted = unused.get(proxy)
  await until(
    () => proxy.descriptors() === wanted,
    () => `${proxy.descriptors()} descriptors instead of ${wanted}`,
  )
}

/** What is held for a reader who does not read. Freed memory may be counted for a while. @returns buffers, in KiB */
async function boundedSince(proxy: ProxyProcess, earlier: HostFigures): Promise<number> {
  let [buffers, resident] = [0, 0]
  const isBounded = async (): Promise<boolean> => {
    const figures = await proxy.figures()
    buffers = figures.arrayBufferBytes - earlier.arrayBufferBytes
    resident = figures.rssBytes - earlier.rssBytes
    return buffers <= heldBytes && resident <= slackBytes
  }
  await until(isBounded, () => ({ buffers, resident }))
  return Math.round(buffers / 1024)
}

async function smallRequests(clientKind: ClientKind, backendKind: BackendKind, count: number): Promise<void> {
  const { proxy } = partsOf(clientKind, backendKind)
  const client = undiciClient(clientKind, proxy.port, authority.certificate)
  try {
    const one = async (index: number): Promise<void> => {
      const path = `${prefixes[backendKind]}/small/text-${index}`
      const { statusCode, body } = await client.request({ path, method: 'GET' })
      assert.equal(`${statusCode} ${await body.text()}`, `200 text-${index}`)
    }
    await Promise.all(Array.from({ length: count }, (_, index) => one(index)))
  } finally {
    await client.close()
  }
}

/** Pours noise into a request and compares what the backend tells of it. */
async function upload(client: MatrixClient, path: string, bytes: number): Promise<void> {
  const noise = new Noise(bytes)
  const asked = client.ask({ method: 'PUT', path })
  await pour(asked.body, noise, 'plain')
  asked.end()
  const told = await asked.answer
  assert.equal(told.status, 200)
  const text = (await told.body.toArray()).join('')
  assert.deepEqual(JSON.parse(text), { bytes, checksum: noise.checksum })
}

async function download(client: MatrixClient, backend: MatrixBackend, path: string): Promise<void> {
  const asked = client.ask({ path })
  asked.end()
  const told = await asked.answer
  assert.equal(told.status, 200)
  const received = await receive(told.body)
  const noise = backend.sent.at(-1)
  assert.deepEqual(received, { bytes: noise?.totalBytes, checksum: noise?.checksum })
}

/** How an answer ended that must not look like a whole one. */
async function endOf(asked: ReturnType<MatrixClient['ask']>): Promise<string> {
  try {
    const told = await asked.answer
    const { bytes } = await receive(told.body)
    return `status ${told.status}, ${bytes} bytes`
  } catch {
    return 'broken'
  }
}

for (const clientKind of clientKinds) {
  for (const backendKind of backendKinds) {
    describe(`clients by ${clientKind}, a backend by ${backendKind}`, () => {
      const prefix = prefixes[backendKind]

      it('200 small requests at once get their own answers', async () => {
        await smallRequests(clientKind, backendKind, 200)
        await nothingIsLeft(clientKind, backendKind)
      })

      it('10 MiB up arrive whole', async () => {
        const { proxy } = partsOf(clientKind, backendKind)
        const noise = new Noise(10 * mib)
        const client = undiciClient(clientKind, proxy.port, authority.certificate)
        function* blocks(): Generator<Buffer> {
          while (!noise.isDone) yield noise.next()
        }
        const sent = Readable.from(blocks())
        const { statusCode, body } = await client.request({ path: `${prefix}/digest`, method: 'PUT', body: sent })
        assert.equal(statusCode, 200)
        assert.deepEqual(await body.json(), { bytes: noise.totalBytes, checksum: noise.checksum })
        await client.close()
        await nothingIsLeft(clientKind, backendKind)
      })

      it('10 MiB down arrive whole', async () => {
        const { proxy, backend } = partsOf(clientKind, backendKind)
        const client = undiciClient(clientKind, proxy.port, authority.certificate)
        const { statusCode, body } = await client.request({ path: `${prefix}/noise/${10 * mib}`, method: 'GET' })
        assert.equal(statusCode, 200)
        const received = await receive(body)
        assert.deepEqual(received, { bytes: 10 * mib, checksum: backend.sent.at(-1)?.checksum })
        await client.close()
        await nothingIsLeft(clientKind, backendKind)
      })

      it('trailers go both ways behind 1 MiB each, of four requests at once', async () => {
        await using client = openClient(clientKind)
        const one = async (index: number): Promise<void> => {
          const bytes = mib + index
          const noise = new Noise(bytes)
          const trailers = (): { 'x-checksum': string } => ({ 'x-checksum': `${noise.checksum}-${index}` })
          const asked = client.ask({ method: 'PUT', path: `${prefix}/trailers/${bytes}`, trailers })
          await pour(asked.body, noise, 'plain')
          asked.end()
          const told = await asked.answer
          const received = await receive(told.body)
          assert.equal(received.bytes, bytes)
          const expected = {
            'x-checksum': String(received.checksum),
            'x-received': `${noise.checksum} ${noise.checksum}-${index}`,
          }
          const { 'x-checksum': sum, 'x-received': echo } = told.trailers()
          assert.deepEqual({ 'x-checksum': sum, 'x-received': echo }, expected)
        }
        await Promise.all([0, 1, 2, 3].map(one))
        await client[Symbol.asyncDispose]()
        await nothingIsLeft(clientKind, backendKind)
      })

      it('what the client resets ends at the backend, and others go on', async () => {
        const { proxy, backend } = partsOf(clientKind, backendKind)
        await using client = openClient(clientKind)
        const brokenBefore = backend.broken
        const other = client.ask({ method: 'PUT', path: `${prefix}/digest` })
        const block = Buffer.alloc(100_000, 'x')
        other.body.write(block)
        const waits = client.ask({ path: `${prefix}/hold` })
        waits.end()
        const sends = client.ask({ method: 'PUT', path: `${prefix}/hold` })
        sends.body.write(block)
        const reads = client.ask({ path: `${prefix}/noise/${slowBytes}` })
        reads.end()
        const ends = [waits, sends, reads].map(asked => asked.answer.catch(() => undefined))
        const told = await ends[2]
        told?.body.on('error', () => {})
        told?.body.once('readable', () => {})
        await until(
          () => backend.open === 4,
          () => backend.open,
        )
        for (const asked of [waits, sends, reads]) asked.reset()
        await until(
          () => backend.broken === brokenBefore + 3,
          () => `${backend.broken - brokenBefore} ended, ${backend.open} open`,
        )
        await Promise.all(ends.slice(0, 2))
        await until(
          async () => (await proxy.gauges()).activeRequests === 1,
          () => 'requests that were reset are active',
        )
        other.body.write(block)
        other.end()
        const { bytes } = JSON.parse((await (await other.answer).body.toArray()).join('')) as { bytes: number }
        assert.equal(bytes, 200_000)
        await download(client, backend, `${prefix}/noise/${mib}`)
        await client[Symbol.asyncDispose]()
        await nothingIsLeft(clientKind, backendKind)
      })

      it('what the backend resets is an error, never a short answer, and others go on', async () => {
        const { backend } = partsOf(clientKind, backendKind)
        await using client = openClient(clientKind)
        const other = client.ask({ method: 'PUT', path: `${prefix}/digest` })
        other.body.write('x'.repeat(1_000))
        await until(
          () => backend.open === 1,
          () => backend.open,
        )
        const early = client.ask({ method: 'PUT', path: `${prefix}/reset/early` })
        early.end()
        const told = await early.answer
        assert.equal(told.status, 502)
        assert.equal(told.headers['x-heddle-reason'], 'upstream-reset')
        await receive(told.body)
        for (const bytes of [1, 100_000]) {
          const late = client.ask({ path: `${prefix}/reset/${bytes}` })
          late.end()
          assert.equal(await endOf(late), 'broken')
        }
        other.end()
        const { bytes } = JSON.parse((await (await other.answer).body.toArray()).join('')) as { bytes: number }
        assert.equal(bytes, 1_000)
        await client[Symbol.asyncDispose]()
        await nothingIsLeft(clientKind, backendKind)
      })

      it('a client that reads slowly stops the backend, in bounded memory, and gets all', async t => {
        const { proxy, backend } = partsOf(clientKind, backendKind)
        await using client = openClient(clientKind)
        const figuresBefore = await proxy.figures()
        const asked = client.ask({ path: `${prefix}/noise/${slowBytes}` })
        asked.end()
        const told = await asked.answer
        const noise = backend.sent.at(-1)
        await proxy.untilStill(() => noise?.sentBytes ?? 0)
        assert.ok(noise !== undefined && !noise.isDone, 'the backend must be stopped')
        const held = await boundedSince(proxy, figuresBefore)
        t.diagnostic(`${held} KiB of buffers, ${(noise.sentBytes / mib).toFixed(1)} MiB sent`)
        const received = await receive(told.body)
        assert.deepEqual(received, { bytes: slowBytes, checksum: noise.checksum })
        await client[Symbol.asyncDispose]()
        await nothingIsLeft(clientKind, backendKind)
      })

      it('a backend that reads slowly stops the client, in bounded memory, and gets all', async t => {
        const { proxy, backend } = partsOf(clientKind, backendKind)
        await using client = openClient(clientKind)
        const figuresBefore = await proxy.figures()
        const noise = new Noise(slowBytes)
        const asked = client.ask({ method: 'PUT', path: `${prefix}/late` })
        const poured = pour(asked.body, noise, 'plain')
        await until(
          () => backend.waiting === 1,
          () => backend.open,
        )
        await proxy.untilStill(() => noise.sentBytes)
        assert.ok(!noise.isDone, 'the client must be stopped')
        const held = await boundedSince(proxy, figuresBefore)
        t.diagnostic(`${held} KiB of buffers, ${(noise.sentBytes / mib).toFixed(1)} MiB sent`)
        backend.goOn()
        await poured
        asked.end()
        const told = await asked.answer
        const text = (await told.body.toArray()).join('')
        assert.deepEqual(JSON.parse(text), { bytes: slowBytes, checksum: noise.checksum })
        await client[Symbol.asyncDispose]()
        await nothingIsLeft(clientKind, backendKind)
      })

      it('while one stream is held back another goes on', async () => {
        const { proxy, backend } = partsOf(clientKind, backendKind)
        await using client = openClient(clientKind)
        const slow = client.ask({ path: `${prefix}/noise/${slowBytes}` })
        slow.end()
        await slow.answer
        const noise = backend.sent.at(-1)
        await proxy.untilStill(() => noise?.sentBytes ?? 0)
        await download(client, backend, `${prefix}/noise/${mib}`)
        await upload(client, `${prefix}/digest`, mib)
        assert.ok(noise?.isDone === false)
        slow.reset()
        ;(await slow.answer).body.on('error', () => {})
        await client[Symbol.asyncDispose]()
        await nothingIsLeft(clientKind, backendKind)
      })
    })
  }
}
