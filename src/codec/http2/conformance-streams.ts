import { errorCodes, frameFlags, frameTypes } from './codes.ts'
import {
  block,
  continuation,
  data,
  frame,
  get,
  headers,
  hex,
  ok,
  ping,
  post,
  preface,
  priority,
  rawHeaders,
  reset,
  settings,
  settingsAck,
  uint32,
  windowUpdate,
} from './frames-for-tests.ts'
import { connectionError, fine, streamError } from './expectations.ts'
import { listOf, type ConformanceCase, unknownFrame } from './run-case.ts'

const { endHeaders, endStream } = frameFlags
const { CANCEL } = errorCodes

const openStream = headers(1, post)
const openedWith = (streamId: number): Buffer => headers(streamId, post)
const finished = headers(1, get, { endStream: true })
const answer = listOf(ok)

function answered(id: number): ConformanceCase['steps'][number] {
  return (session, streams) => {
    const stream = streams.get(id)
    if (stream !== undefined) session.sendHeaders(stream, answer, true)
  }
}

function resetByUs(id: number): ConformanceCase['steps'][number] {
  return (session, streams) => {
    const stream = streams.get(id)
    if (stream !== undefined) session.reset(stream, CANCEL)
  }
}

/** What RFC 9113 sections 3 to 5 demand of the preface, of frames in general and of streams. */
export const conformanceOfStreams: readonly ConformanceCase[] = [
  {
    name: '3.4 client preface with a wrong byte: connection error PROTOCOL_ERROR',
    isBare: true,
    steps: [Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\rX')],
    expected: connectionError('PROTOCOL_ERROR', 'invalid-preface'),
  },
  {
    name: '3.4 an HTTP/1.1 request instead of the preface: connection error PROTOCOL_ERROR',
    isBare: true,
    steps: [Buffer.from('GET / HTTP/1.1\r\nHost: a.example\r\n\r\n')],
    expected: connectionError('PROTOCOL_ERROR', 'invalid-preface'),
  },
  {
    name: '3.4 preface followed by HEADERS: connection error PROTOCOL_ERROR',
    isBare: true,
    steps: [preface, finished],
    expected: connectionError('PROTOCOL_ERROR', 'missing-settings'),
  },
  {
    name: '3.4 preface followed by an acknowledgement of SETTINGS: connection error PROTOCOL_ERROR',
    isBare: true,
    steps: [preface, settingsAck],
    expected: connectionError('PROTOCOL_ERROR', 'missing-settings'),
  },
  {
    name: '3.4 a server that begins with PING: connection error PROTOCOL_ERROR',
    side: 'client',
    isBare: true,
    steps: [ping()],
    expected: connectionError('PROTOCOL_ERROR', 'missing-settings'),
  },
  {
    name: '3.4 a client that sends requests before our SETTINGS are acknowledged: fine',
    isBare: true,
    steps: [preface, settings(), finished, settingsAck],
    expected: { kind: 'fine', events: ['head 1 :method=GET :scheme=http :path=/ :authority=a.example end'] },
  },
  { name: '4.1 a frame of unknown type: ignored', steps: [finished, unknownFrame, ping()], expected: fine },
  {
    name: '4.1 an unknown frame on an idle stream: ignored',
    steps: [frame(0xfa, 0, 77, 'x'), ping()],
    expected: fine,
  },
  { name: '4.1 an unknown frame without payload: ignored', steps: [frame(0x1f, 0, 0), ping()], expected: fine },
  {
    name: '4.1 undefined flags: ignored',
    steps: [frame(frameTypes.ping, 0x16, 0, '12345678'), frame(frameTypes.windowUpdate, 0xff, 0, uint32(1))],
    expected: fine,
  },
  {
    name: '4.1 the reserved bit of the stream id: ignored',
    steps: [frame(frameTypes.headers, endHeaders | endStream, 0x8000_0001, block(get))],
    expected: { kind: 'fine', events: ['head 1 :method=GET :scheme=http :path=/ :authority=a.example end'] },
  },
  {
    name: '4.2 DATA of 16,384 bytes: fine',
    steps: [openStream, data(1, Buffer.alloc(16_384))],
    expected: fine,
  },
  {
    name: '4.2 DATA above SETTINGS_MAX_FRAME_SIZE: connection error FRAME_SIZE_ERROR',
    steps: [openStream, data(1, Buffer.alloc(16_385))],
    expected: connectionError('FRAME_SIZE_ERROR', 'frame-too-large'),
  },
  {
    name: '4.2 HEADERS above SETTINGS_MAX_FRAME_SIZE: connection error FRAME_SIZE_ERROR',
    steps: [rawHeaders(1, Buffer.alloc(16_385))],
    expected: connectionError('FRAME_SIZE_ERROR', 'frame-too-large'),
  },
  {
    name: '4.2 an unknown frame above SETTINGS_MAX_FRAME_SIZE: connection error FRAME_SIZE_ERROR',
    steps: [frame(0xfa, 0, 0, Buffer.alloc(16_385))],
    expected: connectionError('FRAME_SIZE_ERROR', 'frame-too-large'),
  },
  {
    name: '4.2 a larger frame after a larger SETTINGS_MAX_FRAME_SIZE of ours: fine',
    options: { settings: { frameBytes: 20_000 } },
    steps: [openStream, data(1, Buffer.alloc(20_000))],
    expected: fine,
  },
  {
    name: '4.3 a field block that cannot be decoded: connection error COMPRESSION_ERROR',
    steps: [rawHeaders(1, hex('bf'))],
    expected: connectionError('COMPRESSION_ERROR', 'hpack-invalid-index'),
  },
  {
    name: '4.3 a field block of a refused stream is decoded: later streams find its entries',
    options: { settings: { maxConcurrentStreams: 1 } },
    steps: [
      openStream,
      rawHeaders(3, Buffer.concat([block(get), hex('40 01 78 01 79')]), { endStream: true }),
      resetByUs(1),
      rawHeaders(5, Buffer.concat([block(get), hex('be')]), { endStream: true }),
    ],
    expected: {
      kind: 'fine',
      events: [
        'head 1 :method=POST :scheme=http :path=/ :authority=a.example',
        'problem - too-many-streams',
        'head 5 :method=GET :scheme=http :path=/ :authority=a.example x=y end',
      ],
    },
  },
  {
    name: '4.3 HEADERS of another stream within a field block: connection error PROTOCOL_ERROR',
    steps: [headers(1, get, { endHeaders: false }), headers(3, get)],
    expected: connectionError('PROTOCOL_ERROR', 'interrupted-field-block'),
  },
  {
    name: '4.3 an unknown frame within a field block: connection error PROTOCOL_ERROR',
    steps: [headers(1, get, { endHeaders: false }), unknownFrame],
    expected: connectionError('PROTOCOL_ERROR', 'interrupted-field-block'),
  },
  {
    name: '4.3.1 no table size update after a smaller SETTINGS_HEADER_TABLE_SIZE: connection error COMPRESSION_ERROR',
    options: { settings: { headerTableBytes: 100 } },
    steps: [finished],
    expected: connectionError('COMPRESSION_ERROR', 'hpack-missing-size-update'),
  },
  {
    name: '4.3.1 a table size update after a smaller SETTINGS_HEADER_TABLE_SIZE: fine',
    options: { settings: { headerTableBytes: 100 } },
    steps: [rawHeaders(1, Buffer.concat([hex('3f 45'), block(get)]), { endStream: true })],
    expected: fine,
  },
  {
    name: '4.3.1 a smaller table before the acknowledgement: the default is still allowed',
    options: { settings: { headerTableBytes: 100 } },
    isBare: true,
    steps: [preface, settings(), finished],
    expected: fine,
  },
  // states
  ...(
    [
      ['DATA', data(1, 'x')],
      ['RST_STREAM', reset(1, CANCEL)],
      ['WINDOW_UPDATE', windowUpdate(1, 1)],
    ] as const
  ).map(([name, bytes]): ConformanceCase => ({
    name: `5.1 idle: ${name}: connection error PROTOCOL_ERROR`,
    steps: [bytes],
    expected: connectionError('PROTOCOL_ERROR', 'idle-stream'),
  })),
  {
    name: '5.1 idle: PRIORITY: ignored',
    steps: [priority(5, 3), headers(1, get, { endStream: true })],
    expected: fine,
  },
  {
    name: '5.1 idle: CONTINUATION: connection error PROTOCOL_ERROR',
    steps: [continuation(1, block(get), true)],
    expected: connectionError('PROTOCOL_ERROR', 'unexpected-continuation'),
  },
  {
    name: '5.1 idle: DATA on an even stream: connection error PROTOCOL_ERROR',
    steps: [openedWith(5), data(2, 'x')],
    expected: connectionError('PROTOCOL_ERROR', 'idle-stream'),
  },
  {
    name: '5.1 idle: HEADERS of a server on a stream that we did not open: connection error PROTOCOL_ERROR',
    side: 'client',
    steps: [headers(3, ok)],
    expected: connectionError('PROTOCOL_ERROR', 'idle-stream'),
  },
  {
    name: '5.1 idle: HEADERS of a server on an even stream: connection error PROTOCOL_ERROR',
    side: 'client',
    steps: [headers(2, ok)],
    expected: connectionError('PROTOCOL_ERROR', 'invalid-stream-id'),
  },
  {
    name: '5.1 half-closed (remote): DATA: stream error STREAM_CLOSED',
    steps: [finished, data(1, 'x')],
    expected: streamError('STREAM_CLOSED', 'half-closed-stream'),
  },
  {
    name: '5.1 half-closed (remote): HEADERS: stream error STREAM_CLOSED',
    steps: [finished, headers(1, [['x', 'y']], { endStream: true })],
    expected: streamError('STREAM_CLOSED', 'half-closed-stream'),
  },
  {
    name: '5.1 half-closed (remote): WINDOW_UPDATE, PRIORITY and RST_STREAM: fine',
    steps: [finished, windowUpdate(1, 1), priority(1, 0), reset(1, CANCEL)],
    expected: fine,
  },
  {
    name: '5.1 half-closed (remote): CONTINUATION: connection error PROTOCOL_ERROR',
    steps: [finished, continuation(1, block(get), true)],
    expected: connectionError('PROTOCOL_ERROR', 'unexpected-continuation'),
  },
  {
    name: '5.1 closed by both: DATA: connection error STREAM_CLOSED',
    steps: [finished, answered(1), data(1, 'x')],
    expected: connectionError('STREAM_CLOSED', 'closed-stream'),
  },
  {
    name: '5.1 closed by both: HEADERS: connection error STREAM_CLOSED',
    steps: [finished, answered(1), headers(1, get)],
    expected: connectionError('STREAM_CLOSED', 'closed-stream'),
  },
  {
    name: '5.1 closed by both: WINDOW_UPDATE, RST_STREAM and PRIORITY: ignored',
    steps: [finished, answered(1), windowUpdate(1, 1), reset(1, CANCEL), priority(1, 0), ping()],
    expected: fine,
  },
  {
    name: '5.1 closed by RST_STREAM of the peer: HEADERS: connection error STREAM_CLOSED',
    steps: [openStream, reset(1, CANCEL), headers(1, [['x', 'y']], { endStream: true })],
    expected: connectionError('STREAM_CLOSED', 'closed-stream'),
  },
  {
    name: '5.1 closed by RST_STREAM of the peer: DATA: connection error STREAM_CLOSED',
    steps: [openStream, reset(1, CANCEL), data(1, 'x')],
    expected: connectionError('STREAM_CLOSED', 'closed-stream'),
  },
  {
    name: '5.1 closed by our RST_STREAM: HEADERS, DATA, WINDOW_UPDATE, RST_STREAM: ignored',
    steps: [
      openStream,
      resetByUs(1),
      data(1, 'late'),
      windowUpdate(1, 0),
      headers(1, [['x', 'y']], { endStream: true }),
      reset(1, CANCEL),
    ],
    expected: { kind: 'fine', events: ['head 1 :method=POST :scheme=http :path=/ :authority=a.example'] },
  },
  {
    name: '5.1 closed by our RST_STREAM: a response is ignored',
    side: 'client',
    steps: [resetByUs(1), headers(1, ok), data(1, 'late', true)],
    expected: { kind: 'fine', events: [] },
  },
  {
    name: '5.1.1 a client opens an even stream: connection error PROTOCOL_ERROR',
    steps: [headers(2, get)],
    expected: connectionError('PROTOCOL_ERROR', 'invalid-stream-id'),
  },
  {
    name: '5.1.1 a new stream below the former ones: connection error PROTOCOL_ERROR',
    steps: [openedWith(5), headers(3, get)],
    expected: connectionError('PROTOCOL_ERROR', 'invalid-stream-id'),
  },
  {
    name: '5.1.1 DATA on a stream that was skipped: connection error STREAM_CLOSED',
    steps: [openedWith(5), data(3, 'x')],
    expected: connectionError('STREAM_CLOSED', 'closed-stream'),
  },
  {
    name: '5.1.2 more streams than SETTINGS_MAX_CONCURRENT_STREAMS: stream error REFUSED_STREAM',
    options: { settings: { maxConcurrentStreams: 2 } },
    steps: [openedWith(1), openedWith(3), openedWith(5)],
    expected: { kind: 'stream', streamId: 5, code: 'REFUSED_STREAM', problem: 'too-many-streams' },
  },
  {
    name: '5.1.2 half-closed streams count: stream error REFUSED_STREAM',
    options: { settings: { maxConcurrentStreams: 1 } },
    steps: [finished, headers(3, get, { endStream: true })],
    expected: { kind: 'stream', streamId: 3, code: 'REFUSED_STREAM', problem: 'too-many-streams' },
  },
  {
    name: '5.3 (RFC 7540) HEADERS that depend on their own stream: stream error PROTOCOL_ERROR',
    steps: [
      frame(
        frameTypes.headers,
        endHeaders | frameFlags.priority,
        1,
        Buffer.concat([uint32(1), Buffer.from([255]), block(get)]),
      ),
    ],
    expected: streamError('PROTOCOL_ERROR', 'self-dependency'),
  },
  {
    name: '5.3 (RFC 7540) PRIORITY that depends on its own stream: stream error PROTOCOL_ERROR',
    steps: [openStream, priority(1, 1)],
    expected: streamError('PROTOCOL_ERROR', 'self-dependency'),
  },
  {
    name: '5.3.2 priority of HEADERS: ignored',
    steps: [
      frame(
        frameTypes.headers,
        endHeaders | endStream | frameFlags.priority,
        1,
        Buffer.concat([uint32(0x8000_0003), Buffer.from([255]), block(get)]),
      ),
    ],
    expected: { kind: 'fine', events: ['head 1 :method=GET :scheme=http :path=/ :authority=a.example end'] },
  },
  {
    name: '5.4.2 a stream error of RST_STREAM on a closed stream is not answered: no loop',
    steps: [openStream, reset(1, CANCEL), reset(1, CANCEL), reset(1, CANCEL)],
    expected: fine,
  },
  {
    name: '5.5 an unknown setting: ignored',
    steps: [settings([0xff, 7], [0x7, 1], [0, 0]), ping()],
    expected: fine,
  },
]
