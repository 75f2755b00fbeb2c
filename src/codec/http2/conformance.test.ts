import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { conformanceOfFrames } from './conformance-frames.ts'
import { conformanceOfHpack } from './conformance-hpack.ts'
import { conformanceOfMessages } from './conformance-messages.ts'
import { conformanceOfStreams } from './conformance-streams.ts'
import { http2Problems } from './problems.ts'
import { probe, runCase, type ConformanceCase, type Outcome } from './run-case.ts'

const cases = [...conformanceOfStreams, ...conformanceOfFrames, ...conformanceOfMessages, ...conformanceOfHpack]

function check(each: ConformanceCase, outcome: Outcome): void {
  const expected = each.expected
  const goAways = outcome.sent.filter(sent => sent.startsWith('GOAWAY'))
  const resets = outcome.sent.filter(sent => sent.startsWith('RST_STREAM'))
  if (expected.kind === 'connection') {
    assert.equal(outcome.problem, expected.problem)
    assert.equal(outcome.isOver, true)
    assert.equal(goAways.length, 1)
    assert.match(String(goAways[0]), new RegExp(`^GOAWAY \\d+ ${expected.code} `))
    assert.equal(outcome.sent.at(-1), goAways[0], 'nothing follows GOAWAY')
    return
  }
  assert.equal(outcome.problem, undefined)
  assert.equal(outcome.isOver, false)
  assert.deepEqual(goAways, [])
  if (expected.kind === 'stream') {
    assert.deepEqual(resets, [`RST_STREAM ${expected.streamId} ${expected.code}`])
    const told = outcome.events.filter(event => event.startsWith('problem'))
    assert.equal(told.length, 1)
    assert.match(told.join(), new RegExp(` ${expected.problem}$`))
    assert.equal(http2Problems[expected.problem].scope, 'stream')
  } else if (expected.events === undefined) assert.deepEqual(resets, [])
  else assert.deepEqual(outcome.events, expected.events)
}

suite('a session, as RFC 9113 and RFC 7541 demand', () => {
  for (const each of cases) {
    test(each.name, () => {
      check(each, runCase(each))
    })
  }
})

suite('a session whose bytes arrive in pieces comes to the same', () => {
  for (const each of cases) {
    const longest = Math.max(...each.steps.map(step => (typeof step === 'function' ? 0 : step.byteLength)))
    test(each.name, () => {
      const whole = runCase(each)
      if (longest < 2_000)
        assert.deepEqual(
          runCase(each, bytes => Array.from(bytes, byte => Buffer.from([byte]))),
          whole,
        )
      // Every place for one cut is enough for short cases; long ones are payload.
      for (let at = 1; at < Math.min(longest, 80); at++) {
        const split = (bytes: Buffer): Buffer[] =>
          [bytes.subarray(0, at), bytes.subarray(at)].filter(piece => piece.length > 0)
        assert.deepEqual(runCase(each, split), whole, `cut at ${at}`)
      }
    })
  }
})

test('after an error of one stream the next request works', () => {
  for (const each of cases) {
    if (each.side === 'client' || each.isBare === true || each.expected.kind === 'connection') continue
    const limits = { ...each.options?.limits, fieldSectionBytes: 65_536 }
    const settings = { ...each.options?.settings, maxConcurrentStreams: 128 }
    if (each.name.includes('SETTINGS_MAX_CONCURRENT_STREAMS') || each.options?.settings?.headerTableBytes === 100)
      continue
    const outcome = runCase({ ...each, options: { limits, settings }, steps: [...each.steps, probe] })
    assert.ok(outcome.events.at(-1)?.startsWith('head 99'), each.name)
  }
})

test('every problem is in the table of cases, but for abuse', () => {
  const seen = new Set<string>(cases.flatMap(each => (each.expected.kind === 'fine' ? [] : [each.expected.problem])))
  const missing = Object.keys(http2Problems).filter(problem => !seen.has(problem))
  assert.deepEqual(missing, ['field-block-too-large', 'too-many-continuations', 'control-flood', 'rapid-reset'])
})

test('the names of cases are unique', () => {
  const names = cases.map(each => each.name)
  assert.equal(new Set(names).size, names.length)
})
