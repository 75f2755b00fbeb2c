import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../../core/index.ts'
import type { Clock, Timer } from '../../core/index.ts'
import { TimerWheel, WheelTimer } from './timer-wheel.ts'

function makeWheel(options: { tickMs?: number; slots?: number } = {}): {
  clock: ManualClock
  wheel: TimerWheel
  fired: string[]
  timer: (name: string) => WheelTimer
} {
  const clock = new ManualClock()
  const wheel = new TimerWheel(clock, { tickMs: 10, slots: 8, ...options })
  const fired: string[] = []
  return { clock, wheel, fired, timer: name => new WheelTimer(() => fired.push(`${name}@${clock.nowMs()}`)) }
}

test('entries fire once, never early and within a tick', () => {
  for (const delayMs of [0, 1, 10, 15, 79, 80, 81, 500, 12_345]) {
    for (const startMs of [0, 7, 10]) {
      const clock = new ManualClock()
      clock.advance(startMs)
      const wheel = new TimerWheel(clock, { tickMs: 10, slots: 8 })
      let firedMs = -1
      wheel.add(new WheelTimer(() => (firedMs = clock.nowMs())), delayMs)
      clock.advance(delayMs - 1)
      assert.equal(firedMs, -1)
      clock.advance(21)
      assert.ok(firedMs >= startMs + delayMs && firedMs <= startMs + delayMs + 20, `${delayMs}: ${firedMs}`)
      assert.equal(wheel.size, 0)
    }
  }
})

test('a cancelled entry does not fire, and cancelling again does nothing', () => {
  const { clock, wheel, fired, timer } = makeWheel()
  const gone = timer('gone')
  wheel.add(gone, 30)
  wheel.add(timer('stays'), 30)
  assert.ok(wheel.has(gone))
  wheel.cancel(gone)
  wheel.cancel(gone)
  assert.equal(wheel.has(gone), false)
  assert.equal(wheel.size, 1)
  clock.advance(100)
  assert.deepEqual(fired, ['stays@30'])
})

test('adding an entry that is set sets it anew', () => {
  const { clock, wheel, fired, timer } = makeWheel()
  const entry = timer('a')
  wheel.add(entry, 30)
  clock.advance(20)
  wheel.add(entry, 30)
  assert.equal(wheel.size, 1)
  clock.advance(100)
  assert.deepEqual(fired, ['a@50'])
})

test('callbacks may cancel what is due with them and add themselves again', () => {
  const { clock, wheel, fired, timer } = makeWheel()
  const victim = timer('victim')
  let rounds = 0
  const again: WheelTimer = new WheelTimer(() => {
    fired.push(`again@${clock.nowMs()}`)
    wheel.cancel(victim)
    if (++rounds < 3) wheel.add(again, 0)
  })
  wheel.add(again, 20)
  wheel.add(victim, 20)
  clock.advance(200)
  assert.deepEqual(fired, ['again@20', 'again@30', 'again@40'])
  assert.equal(wheel.size, 0)
})

test('entries of a long pause fire in one go, those of later rounds stay', () => {
  const clock = new ManualClock()
  // A clock whose ticks come when the test says so, as after a blocked event loop.
  let tick: (() => void) | undefined
  const driver: Timer = { unref: () => driver, [Symbol.dispose]: () => (tick = undefined) }
  const blocked: Clock = {
    nowMs: () => clock.nowMs(),
    wallMs: () => clock.wallMs(),
    after: () => driver,
    every(_periodMs, action) {
      tick = action
      return driver
    },
  }
  const wheel = new TimerWheel(blocked, { tickMs: 10, slots: 8 })
  const fired: number[] = []
  for (const delayMs of [10, 70, 80, 300, 900]) wheel.add(new WheelTimer(() => fired.push(delayMs)), delayMs)
  clock.advance(500)
  tick?.()
  assert.deepEqual(
    fired.toSorted((a, b) => a - b),
    [10, 70, 80, 300],
  )
  assert.equal(wheel.size, 1)
  clock.advance(400)
  tick?.()
  assert.equal(wheel.size, 0)
})

test('the clock timer runs only while there are entries', () => {
  const { clock, wheel, timer } = makeWheel()
  assert.equal(clock.pending, 0)
  const entry = timer('a')
  wheel.add(entry, 1_000)
  wheel.cancel(entry)
  wheel.add(entry, 1_000)
  assert.equal(clock.pending, 1)
  clock.advance(500)
  assert.equal(clock.pending, 1)
  clock.advance(530)
  assert.equal(clock.pending, 0)
  clock.advance(100_000)
  wheel.add(entry, 5)
  clock.advance(20)
  assert.equal(wheel.size, 0)
})

test('a throwing callback does not keep the others from firing', () => {
  const { clock, wheel, fired, timer } = makeWheel()
  wheel.add(
    new WheelTimer(() => {
      throw new Error('broken callback')
    }),
    10,
  )
  wheel.add(timer('next'), 10)
  assert.throws(() => clock.advance(10), /broken callback/)
  clock.advance(10)
  assert.deepEqual(fired, ['next@20'])
})

test('disposing cancels everything without calling it', () => {
  const { clock, wheel, fired, timer } = makeWheel()
  for (let i = 0; i < 20; i++) wheel.add(timer(String(i)), i * 13)
  wheel[Symbol.dispose]()
  assert.equal(wheel.size, 0)
  assert.equal(clock.pending, 0)
  clock.advance(1_000)
  assert.deepEqual(fired, [])
})

test('any sequence of adds and cancels fires exactly what is left, on time', () => {
  const { clock, wheel } = makeWheel()
  let seed = 42
  const dice = (sides: number): number => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((seed / 2 ** 32) * sides)
  }
  const dueMs = new Map<number, number>()
  const entries = Array.from({ length: 50 }, (_, index) => {
    return new WheelTimer(() => {
      const due = dueMs.get(index)
      assert.ok(due !== undefined, 'fired although not set')
      assert.ok(clock.nowMs() >= due && clock.nowMs() <= due + 20, `due ${due}, fired ${clock.nowMs()}`)
      dueMs.delete(index)
    })
  })
  for (let step = 0; step < 3_000; step++) {
    const index = dice(50)
    const entry = entries[index]
    if (entry === undefined) continue
    if (dice(3) === 0) {
      wheel.cancel(entry)
      dueMs.delete(index)
    } else {
      const delayMs = dice(400)
      wheel.add(entry, delayMs)
      dueMs.set(index, clock.nowMs() + delayMs)
    }
    if (dice(4) === 0) clock.advance(dice(60))
    assert.equal(wheel.size, dueMs.size)
  }
  clock.advance(1_000)
  assert.equal(dueMs.size, 0)
})
