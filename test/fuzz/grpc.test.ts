import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { test } from 'node:test'
import {
  decodeGrpcMessage,
  decodeHealthRequest,
  decodeHealthResponse,
  encodeGrpcMessage,
  formatGrpcTimeout,
  frameGrpcMessage,
  grpcEvents,
  grpcForms,
  GrpcFrameScanner,
  parseGrpcTimeout,
  ProtobufReader,
  ProtobufWriter,
  readUnaryMessage,
  WebResponse,
  WebTextDecoder,
  wireTypes,
} from '../../src/codec/index.ts'
import { Dice } from './http1-generate.ts'

// `HEDDLE_FUZZ_ITERATIONS` sets the effort, `HEDDLE_FUZZ_SEED` repeats a run.
const iterations = Number(process.env['HEDDLE_FUZZ_ITERATIONS'] ?? 2_000)
const seed = Number(process.env['HEDDLE_FUZZ_SEED'] ?? randomInt(2 ** 31))

function randomBytes(dice: Dice, length: number, below = 256): Buffer {
  return Buffer.from(Array.from({ length }, () => dice.roll(below)))
}

/** The bytes in pieces of any size, empty ones too. */
function pieces(dice: Dice, bytes: Buffer): Buffer[] {
  const parts: Buffer[] = []
  for (let at = 0; at < bytes.length;) {
    const length = dice.roll(4) === 0 ? 0 : 1 + dice.roll(Math.min(30, bytes.length - at))
    parts.push(bytes.subarray(at, at + length))
    at += length
  }
  return parts
}

function scan(parts: readonly Buffer[], limit: number): { messages: string[]; isInvalid: boolean; isBetween: boolean } {
  const scanner = new GrpcFrameScanner({ maxMessageBytes: limit })
  const messages: string[] = []
  let message = ''
  for (const part of parts) {
    for (let at = 0; ; at = scanner.at) {
      const event = scanner.next(part, at, part.length)
      assert.ok(scanner.at >= at && scanner.at <= part.length)
      if (event === grpcEvents.data) {
        message += part.toString('hex', scanner.from, scanner.to)
        continue
      }
      if (event === grpcEvents.end) {
        messages.push(message)
        message = ''
        continue
      }
      if (event === grpcEvents.invalid) return { messages, isInvalid: true, isBetween: scanner.isBetweenMessages }
      break
    }
  }
  return { messages, isInvalid: false, isBetween: scanner.isBetweenMessages }
}

test(`frames of gRPC are the same under every split (seed ${seed})`, () => {
  const dice = new Dice(seed)
  for (let round = 0; round < iterations; round++) {
    const sent = Array.from({ length: dice.roll(5) }, () => randomBytes(dice, dice.roll(60)))
    const bytes = Buffer.concat(sent.map(message => frameGrpcMessage(message, dice.roll(2))))
    const limit = dice.roll(4) === 0 ? 30 : 1000
    const whole = scan([bytes], limit)
    assert.deepEqual(scan(pieces(dice, bytes), limit), whole, `round ${round}`)
    if (limit === 1000)
      assert.deepEqual(
        whole.messages,
        sent.map(message => message.toString('hex')),
      )
    // Bytes that nobody meant: no exception, and the same for every split.
    const noise = randomBytes(dice, dice.roll(80), dice.roll(2) === 0 ? 4 : 256)
    assert.deepEqual(scan(pieces(dice, noise), limit), scan([noise], limit), `round ${round}`)
    readUnaryMessage(noise)
  }
})

test(`gRPC-Web text is base64, in whatever pieces (seed ${seed})`, () => {
  const dice = new Dice(seed)
  for (let round = 0; round < iterations; round++) {
    const bytes = randomBytes(dice, dice.roll(100))
    const response = new WebResponse(grpcForms.webText)
    const text = Buffer.concat(pieces(dice, bytes).map(piece => Buffer.from(response.data(piece))))
    const decoder = new WebTextDecoder()
    const decoded = pieces(dice, text).map(piece => decoder.decode(piece) ?? assert.fail('refused'))
    assert.deepEqual(Buffer.concat(decoded), bytes)
    assert.equal(decoder.isComplete, true)
    const noise = randomBytes(dice, dice.roll(12), 128)
    const other = new WebTextDecoder()
    const read = other.decode(noise)
    // What is taken is what Node takes, in its one form.
    if (read !== undefined && other.isComplete && noise.length % 4 === 0 && !noise.subarray(0, -4).includes(0x3d)) {
      assert.equal(read.toString('base64'), noise.toString('latin1'))
    }
  }
})

test(`messages of protocol buffers survive writing and reading, and noise does no harm (seed ${seed})`, () => {
  const dice = new Dice(seed)
  for (let round = 0; round < iterations; round++) {
    const { message, meaning } = randomMessage(dice, 0)
    assert.deepEqual(readMessage(new ProtobufReader(message)), meaning, `round ${round}`)
    const broken = Buffer.from(message)
    for (let change = dice.roll(4); change > 0 && broken.length > 0; change--)
      broken[dice.roll(broken.length)] = dice.roll(256)
    for (const bytes of [broken.subarray(0, dice.roll(broken.length + 1)), randomBytes(dice, dice.roll(40))]) {
      readMessage(new ProtobufReader(bytes))
      decodeHealthRequest(bytes)
      decodeHealthResponse(bytes)
    }
  }
})

/** Odd fields are numbers, those divisible by four messages, other even ones bytes. */
function randomMessage(dice: Dice, depth: number): { message: Buffer; meaning: unknown[] } {
  const writer = new ProtobufWriter()
  const meaning: unknown[] = []
  for (let count = dice.roll(5); count > 0; count--) {
    const field = 1 + dice.roll(dice.roll(3) === 0 ? 536_870_911 : 40)
    if (field % 2 === 1) {
      const value = BigInt.asUintN(64, (BigInt(dice.roll(2 ** 31)) << 33n) >> BigInt(dice.roll(64)))
      writer.varint(field, value)
      meaning.push([field, value])
    } else if (field % 4 === 0 && depth < 5) {
      const inner = randomMessage(dice, depth + 1)
      writer.bytes(field, inner.message)
      meaning.push([field, inner.meaning])
    } else if (field % 4 !== 0) {
      const bytes = randomBytes(dice, dice.roll(200))
      writer.bytes(field, bytes)
      meaning.push([field, bytes.toString('hex')])
    }
  }
  return { message: writer.finish(), meaning }
}

function readMessage(reader: ProtobufReader): unknown[] {
  const meaning: unknown[] = []
  while (reader.next()) {
    const { field } = reader
    if (reader.wireType === wireTypes.varint) meaning.push([field, reader.uint64()])
    else if (reader.wireType !== wireTypes.bytes) continue
    else if (field % 4 === 0) meaning.push([field, readMessage(reader.message())])
    else meaning.push([field, Buffer.from(reader.bytes()).toString('hex')])
  }
  return meaning
}

test(`texts and deadlines survive their forms (seed ${seed})`, () => {
  const dice = new Dice(seed)
  for (let round = 0; round < iterations; round++) {
    const text = String.fromCodePoint(
      ...Array.from({ length: dice.roll(20) }, () => dice.roll(dice.roll(2) === 0 ? 0x80 : 0xd800)),
    )
    const encoded = encodeGrpcMessage(text)
    assert.match(encoded, /^[ -~]*$/)
    assert.equal(decodeGrpcMessage(encoded), text)
    decodeGrpcMessage(randomBytes(dice, dice.roll(30), 128).toString('latin1'))
    const ms = dice.roll(2 ** 31) * (1 + dice.roll(1000))
    const timeout = formatGrpcTimeout(ms)
    assert.match(timeout, /^[0-9]{1,8}[HMSm]$/)
    const read = parseGrpcTimeout(timeout) ?? assert.fail(timeout)
    assert.ok(read <= ms && ms - read < 3_600_000)
  }
})
