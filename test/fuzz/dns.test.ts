import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { test } from 'node:test'
import { decodeDnsMessage, DnsTcpFrames, encodeDnsMessage, frameDnsMessage } from '../../src/codec/index.ts'
import { malformedDns, sampleDnsMessage } from '../../src/codec/testing.ts'
import { Dice } from './http1-generate.ts'

// `HEDDLE_FUZZ_ITERATIONS` sets the effort, `HEDDLE_FUZZ_SEED` repeats a run.
const iterations = Number(process.env['HEDDLE_FUZZ_ITERATIONS'] ?? 2_000)
const seed = Number(process.env['HEDDLE_FUZZ_SEED'] ?? randomInt(2 ** 31))

const wellFormed = encodeDnsMessage(sampleDnsMessage)
const seeds = malformedDns.map(({ bytes }) => bytes)
/** Bytes that mean something: pointers, lengths, types, zero. */
const telling = [0, 1, 3, 12, 0x0c, 0x1c, 0x21, 0x29, 0x3f, 0x40, 0xc0, 0xff]

function mutated(dice: Dice): Uint8Array {
  let bytes = Buffer.from(dice.roll(2) === 0 ? wellFormed : (seeds[dice.roll(seeds.length)] ?? []))
  for (let changes = dice.roll(6); changes > 0 && bytes.length > 0; changes--) {
    const at = dice.roll(bytes.length)
    const kind = dice.roll(4)
    if (kind === 0) bytes = bytes.subarray(0, at)
    else if (kind === 1) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(dice.roll(bytes.length))])
    else bytes.writeUInt8(kind === 2 ? (telling[dice.roll(telling.length)] ?? 0) : dice.roll(256), at)
  }
  return bytes
}

test(`DNS messages of any bytes are refused or come back the same (seed ${seed})`, () => {
  const dice = new Dice(seed)
  let taken = 0
  for (let round = 0; round < iterations; round++) {
    const bytes =
      dice.roll(8) === 0 ? Buffer.from(Array.from({ length: dice.roll(200) }, () => dice.roll(256))) : mutated(dice)
    const outcome = decodeDnsMessage(bytes)
    if (outcome.kind === 'invalid') continue
    taken++
    const again = decodeDnsMessage(encodeDnsMessage(outcome.message))
    assert.deepEqual(again, outcome, `round ${round}`)
    const limitBytes = 12 + dice.roll(600)
    const short = encodeDnsMessage(outcome.message, { limitBytes })
    const cut = decodeDnsMessage(short)
    assert.equal(cut.kind, 'message', `round ${round}`)
  }
  assert.ok(taken > iterations / 20, `only ${taken} were messages`)
})

test(`DNS messages on a stream do not depend on how it is cut (seed ${seed})`, () => {
  const dice = new Dice(seed)
  for (let round = 0; round < iterations / 20; round++) {
    const messages = Array.from({ length: 1 + dice.roll(5) }, () => mutated(dice))
    const stream = Buffer.concat(messages.map(frameDnsMessage))
    const frames = new DnsTcpFrames()
    const read: Uint8Array[] = []
    for (let at = 0; at < stream.length;) {
      const length = 1 + dice.roll(40)
      read.push(...frames.read(stream.subarray(at, at + length)))
      at += length
    }
    assert.deepEqual(
      read.map(bytes => Buffer.from(bytes).toString('hex')),
      messages.map(bytes => Buffer.from(bytes).toString('hex')),
    )
    assert.equal(frames.isWithin, false)
  }
})
