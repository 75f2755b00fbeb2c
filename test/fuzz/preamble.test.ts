import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { test } from 'node:test'
import { encodeProxyHeader, HelloReader, maxProxyHeaderBytes, parseProxyHeader } from '../../src/codec/index.ts'
import { Dice } from './http1-generate.ts'

// `HEDDLE_FUZZ_ITERATIONS` sets the effort, `HEDDLE_FUZZ_SEED` repeats a run.
const iterations = Number(process.env['HEDDLE_FUZZ_ITERATIONS'] ?? 2_000)
const seed = Number(process.env['HEDDLE_FUZZ_SEED'] ?? randomInt(2 ** 31))

function randomBytes(dice: Dice, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => dice.roll(256)))
}

function prefixed(lengthBytes: number, body: Buffer): Buffer {
  const length = Buffer.alloc(lengthBytes)
  length.writeUIntBE(body.length, 0, lengthBytes)
  return Buffer.concat([length, body])
}

/** A ClientHello with what real ones have and what they might, in one record or in several. */
function hello(dice: Dice): Buffer {
  const extension = (type: number, body: Buffer): Buffer =>
    Buffer.concat([Buffer.from([type >> 8, type & 0xff]), prefixed(2, body)])
  const extensions: Buffer[] = []
  if (dice.roll(4) > 0) {
    const name = Buffer.from(['a.example', 'A.Example.', 'x', 'ü.example', ''][dice.roll(5)] ?? '')
    extensions.push(
      extension(0, prefixed(2, Buffer.concat([Buffer.from([dice.roll(8) === 0 ? 1 : 0]), prefixed(2, name)]))),
    )
  }
  if (dice.roll(2) > 0) {
    const list = Array.from({ length: dice.roll(3) }, () => prefixed(1, randomBytes(dice, dice.roll(12))))
    extensions.push(extension(16, prefixed(2, Buffer.concat(list))))
  }
  for (let more = dice.roll(4); more > 0; more--)
    extensions.push(extension(dice.roll(65_536), randomBytes(dice, dice.roll(300))))
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    randomBytes(dice, 32),
    prefixed(1, randomBytes(dice, dice.roll(2) * 32)),
    prefixed(2, randomBytes(dice, 2 + 2 * dice.roll(20))),
    prefixed(1, Buffer.from([0])),
    prefixed(2, Buffer.concat(extensions)),
  ])
  const message = Buffer.concat([Buffer.from([1]), prefixed(3, body)])
  const records: Buffer[] = []
  for (let at = 0; at < message.length;) {
    const length = dice.roll(3) === 0 ? 1 + dice.roll(message.length - at) : message.length - at
    records.push(Buffer.from([22, 3, 1]), prefixed(2, message.subarray(at, at + length)))
    at += length
  }
  return Buffer.concat(records)
}

/** A few bytes changed, left out or added. */
function damage(dice: Dice, bytes: Buffer): Buffer {
  let damaged = Buffer.from(bytes)
  for (let times = dice.roll(4); times > 0 && damaged.length > 0; times--) {
    const at = dice.roll(damaged.length)
    switch (dice.roll(3)) {
      case 0:
        damaged[at] = dice.roll(256)
        break
      case 1:
        damaged = Buffer.concat([damaged.subarray(0, at), damaged.subarray(at + 1 + dice.roll(8))])
        break
      default:
        damaged = Buffer.concat([damaged.subarray(0, at), randomBytes(dice, 1 + dice.roll(8)), damaged.subarray(at)])
    }
  }
  return damaged
}

interface Reading {
  readonly progress: string
  readonly serverName: string | undefined
  readonly protocols: readonly string[]
  readonly problem: string
}

function readHello(bytes: Buffer, cuts: readonly number[]): Reading {
  const reader = new HelloReader()
  let progress = 'need-more'
  let from = 0
  for (const to of [...cuts, bytes.length]) {
    progress = reader.read(bytes, from, to)
    from = to
  }
  const { serverName, protocols, problem } = reader
  return { progress, serverName, protocols, problem }
}

test(`a hello reads alike however it is cut, whole or damaged (seed ${seed})`, () => {
  const dice = new Dice(seed)
  const seen = new Set<string>()
  for (let i = 0; i < iterations; i++) {
    const bytes = dice.roll(3) === 0 ? hello(dice) : damage(dice, hello(dice))
    const whole = readHello(bytes, [])
    seen.add(whole.progress)
    const cuts = Array.from({ length: dice.roll(8) }, () => dice.roll(bytes.length + 1)).toSorted((a, b) => a - b)
    assert.deepEqual(readHello(bytes, cuts), whole, `${bytes.toString('hex')} cut at ${cuts.join()}`)
    const singly = Array.from({ length: bytes.length }, (_, at) => at)
    assert.deepEqual(readHello(bytes, singly), whole, `${bytes.toString('hex')} byte by byte`)
    // A name goes to routes and logs.
    assert.match(whole.serverName ?? '', /^[!-~]*$/)
    assert.equal(whole.serverName, whole.serverName?.toLowerCase())
    assert.equal(whole.problem !== '', whole.progress === 'invalid')
  }
  if (iterations >= 100) assert.deepEqual(seen, new Set(['complete', 'invalid', 'need-more']))
})

test(`a PROXY header is invalid from some byte on or complete, and never beyond its bound (seed ${seed})`, () => {
  const dice = new Dice(seed)
  for (let i = 0; i < iterations; i++) {
    const isIpv6 = dice.roll(2) === 0
    const address = (): string => (isIpv6 ? `2001:db8::${dice.roll(65_536).toString(16)}` : `192.0.2.${dice.roll(256)}`)
    const addresses = {
      source: { address: address(), port: dice.roll(65_536) },
      destination: { address: address(), port: dice.roll(65_536) },
    }
    const header = encodeProxyHeader(dice.roll(2) === 0 ? 'v1' : 'v2', addresses)
    const isWhole = dice.roll(3) === 0
    const bytes = Buffer.concat([isWhole ? header : damage(dice, header), randomBytes(dice, dice.roll(20))])
    let decided: ReturnType<typeof parseProxyHeader> | undefined
    for (let end = 0; end <= bytes.length; end++) {
      const outcome = parseProxyHeader(bytes, end)
      if (decided !== undefined) assert.deepEqual(outcome, decided, `${bytes.toString('hex')} at ${end}`)
      else if (outcome.kind !== 'need-more') decided = outcome
    }
    if (isWhole) {
      const version = header[0] === 0x50 ? 1 : 2
      assert.deepEqual(decided, { kind: 'header', version, length: header.length, addresses })
    }
    if (decided?.kind === 'header') assert.ok(decided.length <= Math.min(bytes.length, maxProxyHeaderBytes))
  }
})
