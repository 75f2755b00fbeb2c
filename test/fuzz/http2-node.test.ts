import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import * as http2 from 'node:http2'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { after, before, suite, test } from 'node:test'
import { errorCodes } from '../../src/codec/index.ts'
import { Dice } from './http1-generate.ts'
import { type Exchange, type Fields, listOf, type Message, Peer } from './http2-peers.ts'

// `HEDDLE_FUZZ_EXCHANGES` sets the effort, `HEDDLE_FUZZ_SEED` repeats a run.
const exchanges = Number(process.env['HEDDLE_FUZZ_EXCHANGES'] ?? 300)
const seed = Number(process.env['HEDDLE_FUZZ_SEED'] ?? randomInt(2 ** 31))
const inFlight = 10
/** In MB. Node answers ENHANCE_YOUR_CALM to a stream's fields while its own buffers hold more; large bodies fill them. */
const maxSessionMemory = 200

interface Plan extends Message {
  readonly path: string
  readonly status: number
  readonly responseBytes: number
  readonly responseTrailers: Fields
  /** The server resets instead of answering. */
  readonly isReset: boolean
}

function plan(dice: Dice, index: number): Plan {
  const isLarge = dice.roll(15) === 0
  const path = `/${index}?q=${dice.roll(5)}`
  const own: Fields = [
    ['x-same', 'the value that repeats'],
    ['x-other', String(dice.roll(1e6))],
    ['x-long', 'y'.repeat(dice.roll(10) === 0 ? 9_000 : 10)],
    ['authorization', `Bearer ${dice.roll(3)}`],
  ]
  return {
    path,
    fields: own.slice(dice.roll(own.length)),
    body: Buffer.alloc(isLarge ? 3_000_000 + dice.roll(1e5) : dice.roll(2_000), `${index} `),
    trailers: dice.roll(3) === 0 ? [['x-checksum', String(index)]] : [],
    status: dice.pick([200, 404, 503]),
    responseBytes: dice.roll(15) === 0 ? 3_000_000 : dice.roll(3_000),
    responseTrailers:
      dice.roll(3) === 0
        ? [
            ['grpc-status', '0'],
            ['grpc-message', 'ok'],
          ]
        : [],
    isReset: dice.roll(12) === 0,
  }
}

const dice = new Dice(seed)
const plans = Array.from({ length: exchanges }, (_, index) => plan(dice, index))

/** The plan by the number in the path. */
function planOf(path: string): Plan {
  return plans[Number(/^\/(\d+)/.exec(path)?.[1])] as Plan
}

function responseBody(own: Plan): Buffer {
  return Buffer.alloc(own.responseBytes, own.path)
}

function regular(fields: Fields): Record<string, string> {
  return Object.fromEntries(
    fields.filter(([name]) => name.startsWith('x-') || name.startsWith('grpc-') || name === 'authorization'),
  )
}

function regularOf(headers: http2.IncomingHttpHeaders): Record<string, string> {
  return regular(Object.entries(headers) as unknown as Fields)
}

/** What one exchange came to, alike for both ways. */
interface Result {
  readonly request: unknown
  readonly response: unknown
}

function expectedOf(own: Plan): Result {
  const request = { fields: regular(own.fields), body: own.body.length, trailers: regular(own.trailers) }
  if (own.isReset) return { request, response: `reset ${errorCodes.INTERNAL_ERROR}` }
  const response = { status: own.status, bodyIsRight: true, trailers: regular(own.responseTrailers) }
  return { request, response }
}

async function inTurns(run: (own: Plan) => Promise<void>): Promise<void> {
  const waiting = [...plans]
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      for (let own = waiting.shift(); own !== undefined; own = waiting.shift()) await run(own)
    }),
  )
}

suite(`our client against a node:http2 server (seed ${seed})`, () => {
  const requests = new Map<string, unknown>()
  let server: http2.Http2Server
  before(async () => {
    server = http2.createServer({ settings: { initialWindowSize: 100_000 }, maxSessionMemory })
    server.on('stream', (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
      const own = planOf(String(headers[':path']))
      let length = 0
      let trailers: Record<string, string> = {}
      stream.on('error', () => {})
      stream.on('data', (bytes: Buffer) => (length += bytes.length))
      stream.on('trailers', received => (trailers = regularOf(received)))
      stream.on('end', () => {
        requests.set(own.path, { fields: regularOf(headers), body: length, trailers })
        if (own.isReset) {
          stream.close(errorCodes.INTERNAL_ERROR)
          return
        }
        stream.respond({ ':status': own.status, 'x-a': 'b' }, { waitForTrailers: own.responseTrailers.length > 0 })
        stream.on('wantTrailers', () => stream.sendTrailers(Object.fromEntries(own.responseTrailers)))
        stream.end(responseBody(own))
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  })
  after(() => server.close())

  test('agrees on fields, content, trailers and resets', { timeout: 60_000 }, async t => {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    t.after(() => socket.destroy())
    const peer = new Peer('client', { settings: { streamWindowBytes: 70_000, connectionWindowBytes: 200_000 } })
    const ends = new Map<Exchange, () => void>()
    peer.onEnd = exchange => ends.get(exchange)?.()
    peer.attach(socket)
    await inTurns(async own => {
      const target: Fields = [
        [':method', 'POST'],
        [':scheme', 'http'],
        [':path', own.path],
        [':authority', 'a.example'],
      ]
      const opened = peer.request({ ...own, fields: [...target, ...own.fields] })
      assert.ok(opened !== undefined)
      const { exchange } = opened
      await new Promise<void>(resolve => {
        ends.set(exchange, resolve)
        peer.flush(socket)
      })
      const { received, outcome } = exchange
      const response = {
        status: Number(received.fields.find(([name]) => name === ':status')?.[1]),
        bodyIsRight: received.body.equals(responseBody(own)),
        trailers: regular(received.trailers),
      }
      const result = { request: requests.get(own.path), response: outcome === 'complete' ? response : outcome }
      assert.deepEqual(result, expectedOf(own), own.path)
    })
    assert.equal(peer.session.problem, undefined)
    assert.equal(peer.session.streamCount, 0)
  })
})

suite(`a node:http2 client against our server (seed ${seed})`, () => {
  const requests = new Map<string, unknown>()
  const peers: Peer[] = []
  let server: Server
  before(async () => {
    server = createServer((socket: Socket) => {
      const settings = { streamWindowBytes: 70_000, connectionWindowBytes: 200_000 }
      const peer = new Peer('server', { settings }, (exchange, stream, session) => {
        const { received } = exchange
        const own = planOf(String(received.fields.find(([name]) => name === ':path')?.[1]))
        const { length } = received.body
        const isRight = received.body.equals(own.body)
        const request = {
          fields: regular(received.fields),
          body: isRight ? length : -1,
          trailers: regular(received.trailers),
        }
        requests.set(own.path, request)
        if (own.isReset) {
          session.reset(stream, errorCodes.INTERNAL_ERROR)
          return
        }
        session.sendHeaders(
          stream,
          listOf([
            [':status', '103'],
            ['link', '</a>'],
          ]),
          false,
        )
        session.sendHeaders(stream, listOf([[':status', String(own.status)]]), false)
        exchange.send(session, stream, { fields: [], body: responseBody(own), trailers: own.responseTrailers })
      })
      peers.push(peer)
      peer.attach(socket)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  })
  after(() => server.close())

  test('agrees on fields, content, trailers and resets', { timeout: 60_000 }, async t => {
    const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, {
      settings: { initialWindowSize: 50_000 },
      maxSessionMemory,
    })
    t.after(() => client.destroy())
    await inTurns(async own => {
      const stream = client.request(
        { ':method': 'POST', ':path': own.path, ...Object.fromEntries(own.fields) },
        { waitForTrailers: own.trailers.length > 0 },
      )
      stream.on('wantTrailers', () => stream.sendTrailers(Object.fromEntries(own.trailers)))
      stream.on('error', () => {})
      const chunks: Buffer[] = []
      let status = 0
      let trailers: Record<string, string> = {}
      stream.on('response', headers => (status = Number(headers[':status'])))
      stream.on('trailers', received => (trailers = regularOf(received)))
      stream.on('data', (bytes: Buffer) => chunks.push(bytes))
      stream.end(own.body)
      // Not `once`, which rejects when the stream was reset.
      await new Promise<void>(resolve => stream.on('close', resolve))
      const bodyIsRight = Buffer.concat(chunks).equals(responseBody(own))
      const response = stream.rstCode === 0 ? { status, bodyIsRight, trailers } : `reset ${stream.rstCode}`
      assert.deepEqual({ request: requests.get(own.path), response }, expectedOf(own), own.path)
    })
    for (const { session } of peers) {
      assert.equal(session.problem, undefined)
      assert.equal(session.streamCount, 0)
      session.drain()
    }
    client.close()
    await once(client, 'close')
  })
})
