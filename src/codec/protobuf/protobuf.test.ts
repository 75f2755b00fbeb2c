import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { maxProtobufDepth, ProtobufReader } from './reader.ts'
import { ProtobufWriter } from './writer.ts'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

/** Reads everything there is as text, whatever it means. */
function dump(reader: ProtobufReader): string[] {
  const fields: string[] = []
  while (reader.next()) fields.push(`${reader.field}:${reader.wireType}`)
  return fields
}

describe('ProtobufReader', () => {
  // The examples of the description of the encoding.
  test('reads the published examples', () => {
    const first = new ProtobufReader(hex('08 96 01'))
    assert.equal(first.next(), true)
    assert.equal(first.field, 1)
    assert.equal(first.int32(), 150)
    assert.equal(first.next(), false)
    const text = new ProtobufReader(hex('12 07 74 65 73 74 69 6e 67'))
    assert.equal(text.next(), true)
    assert.equal(text.field, 2)
    assert.equal(text.string(), 'testing')
    const outer = new ProtobufReader(hex('1a 03 08 96 01'))
    assert.equal(outer.next(), true)
    const inner = outer.message()
    assert.equal(inner.next(), true)
    assert.equal(inner.int32(), 150)
    assert.equal(outer.next(), false)
    assert.equal(outer.problem, undefined)
  })

  const numbers: readonly [string, (reader: ProtobufReader) => unknown, unknown][] = [
    ['08 ff ff ff ff ff ff ff ff ff 01', reader => reader.int32(), -1],
    ['08 ff ff ff ff ff ff ff ff ff 01', reader => reader.int64(), -1n],
    ['08 ff ff ff ff ff ff ff ff ff 01', reader => reader.uint64(), 0xffff_ffff_ffff_ffffn],
    ['08 ff ff ff ff 0f', reader => reader.uint32(), 0xffff_ffff],
    ['08 80 80 80 80 10', reader => reader.uint32(), 0],
    ['08 80 80 80 80 08', reader => reader.int32(), -0x8000_0000],
    ['08 ff ff ff 7f', reader => reader.uint32(), 0x0fff_ffff],
    ['08 80 00', reader => reader.uint32(), 0],
    ['08 00', reader => reader.bool(), false],
    ['08 80 80 80 80 10', reader => reader.bool(), true],
    ['09 00 00 00 00 00 00 f8 3f', reader => reader.double(), 1.5],
  ]
  for (const [bytes, read, value] of numbers) {
    test(`reads ${bytes} as ${String(value)}`, () => {
      const reader = new ProtobufReader(hex(bytes))
      assert.equal(reader.next(), true)
      assert.equal(read(reader), value)
      assert.equal(reader.next(), false)
      assert.equal(reader.problem, undefined)
    })
  }

  test('skips fields that nobody takes, of every wire type', () => {
    const bytes = hex('08 96 01  11 0102030405060708  1a 02 0000  23 08 01 2b 08 05 2c 24  35 01020304  38 01')
    const reader = new ProtobufReader(bytes)
    assert.deepEqual(dump(reader), ['1:0', '2:1', '3:2', '4:3', '6:5', '7:0'])
    assert.equal(reader.problem, undefined)
  })

  const broken: readonly [string, string][] = [
    ['08', 'truncated'],
    ['08 80', 'truncated'],
    ['08 80 80 80 80 80 80 80 80 80 80 01', 'varint-too-long'],
    ['00 01', 'invalid-field-number'],
    ['06 00', 'invalid-field-number'],
    ['0e 00', 'invalid-wire-type'],
    ['0f', 'invalid-wire-type'],
    ['0a 02 00', 'truncated'],
    ['0a ff ff ff ff 0f', 'truncated'],
    ['0a ff ff ff ff ff ff ff ff ff 01', 'truncated'],
    ['09 00 00', 'truncated'],
    ['0d 00', 'truncated'],
    ['0c', 'unbalanced-group'],
    ['0b', 'truncated'],
    ['0b 14', 'unbalanced-group'],
    ['82 80 80 80 10 00', 'invalid-field-number'],
  ]
  for (const [bytes, problem] of broken) {
    test(`finds ${problem} in ${bytes}`, () => {
      const reader = new ProtobufReader(hex(bytes))
      dump(reader)
      assert.equal(reader.problem, problem)
      assert.equal(reader.next(), false)
    })
  }

  test('refuses a value of another wire type and text that is no UTF-8', () => {
    const typed = new ProtobufReader(hex('08 01 10 01'))
    assert.equal(typed.next(), true)
    assert.equal(typed.string(), '')
    assert.equal(typed.problem, 'unexpected-wire-type')
    assert.equal(typed.next(), false)
    const text = new ProtobufReader(hex('0a 02 c3 28'))
    assert.equal(text.next(), true)
    assert.equal(text.string(), '')
    assert.equal(text.problem, 'invalid-utf8')
  })

  test('tells the outer message what is wrong in an inner one', () => {
    const outer = new ProtobufReader(hex('0a 02 08 80 10 01'))
    assert.equal(outer.next(), true)
    dump(outer.message())
    assert.equal(outer.problem, 'truncated')
    assert.equal(outer.next(), false)
  })

  test('refuses messages and groups nested too deep instead of running out of stack', () => {
    const groups = Buffer.alloc(100_000, 0x0b)
    const reader = new ProtobufReader(groups)
    dump(reader)
    assert.equal(reader.problem, 'too-deep')
    let nested = new ProtobufReader(hex('0a 00'))
    const root = nested
    for (let depth = 0; depth <= maxProtobufDepth; depth++) nested = new ProtobufReader(hex('0a 00'), nested)
    assert.equal(root.problem, 'too-deep')
    assert.equal(nested.next(), false)
  })

  test('survives any bytes', () => {
    let seed = 0x2545f491
    const random = (): number => {
      seed ^= seed << 13
      seed ^= seed >>> 17
      seed ^= seed << 5
      return seed >>> 0
    }
    for (let round = 0; round < 3000; round++) {
      const bytes = Buffer.alloc(random() % 64)
      for (let at = 0; at < bytes.length; at++) bytes[at] = random() & (round % 2 === 0 ? 0xff : 0x1f)
      const reader = new ProtobufReader(bytes)
      let fields = 0
      while (reader.next()) {
        fields++
        if (reader.wireType === 0) assert.ok(reader.uint64() >= 0n)
        else if (reader.wireType === 2 && round % 3 === 0) dump(reader.message())
      }
      assert.ok(fields <= bytes.length)
    }
  })
})

describe('ProtobufWriter', () => {
  test('writes what the reader reads', () => {
    const inner = new ProtobufWriter()
    inner.string(1, 'ä€😀')
    const writer = new ProtobufWriter()
    writer.varint(1, 150)
    writer.varint(2, -1)
    writer.varint(3, 0xffff_ffff)
    writer.varint(536_870_911, 2n ** 63n)
    writer.bool(5, true)
    writer.double(6, -0.25)
    writer.bytes(7, Buffer.alloc(1000, 7))
    writer.message(8, inner)
    writer.mapEntry(9, 'key', 'value')
    const reader = new ProtobufReader(writer.finish())
    const read: unknown[] = []
    while (reader.next()) {
      switch (reader.field) {
        case 1:
          read.push(reader.uint32())
          break
        case 2:
          read.push(reader.int32())
          break
        case 3:
          read.push(reader.uint32())
          break
        case 5:
          read.push(reader.bool())
          break
        case 6:
          read.push(reader.double())
          break
        case 7:
          read.push(reader.bytes().length)
          break
        case 8: {
          const message = reader.message()
          while (message.next()) read.push(message.string())
          break
        }
        case 9: {
          const entry = reader.message()
          while (entry.next()) read.push(entry.string())
          break
        }
        default:
          read.push(reader.field, reader.uint64())
      }
    }
    assert.equal(reader.problem, undefined)
    assert.deepEqual(read, [150, -1, 0xffff_ffff, 536_870_911, 2n ** 63n, true, -0.25, 1000, 'ä€😀', 'key', 'value'])
  })

  test('writes the published examples', () => {
    const writer = new ProtobufWriter()
    writer.varint(1, 150)
    writer.string(2, 'testing')
    assert.equal(writer.finish().toString('hex'), '089601120774657374696e67')
  })
})
