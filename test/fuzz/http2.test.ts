import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { test } from 'node:test'
import { errorCodes, Http2Session, type Http2SessionOptions } from '../../src/codec/index.ts'
import {
  conformanceOfFrames,
  conformanceOfHpack,
  conformanceOfMessages,
  conformanceOfStreams,
  handshake,
  Recorder,
  runCase,
} from '../../src/codec/testing.ts'
import { cut, Dice } from './http1-generate.ts'
import { type Exchange, type Fields, listOf, type Message, Peer } from './http2-peers.ts'

// `HEDDLE_FUZZ_ITERATIONS` sets the effort, `HEDDLE_FUZZ_SEED` repeats a run.
const iterations = Number(process.env['HEDDLE_FUZZ_ITERATIONS'] ?? 2_000)
const seed = Number(process.env['HEDDLE_FUZZ_SEED'] ?? randomInt(2 ** 31))

const names = ['x-a', 'x-request-source', 'accept', 'user-agent', 'cookie', 'authorization', 'etag', 'grpc-timeout']
const alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789-_.;= \xe9\xff'

function value(dice: Dice, most: number): string {
  const length = dice.roll(most)
  let text = ''
  for (let index = 0; index < length; index++) text += alphabet[dice.roll(alphabet.length)]
  return text.trim()
}

function fields(dice: Dice): Fields {
  const most = dice.roll(20) === 0 ? 3_000 : 30
  return Array.from({ length: dice.roll(8) }, () => [dice.pick(names), dice.roll(2) === 0 ? 'same' : value(dice, most)])
}

function trailers(dice: Dice): Fields {
  if (dice.roll(3) > 0) return []
  return [
    ['grpc-status', String(dice.roll(17))],
    ['x-checksum', value(dice, 20)],
  ]
}

function body(dice: Dice): Buffer {
  const size = dice.roll(3) === 0 ? 0 : dice.roll(dice.roll(10) === 0 ? 200_000 : 3_000)
  return Buffer.alloc(size, `${dice.roll(1e6)} `)
}

function message(dice: Dice, head: Fields): Message {
  const own: Message = { fields: [...head, ...fields(dice)], body: body(dice), trailers: trailers(dice) }
  if (dice.roll(3) === 0 && own.body.length > 0) {
    own.fields = [...own.fields, ['content-length', String(own.body.length)]]
  }
  return own
}

function request(dice: Dice): Message {
  const path = dice.roll(2) === 0 ? '/' : `/items/${dice.roll(100)}?q=${dice.roll(10)}`
  return message(dice, [
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', path],
    [':authority', 'shop.example'],
  ])
}

function options(dice: Dice): Http2SessionOptions {
  return {
    settings: {
      headerTableBytes: dice.pick([0, 100, 4_096, 16_384]),
      encoderTableBytes: dice.pick([0, 200, 4_096]),
      streamWindowBytes: dice.pick([1_000, 65_535, 1_048_576]),
      connectionWindowBytes: dice.pick([65_535, 1_048_576]),
      maxConcurrentStreams: dice.pick([1, 3, 128]),
      frameBytes: dice.pick([16_384, 70_000]),
      sendFrameBytes: dice.pick([100, 16_384, 70_000]),
    },
    // Windows of a thousand bytes make many small frames; that is what is tested here, not that it is refused.
    limits: { controlBurst: 1e6, resetBurst: 1e6 },
  }
}

/** Moves what one side wrote to the other, in pieces. */
function carry(dice: Dice, from: Peer, to: Peer): boolean {
  const output = from.session.output
  if (output.length === 0) return false
  const bytes = Buffer.from(output.view())
  output.clear()
  const pieces = dice.roll(3) === 0 ? [bytes] : cut(dice, bytes)
  for (const piece of pieces) {
    const arrived = Buffer.from(piece)
    to.session.receive(arrived, 0, arrived.length, 0)
    arrived.fill(0xee)
  }
  return true
}

function settle(dice: Dice, client: Peer, server: Peer): void {
  for (let round = 0; round < 20_000; round++) {
    const moved = carry(dice, client, server)
    if (!carry(dice, server, client) && !moved) return
  }
  assert.fail('the two sides never come to rest')
}

test(`two sessions agree on every exchange (seed ${seed})`, t => {
  const dice = new Dice(seed)
  let complete = 0
  let resets = 0
  for (let round = 0; round < Math.max(20, iterations / 40); round++) {
    const requests: Message[] = []
    const responses: Message[] = []
    const seen: Exchange[] = []
    const server = new Peer('server', options(dice), (exchange, stream, session) => {
      seen[(stream.id - 1) / 2] = exchange
      const response = message(dice, [[':status', dice.pick(['200', '404', '500'])]])
      responses[(stream.id - 1) / 2] = response
      if (dice.roll(10) === 0) {
        session.reset(stream, errorCodes.INTERNAL_ERROR)
        return
      }
      session.sendHeaders(stream, listOf(response.fields), false)
      exchange.send(session, stream, response)
    })
    const client = new Peer('client', options(dice))
    settle(dice, client, server)
    const sent: Exchange[] = []
    for (let count = dice.roll(8); count > 0; count--) {
      const own = request(dice)
      const opened = client.request(own)
      if (opened === undefined) settle(dice, client, server)
      else {
        requests.push(own)
        sent.push(opened.exchange)
        if (dice.roll(10) === 0) {
          client.session.reset(opened.stream, errorCodes.CANCEL)
          opened.exchange.outcome = 'reset 8'
        }
      }
      if (dice.roll(3) === 0) settle(dice, client, server)
    }
    settle(dice, client, server)
    const where = `seed ${seed}, round ${round}`
    assert.equal(client.session.problem, undefined, where)
    assert.equal(server.session.problem, undefined, where)
    assert.equal(client.session.streamCount, 0, where)
    assert.equal(server.session.streamCount, 0, where)
    for (const [index, exchange] of sent.entries()) {
      if (exchange.outcome !== 'complete') {
        assert.match(exchange.outcome, /^reset/, where)
        resets++
        continue
      }
      complete++
      assert.deepEqual(seen[index]?.received, requests[index], where)
      assert.deepEqual(exchange.received, responses[index], where)
    }
    // A client that is at rest has seen all of its windows again, up to half of each.
    assert.ok(client.session.receiveWindow * 2 >= client.session.settings.connectionWindowBytes, where)
    assert.ok(server.session.receiveWindow * 2 >= server.session.settings.connectionWindowBytes, where)
  }
  t.diagnostic(`${complete} exchanges complete, ${resets} reset`)
  assert.ok(complete > 20)
})

const cases = [...conformanceOfStreams, ...conformanceOfFrames, ...conformanceOfMessages, ...conformanceOfHpack].filter(
  each => each.isBare !== true && each.side !== 'client',
)

/** Frames of some cases one after the other, with bytes changed, removed, doubled or cut off. */
function mutant(dice: Dice): Buffer {
  const parts: Buffer[] = []
  for (let count = 1 + dice.roll(4); count > 0; count--) {
    for (const step of dice.pick(cases).steps) if (typeof step !== 'function' && step.length < 5_000) parts.push(step)
  }
  const bytes = Buffer.concat(parts)
  for (let count = dice.roll(6); count > 0 && bytes.length > 0; count--) {
    const at = dice.roll(bytes.length)
    if (dice.roll(2) === 0) bytes[at] = dice.roll(256)
    else bytes[at] = (bytes[at] as number) ^ (1 << dice.roll(8))
  }
  const from = dice.roll(4) === 0 ? dice.roll(bytes.length + 1) : 0
  const to = dice.roll(4) === 0 ? from + dice.roll(bytes.length - from + 1) : bytes.length
  return bytes.subarray(from, to)
}

test(`mutated bytes never throw, stay within limits, and mean the same under every split (seed ${seed})`, t => {
  const dice = new Dice(seed + 1)
  const problems = new Map<string, number>()
  for (let round = 0; round < iterations; round++) {
    const bytes = mutant(dice)
    const each = { name: 'mutant', steps: [bytes], expected: { kind: 'fine' } } as const
    const where = `${bytes.toString('hex')}, seed ${seed}`
    const whole = runCase(each)
    for (let split = 0; split < 2; split++)
      assert.deepEqual(
        runCase(each, piece => cut(dice, piece).map(part => Buffer.from(part))),
        whole,
        where,
      )
    problems.set(whole.problem ?? 'none', (problems.get(whole.problem ?? 'none') ?? 0) + 1)
    assert.ok(whole.sent.length < 20 + bytes.length / 9, where)
  }
  t.diagnostic(JSON.stringify(Object.fromEntries(problems)))
  assert.ok(problems.size > 12, 'the mutants reach many kinds of problems')
  assert.ok((problems.get('none') ?? 0) > iterations / 100, 'some mutants are fine')
})

test(`noise never throws and holds no more than the limits (seed ${seed})`, () => {
  const dice = new Dice(seed + 2)
  for (let round = 0; round < iterations / 4; round++) {
    const recorder = new Recorder()
    const session = new Http2Session('server', recorder)
    recorder.session = session
    const start = handshake('server')
    session.receive(start, 0, start.length, 0)
    for (let count = 0; count < 30 && !session.isOver; count++) {
      // A valid frame header of a random type before random bytes, so that every payload is reached.
      const length = dice.roll(dice.roll(5) === 0 ? 16_384 : 60)
      const bytes = Buffer.alloc(9 + length)
      bytes.writeUIntBE(length, 0, 3)
      bytes[3] = dice.pick([0, 1, 1, 1, 2, 3, 4, 6, 7, 8, 9])
      bytes[4] = dice.pick([0, 4, 5, 5, 13, 37])
      bytes.writeUInt32BE(dice.pick([0, 1, 1, 3, 5]), 5)
      for (let at = 9; at < bytes.length; at++) bytes[at] = dice.roll(256)
      session.receive(bytes, 0, bytes.length, 0)
      assert.ok(session.reader.heldBytes <= 65_536 + 16_384)
      assert.ok(session.reader.decoder.tableSize <= 4_096)
    }
  }
})
