import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { Pool } from 'undici'
import { WebSocket } from 'ws'
import type { Ledger } from './ledger.ts'
import { block, patternDigest } from './pattern.ts'
import { runHttp2Traffic } from './traffic-http2.ts'

export interface TrafficOptions {
  readonly port: number
  readonly ledger: Ledger
  /** From 0 to 1. */
  readonly random: () => number
  readonly signal: AbortSignal
}

const megabyte = 1024 * 1024
const downloadBytes = 4 * megabyte
const uploadBytes = 2 * megabyte
/** What takes longer is taken for lost: so long that no busy machine gets there. */
const patienceMs = 30_000

/** All kinds of clients at once, until the signal; resolves when the last request has ended. */
export async function runTraffic(options: TrafficOptions): Promise<void> {
  const pool = new Pool(`http://127.0.0.1:${options.port}`, { connections: 16, pipelining: 1 })
  const kinds: readonly (readonly [lanes: number, one: (options: TrafficOptions, pool: Pool) => Promise<void>])[] = [
    [6, smallGet],
    [2, slowGet],
    [2, post],
    [1, download],
    [1, upload],
    [1, slowReader],
    [2, webSocket],
    [1, resetByClient],
  ]
  const lanes = kinds.flatMap(([count, one]) => Array.from({ length: count }, () => one))
  const byHttp2 = runHttp2Traffic(options)
  await Promise.all(
    lanes.map(async one => {
      while (!options.signal.aborted) {
        await one(options, pool)
        // Leaves the agent room to breathe: a soak is about hours, not about records.
        await sleep(2 + options.random() * 8)
      }
    }),
  )
  await byHttp2
  await pool.close()
}

/**
 * Begins an attempt and tells the ledger what became of it. An answer that has begun is nobody's to take back: its end
 * goes with the endpoint that is killed.
 *
 * @param request  resolves to what went wrong; calls `begun` when the head of a good answer has come
 */
export async function ask(
  { ledger }: TrafficOptions,
  kind: { readonly name: string; readonly mustSucceed: boolean },
  request: (begun: () => void) => Promise<string | undefined>,
): Promise<void> {
  const attempt = ledger.begin(kind.name, kind.mustSucceed)
  let hasBegun = false
  const begun = (): void => void (hasBegun = true)
  try {
    const problem = await Promise.race([request(begun), sleep(patienceMs, 'no end of it', { ref: false })])
    if (problem !== undefined) ledger.failed(attempt, problem)
  } catch (error) {
    const problem = error instanceof Error ? `${error.name} ${error.message}` : String(error)
    ledger.failed(hasBegun ? { ...attempt, mustSucceed: false } : attempt, problem)
  }
}

function smallGet(options: TrafficOptions, pool: Pool): Promise<void> {
  const id = Math.floor(options.random() * 1e9)
  return ask(options, { name: 'small GET', mustSucceed: true }, async begun => {
    const { statusCode, headers, body } = await pool.request({ path: `/small/${id}`, method: 'GET' })
    if (statusCode === 200) begun()
    const text = await body.text()
    return statusCode === 200 && text.startsWith(`${id} `) ? undefined : `${statusCode} ${reasonOf(headers)} ${text}`
  })
}

/** Under way long enough to be there when an endpoint dies or leaves; nothing of its answer has come by then. */
function slowGet(options: TrafficOptions, pool: Pool): Promise<void> {
  const ms = Math.floor(100 + options.random() * 400)
  return ask(options, { name: 'slow GET', mustSucceed: true }, async begun => {
    const { statusCode, headers, body } = await pool.request({ path: `/slow/${ms}`, method: 'GET' })
    if (statusCode === 200) begun()
    const text = await body.text()
    return statusCode === 200 ? undefined : `${statusCode} ${reasonOf(headers)} ${text}`
  })
}

function post(options: TrafficOptions, pool: Pool): Promise<void> {
  const sent = block.subarray(0, Math.floor(options.random() * 20_000))
  return ask(options, { name: 'POST', mustSucceed: false }, async () => {
    const { statusCode, headers, body } = await pool.request({ path: '/digest', method: 'POST', body: sent })
    const text = await body.text()
    const wanted = createHash('sha256').update(sent).digest('hex')
    return statusCode === 200 && text === wanted ? undefined : `${statusCode} ${reasonOf(headers)} ${text}`
  })
}

function download(options: TrafficOptions, pool: Pool): Promise<void> {
  return ask(options, { name: 'download', mustSucceed: false }, async () => {
    const { statusCode, headers, body } = await pool.request({ path: `/big/${downloadBytes}`, method: 'GET' })
    const hash = createHash('sha256')
    for await (const piece of body) hash.update(piece as Buffer)
    if (statusCode !== 200) return `${statusCode} ${reasonOf(headers)}`
    return hash.digest('hex') === patternDigest(downloadBytes) ? undefined : 'other bytes than were sent'
  })
}

function upload(options: TrafficOptions, pool: Pool): Promise<void> {
  return ask(options, { name: 'upload', mustSucceed: false }, async () => {
    async function* pieces(): AsyncGenerator<Buffer> {
      for (let sent = 0; sent < uploadBytes; sent += block.length) yield block.subarray(0, uploadBytes - sent)
    }
    const request = { path: '/digest', method: 'PUT', body: Readable.from(pieces()) } as const
    const { statusCode, headers, body } = await pool.request(request)
    const text = await body.text()
    return statusCode === 200 && text === patternDigest(uploadBytes)
      ? undefined
      : `${statusCode} ${reasonOf(headers)} ${text}`
  })
}

/** Takes a second for a megabyte, so that buffers fill up all along the way. */
function slowReader(options: TrafficOptions): Promise<void> {
  return ask(options, { name: 'slow reader', mustSucceed: false }, async () => {
    const socket = connect({ port: options.port, host: '127.0.0.1' })
    socket.write(`GET /big/${megabyte} HTTP/1.1\r\nHost: soak\r\nConnection: close\r\n\r\n`)
    let bytes = 0
    for await (const piece of socket) {
      bytes += (piece as Buffer).length
      await sleep(50)
    }
    return bytes > megabyte ? undefined : `only ${bytes} bytes came`
  })
}

function webSocket(options: TrafficOptions): Promise<void> {
  return ask(options, { name: 'WebSocket', mustSucceed: false }, async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${options.port}/socket`, { perMessageDeflate: false })
    let code = 0
    const closed = new Promise<void>(resolve => {
      socket.once('close', (given: number) => {
        code = given
        resolve()
      })
    })
    socket.on('error', () => {})
    const opened = once(socket, 'open').then(
      () => true,
      () => false,
    )
    if (!(await Promise.race([opened, closed.then(() => false)]))) return `not opened, ${code}`
    for (let message = 0; message < 20 && socket.readyState === 1; message++) {
      socket.send(`message ${message}`)
      const answer = once(socket, 'message').then(([text]) => String(text))
      const text = await Promise.race([answer, closed.then(() => undefined)])
      if (text === undefined) break
      if (text !== `message ${message}`) return `${text} instead of message ${message}`
      await sleep(options.random() * 60)
    }
    socket.close(1000)
    await closed
    // 1001 is what an endpoint says that leaves.
    return code === 1000 || code === 1001 ? undefined : `closed with ${code}`
  })
}

/** Goes away in the middle of a request or an answer. What it gets is of no interest, what stays behind is. */
async function resetByClient({ port, random, ledger }: TrafficOptions): Promise<void> {
  ledger.begin('reset by the client', false)
  const socket = connect({ port, host: '127.0.0.1' })
  socket.on('error', () => {})
  const head = random() < 0.5 ? `PUT /digest HTTP/1.1\r\nHost: soak\r\nContent-Length: 100000\r\n\r\n` : ''
  socket.write(head === '' ? `GET /big/${megabyte} HTTP/1.1\r\nHost: soak\r\n\r\n` : head + 'x'.repeat(50_000))
  await sleep(random() * 50)
  socket.resetAndDestroy()
}

function reasonOf(headers: Readonly<Record<string, string | string[] | undefined>>): string {
  return String(headers['x-heddle-reason'] ?? '')
}
