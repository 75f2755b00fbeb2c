import { createHash } from 'node:crypto'
import { connect, constants } from 'node:http2'
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { H2CClient } from 'undici'
import { block, patternDigest } from './pattern.ts'
import { ask } from './traffic.ts'
import type { TrafficOptions } from './traffic.ts'

const downloadBytes = 2 * 1024 * 1024

interface Clients {
  readonly undici: H2CClient
  readonly node: ClientHttp2Session
}

/** Clients by HTTP/2 (prior knowledge), each with many requests at once on one connection, until the signal. */
export async function runHttp2Traffic(options: TrafficOptions): Promise<void> {
  const origin = `http://127.0.0.1:${options.port}`
  const clients = { undici: new H2CClient(origin), node: connect(origin) }
  const connection = options.ledger.begin('h2 connection', true)
  const gone = new Promise<void>(resolve => clients.node.once('close', resolve))
  // Nothing of what these clients do is a reason to close on them.
  clients.node.on('error', error => options.ledger.failed(connection, error.message))
  clients.node.on('goaway', code => options.ledger.failed(connection, `GOAWAY ${code}`))
  const kinds: readonly (readonly [
    lanes: number,
    one: (options: TrafficOptions, clients: Clients) => Promise<void>,
  ])[] = [
    [4, smallGet],
    [2, slowGet],
    [2, post],
    [1, download],
    // As many as a client may give up for ever, whatever else it asks for.
    [1, resetByClient],
  ]
  const lanes = kinds.flatMap(([count, one]) => Array.from({ length: count }, () => one))
  await Promise.all(
    lanes.map(async one => {
      while (!options.signal.aborted) {
        await one(options, clients)
        await sleep(2 + options.random() * 8)
      }
    }),
  )
  await clients.undici.close()
  clients.node.close()
  await gone
}

function smallGet(options: TrafficOptions, { undici }: Clients): Promise<void> {
  const id = Math.floor(options.random() * 1e9)
  return ask(options, { name: 'h2 small GET', mustSucceed: true }, async begun => {
    const { statusCode, body } = await undici.request({ path: `/small/${id}`, method: 'GET' })
    if (statusCode === 200) begun()
    const text = await body.text()
    return statusCode === 200 && text.startsWith(`${id} `) ? undefined : `${statusCode} ${text}`
  })
}

function slowGet(options: TrafficOptions, { node }: Clients): Promise<void> {
  const ms = Math.floor(100 + options.random() * 400)
  return ask(options, { name: 'h2 slow GET', mustSucceed: true }, async begun => {
    const { status, reason, digest } = await exchange(node, { ':path': `/slow/${ms}` }, undefined, begun)
    return status === 200 && digest !== emptyDigest ? undefined : `${status} ${reason}`
  })
}

function post(options: TrafficOptions, { node }: Clients): Promise<void> {
  const sent = block.subarray(0, Math.floor(options.random() * 20_000))
  return ask(options, { name: 'h2 POST', mustSucceed: false }, async () => {
    const { status, reason, digest } = await exchange(node, { ':path': '/digest', ':method': 'POST' }, sent)
    // The answer is the digest of what was sent, as text.
    const wanted = createHash('sha256').update(createHash('sha256').update(sent).digest('hex')).digest('hex')
    return status === 200 && digest === wanted ? undefined : `${status} ${reason}`
  })
}

function download(options: TrafficOptions, { node }: Clients): Promise<void> {
  return ask(options, { name: 'h2 download', mustSucceed: false }, async () => {
    const { status, reason, digest } = await exchange(node, { ':path': `/big/${downloadBytes}` })
    if (status !== 200) return `${status} ${reason}`
    return digest === patternDigest(downloadBytes) ? undefined : 'other bytes than were sent'
  })
}

/** Gives a stream up in the middle of its request or its answer, while others of the connection go on. */
async function resetByClient({ random, ledger }: TrafficOptions, { node }: Clients): Promise<void> {
  ledger.begin('h2 reset by the client', false)
  const isUpload = random() < 0.5
  const stream = node.request(
    isUpload ? { ':path': '/digest', ':method': 'PUT' } : { ':path': `/big/${downloadBytes}` },
  )
  const closed = new Promise<void>(resolve => stream.once('close', resolve))
  stream.on('error', () => {})
  if (isUpload) stream.write(block)
  // An answer that came before the end must be read, or the stream never closes.
  stream.resume()
  await sleep(random() * 50)
  if (!stream.closed) stream.close(constants.NGHTTP2_CANCEL)
  await closed
}

const emptyDigest = createHash('sha256').digest('hex')

interface Ended {
  readonly status: number
  readonly reason: string
  readonly digest: string
}

/** One request and its whole answer. @throws when the stream is reset */
async function exchange(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body?: Buffer,
  begun?: () => void,
): Promise<Ended> {
  const stream: ClientHttp2Stream = session.request(headers, { endStream: body === undefined })
  let answer: IncomingHttpHeaders = {}
  stream.on('response', received => {
    answer = received
    if (Number(answer[':status']) === 200) begun?.()
  })
  if (body !== undefined) stream.end(body)
  const hash = createHash('sha256')
  for await (const piece of stream) hash.update(piece as Buffer)
  return {
    status: Number(answer[':status'] ?? 0),
    reason: String(answer['x-heddle-reason'] ?? ''),
    digest: hash.digest('hex'),
  }
}
