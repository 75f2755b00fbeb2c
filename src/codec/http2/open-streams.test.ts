import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OpenStreams } from './open-streams.ts'
import { Http2Stream } from './stream.ts'

const streamOf = (id: number): Http2Stream => new Http2Stream(id, 0, 0, undefined)

/** A small generator of numbers that are the same in every run. */
function numbers(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

test('OpenStreams hold what a Map would, whatever comes and goes', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const next = numbers(seed)
    const streams = new OpenStreams<unknown>()
    const model = new Map<number, Http2Stream>()
    let id = 1
    for (let step = 0; step < 3000; step++) {
      // Phases that grow alternate with phases that shrink.
      if (next(10) < (step % 1000 < 500 ? 6 : 4)) {
        const stream = streamOf(id)
        id += 2 * (1 + next(3))
        streams.add(stream)
        model.set(stream.id, stream)
      } else if (model.size > 0) {
        const gone = [...model.keys()][next(model.size)] as number
        streams.delete(gone)
        model.delete(gone)
      }
      const asked = 1 + 2 * next(id)
      assert.equal(streams.get(asked), model.get(asked))
      assert.equal(streams.size, model.size)
    }
    assert.deepEqual(streams.list(), [...model.values()])
    for (const [known, stream] of model) assert.equal(streams.get(known), stream)
  }
})

test('OpenStreams find ids that are chosen to fall into one place, and those behind them when one goes', () => {
  const streams = new OpenStreams<unknown>()
  const place = (id: number): number => Math.imul(id, 0x9e3779b1) >>> 24
  const same = Array.from({ length: 400_000 }, (_, index) => 1 + 2 * index)
    .filter(id => place(id) === 255)
    .slice(0, 100)
  assert.equal(same.length, 100)
  for (const id of same) streams.add(streamOf(id))
  for (const [index, id] of same.entries()) {
    streams.delete(id)
    assert.equal(streams.get(id), undefined)
    for (const other of same.slice(index + 1)) assert.equal(streams.get(other)?.id, other)
  }
  assert.equal(streams.size, 0)
})

test('OpenStreams are listed from any place, round to it', () => {
  const streams = new OpenStreams<unknown>()
  for (const id of [5, 1, 7, 3]) streams.add(streamOf(id))
  for (const [after, expected] of [
    [0, [1, 3, 5, 7]],
    [1, [3, 5, 7, 1]],
    [4, [5, 7, 1, 3]],
    [7, [1, 3, 5, 7]],
    [2 ** 31 - 1, [1, 3, 5, 7]],
  ] as const) {
    assert.deepEqual(
      streams.list(after).map(({ id }) => id),
      expected,
    )
  }
})

test('OpenStreams do nothing when what is deleted is not there', () => {
  const streams = new OpenStreams<unknown>()
  streams.delete(1)
  streams.add(streamOf(3))
  streams.delete(1)
  assert.equal(streams.size, 1)
  assert.deepEqual(
    streams.list().map(({ id }) => id),
    [3],
  )
})
