import { errorCodes, frameFlags, frameTypes, settingIds } from './codes.ts'
import {
  block,
  continuation,
  data,
  frame,
  get,
  goAway,
  headers,
  ok,
  ping,
  post,
  priority,
  rawHeaders,
  reset,
  settings,
  settingsAck,
  uint32,
  windowUpdate,
} from './frames-for-tests.ts'
import { connectionError, fine, streamError } from './expectations.ts'
import { listOf, type ConformanceCase } from './run-case.ts'

const { padded, endHeaders, endStream, ack } = frameFlags
const { CANCEL, NO_ERROR } = errorCodes
const maxWindow = 0x7fff_ffff

const openStream = headers(1, post)
const finished = headers(1, get, { endStream: true })
const answer = listOf(ok)

function answered(id: number): ConformanceCase['steps'][number] {
  return (session, streams) => {
    const stream = streams.get(id)
    if (stream !== undefined) session.sendHeaders(stream, answer, true)
  }
}

/** What RFC 9113 section 6 demands of each type of frame. */
export const conformanceOfFrames: readonly ConformanceCase[] = [
  {
    name: '6.1 DATA on stream 0: connection error PROTOCOL_ERROR',
    steps: [data(0, 'x')],
    expected: connectionError('PROTOCOL_ERROR', 'stream-frame-on-connection'),
  },
  {
    name: '6.1 DATA with padding: the padding is not delivered',
    steps: [
      openStream,
      frame(frameTypes.data, padded, 1, Buffer.concat([Buffer.from([3]), Buffer.from('abc'), Buffer.alloc(3)])),
      frame(frameTypes.data, padded | endStream, 1, Buffer.concat([Buffer.from([2]), Buffer.alloc(2)])),
    ],
    expected: {
      kind: 'fine',
      events: ['head 1 :method=POST :scheme=http :path=/ :authority=a.example', 'data 1 abc', 'end 1'],
    },
  },
  {
    name: '6.1 DATA with as much padding as payload: connection error PROTOCOL_ERROR',
    steps: [openStream, frame(frameTypes.data, padded, 1, Buffer.from([4, 0, 0, 0]))],
    expected: connectionError('PROTOCOL_ERROR', 'invalid-padding'),
  },
  {
    name: '6.1 padded DATA without a pad length: connection error FRAME_SIZE_ERROR',
    steps: [openStream, frame(frameTypes.data, padded, 1)],
    expected: connectionError('FRAME_SIZE_ERROR', 'invalid-frame-length'),
  },
  {
    name: '6.1 padded DATA of a pad length alone: fine',
    steps: [openStream, frame(frameTypes.data, padded | endStream, 1, Buffer.from([0]))],
    expected: fine,
  },
  {
    name: '6.2 HEADERS on stream 0: connection error PROTOCOL_ERROR',
    steps: [headers(0, get)],
    expected: connectionError('PROTOCOL_ERROR', 'stream-frame-on-connection'),
  },
  {
    name: '6.2 HEADERS with padding: fine',
    steps: [
      frame(
        frameTypes.headers,
        endHeaders | endStream | padded,
        1,
        Buffer.concat([Buffer.from([5]), block(get), Buffer.alloc(5)]),
      ),
    ],
    expected: { kind: 'fine', events: ['head 1 :method=GET :scheme=http :path=/ :authority=a.example end'] },
  },
  {
    name: '6.2 HEADERS with more padding than payload: connection error PROTOCOL_ERROR',
    steps: [frame(frameTypes.headers, endHeaders | padded, 1, Buffer.from([3, 0x82, 0x86]))],
    expected: connectionError('PROTOCOL_ERROR', 'invalid-padding'),
  },
  {
    name: '6.2 HEADERS too short for its priority: connection error FRAME_SIZE_ERROR',
    steps: [frame(frameTypes.headers, endHeaders | frameFlags.priority, 1, uint32(0))],
    expected: connectionError('FRAME_SIZE_ERROR', 'invalid-frame-length'),
  },
  {
    name: '6.2 HEADERS whose padding reaches into its priority: connection error PROTOCOL_ERROR',
    steps: [frame(frameTypes.headers, endHeaders | frameFlags.priority | padded, 1, Buffer.from([1, 0, 0, 0, 0, 16]))],
    expected: connectionError('PROTOCOL_ERROR', 'invalid-padding'),
  },
  {
    name: '6.3 PRIORITY on stream 0: connection error PROTOCOL_ERROR',
    steps: [priority(0, 1)],
    expected: connectionError('PROTOCOL_ERROR', 'stream-frame-on-connection'),
  },
  {
    name: '6.3 PRIORITY of 4 bytes: stream error FRAME_SIZE_ERROR',
    steps: [openStream, frame(frameTypes.priority, 0, 1, uint32(0))],
    expected: streamError('FRAME_SIZE_ERROR', 'invalid-priority-length'),
  },
  {
    name: '6.3 PRIORITY of no bytes: stream error FRAME_SIZE_ERROR',
    steps: [openStream, frame(frameTypes.priority, 0, 1)],
    expected: streamError('FRAME_SIZE_ERROR', 'invalid-priority-length'),
  },
  {
    name: '6.3 PRIORITY of 6 bytes on an idle stream: connection error FRAME_SIZE_ERROR',
    steps: [frame(frameTypes.priority, 0, 1, Buffer.alloc(6))],
    expected: connectionError('FRAME_SIZE_ERROR', 'invalid-priority-length'),
  },
  {
    name: '6.4 RST_STREAM on stream 0: connection error PROTOCOL_ERROR',
    steps: [reset(0, CANCEL)],
    expected: connectionError('PROTOCOL_ERROR', 'stream-frame-on-connection'),
  },
  {
    name: '6.4 RST_STREAM of 3 bytes: connection error FRAME_SIZE_ERROR',
    steps: [openStream, frame(frameTypes.resetStream, 0, 1, 'abc')],
    expected: connectionError('FRAME_SIZE_ERROR', 'invalid-frame-length'),
  },
  {
    name: '6.4 RST_STREAM with an unknown code: the stream is reset',
    steps: [openStream, reset(1, 0xdead)],
    expected: {
      kind: 'fine',
      events: ['head 1 :method=POST :scheme=http :path=/ :authority=a.example', 'reset 1 57005'],
    },
  },
  {
    name: '6.5 SETTINGS on a stream: connection error PROTOCOL_ERROR',
    steps: [openStream, frame(frameTypes.settings, 0, 1)],
    expected: connectionError('PROTOCOL_ERROR', 'connection-frame-on-stream'),
  },
  {
    name: '6.5 SETTINGS of 5 bytes: connection error FRAME_SIZE_ERROR',
    steps: [frame(frameTypes.settings, 0, 0, 'abcde')],
    expected: connectionError('FRAME_SIZE_ERROR', 'invalid-frame-length'),
  },
  {
    name: '6.5 an acknowledgement with a payload: connection error FRAME_SIZE_ERROR',
    steps: [frame(frameTypes.settings, ack, 0, 'abcdef')],
    expected: connectionError('FRAME_SIZE_ERROR', 'settings-ack-with-payload'),
  },
  {
    name: '6.5.2 SETTINGS_ENABLE_PUSH of 2: connection error PROTOCOL_ERROR',
    steps: [settings([settingIds.enablePush, 2])],
    expected: connectionError('PROTOCOL_ERROR', 'invalid-enable-push'),
  },
  {
    name: '6.5.2 SETTINGS_ENABLE_PUSH of 1 from a client: fine',
    steps: [settings([settingIds.enablePush, 1])],
    expected: fine,
  },
  {
    name: '6.5.2 SETTINGS_ENABLE_PUSH of 1 from a server: connection error PROTOCOL_ERROR',
    side: 'client',
    steps: [settings([settingIds.enablePush, 1])],
    expected: connectionError('PROTOCOL_ERROR', 'invalid-enable-push'),
  },
  {
    name: '6.5.2 SETTINGS_INITIAL_WINDOW_SIZE above 2^31-1: connection error FLOW_CONTROL_ERROR',
    steps: [settings([settingIds.initialWindowSize, 0x8000_0000])],
    expected: connectionError('FLOW_CONTROL_ERROR', 'invalid-initial-window'),
  },
  {
    name: '6.5.2 SETTINGS_MAX_FRAME_SIZE below 2^14: connection error PROTOCOL_ERROR',
    steps: [settings([settingIds.maxFrameSize, 16_383])],
    expected: connectionError('PROTOCOL_ERROR', 'invalid-max-frame-size'),
  },
  {
    name: '6.5.2 SETTINGS_MAX_FRAME_SIZE above 2^24-1: connection error PROTOCOL_ERROR',
    steps: [settings([settingIds.maxFrameSize, 16_777_216])],
    expected: connectionError('PROTOCOL_ERROR', 'invalid-max-frame-size'),
  },
  {
    name: 'RFC 8441 3 SETTINGS_ENABLE_CONNECT_PROTOCOL of 2: connection error PROTOCOL_ERROR',
    side: 'client',
    steps: [settings([settingIds.enableConnectProtocol, 2])],
    expected: connectionError('PROTOCOL_ERROR', 'invalid-connect-protocol'),
  },
  {
    name: 'RFC 8441 3 SETTINGS_ENABLE_CONNECT_PROTOCOL that goes back to 0: connection error PROTOCOL_ERROR',
    side: 'client',
    steps: [settings([settingIds.enableConnectProtocol, 1]), settings([settingIds.enableConnectProtocol, 0])],
    expected: connectionError('PROTOCOL_ERROR', 'invalid-connect-protocol'),
  },
  {
    name: '6.5.3 the values are applied in order, the last one counts: fine',
    steps: [settings([settingIds.initialWindowSize, 1], [settingIds.initialWindowSize, 100]), finished, answered(1)],
    expected: fine,
  },
  {
    name: '6.5.3 an acknowledgement of nothing: connection error PROTOCOL_ERROR',
    steps: [settingsAck],
    expected: connectionError('PROTOCOL_ERROR', 'unexpected-settings-ack'),
  },
  {
    name: '6.6 PUSH_PROMISE from a client: connection error PROTOCOL_ERROR',
    steps: [openStream, frame(frameTypes.pushPromise, endHeaders, 1, Buffer.concat([uint32(2), block(get)]))],
    expected: connectionError('PROTOCOL_ERROR', 'push-promise'),
  },
  {
    name: '6.6 PUSH_PROMISE from a server although push is disabled: connection error PROTOCOL_ERROR',
    side: 'client',
    steps: [frame(frameTypes.pushPromise, endHeaders, 1, Buffer.concat([uint32(2), block(get)]))],
    expected: connectionError('PROTOCOL_ERROR', 'push-promise'),
  },
  {
    name: '6.7 PING on a stream: connection error PROTOCOL_ERROR',
    steps: [openStream, frame(frameTypes.ping, 0, 1, '12345678')],
    expected: connectionError('PROTOCOL_ERROR', 'connection-frame-on-stream'),
  },
  {
    name: '6.7 PING of 6 bytes: connection error FRAME_SIZE_ERROR',
    steps: [ping('123456')],
    expected: connectionError('FRAME_SIZE_ERROR', 'invalid-frame-length'),
  },
  { name: '6.7 an unasked answer to PING: ignored', steps: [ping('87654321', ack)], expected: fine },
  {
    name: '6.8 GOAWAY on a stream: connection error PROTOCOL_ERROR',
    steps: [openStream, frame(frameTypes.goAway, 0, 1, uint32(0, 0))],
    expected: connectionError('PROTOCOL_ERROR', 'connection-frame-on-stream'),
  },
  {
    name: '6.8 GOAWAY of 7 bytes: connection error FRAME_SIZE_ERROR',
    steps: [frame(frameTypes.goAway, 0, 0, '1234567')],
    expected: connectionError('FRAME_SIZE_ERROR', 'invalid-frame-length'),
  },
  {
    name: '6.8 GOAWAY with a higher last stream than before: connection error PROTOCOL_ERROR',
    side: 'client',
    steps: [goAway(1, NO_ERROR), goAway(3, NO_ERROR)],
    expected: connectionError('PROTOCOL_ERROR', 'goaway-id-grows'),
  },
  {
    name: '6.8 GOAWAY with an unknown code and debug data: streams below it go on',
    side: 'client',
    requests: 2,
    steps: [frame(frameTypes.goAway, 0, 0, Buffer.concat([uint32(1, 0xff), Buffer.from('bye')])), headers(1, ok)],
    expected: { kind: 'fine', events: ['goaway 1 255', 'unprocessed 3', 'head 1 :status=200'] },
  },
  {
    name: '6.9 WINDOW_UPDATE of 0 on a stream: stream error PROTOCOL_ERROR',
    steps: [openStream, windowUpdate(1, 0)],
    expected: streamError('PROTOCOL_ERROR', 'zero-window-increment'),
  },
  {
    name: '6.9 WINDOW_UPDATE of 0 on the connection: connection error PROTOCOL_ERROR',
    steps: [windowUpdate(0, 0)],
    expected: connectionError('PROTOCOL_ERROR', 'zero-connection-window-increment'),
  },
  {
    name: '6.9 WINDOW_UPDATE with only the reserved bit: stream error PROTOCOL_ERROR',
    steps: [openStream, windowUpdate(1, 0x8000_0000)],
    expected: streamError('PROTOCOL_ERROR', 'zero-window-increment'),
  },
  {
    name: '6.9 WINDOW_UPDATE of 3 bytes: connection error FRAME_SIZE_ERROR',
    steps: [openStream, frame(frameTypes.windowUpdate, 0, 1, 'abc')],
    expected: connectionError('FRAME_SIZE_ERROR', 'invalid-frame-length'),
  },
  {
    name: '6.9.1 DATA above the window of its stream: stream error FLOW_CONTROL_ERROR',
    options: { settings: { streamWindowBytes: 65_535 } },
    steps: [
      openStream,
      (_session, streams) => {
        const stream = streams.get(1)
        if (stream !== undefined) stream.receiveWindow = 5
      },
      data(1, 'abcdef'),
    ],
    expected: streamError('FLOW_CONTROL_ERROR', 'window-exceeded'),
  },
  {
    name: '6.9.1 padding counts for the window: stream error FLOW_CONTROL_ERROR',
    steps: [
      openStream,
      (_session, streams) => {
        const stream = streams.get(1)
        if (stream !== undefined) stream.receiveWindow = 5
      },
      frame(frameTypes.data, padded, 1, Buffer.from([4, 65, 0, 0, 0, 0])),
    ],
    expected: streamError('FLOW_CONTROL_ERROR', 'window-exceeded'),
  },
  {
    name: '6.9.1 DATA above the window of the connection: connection error FLOW_CONTROL_ERROR',
    steps: [
      openStream,
      session => {
        session.receiveWindow = 5
      },
      data(1, 'abcdef'),
    ],
    expected: connectionError('FLOW_CONTROL_ERROR', 'connection-window-exceeded'),
  },
  {
    name: '6.9.1 WINDOW_UPDATE beyond 2^31-1 on a stream: stream error FLOW_CONTROL_ERROR',
    steps: [openStream, windowUpdate(1, maxWindow)],
    expected: streamError('FLOW_CONTROL_ERROR', 'window-overflow'),
  },
  {
    name: '6.9.1 WINDOW_UPDATE beyond 2^31-1 on the connection: connection error FLOW_CONTROL_ERROR',
    steps: [windowUpdate(0, maxWindow)],
    expected: connectionError('FLOW_CONTROL_ERROR', 'connection-window-overflow'),
  },
  {
    name: '6.9.2 SETTINGS_INITIAL_WINDOW_SIZE that pushes a stream beyond 2^31-1: connection error FLOW_CONTROL_ERROR',
    steps: [openStream, windowUpdate(1, maxWindow - 65_535), settings([settingIds.initialWindowSize, 65_536])],
    expected: connectionError('FLOW_CONTROL_ERROR', 'connection-window-overflow'),
  },
  {
    name: '6.9.2 a smaller SETTINGS_INITIAL_WINDOW_SIZE may make windows negative: fine',
    steps: [
      openStream,
      (session, streams) => {
        const stream = streams.get(1)
        if (stream === undefined) return
        session.sendHeaders(stream, answer, false)
        session.sendData(stream, Buffer.alloc(100), 0, 100, false)
      },
      settings([settingIds.initialWindowSize, 50]),
      windowUpdate(1, 51),
    ],
    expected: fine,
  },
  {
    name: '6.10 CONTINUATION on stream 0: connection error PROTOCOL_ERROR',
    steps: [headers(1, get, { endHeaders: false }), continuation(0, block([]), true)],
    expected: connectionError('PROTOCOL_ERROR', 'interrupted-field-block'),
  },
  {
    name: '6.10 CONTINUATION without HEADERS before: connection error PROTOCOL_ERROR',
    steps: [openStream, continuation(1, block(get), true)],
    expected: connectionError('PROTOCOL_ERROR', 'unexpected-continuation'),
  },
  {
    name: '6.10 CONTINUATION after END_HEADERS: connection error PROTOCOL_ERROR',
    steps: [
      headers(1, get.slice(0, 2), { endHeaders: false }),
      continuation(1, block(get.slice(2)), true),
      continuation(1, block([]), true),
    ],
    expected: connectionError('PROTOCOL_ERROR', 'unexpected-continuation'),
  },
  {
    name: '6.10 DATA within a field block: connection error PROTOCOL_ERROR',
    steps: [headers(1, get, { endHeaders: false }), data(1, 'x')],
    expected: connectionError('PROTOCOL_ERROR', 'interrupted-field-block'),
  },
  {
    name: '6.10 CONTINUATION of another stream: connection error PROTOCOL_ERROR',
    steps: [headers(1, get, { endHeaders: false }), continuation(3, block([]), true)],
    expected: connectionError('PROTOCOL_ERROR', 'interrupted-field-block'),
  },
  {
    name: '6.10 a field block over three frames, cut within a field: one field section',
    steps: [
      rawHeaders(1, block(get).subarray(0, 13), { endHeaders: false, endStream: true }),
      continuation(1, block(get).subarray(13, 20), false),
      continuation(1, block(get).subarray(20), true),
    ],
    expected: { kind: 'fine', events: ['head 1 :method=GET :scheme=http :path=/ :authority=a.example end'] },
  },
]
