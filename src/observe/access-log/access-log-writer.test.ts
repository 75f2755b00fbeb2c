import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { ManualClock, silentLogger } from '../../core/index.ts'
import type { Counter, Logger } from '../../core/index.ts'
import { MetricRegistry } from '../metrics/metric-registry.ts'
import { AccessLogWriter, openAccessLog } from './access-log-writer.ts'
import type { AppendTarget } from './append-target.ts'
import { FileTarget } from './append-target.ts'
import { sampleRecord } from './sample-record.ts'

/** A target whose writes end when the test says so. */
class SlowTarget implements AppendTarget {
  wholeWriteBytes = Number.MAX_SAFE_INTEGER
  written = ''
  readonly writes: number[] = []
  isClosed = false
  #pending: { text: string; done: Parameters<AppendTarget['write']>[3] } | undefined

  write(bytes: Uint8Array, from: number, to: number, done: Parameters<AppendTarget['write']>[3]): void {
    assert.equal(this.#pending, undefined, 'one write at a time')
    this.#pending = { text: Buffer.from(bytes.subarray(from, to)).toString('latin1'), done }
  }
  get isBusy(): boolean {
    return this.#pending !== undefined
  }
  /** Ends the write under way after `bytes`, by default all of it. */
  accept(bytes?: number): void {
    const { text, done } = this.#take()
    const count = bytes ?? text.length
    this.written += text.slice(0, count)
    this.writes.push(count)
    done(null, count)
  }
  fail(code: string): void {
    this.#take().done(Object.assign(new Error(code), { code }), 0)
  }
  reopen(): void {}
  close(): void {
    this.isClosed = true
  }
  #take() {
    const pending = this.#pending
    assert.ok(pending !== undefined, 'a write is under way')
    this.#pending = undefined
    return pending
  }
}

interface Bench {
  readonly log: AccessLogWriter
  readonly target: SlowTarget
  readonly clock: ManualClock
  readonly dropped: Counter
  readonly complaints: string[]
}

function slowLog(): Bench {
  const target = new SlowTarget()
  const clock = new ManualClock()
  const meter = new MetricRegistry()
  const complaints: string[] = []
  const logger: Logger = {
    ...silentLogger,
    error: (message, fields) => complaints.push(`${message} ${fields?.['error']}`),
  }
  const log = new AccessLogWriter(target, { format: 'text', clock, meter, logger })
  return { log, target, clock, complaints, dropped: meter.counter('heddle_access_log_dropped_total', {}) }
}

function numbered(log: AccessLogWriter, from: number, count: number): void {
  for (let i = from; i < from + count; i++) log.write(sampleRecord({ requestId: `n${i}` }))
}

/** The numbers of the lines, each of which must be whole. */
function numbersIn(text: string): number[] {
  if (text === '') return []
  assert.ok(text.endsWith('\n'))
  return text
    .slice(0, -1)
    .split('\n')
    .map(line => {
      assert.match(line, /^2026-09-12T10:11:12\.345Z .* id=n\d+ .* agent="curl\/8\.9\.1"$/)
      return Number(/ id=n(\d+) /.exec(line)?.[1])
    })
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i)
}

test('lines are written 100 ms after the first one, or when 256 KiB are full', () => {
  const { log, target, clock } = slowLog()
  numbered(log, 0, 3)
  clock.advance(99)
  assert.equal(target.isBusy, false)
  clock.advance(1)
  target.accept()
  assert.deepEqual(numbersIn(target.written), range(3))
  numbered(log, 3, 1600)
  assert.equal(target.isBusy, true)
  target.accept()
  assert.ok(Number(target.writes.at(-1)) >= 256 * 1024)
})

test('no timer is set while there is nothing to write', () => {
  const { log, target, clock } = slowLog()
  assert.equal(clock.pending, 0)
  numbered(log, 0, 1)
  assert.equal(clock.pending, 1)
  clock.advance(100)
  target.accept()
  assert.equal(clock.pending, 0)
})

test('lines that come during a write go out together after it', () => {
  const { log, target, clock } = slowLog()
  numbered(log, 0, 1)
  clock.advance(100)
  for (let i = 1; i < 10; i++) {
    numbered(log, i, 1)
    clock.advance(100)
  }
  target.accept()
  target.accept()
  assert.equal(target.isBusy, false)
  assert.equal(target.writes.length, 2)
  assert.deepEqual(numbersIn(target.written), range(10))
})

test('a target that stands still loses lines, counted, and takes no more memory', async () => {
  const { log, target, dropped } = slowLog()
  numbered(log, 0, 20_000)
  assert.ok(dropped.value > 1000, `dropped ${dropped.value}`)
  const flushed = log.flush()
  let isFlushed = false
  void flushed.then(() => (isFlushed = true))
  for (let i = 0; i < 200 && !isFlushed; i++) {
    if (target.isBusy) target.accept()
    else await Promise.resolve()
  }
  const numbers = numbersIn(target.written)
  assert.equal(numbers.length + dropped.value, 20_000)
  assert.deepEqual(numbers, range(numbers.length))
  numbered(log, 20_000, 1)
  assert.equal(numbers.length + dropped.value, 20_000, 'goes on after the target moves again')
})

test('partial writes go on where they stopped', () => {
  const { log, target, clock } = slowLog()
  numbered(log, 0, 5)
  clock.advance(100)
  target.accept(1)
  target.accept(700)
  target.accept()
  assert.deepEqual(numbersIn(target.written), range(5))
})

test('a failed write is counted, told once a minute, and does not stop the log', () => {
  const { log, target, clock, dropped, complaints } = slowLog()
  for (let round = 0; round < 3; round++) {
    numbered(log, 0, 4)
    clock.advance(100)
    target.fail('ENOSPC')
  }
  assert.equal(dropped.value, 12)
  assert.deepEqual(complaints, ['the access log cannot be written, lines are lost ENOSPC'])
  clock.advance(60_000)
  numbered(log, 0, 1)
  clock.advance(100)
  target.fail('ENOSPC')
  assert.equal(complaints.length, 2)
  numbered(log, 7, 1)
  clock.advance(100)
  target.accept()
  assert.deepEqual(numbersIn(target.written), [7])
})

test('after a torn line the next one starts on a line of its own', () => {
  const { log, target, clock, dropped } = slowLog()
  numbered(log, 0, 3)
  clock.advance(100)
  target.accept(20)
  target.fail('EIO')
  assert.equal(dropped.value, 3)
  numbered(log, 3, 1)
  clock.advance(100)
  target.accept()
  const [torn = '', ...rest] = target.written.split('\n')
  assert.equal(torn.length, 20)
  assert.deepEqual(numbersIn(rest.join('\n')), [3])
})

test('a full pipe is tried again', () => {
  const { log, target, clock, dropped } = slowLog()
  numbered(log, 0, 2)
  clock.advance(100)
  target.fail('EAGAIN')
  assert.equal(target.isBusy, false)
  clock.advance(10)
  target.accept()
  assert.deepEqual(numbersIn(target.written), range(2))
  assert.equal(dropped.value, 0)
})

test('writes to a pipe hold whole lines of at most 4096 bytes, a longer line goes alone', () => {
  const { log, target, clock } = slowLog()
  target.wholeWriteBytes = 4096
  numbered(log, 0, 20)
  log.write(sampleRecord({ requestId: 'n20', target: '\u0001'.repeat(2000) }))
  numbered(log, 21, 20)
  clock.advance(100)
  while (target.isBusy) {
    target.accept()
    assert.ok(target.written.endsWith('\n'))
  }
  assert.deepEqual(numbersIn(target.written), range(41))
  assert.ok(target.writes.length > 3)
  assert.equal(target.writes.filter(bytes => bytes > 4096).length, 1)
})

test('dispose writes what is left, closes the target and counts later records', async () => {
  const { log, target, dropped, clock } = slowLog()
  numbered(log, 0, 2)
  const disposed = log[Symbol.asyncDispose]()
  target.accept()
  await disposed
  assert.deepEqual(numbersIn(target.written), range(2))
  assert.equal(target.isClosed, true)
  numbered(log, 2, 1)
  assert.equal(dropped.value, 1)
  assert.equal(clock.pending, 0)
  await log[Symbol.asyncDispose]()
})

test('onLine gets each line while it is set, and a failing one is taken off', () => {
  const { log, complaints } = slowLog()
  const lines: string[] = []
  numbered(log, 0, 1)
  log.onLine = line => lines.push(line)
  numbered(log, 1, 2)
  assert.deepEqual(numbersIn(`${lines.join('\n')}\n`), [1, 2])
  log.onLine = () => {
    throw new Error('gone')
  }
  numbered(log, 3, 1)
  assert.equal(log.onLine, undefined)
  assert.equal(complaints.length, 1)
})

test('a log that is off still serves a follower, and nothing else', async () => {
  const clock = new ManualClock()
  const log = openAccessLog({ target: 'off', format: 'json', clock, meter: new MetricRegistry(), logger: silentLogger })
  const lines: string[] = []
  log.write(sampleRecord())
  log.onLine = line => lines.push(line)
  // More than a buffer holds.
  for (let i = 0; i < 500; i++) log.write(sampleRecord({ status: 200 + i }))
  assert.equal(lines.length, 500)
  assert.equal((JSON.parse(lines.at(-1) ?? '') as Record<string, unknown>)['http.response.status_code'], 699)
  assert.equal(clock.pending, 0)
  await log[Symbol.asyncDispose]()
})

function temporaryDirectory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'heddle-log-'))
  t.after(() => rmSync(path, { recursive: true }))
  return path
}

function fileLog(path: string): AccessLogWriter {
  return openAccessLog({
    target: path,
    format: 'text',
    clock: new ManualClock(),
    meter: new MetricRegistry(),
    logger: silentLogger,
  })
}

test('several writers of one file lose and mix nothing', async t => {
  const path = join(temporaryDirectory(t), 'access.log')
  const logs = [fileLog(path), fileLog(path), fileLog(path)]
  for (let i = 0; i < 1500; i += 10) {
    logs.forEach((log, writer) => numbered(log, writer * 10_000 + i, 10))
    if (i % 100 === 0) await Promise.all(logs.map(log => log.flush()))
  }
  await Promise.all(logs.map(log => log[Symbol.asyncDispose]()))
  const numbers = numbersIn(readFileSync(path, 'latin1'))
  assert.equal(numbers.length, 4500)
  for (let writer = 0; writer < 3; writer++) {
    const own = numbers.filter(number => Math.floor(number / 10_000) === writer)
    assert.deepEqual(
      own,
      range(1500).map(i => writer * 10_000 + i),
      'in order',
    )
  }
})

test('reopen() goes on in a new file after a rotation, also during a write', async t => {
  const directory = temporaryDirectory(t)
  const path = join(directory, 'access.log')
  const log = fileLog(path)
  numbered(log, 0, 1600)
  renameSync(path, `${path}.1`)
  log.reopen()
  numbered(log, 1600, 1)
  await log.flush()
  renameSync(path, `${path}.2`)
  log.reopen()
  log.reopen()
  numbered(log, 1601, 1)
  await log[Symbol.asyncDispose]()
  const parts = [`${path}.1`, `${path}.2`, path].map(name => numbersIn(readFileSync(name, 'latin1')))
  assert.deepEqual(parts.flat(), range(1602))
  assert.ok((parts[0]?.length ?? 0) > 0)
  assert.deepEqual(parts[2], [1601])
})

test('reopen() keeps the old file when the new one cannot be opened', async t => {
  const directory = temporaryDirectory(t)
  const path = join(directory, 'logs')
  const log = fileLog(path)
  renameSync(path, `${path}.1`)
  renameSync(directory, `${directory}-moved`)
  log.reopen()
  numbered(log, 0, 1)
  await log[Symbol.asyncDispose]()
  renameSync(`${directory}-moved`, directory)
  assert.deepEqual(numbersIn(readFileSync(`${path}.1`, 'latin1')), [0])
})

test('opening says why it failed', t => {
  const path = join(temporaryDirectory(t), 'missing', 'access.log')
  assert.throws(() => new FileTarget(path), { name: 'MeshError', code: 'MESH_ACCESS_LOG_OPEN' })
})

test('a rotated file leaks no descriptor', async t => {
  const directory = temporaryDirectory(t)
  const path = join(directory, 'access.log')
  const log = fileLog(path)
  assert.equal(openFiles(directory), 1)
  for (let i = 0; i < 5; i++) {
    numbered(log, 0, 400)
    log.reopen()
    log.reopen()
  }
  await log.flush()
  assert.equal(openFiles(directory), 1)
  await log[Symbol.asyncDispose]()
  log.reopen()
  assert.equal(openFiles(directory), 0)
})

/** How many descriptors of this process are files in the directory. */
function openFiles(directory: string): number {
  return readdirSync('/proc/self/fd').filter(fd => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(directory)
    } catch {
      // The descriptor of the listing itself.
      return false
    }
  }).length
}
