import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Backlog, PieceMemory } from './backlog.ts'

function drain(backlog: Backlog, step: number): Buffer {
  const out: Buffer[] = []
  for (let piece = backlog.first; piece !== undefined; piece = backlog.first) {
    const length = Math.min(step, piece.end - piece.start)
    out.push(Buffer.from(piece.bytes.subarray(piece.start, piece.start + length)))
    backlog.consume(length)
  }
  return Buffer.concat(out)
}

test('Backlog gives back what it took, in order, however it is cut', () => {
  const memory = new PieceMemory()
  const source = Buffer.from(Uint8Array.from({ length: 200_000 }, (_, index) => (index * 31) & 0xff))
  for (const [size, step] of [
    [1, 7],
    [999, 20_000],
    [16_384, 1],
    [16_385, 65_536],
    [65_536, 10_000],
    [65_537, 65_537],
    [200_000, 3],
  ] as const) {
    const backlog = new Backlog(memory)
    const limit = Math.min(source.length, size * 50)
    for (let at = 0; at < limit; at += size) backlog.append(source, at, Math.min(limit, at + size))
    assert.equal(backlog.length, limit)
    assert.equal(Buffer.compare(drain(backlog, step), source.subarray(0, limit)), 0, `${size} ${step}`)
    assert.equal(backlog.length, 0)
  }
})

test('Backlog uses the memory of large pieces again', () => {
  const memory = new PieceMemory()
  const source = Buffer.alloc(65_536)
  const seen = new Set<Buffer>()
  for (let round = 0; round < 100; round++) {
    const backlog = new Backlog(memory)
    backlog.append(source, 0, 40_000)
    backlog.append(source, 0, 40_000)
    for (let piece = backlog.first; piece !== undefined; piece = backlog.first) {
      seen.add(piece.bytes)
      if (round % 2 === 0) backlog.consume(piece.end - piece.start)
      else backlog.clear()
    }
  }
  assert.equal([...seen].filter(({ length }) => length === 65_536).length, 1)
})
