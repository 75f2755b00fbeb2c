import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { errorCodes, frameFlags, frameTypes, settingIds } from './codes.ts'
import {
  data,
  frame,
  get,
  goAway,
  headers,
  hex,
  ok,
  parseFrames,
  ping,
  post,
  rawHeaders,
  reset,
  settings,
  windowUpdate,
} from './frames-for-tests.ts'
import type { HeaderEntry } from './header-entry.ts'
import type { HeaderList } from './header-list.ts'
import { describeFrame, handshake, listOf, Recorder } from './run-case.ts'
import { Http2Session, type Http2SessionOptions } from './session.ts'
import type { Http2Stream } from './stream.ts'

interface Rig {
  readonly session: Http2Session
  readonly recorder: Recorder
  readonly feed: (...parts: readonly Buffer[]) => boolean
  /** Frames that were sent since the last call. */
  readonly sent: () => string[]
  readonly stream: (id: number) => Http2Stream
}

function rig(side: 'client' | 'server', options: Http2SessionOptions = {}, consumes: boolean = true): Rig {
  const recorder = new Recorder()
  const session = new Http2Session(side, recorder, options)
  if (consumes) recorder.session = session
  const feed = (...parts: readonly Buffer[]): boolean => {
    const bytes = Buffer.concat(parts)
    return session.receive(bytes, 0, bytes.length, 0)
  }
  const sent = (): string[] => {
    const frames = parseFrames(session.output.view()).map(describeFrame)
    session.output.clear()
    return frames
  }
  const stream = (id: number): Http2Stream => recorder.streams.get(id) ?? assert.fail(`no stream ${id}`)
  feed(handshake(side))
  sent()
  return { session, recorder, feed, sent, stream }
}

const answer = listOf(ok)
const request = listOf(get)
const kilobyte = Buffer.alloc(1_024, 'x')

suite('a connection begins', () => {
  test('of a server with SETTINGS and a larger connection window', () => {
    const session = new Http2Session('server', new Recorder())
    const [first, second, ...more] = parseFrames(session.output.view())
    assert.equal(first?.type, frameTypes.settings)
    assert.deepEqual(first?.payload, settings([3, 128], [4, 1_048_576], [6, 65_536], [8, 1]).subarray(9))
    assert.equal(second?.type, frameTypes.windowUpdate)
    assert.equal(second?.payload.readUInt32BE(0), 16_777_216 - 65_535)
    assert.deepEqual(more, [])
  })

  test('of a client with its preface, and without push', () => {
    const session = new Http2Session('client', new Recorder())
    assert.ok(session.output.view().toString('latin1').startsWith('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'))
    assert.deepEqual(
      parseFrames(session.output.view())[0]?.payload,
      settings([2, 0], [4, 1_048_576], [6, 65_536]).subarray(9),
    )
  })
})

suite('sending', () => {
  test('sendEnd() ends on the last DATA frame while that is the end of the output', () => {
    const { session, recorder, feed, sent, stream } = rig('server')
    feed(headers(1, get, { endStream: true }), headers(3, get, { endStream: true }))
    assert.equal(recorder.streams.size, 2)
    sent()
    session.sendHeaders(stream(1), answer, false)
    session.sendData(stream(1), Buffer.from('ab'), 0, 2, false)
    session.sendEnd(stream(1))
    session.sendHeaders(stream(3), answer, false)
    session.sendData(stream(3), Buffer.from('cd'), 0, 2, false)
    session.ping(0)
    session.sendEnd(stream(3))
    const frames = parseFrames(session.output.view())
    const data = frames.filter(({ type }) => type === frameTypes.data)
    assert.deepEqual(
      data.map(({ streamId, payload, flags }) => [streamId, payload.toString(), flags]),
      [
        [1, 'ab', frameFlags.endStream],
        [3, 'cd', 0],
        [3, '', frameFlags.endStream],
      ],
    )
    assert.equal(session.streamCount, 0)
  })

  test('sendEnd() does not touch what was written after the output was cleared', () => {
    const { session, feed, sent, stream } = rig('server')
    feed(headers(1, get, { endStream: true }), headers(3, get, { endStream: true }))
    sent()
    session.sendHeaders(stream(1), answer, false)
    sent()
    session.sendData(stream(1), Buffer.from('ab'), 0, 2, false)
    sent()
    // Of the same length, at the same place.
    session.sendHeaders(stream(3), answer, false)
    sent()
    session.sendData(stream(3), Buffer.from('cd'), 0, 2, false)
    session.sendEnd(stream(1))
    const frames = parseFrames(session.output.view())
    assert.deepEqual(
      frames.map(({ streamId, payload, flags }) => [streamId, payload.toString(), flags]),
      [
        [3, 'cd', 0],
        [1, '', frameFlags.endStream],
      ],
    )
  })

  test('sendData() stops at the window of the stream and goes on after WINDOW_UPDATE', () => {
    const { session, recorder, feed, sent, stream } = rig('server')
    feed(settings([settingIds.initialWindowSize, 10]), headers(1, get, { endStream: true }))
    sent()
    session.sendHeaders(stream(1), answer, false)
    assert.equal(session.sendData(stream(1), kilobyte, 0, 25, true), 10)
    assert.equal(session.sendable(stream(1)), 0)
    feed(windowUpdate(0, 100))
    assert.deepEqual(recorder.events.slice(1), [], 'the window of the stream is still closed')
    feed(windowUpdate(1, 100))
    assert.deepEqual(recorder.events.slice(1), ['writable 1'])
    assert.equal(session.sendData(stream(1), kilobyte, 10, 25, true), 15)
    assert.equal(stream(1).isClosed, true)
    assert.deepEqual(
      sent().map(frame => frame.split(' ').slice(0, 3).join(' ')),
      ['headers 1 4', 'data 1 0', 'data 1 1'],
    )
  })

  test('an empty end needs no window', () => {
    const { session, feed, stream } = rig('server')
    feed(settings([settingIds.initialWindowSize, 0]), headers(1, get, { endStream: true }))
    session.sendHeaders(stream(1), answer, false)
    assert.equal(session.sendData(stream(1), kilobyte, 0, 0, true), 0)
    assert.equal(stream(1).isClosed, true)
  })

  test('the connection window is shared, and streams are woken in the order in which they stopped', () => {
    const { session, recorder, feed, stream } = rig('server')
    feed(headers(1, get, { endStream: true }), headers(3, get, { endStream: true }))
    session.sendHeaders(stream(1), answer, false)
    session.sendHeaders(stream(3), answer, false)
    const large = Buffer.alloc(70_000)
    assert.equal(session.sendData(stream(3), large, 0, 65_000, false), 65_000)
    assert.equal(session.sendData(stream(3), large, 65_000, 70_000, false), 535)
    assert.equal(session.sendData(stream(1), large, 0, 100, false), 0)
    recorder.events.length = 0
    feed(windowUpdate(3, 100), windowUpdate(0, 1))
    assert.deepEqual(recorder.events, ['writable 3', 'writable 1'])
  })

  test('SETTINGS_INITIAL_WINDOW_SIZE changes the windows of open streams by the difference', () => {
    const { session, recorder, feed, stream } = rig('server')
    feed(headers(1, get, { endStream: true }))
    session.sendHeaders(stream(1), answer, false)
    session.sendData(stream(1), kilobyte, 0, 1_000, false)
    feed(settings([settingIds.initialWindowSize, 500]))
    assert.equal(stream(1).sendWindow, -500)
    assert.equal(session.sendData(stream(1), kilobyte, 0, 1, false), 0)
    recorder.events.length = 0
    feed(settings([settingIds.initialWindowSize, 1_000]))
    assert.deepEqual(recorder.events, [], 'the window is zero')
    feed(settings([settingIds.initialWindowSize, 1_001]))
    assert.deepEqual(recorder.events, ['writable 1'])
  })

  test('large field sections are split into CONTINUATION by the peer’s frame size', () => {
    const { session, feed, sent, stream } = rig('server')
    const values = Array.from({ length: 5 }, (_, index) => [`x-${index}`, String(index).repeat(8_000)] as const)
    feed(headers(1, get, { endStream: true }))
    session.sendHeaders(stream(1), listOf([...ok, ...values]), true)
    const bytes = Buffer.from(session.output.view())
    const frames = sent().map(frame => frame.split(' ').slice(0, 3).join(' '))
    assert.deepEqual(frames, ['headers 1 1', 'continuation 1 0', 'continuation 1 4'])
    const other = rig('client')
    other.session.request(request, true)
    assert.equal(other.feed(bytes), true)
    assert.deepEqual(other.recorder.events, [`head 1 :status=200 ${values.map(([n, v]) => `${n}=${v}`).join(' ')} end`])
  })

  test('nothing is sent on a stream that the peer reset', () => {
    const { session, feed, sent, stream } = rig('server')
    feed(headers(1, post), reset(1, errorCodes.CANCEL))
    sent()
    assert.equal(session.sendHeaders(stream(1), answer, true), false)
    assert.equal(session.sendData(stream(1), kilobyte, 0, 5, true), 0)
    session.reset(stream(1), errorCodes.CANCEL)
    assert.deepEqual(sent(), [])
  })
})

suite('receiving', () => {
  test('consume() gives back half a window at a time', () => {
    const { session, feed, sent, stream } = rig(
      'server',
      { settings: { streamWindowBytes: 65_536, connectionWindowBytes: 131_072 } },
      false,
    )
    feed(headers(1, post), ...Array.from({ length: 32 }, () => data(1, kilobyte)))
    assert.equal(stream(1).receiveWindow, 32_768)
    session.consume(stream(1), 32_767)
    assert.deepEqual(sent(), [])
    session.consume(stream(1), 1)
    assert.deepEqual(sent(), [`windowUpdate 1 0 ${(32_768).toString(16).padStart(8, '0')}`])
    assert.equal(stream(1).receiveWindow, 65_536)
    session.consume(stream(1), 1_000_000)
    assert.deepEqual(sent(), [], 'no more than came can be consumed')
  })

  test('a peer that nobody reads from cannot send more than the window', () => {
    const { session, feed } = rig('server', { settings: { streamWindowBytes: 65_535 } }, false)
    feed(headers(1, post))
    let accepted = 0
    while (session.streamCount === 1) {
      feed(data(1, kilobyte))
      accepted += 1_024
    }
    assert.equal(accepted, 65_536)
  })

  test('bytes of a stream that ends early count as consumed for the connection', () => {
    const { session, feed, sent, stream } = rig('server', { settings: { connectionWindowBytes: 65_535 } }, false)
    feed(headers(1, post), ...Array.from({ length: 30 }, () => data(1, kilobyte)))
    session.reset(stream(1), errorCodes.CANCEL)
    feed(data(1, kilobyte), data(1, kilobyte))
    assert.deepEqual(sent(), ['RST_STREAM 1 CANCEL', `windowUpdate 0 0 ${(32_768).toString(16).padStart(8, '0')}`])
    assert.equal(session.receiveWindow, 65_535)
    session.consume(stream(1), 10_000)
    assert.equal(session.receiveWindow, 65_535)
  })

  test('a smaller stream window of ours holds from the acknowledgement on', () => {
    const recorder = new Recorder()
    const session = new Http2Session('server', recorder, { settings: { streamWindowBytes: 1_000 } })
    const start = handshake('server')
    const beforeAck = start.length - 9
    session.receive(start, 0, beforeAck, 0)
    const body = Buffer.concat([headers(1, post), data(1, kilobyte)])
    assert.equal(session.receive(body, 0, body.length, 0), true)
    assert.equal(recorder.streams.get(1)?.receiveWindow, 65_535 - 1_024)
    session.receive(start, beforeAck, start.length, 0)
    assert.equal(recorder.streams.get(1)?.receiveWindow, 1_000 - 1_024)
    assert.deepEqual(
      recorder.events.filter(event => event.startsWith('problem')),
      [],
    )
  })

  test('what the owner sends within a call follows in order', () => {
    const onHead = (stream: Http2Stream): void => {
      session.sendHeaders(stream, answer, false)
      session.sendData(stream, kilobyte, 0, 3, true)
    }
    const session = new Http2Session('server', Object.assign(new Recorder(), { onHead }))
    const bytes = Buffer.concat([
      handshake('server'),
      headers(1, get, { endStream: true }),
      headers(3, get, { endStream: true }),
    ])
    session.output.clear()
    session.receive(bytes, 0, bytes.length, 0)
    assert.deepEqual(
      parseFrames(session.output.view()).map(frame => describeFrame(frame).split(' ').slice(0, 2).join(' ')),
      ['settings 0', 'headers 1', 'data 1', 'headers 3', 'data 3'],
    )
    assert.equal(session.streamCount, 0)
  })

  test('a stream that the owner resets within DATA gives its bytes back', () => {
    const onData = (stream: Http2Stream): void => session.reset(stream, errorCodes.CANCEL)
    const session = new Http2Session('server', Object.assign(new Recorder(), { onData }))
    const bytes = Buffer.concat([handshake('server'), headers(1, post), data(1, kilobyte), data(1, kilobyte)])
    for (const byte of bytes) session.receive(Buffer.from([byte]), 0, 1, 0)
    assert.equal(session.isOver, false)
    assert.equal(session.receiveWindow, 16_777_216 - 2_048, 'given back in time, by half windows')
  })
})

/** What a client may do again and again; each sends a kilobyte or more that the owner never sees, or not whole. */
const discarded: readonly (readonly [name: string, attack: (id: number) => Buffer])[] = [
  [
    'DATA above Content-Length',
    id => Buffer.concat([headers(id, [...post, ['content-length', '1']]), data(id, kilobyte)]),
  ],
  [
    'DATA after END_STREAM',
    id => Buffer.concat([headers(id, get, { endStream: true }), data(id, kilobyte), data(id, kilobyte)]),
  ],
  [
    'padding',
    id =>
      Buffer.concat([
        headers(id, post),
        ...Array.from({ length: 5 }, () =>
          frame(frameTypes.data, frameFlags.padded, id, Buffer.alloc(256).fill(255, 0, 1)),
        ),
        reset(id, errorCodes.CANCEL),
      ]),
  ],
  [
    'DATA after a stream error',
    id => Buffer.concat([headers(id, post), windowUpdate(id, 0), data(id, kilobyte), data(id, kilobyte)]),
  ],
]

suite('the connection window is given back after', () => {
  const options = {
    settings: { connectionWindowBytes: 65_535 },
    limits: { resetBurst: 1e6, controlBurst: 1e6 },
  }
  for (const [name, attack] of discarded) {
    test(name, () => {
      const { session, feed } = rig('server', options)
      for (let round = 0; round < 150; round++) {
        const bytes = attack(round * 2 + 1)
        for (const part of [bytes.subarray(0, 700), bytes.subarray(700)])
          assert.equal(feed(part), true, `round ${round}`)
        assert.ok(session.receiveWindow > 32_767 - 3_000, `round ${round}`)
      }
    })
  }

  test('DATA in whose middle the owner resets', () => {
    const onData = (stream: Http2Stream): void => session.reset(stream, errorCodes.CANCEL)
    const session = new Http2Session('server', Object.assign(new Recorder(), { onData }), options)
    const start = handshake('server')
    session.receive(start, 0, start.length, 0)
    for (let round = 0; round < 150; round++) {
      const bytes = Buffer.concat([headers(round * 2 + 1, post), data(round * 2 + 1, kilobyte)])
      assert.equal(session.receive(bytes, 0, bytes.length - 1_000, 0), true)
      assert.equal(session.receive(bytes, bytes.length - 1_000, bytes.length, 0), true, `round ${round}`)
    }
  })
})

test('no WINDOW_UPDATE is sent for a stream that the peer has ended', () => {
  const { session, feed, sent, stream } = rig('server', { settings: { streamWindowBytes: 1_000 } }, false)
  feed(headers(1, post), data(1, kilobyte.subarray(0, 900), true))
  session.consume(stream(1), 900)
  assert.deepEqual(sent(), [])
  assert.equal(stream(1).unconsumed, 0)
})

test('SETTINGS_HEADER_TABLE_SIZE of the peer is told in the next field block', () => {
  const { session, feed, stream } = rig('server')
  feed(settings([settingIds.headerTableSize, 0]), headers(1, get, { endStream: true }))
  session.output.clear()
  session.sendHeaders(stream(1), answer, true)
  assert.deepEqual(parseFrames(session.output.view())[0]?.payload, hex('20 88'))
})

test('late frames on streams that we reset are never the peer’s fault, however many there were since', () => {
  const { session, feed, stream } = rig('server', { limits: { resetBurst: 1e6 } })
  for (let id = 1; id < 801; id += 2) {
    feed(headers(id, post))
    session.reset(stream(id), errorCodes.CANCEL)
  }
  assert.equal(feed(data(1, 'late'), headers(3, [['x', 'y']], { endStream: true }), data(601, 'late')), true)
  feed(data(803, 'idle'))
  assert.equal(session.problem, 'idle-stream')
})

for (const [closed, answers] of [
  ['after its answer', 'before'],
  ['by its answer', 'after'],
] as const) {
  test(`content of a stream closed ${closed} that its owner never read leaves the connection its window`, () => {
    const { session, feed, stream } = rig('server', {}, false)
    for (let id = 1; id < 2_048; id += 2) {
      feed(headers(id, post))
      if (answers === 'before') session.sendHeaders(stream(id), answer, true)
      assert.equal(feed(data(id, kilobyte.toString().repeat(15), true)), true)
      if (answers === 'after') session.sendHeaders(stream(id), answer, true)
      assert.equal(stream(id).isClosed, true)
    }
    assert.ok(session.receiveWindow >= session.settings.connectionWindowBytes / 2)
  })
}

suite('requests of a client', () => {
  test('are without limit when the server announces none', () => {
    const { session } = rig('client')
    for (let count = 0; count < 1_000; count++) assert.ok(session.request(request, true) !== undefined)
  })

  test('wait for the limit of the server', () => {
    const { session, feed } = rig('client')
    feed(settings([settingIds.maxConcurrentStreams, 1]))
    assert.equal(session.request(request, true)?.id, 1)
    assert.equal(session.canRequest, false)
    assert.equal(session.request(request, true), undefined)
    feed(headers(1, ok, { endStream: true }))
    assert.equal(session.request(request, true)?.id, 3)
  })

  test('are assumed to be a hundred at most before the server speaks', () => {
    const session = new Http2Session('client', new Recorder())
    let count = 0
    while (session.request(request, true) !== undefined) count++
    assert.equal(count, 100)
  })

  test('keep what the owner calls its own', () => {
    const session = new Http2Session<{ name: string }>('client', new Recorder())
    const user = { name: 'mine' }
    assert.equal(session.request(request, true, user)?.user, user)
  })

  test('are told apart by GOAWAY: the unprocessed are safe to repeat, the others go on', () => {
    const { session, recorder, feed } = rig('client')
    for (let count = 0; count < 3; count++) session.request(request, true)
    feed(goAway(3, errorCodes.NO_ERROR))
    assert.deepEqual(recorder.events, ['goaway 3 NO_ERROR', 'unprocessed 5'])
    assert.equal(session.canRequest, false)
    assert.equal(session.isIdle, false)
    feed(headers(1, ok, { endStream: true }), headers(3, ok, { endStream: true }))
    assert.equal(session.isIdle, true)
  })
})

suite('the end of a connection', () => {
  test('drain() warns, accepts what was under way, and names the last stream when the client knows', () => {
    const { session, recorder, feed, sent, stream } = rig('server')
    feed(headers(1, get, { endStream: true }))
    session.drain()
    const [warning, probe, ...more] = sent()
    assert.equal(warning, 'GOAWAY 2147483647 NO_ERROR ')
    assert.deepEqual(more, [])
    feed(
      headers(3, get, { endStream: true }),
      ping(Buffer.from(String(probe).split(' ')[3] ?? '', 'hex').toString('latin1'), 1),
    )
    assert.deepEqual(sent(), ['GOAWAY 3 NO_ERROR '])
    feed(headers(5, post), data(5, 'x'), reset(5, errorCodes.CANCEL), headers(7, get, { endStream: true }))
    assert.equal(session.isOver, false)
    assert.deepEqual(
      recorder.events.map(event => event.slice(0, 6)),
      ['head 1', 'head 3'],
    )
    assert.equal(session.isIdle, false)
    session.sendHeaders(stream(1), answer, true)
    session.sendHeaders(stream(3), answer, true)
    assert.equal(session.isIdle, true)
  })

  test('finishDrain() does not wait for the client', () => {
    const { session, sent } = rig('server')
    session.finishDrain()
    session.finishDrain()
    session.drain()
    assert.deepEqual(sent(), ['GOAWAY 0 NO_ERROR '])
    assert.equal(session.isIdle, true)
  })

  test('drain() of a client opens nothing more and waits for its answers', () => {
    const { session, feed, sent } = rig('client')
    session.request(request, true)
    session.drain()
    assert.equal(session.canRequest, false)
    assert.match(String(sent().at(-1)), /^GOAWAY 0 NO_ERROR/)
    assert.equal(session.isIdle, false)
    feed(headers(1, ok, { endStream: true }))
    assert.equal(session.isIdle, true)
  })

  test('close() ends everything at once', () => {
    const { session, recorder, feed, sent, stream } = rig('server')
    feed(headers(1, post))
    session.close(errorCodes.INTERNAL_ERROR, 'worker stops')
    assert.match(String(sent().at(-1)), /^GOAWAY 1 INTERNAL_ERROR worker stops/)
    assert.equal(stream(1).isClosed, true)
    assert.equal(feed(headers(3, post)), false)
    assert.equal(recorder.events.length, 1)
    assert.equal(session.sendHeaders(stream(1), answer, true), false)
  })
})

suite('PING', () => {
  test('is answered with the same bytes', () => {
    const { feed, sent } = rig('server')
    feed(ping('abcdefgh'))
    assert.deepEqual(sent(), [`ping 0 1 ${Buffer.from('abcdefgh').toString('hex')}`])
  })

  test('of ours is asked once, and the answer is timed', () => {
    const { session, recorder, sent } = rig('client')
    session.ping(1_000)
    session.ping(1_500)
    assert.equal(session.unansweredPingMs, 1_000)
    const [asked, ...more] = sent()
    assert.deepEqual(more, [])
    const pong = ping(Buffer.from(String(asked).split(' ')[3] ?? '', 'hex').toString('latin1'), 1)
    session.receive(pong, 0, pong.length, 1_250)
    assert.deepEqual(recorder.events, ['pong 250'])
    assert.equal(session.unansweredPingMs, -1)
    session.receive(pong, 0, pong.length, 1_300)
    assert.deepEqual(recorder.events, ['pong 250'])
  })
})

test('headers pass from one connection to another without a copy of their text', () => {
  const seen: HeaderEntry[][] = []
  const up = new Http2Session('client', new Recorder())
  const onHead = (_stream: Http2Stream, list: HeaderList, endStream: boolean): void => {
    seen.push(list.entries.slice(0, list.length))
    up.request(list, endStream)
  }
  const down = new Http2Session('server', Object.assign(new Recorder(), { onHead }))
  const block = hex('82 86 84 41 09 612e6578616d706c65 40 01 61 01 62')
  const bytes = Buffer.concat([handshake('server'), rawHeaders(1, block, { endStream: true })])
  down.receive(bytes, 0, bytes.length, 0)
  up.output.clear()
  const again = rawHeaders(3, hex('82 86 84 bf be'), { endStream: true })
  down.receive(again, 0, again.length, 0)
  assert.deepEqual(parseFrames(up.output.view())[0]?.payload, hex('82 86 84 bf be'))
  assert.equal(seen.length, 2)
  for (const [index, entry] of seen[1]?.entries() ?? []) assert.equal(entry, seen[0]?.[index])
})
