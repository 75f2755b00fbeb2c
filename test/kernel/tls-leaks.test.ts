import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, connect } from 'node:net'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { systemClock } from '../../src/core/index.ts'
import { connectTls, partFrom, send, TestTls } from '../../src/kernel/tls/testing.ts'
import type { TlsListener } from '../../src/kernel/tls/testing.ts'
import type { ClientContext } from '../../src/kernel/tls/client-context.ts'

// Everything of OpenSSL's that a handshake makes is freed, however it ends.

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const rounds = 10_000
/** At once: so that there is something to be mixed up. */
const abreast = 10

/** What clients do, in turn. */
interface Bench {
  readonly listener: TlsListener
  readonly port: number
  readonly whole: ClientContext
  readonly resuming: ClientContext
  readonly refusing: ClientContext
  readonly hello: Buffer
}

type Way = (bench: Bench) => Promise<void>

async function talk({ listener }: Bench, client: ClientContext, port: number): Promise<void> {
  const connected = connectTls(client, port)
  const accepted = await listener.next()
  send(accepted.socket, 'a word')
  await connected.watcher.until(() => connected.watcher.received > 0)
  await partFrom(accepted, connected)
}

/** Bytes that a client sends before it waits, or goes. */
function bare(what: (bench: Bench) => Buffer, options: { readonly waits: boolean }): Way {
  return async bench => {
    const socket = connect(bench.port, '127.0.0.1').on('error', () => {})
    const failed = assert.rejects(bench.listener.next())
    socket.write(what(bench))
    if (options.waits) await Promise.race([once(socket, 'data'), once(socket, 'close')])
    socket.resetAndDestroy()
    await failed
  }
}

const ways: readonly Way[] = [
  bench => talk(bench, bench.whole, bench.port),
  bench => talk(bench, bench.resuming, bench.port),
  async ({ listener, refusing, port }) => {
    const { watcher } = connectTls(refusing, port)
    await watcher.closed()
    await listener.next().then(
      ({ socket }) => socket.destroy(),
      () => {},
    )
  },
  bare(({ hello }) => hello, { waits: true }),
  bare(({ hello }) => hello, { waits: false }),
  bare(({ hello }) => hello.subarray(0, 100), { waits: false }),
  bare(({ hello }) => Buffer.concat([hello, Buffer.from([23, 3, 3, 0, 40]), Buffer.alloc(40, 1)]), { waits: false }),
  bare(() => Buffer.from('GET / HTTP/1.1\r\n\r\n'), { waits: false }),
]

/** The first message of a client, as it comes. */
async function recordHello(tls: TestTls, client: ClientContext): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { watcher } = connectTls(client, (server.address() as { port: number }).port)
  const [socket] = (await once(server, 'connection')) as [ReturnType<typeof connect>]
  const [hello] = (await once(socket, 'data')) as [Buffer]
  socket.destroy()
  server.close()
  await watcher.closed()
  assert.equal(tls.held.SSL, 0)
  return hello
}

test(`${rounds} handshakes, whole, resumed, refused and broken off, leave nothing`, { timeout: 120_000 }, async t => {
  const started = systemClock.nowMs()
  const tls = new TestTls(t)
  const server = tls.server()
  const whole = tls.client({ sessions: { get: () => undefined, put: () => {}, delete: () => {} } })
  const hello = await recordHello(tls, whole)
  const resuming = tls.client()
  const refusing = tls.client({ judge: () => new Error('no') })
  // One of each abreast: which handshake an end belongs to, its own listener tells.
  const benches = await Promise.all(
    Array.from({ length: abreast }, async (): Promise<Bench> => {
      const listener = await tls.listen(() => server)
      return { listener, port: listener.port, whole, resuming, refusing, hello }
    }),
  )
  const shake = async (count: number): Promise<void> => {
    let next = 0
    const work = async (bench: Bench): Promise<void> => {
      while (next < count) {
        const way = ways[next++ % ways.length]
        await way?.(bench)
      }
    }
    await Promise.all(benches.map(work))
  }
  const before = tls.held
  await shake(rounds * 0.3)
  const settled = footprint()
  await shake(rounds * 0.7)
  assert.deepEqual(tls.held, before)
  const { resident, heap } = footprint()
  const [residentKiB, heapKiB] = [(resident - settled.resident) / 1024, (heap - settled.heap) / 1024]
  const seconds = (systemClock.nowMs() - started) / 1000
  t.diagnostic(
    `${Math.round(residentKiB)} KiB more resident, ${Math.round(heapKiB)} KiB more heap, ${seconds.toFixed(1)} s`,
  )
  // One SSL object for each of 7,000 would be 70 MiB, one small object of ours 1 MiB.
  assert.ok(residentKiB < 24 * 1024, `${residentKiB} KiB more resident`)
  assert.ok(heapKiB < 512, `${heapKiB} KiB more heap`)
})

/** Without what is garbage, in bytes. */
function footprint(): { readonly resident: number; readonly heap: number } {
  collectGarbage()
  collectGarbage()
  const { rss, heapUsed } = process.memoryUsage()
  return { resident: rss, heap: heapUsed }
}
