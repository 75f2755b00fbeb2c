import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Probe } from '../../../test/guests/probe.ts'
import type { Callback } from '../../../test/guests/probe.ts'
import { HeaderMap } from '../../codec/index.ts'
import type { Callouts, GrpcCall, GrpcObserver, HttpCall, HttpCallResult } from './ports.ts'
import { bytes, RecordingHost, request } from './testing.ts'

const ok = 0
const notFound = 1
const badArgument = 2
const parseFailure = 4
const internalFailure = 10

/** Upstreams that the test answers for: `there`, and `broken`, to which nothing can be sent. */
class FakeUpstreams implements Callouts {
  readonly calls: { readonly call: HttpCall; readonly done: (result: HttpCallResult) => void; isCancelled: boolean }[] =
    []
  readonly grpcCalls: { readonly call: GrpcCall; readonly observer: GrpcObserver; readonly sent: string[] }[] = []

  http(call: HttpCall, done: (result: HttpCallResult) => void): ReturnType<Callouts['http']> {
    if (call.upstream !== 'there') return refusal(call.upstream)
    const entry = { call, done, isCancelled: false }
    this.calls.push(entry)
    return { cancel: () => void (entry.isCancelled = true) }
  }

  grpc(call: GrpcCall, observer: GrpcObserver): ReturnType<Callouts['grpc']> {
    if (call.upstream !== 'there') return refusal(call.upstream)
    const sent: string[] = []
    this.grpcCalls.push({ call, observer, sent })
    return {
      send: (message, flow) => void sent.push(`${Buffer.from(message).toString()} ${flow}`),
      end: () => void sent.push('end'),
      cancel: () => void sent.push('cancel'),
    }
  }
}

function refusal(upstream: string): { refused: 'failed' | 'unknown-upstream'; detail: string } {
  return { refused: upstream === 'broken' ? 'failed' : 'unknown-upstream', detail: 'not in this test' }
}

const target: readonly (readonly [string, string])[] = [
  [':method', 'POST'],
  [':path', '/ask'],
  [':authority', 'there'],
]

function httpCall(
  probe: Probe,
  out: number,
  given: { upstream?: string; headers?: Uint8Array; timeoutMs?: number } = {},
): readonly [string, ...number[]] {
  const headers = given.headers ?? HeaderMap.of(target).toPairs()
  const texts = [
    ...probe.text(given.upstream ?? 'there'),
    ...probe.bytes(headers),
    ...probe.text('body'),
    ...probe.text(''),
  ]
  return ['proxy_http_call', ...texts, given.timeoutMs ?? 1000, out]
}

test('HTTP calls are refused with the statuses that SDKs know, and the reason in the log', async () => {
  const upstreams = new FakeUpstreams()
  const probe = await Probe.start(
    '0.2.1',
    {
      *proxy_on_configure(probe) {
        const out = probe.room()
        const without = HeaderMap.of(target.slice(1)).toPairs()
        assert.equal(yield httpCall(probe, out, { upstream: 'nobody' }), badArgument)
        assert.equal(yield httpCall(probe, out, { upstream: 'broken' }), internalFailure)
        assert.equal(yield httpCall(probe, out, { headers: without }), badArgument)
        assert.equal(yield httpCall(probe, out, { headers: without.subarray(1) }), badArgument)
        assert.equal(yield httpCall(probe, out, { timeoutMs: -1 }), badArgument)
        assert.equal(yield httpCall(probe, out), ok)
        assert.equal(probe.memory.u32(out), 4)
        assert.equal(yield httpCall(probe, out), internalFailure)
        return 1
      },
    },
    { services: { callouts: upstreams }, config: { limits: { callouts: 1 } } },
  )
  assert.deepEqual(
    probe.logs.map(line => line.replace(/^warn: a call to (\w+) is not sent: /, '$1: ')),
    [
      'nobody: not in this test',
      'broken: not in this test',
      'there: it has no :method',
      'there: its headers are malformed',
      'there: its timeout is negative',
      'there: 1 calls are under way already',
    ],
  )
  const { call } = upstreams.calls[0] ?? assert.fail('nothing was sent')
  assert.equal(call.headers.get('content-length'), '4')
  assert.equal(call.timeoutMs, 1000)
  probe.plugin.close()
  // Calls of a plugin that is gone are nobody's.
  assert.equal(upstreams.calls[0]?.isCancelled, true)
})

test("the result of an HTTP call is the root context's, and its maps are there meanwhile only", async () => {
  const upstreams = new FakeUpstreams()
  const seen: unknown[] = []
  const read: Callback = function* (probe, parameters) {
    seen.push(parameters)
    // Through a stream, too.
    yield ['proxy_set_effective_context', 2]
    seen.push(yield* probe.get('proxy_get_header_map_value', 6, ...probe.text(':status')))
    seen.push(yield* probe.get('proxy_get_header_map_value', 7, ...probe.text('t')))
    seen.push(yield* probe.get('proxy_get_buffer_bytes', 4, 0, 99))
    seen.push(yield ['proxy_add_header_map_value', 6, ...probe.text('a'), ...probe.text('b')])
    const code = probe.room()
    seen.push(yield* probe.get('proxy_get_status', code), probe.memory.u32(code))
    yield ['proxy_continue_stream', 0]
  }
  const probe = await Probe.start(
    '0.2.1',
    {
      *proxy_on_request_headers(probe) {
        assert.equal(yield httpCall(probe, probe.room()), ok)
        assert.equal(yield* probe.get('proxy_get_buffer_bytes', 4, 0, 99), notFound)
        return 1
      },
      proxy_on_http_call_response: read,
    },
    { services: { callouts: upstreams } },
  )
  const host = new RecordingHost()
  probe.plugin.http(host).request.headers(request(), 'end')
  const trailers = HeaderMap.of([['t', '7']])
  upstreams.calls[0]?.done({
    kind: 'response',
    headers: HeaderMap.of([[':status', '204']]),
    body: bytes('yes'),
    trailers,
  })
  assert.deepEqual(seen.splice(0), [[1, 4, 1, 3, 1], '204', '7', 'yes', badArgument, '', 0])
  assert.equal(host.take().length, 1)
  // Nothing comes twice, and a call that fails has no maps.
  upstreams.calls[0]?.done({ kind: 'failed', detail: 'again' })
  assert.deepEqual(seen, [])
  probe.plugin.http(host).request.headers(request(), 'end')
  upstreams.calls[1]?.done({ kind: 'failed', detail: 'timeout after 1000 ms' })
  assert.deepEqual(seen, [
    [1, 8, 0, 0, 0],
    badArgument,
    badArgument,
    notFound,
    badArgument,
    'timeout after 1000 ms',
    11,
  ])
})

function grpc(probe: Probe, kind: 'call' | 'stream', out: number, upstream: string): readonly [string, ...number[]] {
  const names = [...probe.bytes(bytes(upstream)), ...probe.text('shop.Items'), ...probe.text('Get')]
  const metadata = probe.bytes(HeaderMap.of([['k', 'v']]).toPairs())
  if (kind === 'stream') return ['proxy_grpc_stream', ...names, ...metadata, out]
  return ['proxy_grpc_call', ...names, ...metadata, ...probe.text('ask'), 2000, out]
}

test('gRPC calls and streams have ids of their kind, and statuses for what is wrong', async () => {
  const upstreams = new FakeUpstreams()
  await Probe.start(
    '0.2.1',
    {
      *proxy_on_configure(probe) {
        const out = probe.room()
        for (const kind of ['call', 'stream'] as const) {
          assert.equal(yield grpc(probe, kind, out, 'nobody'), parseFailure)
          assert.equal(yield grpc(probe, kind, out, 'broken'), internalFailure)
        }
        assert.equal(yield grpc(probe, 'call', out, 'there'), ok)
        assert.equal(probe.memory.u32(out), 5)
        // A serialised GrpcService names its cluster.
        assert.equal(yield grpc(probe, 'stream', out, '\x0a\x07\x0a\x05there'), ok)
        assert.equal(probe.memory.u32(out), 10)
        assert.equal(yield httpCall(probe, out), ok)
        const http = probe.memory.u32(out)
        const message = probe.text('one')
        assert.equal(yield ['proxy_grpc_send', 10, ...message, 0], ok)
        assert.equal(yield ['proxy_grpc_send', 10, ...message, 1], ok)
        assert.equal(yield ['proxy_grpc_send', 5, ...message, 0], badArgument)
        assert.equal(yield ['proxy_grpc_send', 14, ...message, 0], notFound)
        assert.equal(yield ['proxy_grpc_close', 10], ok)
        assert.equal(yield ['proxy_grpc_cancel', 10], ok)
        assert.equal(yield ['proxy_grpc_cancel', 10], notFound)
        assert.equal(yield ['proxy_grpc_close', 14], notFound)
        assert.equal(yield ['proxy_grpc_close', http], badArgument)
        assert.equal(yield ['proxy_grpc_cancel', http], badArgument)
        return 1
      },
    },
    { services: { callouts: upstreams } },
  )
  assert.deepEqual(
    upstreams.grpcCalls.map(({ sent }) => sent),
    [['ask end'], ['one more', 'one end', 'end', 'cancel']],
  )
  const [call] = upstreams.grpcCalls.map(entry => entry.call)
  assert.deepEqual(
    [call?.service, call?.method, call?.timeoutMs, call?.metadata.get('k')],
    ['shop.Items', 'Get', 2000, 'v'],
  )
})

test('a gRPC call ends with its message or its status, a stream tells all', async () => {
  const upstreams = new FakeUpstreams()
  const seen: string[] = []
  const read = (name: string): Callback =>
    function* (probe, [root, id, value]) {
      const message = yield* probe.get('proxy_get_buffer_bytes', 5, 0, 99)
      const initial = yield* probe.get('proxy_get_header_map_value', 4, ...probe.text('k'))
      const trailing = yield* probe.get('proxy_get_header_map_value', 5, ...probe.text('k'))
      const code = probe.room()
      const status = yield* probe.get('proxy_get_status', code)
      seen.push(
        [name, root, id, value, message, initial, trailing, `${probe.memory.u32(code)}${String(status)}`].join(' '),
      )
    }
  const probe = await Probe.start(
    '0.2.1',
    {
      *proxy_on_configure(probe) {
        yield grpc(probe, 'call', probe.room(), 'there')
        yield grpc(probe, 'call', probe.room(), 'there')
        yield grpc(probe, 'stream', probe.room(), 'there')
        return 1
      },
      proxy_on_grpc_receive_initial_metadata: read('initial'),
      proxy_on_grpc_receive: read('message'),
      proxy_on_grpc_receive_trailing_metadata: read('trailing'),
      proxy_on_grpc_close: read('close'),
    },
    { services: { callouts: upstreams } },
  )
  const [good, bad, stream] = upstreams.grpcCalls.map(({ observer }) => observer)
  for (const observer of [good, bad, stream]) {
    observer?.onInitialMetadata(HeaderMap.of([['k', 'i']]))
    observer?.onMessage(bytes('answer'))
    observer?.onTrailingMetadata(HeaderMap.of([['k', 't']]))
  }
  good?.onClose(0, '')
  bad?.onClose(14, 'gone')
  stream?.onClose(5, 'none')
  good?.onClose(0, '')
  assert.deepEqual(seen, [
    'initial 1 14 1 1 i 2 0',
    'message 1 14 6 answer 2 2 0',
    'trailing 1 14 1 1 2 t 0',
    'message 1 5 6 answer 2 2 0',
    'close 1 9 14 1 2 2 14gone',
    'close 1 14 5 1 2 2 5none',
  ])
  assert.equal(probe.plugin.state.failures.trap, 0)
})

test('a result that comes while the plugin runs waits until it has returned', async () => {
  let during = false
  const callouts: Callouts = {
    http: (_call, done) => {
      done({ kind: 'failed', detail: 'at once' })
      during = probe.calls.includes('proxy_on_http_call_response 1')
      return { cancel() {} }
    },
    grpc: () => refusal('nobody'),
  }
  const probe = await Probe.start('0.2.1', {}, { services: { callouts } })
  probe.callbacks['proxy_on_request_headers'] = function* (probe) {
    assert.equal(yield httpCall(probe, probe.room()), ok)
  }
  probe.plugin.http(new RecordingHost()).request.headers(request(), 'end')
  assert.equal(during, false)
  assert.deepEqual(probe.calls.slice(-2), ['proxy_on_request_headers 2', 'proxy_on_http_call_response 1'])
})
