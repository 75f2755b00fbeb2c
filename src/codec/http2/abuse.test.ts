import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { errorCodes, frameFlags, frameTypes, settingIds } from './codes.ts'
import {
  block,
  continuation,
  data,
  frame,
  get,
  headers,
  hex,
  ok,
  parseFrames,
  ping,
  post,
  priority,
  rawHeaders,
  reset,
  settings,
  windowUpdate,
} from './frames-for-tests.ts'
import type { HeaderList } from './header-list.ts'
import { defaultHttp2Limits } from './limits.ts'
import type { Http2Problem } from './problems.ts'
import { describeFrame, handshake, listOf, Recorder } from './run-case.ts'
import { Http2Session, type Http2SessionOptions } from './session.ts'
import type { Http2Stream } from './stream.ts'

/** A server session after the handshake, whose recorder keeps nothing. */
function victim(options: Http2SessionOptions = {}, recorder: Recorder = new Recorder()): Http2Session {
  const session = new Http2Session('server', recorder, options)
  recorder.session = session
  const start = handshake('server')
  session.receive(start, 0, start.length, 0)
  session.output.clear()
  return session
}

/** Feeds what `attack` makes until the connection ends; fails when it goes on for longer than `most`. */
function endure(
  session: Http2Session,
  most: number,
  attack: (round: number) => Buffer,
  msPerRound: number = 0,
): number {
  for (let round = 0; round < most; round++) {
    const bytes = attack(round)
    if (!session.receive(bytes, 0, bytes.length, round * msPerRound)) return round
  }
  return assert.fail(`still open after ${most} rounds`)
}

function calm(session: Http2Session, problem: Http2Problem): void {
  assert.equal(session.problem, problem)
  const last = parseFrames(session.output.view()).at(-1)
  assert.ok(last !== undefined && last.type === frameTypes.goAway)
  assert.match(describeFrame(last), /^GOAWAY \d+ ENHANCE_YOUR_CALM/)
}

const { controlBurst, resetBurst } = defaultHttp2Limits
const answer = listOf(ok)

const floods: readonly (readonly [name: string, attack: (round: number) => Buffer])[] = [
  ['PING', () => ping()],
  ['answers to PING', () => ping('12345678', frameFlags.ack)],
  ['SETTINGS', () => settings()],
  ['SETTINGS that change all windows', round => settings([settingIds.initialWindowSize, round & 1])],
  ['PRIORITY', () => priority(1, 3)],
  ['PRIORITY of a wrong length on closed streams', () => frame(frameTypes.priority, 0, 1, 'x')],
  ['frames of unknown type', () => frame(0xbe, 0, 0, 'x')],
  ['WINDOW_UPDATE by 1', () => windowUpdate(0, 1)],
  ['WINDOW_UPDATE of a closed stream', () => windowUpdate(1, 1)],
  ['GOAWAY', () => frame(frameTypes.goAway, 0, 0, Buffer.alloc(8))],
  ['RST_STREAM of a closed stream', () => reset(1, errorCodes.CANCEL)],
]

suite('a flood ends with ENHANCE_YOUR_CALM after a bounded number of frames', () => {
  for (const [name, attack] of floods) {
    test(name, () => {
      const session = victim()
      const first = Buffer.concat([headers(1, post), reset(1, errorCodes.CANCEL)])
      session.receive(first, 0, first.length, 0)
      const rounds = endure(session, controlBurst + 10, attack)
      assert.ok(rounds >= controlBurst - 10, `${rounds} frames are allowed`)
      calm(session, 'control-flood')
      assert.ok(session.output.length < 17 * (controlBurst + 10), 'what is sent is bounded too')
    })
  }

  test('empty DATA', () => {
    const session = victim()
    const first = headers(1, post)
    session.receive(first, 0, first.length, 0)
    endure(session, controlBurst + 10, () => data(1, ''))
    calm(session, 'control-flood')
  })

  test('DATA of padding alone', () => {
    const session = victim()
    const first = headers(1, post)
    session.receive(first, 0, first.length, 0)
    endure(session, controlBurst + 10, () =>
      frame(frameTypes.data, frameFlags.padded, 1, Buffer.alloc(2, 1).fill(0, 1)),
    )
    calm(session, 'control-flood')
  })

  test('informational responses', () => {
    const session = new Http2Session('client', new Recorder())
    session.request(listOf(get), true)
    const start = handshake('client')
    session.receive(start, 0, start.length, 0)
    endure(session, controlBurst + 10, () => headers(1, [[':status', '103']]))
    calm(session, 'control-flood')
  })

  test('HEADERS and DATA on streams that we reset', () => {
    const recorder = new Recorder()
    const session = victim({}, recorder)
    const first = headers(1, post)
    session.receive(first, 0, first.length, 0)
    session.reset(recorder.streams.get(1) as Http2Stream, errorCodes.CANCEL)
    endure(session, controlBurst + 10, () => headers(1, [['x', 'y']], { endStream: true }))
    calm(session, 'control-flood')
  })
})

test('PING at a rate that time allows goes on for ever', () => {
  const session = victim()
  for (let round = 0; round < 20_000; round++) {
    const bytes = ping()
    assert.equal(session.receive(bytes, 0, bytes.length, round * 10), true)
    session.output.clear()
  }
})

test('a client that downloads may send PING and WINDOW_UPDATE for each piece', () => {
  const recorder = new Recorder()
  const session = victim({}, recorder)
  const first = Buffer.concat([
    headers(1, get, { endStream: true }),
    windowUpdate(0, 1 << 30),
    windowUpdate(1, 1 << 30),
  ])
  session.receive(first, 0, first.length, 0)
  const stream = recorder.streams.get(1) as Http2Stream
  session.sendHeaders(stream, answer, false)
  const piece = Buffer.alloc(16_384)
  for (let round = 0; round < 5_000; round++) {
    assert.equal(session.sendData(stream, piece, 0, piece.length, false), piece.length)
    session.output.clear()
    const bytes = Buffer.concat([
      ping(),
      ...Array.from({ length: 4 }, () => [windowUpdate(0, 4_096), windowUpdate(1, 4_096)]).flat(),
    ])
    assert.equal(session.receive(bytes, 0, bytes.length, 0), true)
  }
})

suite('rapid reset', () => {
  test('ends with ENHANCE_YOUR_CALM after a bounded number of requests', () => {
    const recorder = new Recorder()
    const session = victim({}, recorder)
    const rounds = endure(session, 10_000, round => {
      const id = round * 2 + 1
      return Buffer.concat([headers(id, get, { endStream: true }), reset(id, errorCodes.CANCEL)])
    })
    assert.equal(rounds, resetBurst)
    assert.equal(session.streamCount, 0)
    calm(session, 'rapid-reset')
  })

  test('counts streams that the client makes us reset', () => {
    const session = victim()
    const rounds = endure(session, 10_000, round => {
      const id = round * 2 + 1
      return Buffer.concat([headers(id, get, { endStream: true }), windowUpdate(id, 0)])
    })
    assert.equal(rounds, resetBurst)
    calm(session, 'rapid-reset')
  })

  test('counts requests that are malformed or above the limit of streams', () => {
    const session = victim({ settings: { maxConcurrentStreams: 1 } })
    const rounds = endure(session, 10_000, round => headers(round * 2 + 1, round % 2 === 0 ? get : [['x', 'y']]))
    assert.ok(rounds <= resetBurst + 1)
    calm(session, 'rapid-reset')
  })

  test('leaves alone a client that gives up half of what it asks', () => {
    const onHead = (stream: Http2Stream, list: HeaderList): void => {
      if (list.path?.value === '/') session.sendHeaders(stream, answer, true)
    }
    const session: Http2Session = victim({}, Object.assign(new Recorder(), { onHead }))
    const slow = [...get.slice(0, 2), [':path', '/slow'], ...get.slice(3)] as typeof get
    for (let round = 0; round < 3_000; round++) {
      const id = round * 4 + 1
      const bytes = Buffer.concat([
        headers(id, get, { endStream: true }),
        headers(id + 2, slow),
        reset(id + 2, errorCodes.CANCEL),
      ])
      assert.equal(session.receive(bytes, 0, bytes.length, 0), true, `round ${round}`)
      session.output.clear()
    }
  })

  test('is not what an answered stream is, that the client resets late', () => {
    const onHead = (stream: Http2Stream): void => void session.sendHeaders(stream, answer, true)
    const session: Http2Session = victim({}, Object.assign(new Recorder(), { onHead }))
    for (let round = 0; round < 1_500; round++) {
      const bytes = Buffer.concat([headers(round * 2 + 1, post), reset(round * 2 + 1, errorCodes.NO_ERROR)])
      assert.equal(session.receive(bytes, 0, bytes.length, 0), true)
    }
  })
})

suite('field blocks', () => {
  test('that never end are stopped by the number of CONTINUATION', () => {
    const session = victim()
    const first = headers(1, get, { endHeaders: false })
    session.receive(first, 0, first.length, 0)
    const rounds = endure(session, 100, () => continuation(1, Buffer.alloc(0), false))
    assert.equal(rounds, defaultHttp2Limits.continuationFrames)
    calm(session, 'too-many-continuations')
  })

  test('that never end are stopped by their bytes, and no more than those are kept', () => {
    const session = victim()
    const first = headers(1, get, { endHeaders: false })
    session.receive(first, 0, first.length, 0)
    let held = 0
    const rounds = endure(session, 100, () => {
      held = Math.max(held, session.reader.heldBytes)
      return continuation(1, Buffer.alloc(16_384), false)
    })
    assert.ok(rounds <= 4)
    assert.ok(held <= defaultHttp2Limits.fieldBlockBytes)
    assert.equal(session.reader.heldBytes, 0, 'nothing is kept of a connection that is over')
    calm(session, 'field-block-too-large')
  })

  test('of one HEADERS above the limit are stopped', () => {
    const session = victim({ limits: { fieldBlockBytes: 1_000 } })
    endure(session, 1, () => rawHeaders(1, Buffer.alloc(1_001, 0x82)))
    calm(session, 'field-block-too-large')
  })

  test('that unfold to gigabytes make no strings and keep no more than the limit', () => {
    const onTooLarge = (_stream: Http2Stream): void => void tooLarge++
    let tooLarge = 0
    const session = victim({}, Object.assign(new Recorder(), { onTooLarge }))
    const big = Buffer.concat([block(get), hex('40 01 61 7f 9e 1e'), Buffer.alloc(3_997, 'x')])
    const first = rawHeaders(1, big, { endStream: true })
    session.receive(first, 0, first.length, 0)
    assert.equal(session.reader.decoder.tableCount, 1)
    for (let id = 3; id < 43; id += 2) {
      const bytes = rawHeaders(id, Buffer.concat([block(get), Buffer.alloc(16_000, 0xbe)]), { endStream: true })
      assert.equal(session.receive(bytes, 0, bytes.length, 0), true)
    }
    assert.equal(tooLarge, 20)
    assert.ok(session.reader.decoder.tableSize <= 4_096)
  })
})

suite('window games', () => {
  test('a window that opens byte by byte is served, but not for ever', () => {
    const recorder = new Recorder()
    const session = victim({}, recorder)
    const first = Buffer.concat([settings([settingIds.initialWindowSize, 1]), headers(1, get, { endStream: true })])
    session.receive(first, 0, first.length, 0)
    const stream = recorder.streams.get(1) as Http2Stream
    session.sendHeaders(stream, answer, false)
    const bytes = Buffer.alloc(100_000)
    let sent = session.sendData(stream, bytes, 0, bytes.length, true)
    assert.equal(sent, 1)
    const rounds = endure(session, controlBurst + 10, () => {
      sent += session.sendData(stream, bytes, sent, bytes.length, true)
      return windowUpdate(1, 1)
    })
    assert.ok(sent <= rounds + 1)
    calm(session, 'control-flood')
  })

  test('a client that lets nothing be sent costs no more than its streams', () => {
    const recorder = new Recorder()
    const session = victim({}, recorder)
    const first = settings([settingIds.initialWindowSize, 0])
    session.receive(first, 0, first.length, 0)
    for (let id = 1; id < 2_000; id += 2) {
      const bytes = headers(id, get, { endStream: true })
      if (!session.receive(bytes, 0, bytes.length, 0)) break
      const stream = recorder.streams.get(id)
      if (stream === undefined) continue
      session.sendHeaders(stream, answer, false)
      assert.equal(session.sendData(stream, Buffer.alloc(100), 0, 100, true), 0)
    }
    assert.equal(session.streamCount, 128)
    calm(session, 'rapid-reset')
  })
})
