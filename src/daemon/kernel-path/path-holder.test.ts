import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../../core/index.ts'
import { leftOf, PathHolder } from './path-holder.ts'

function hold(held: readonly string[] = []): { holder: PathHolder; clock: ManualClock; told: string[] } {
  const clock = new ManualClock()
  const told: string[] = []
  const keeper = {
    keep: (_: unknown, entries: readonly { readonly name: string; readonly fd: number }[]) =>
      told.push(...entries.map(({ name, fd }) => `keep ${name}: ${fd}`)),
    drop: (names: readonly string[]) => told.push(...names.map(name => `drop ${name}`)),
    isThere: true,
  }
  return { holder: new PathHolder(keeper, { clock, generation: 'path v r', held }), clock, told }
}

test('PathHolder tells of what lives longer than a moment, and of its end', () => {
  const { holder, clock, told } = hold()
  holder.hold('client 1', 11)
  holder.hold('client 2', 12)
  holder.release('client 1')
  assert.deepEqual(told, [])
  clock.advance(10)
  assert.deepEqual(told.splice(0), ['keep path v r client 2: 12'])
  holder.release('client 2')
  holder.release('client 3')
  clock.advance(10)
  assert.deepEqual(told.splice(0), ['drop path v r client 2'])
})

test('PathHolder replaces what has the same name, and leaves nothing when it is disposed', () => {
  const { holder, clock, told } = hold(['queue 7'])
  holder.release('queue 7')
  holder.hold('queue 7', 20)
  clock.advance(10)
  assert.deepEqual(told.splice(0), ['keep path v r queue 7: 20'])
  holder.hold('client 1', 21)
  holder[Symbol.dispose]()
  assert.deepEqual(told, ['drop path v r queue 7'])
})

test('PathHolder leaves what it holds when it was told to, but not what ends before', () => {
  const { holder, told } = hold(['map a', 'client 1'])
  holder.hold('client 2', 12)
  assert.equal(holder.flush(), true)
  assert.deepEqual(told.splice(0), ['keep path v r client 2: 12'])
  holder.leave()
  holder.release('client 1')
  holder[Symbol.dispose]()
  assert.deepEqual(told, ['drop path v r client 1'])
})

test('leftOf() tells generations apart, and passes over what is not of the path', () => {
  const left = new Set([
    'tcp 127.0.0.1:80 0',
    'path v r client 1',
    'path v s listener 80 Service shop/web:80',
    'path v r map a',
  ])
  assert.deepEqual(
    [...leftOf({ left })],
    [
      ['path v r', ['client 1', 'map a']],
      ['path v s', ['listener 80 Service shop/web:80']],
    ],
  )
})
