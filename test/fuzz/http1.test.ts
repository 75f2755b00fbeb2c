import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer, METHODS, type Server } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { after, before, suite, test } from 'node:test'
import { defaultChunkLimits, defaultHeadLimits, http1Problems } from '../../src/codec/index.ts'
import { malformedRequests, readMessage, wellFormedRequests, type Reading } from '../../src/codec/testing.ts'
import { cut, Dice, generateRequest, generateResponse } from './http1-generate.ts'

// `HEDDLE_FUZZ_ITERATIONS` sets the effort, `HEDDLE_FUZZ_SEED` repeats a run.
const iterations = Number(process.env['HEDDLE_FUZZ_ITERATIONS'] ?? 2_000)
const seed = Number(process.env['HEDDLE_FUZZ_SEED'] ?? randomInt(2 ** 31))

const smallLimits = {
  headLimits: { ...defaultHeadLimits, headBytes: 120, targetBytes: 12, fieldCount: 4, fieldBytes: 40 },
  chunkLimits: { ...defaultChunkLimits, extensionBytes: 6, overheadBytes: 8, trailerBytes: 20, trailerCount: 2 },
}

function bytesOf(input: string): Buffer {
  return Buffer.from(input, 'latin1')
}

type Field = readonly [name: string, value: string]

function fieldsOf(reading: Reading): Field[] {
  const fields = (reading.head?.['fields'] ?? []) as Field[]
  return fields.map(([name, value]) => [name, value])
}

/** Writes an accepted message anew from what was understood of it. */
function rewrite(reading: Reading): string {
  const head = reading.head ?? {}
  const fields = fieldsOf(reading).map(([name, value]) => `${name}: ${value}\r\n`)
  const line = `${String(head['method'])} ${String(head['target'])} HTTP/1.${String(head['minorVersion'])}\r\n`
  let body = reading.body
  if (head['framing'] === 'chunked') {
    const chunk = body === '' ? '' : `${body.length.toString(16)}\r\n${body}\r\n`
    body = `${chunk}0\r\n${reading.trailers}`
  }
  return `${line}${fields.join('')}\r\n${body}`
}

/** What must not change when a message is written anew. */
function meaningOf(reading: Reading): unknown {
  const { outcome, body, trailers } = reading
  const { offsets: _offsets, length: _length, ...head } = reading.head ?? {}
  return { outcome, body, trailers, head }
}

test(`the codec reads anything, alike under every split (seed ${seed})`, t => {
  const dice = new Dice(seed)
  let accepted = 0
  for (let round = 0; round < iterations; round++) {
    const kind = dice.roll(4) === 0 ? 'response' : 'request'
    const input = kind === 'request' ? generateRequest(dice) : generateResponse(dice)
    const options = dice.roll(4) === 0 ? smallLimits : { requestMethod: dice.roll(10) }
    const bytes = bytesOf(input)
    const where = `${kind} ${JSON.stringify(input)}, seed ${seed}`
    const whole = readMessage(kind, [bytes], options)
    for (let split = 0; split < 3; split++) {
      assert.deepEqual(readMessage(kind, cut(dice, bytes), options), whole, where)
    }
    if (whole.problem !== undefined) assert.equal(whole.status, http1Problems[whole.problem].status)
    assert.ok(whole.at >= 0 && whole.at <= bytes.length, where)
    if (kind === 'response' || whole.outcome !== 'complete') continue
    accepted++
    const again = readMessage('request', [bytesOf(rewrite(whole))], { requestMethod: 0 })
    assert.deepEqual(meaningOf(again), meaningOf(whole), where)
  }
  t.diagnostic(`${accepted} of ${iterations} requests were accepted`)
  assert.ok(accepted > iterations / 20, 'too few requests were accepted to prove anything')
})

interface Seen {
  readonly method: string | undefined
  readonly url: string | undefined
  readonly fields: number
  readonly trailers: number
  readonly body: string
}

suite('a node:http server behind the codec', () => {
  let server: Server
  let seen: Seen[] = []
  before(async () => {
    server = createServer({ maxHeaderSize: 131_072 }, (request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('error', () => {})
      request.on('end', () => {
        const body = Buffer.concat(chunks).toString('latin1')
        const { method, url, rawHeaders, rawTrailers } = request
        seen.push({ method, url, fields: rawHeaders.length / 2, trailers: rawTrailers.length / 2, body })
        response.end()
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  })
  after(() => server.close())

  async function send(bytes: Buffer): Promise<Seen[]> {
    seen = []
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    socket.on('error', () => {})
    socket.resume()
    socket.end(bytes)
    await once(socket, 'close')
    return seen
  }

  const marker = 'GET /marker HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n'

  /** Sends an accepted message with another one behind it, and expects the server to see just these two. */
  async function compare(input: string, reading: Reading): Promise<'same' | 'refused' | 'not sent'> {
    const head = reading.head ?? {}
    // Node hands tunnels over to somebody else, and knows only registered methods.
    if (!METHODS.includes(String(head['method'])) || head['method'] === 'CONNECT' || head['upgrade'] === true) {
      return 'not sent'
    }
    const message = input.slice(0, reading.at)
    const requests = await send(bytesOf(head['keepAlive'] === true ? message + marker : message))
    const [first, second] = requests
    const where = `${JSON.stringify(input)}, seed ${seed}`
    if (first === undefined) return 'refused'
    const trailers = reading.trailers.split('\r\n').length - (reading.trailers === '' ? 1 : 2)
    const expected = {
      method: head['method'],
      url: head['target'],
      fields: fieldsOf(reading).length,
      trailers: Math.max(0, trailers),
      body: reading.body,
    }
    assert.deepEqual({ ...first }, expected, where)
    if (head['keepAlive'] === true) assert.equal(second?.url, '/marker', where)
    assert.equal(requests.length, head['keepAlive'] === true ? 2 : 1, where)
    return 'same'
  }

  async function compareAll(inputs: Iterable<string>, most: number): Promise<Record<string, number>> {
    const counts = { same: 0, refused: 0, 'not sent': 0 }
    for (const input of inputs) {
      const reading = readMessage('request', [bytesOf(input)])
      if (reading.outcome !== 'complete') continue
      counts[await compare(input, reading)]++
      if (counts.same >= most) break
    }
    return counts
  }

  test('sees the same messages in every well-formed request', async t => {
    const counts = await compareAll(
      wellFormedRequests.map(each => each.input),
      Infinity,
    )
    t.diagnostic(JSON.stringify(counts))
    assert.ok(Number(counts['same']) > wellFormedRequests.length * 0.8)
  })

  test(`sees the same messages in accepted mutants (seed ${seed})`, async t => {
    const dice = new Dice(seed + 1)
    function* mutants(): Generator<string> {
      for (let round = 0; round < iterations; round++) yield generateRequest(dice)
    }
    const counts = await compareAll(mutants(), Math.max(400, iterations / 10))
    t.diagnostic(JSON.stringify(counts))
    assert.ok(Number(counts['same']) >= Math.min(400, iterations / 40))
  })

  test('would have read some of what the codec refuses', async () => {
    // If Node refused all of these too, the comparison above would prove little.
    const lenient = malformedRequests.filter(each => each.name === 'the same Host twice' || each.name === 'a fragment')
    for (const { input } of lenient) assert.equal((await send(bytesOf(input))).length, 1)
    assert.equal(lenient.length, 2)
  })
})
