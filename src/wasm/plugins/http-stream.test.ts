import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Probe } from '../../../test/guests/probe.ts'
import type { Abi, Callback } from '../../../test/guests/probe.ts'
import { HeaderMap } from '../../codec/index.ts'
import { bytes, RecordingHost, request, response } from './testing.ts'

function returns(value: number): Callback {
  // oxlint-disable-next-line require-yield
  return function* () {
    return value
  }
}

for (const abi of ['0.1.0', '0.2.0', '0.2.1'] as const) {
  test(`HttpStream calls the callbacks of a whole exchange in their order, ABI ${abi}`, async () => {
    const probe = await Probe.start(abi)
    const host = new RecordingHost()
    const stream = probe.plugin.http(host)
    stream.request.headers(request(), 'more')
    stream.request.body(bytes('in'), 'more')
    stream.request.trailers(HeaderMap.of([['t', '1']]))
    stream.response.headers(response(), 'more')
    stream.response.body(bytes('out'), 'more')
    stream.response.trailers(HeaderMap.of([['t', '2']]))
    stream.close()
    probe.plugin.close()
    assert.deepEqual(probe.calls, [
      'proxy_on_context_create 1',
      'proxy_on_vm_start 1',
      'proxy_on_configure 1',
      'proxy_on_context_create 2',
      'proxy_on_request_headers 2',
      'proxy_on_request_body 2',
      'proxy_on_request_trailers 2',
      'proxy_on_response_headers 2',
      'proxy_on_response_body 2',
      'proxy_on_response_trailers 2',
      'proxy_on_done 2',
      'proxy_on_log 2',
      'proxy_on_delete 2',
      'proxy_on_done 1',
      'proxy_on_delete 1',
    ])
    assert.deepEqual(host.events, [
      'request headers GET /items?id=7 shop',
      'request body in',
      'request trailers t=1',
      'response headers 200',
      'response body out',
      'response trailers t=2',
    ])
    assert.equal(probe.plugin.state.instances, 0)
  })
}

test('HttpStream tells the size of maps and bodies and the end of the stream', async () => {
  const seen: (readonly number[])[] = []
  // oxlint-disable-next-line require-yield
  const record: Callback = function* (_probe, parameters) {
    seen.push(parameters)
  }
  const names = ['context_create', 'request_headers', 'request_body', 'response_headers', 'response_body']
  const probe = await Probe.start('0.2.1', Object.fromEntries(names.map(name => [`proxy_on_${name}`, record])))
  const stream = probe.plugin.http(new RecordingHost())
  stream.request.headers(request(), 'more')
  stream.request.body(bytes('four'), 'end')
  stream.response.headers(response(), 'end')
  assert.deepEqual(seen, [
    [1, 0, 0, 0, 0],
    [2, 1, 0, 0, 0],
    [2, 3, 0, 0, 0],
    [2, 4, 1, 0, 0],
    [2, 1, 1, 0, 0],
  ])
})

interface Case {
  readonly name: string
  readonly callbacks: Readonly<Record<string, Callback>>
  readonly abi?: Abi
  readonly pause?: 'headers'
  /** What comes out after each event: headers, body `a`, body `b` with the end, then the continuation. */
  readonly events: readonly (readonly string[])[]
}

const head = 'request headers GET /items?id=7 shop content-length=2'
const bare = 'request headers GET /items?id=7 shop'

const cases: readonly Case[] = [
  { name: 'continue', callbacks: {}, events: [[bare], ['request body a'], ['request body b end'], []] },
  {
    name: 'pause in headers holds the body without callbacks',
    callbacks: { proxy_on_request_headers: returns(1) },
    events: [[], [], [], [bare, 'request body ab end']],
  },
  {
    name: 'stop all iteration',
    callbacks: { proxy_on_request_headers: returns(3) },
    events: [[], [], [], [bare, 'request body ab end']],
  },
  {
    name: 'an action beyond the last one counts as the last',
    callbacks: { proxy_on_request_headers: returns(99), proxy_on_request_body: returns(0) },
    events: [[], [], [], [bare, 'request body ab end']],
  },
  {
    name: 'pause of headers alone lets the body continue both',
    callbacks: { proxy_on_request_headers: returns(1) },
    pause: 'headers',
    events: [[], [bare, 'request body a'], ['request body b end'], []],
  },
  {
    name: 'continue and end the stream',
    callbacks: { proxy_on_request_headers: returns(2) },
    events: [[`${head} end`], [], [], []],
  },
  {
    name: 'pause in the body collects it',
    callbacks: { proxy_on_request_body: returns(1) },
    events: [[bare], [], [], ['request body ab end']],
  },
  {
    name: 'stop and watermark in the body',
    callbacks: { proxy_on_request_body: returns(2) },
    events: [[bare], [], [], ['request body ab end']],
  },
  {
    name: 'stop without buffer drops the body',
    callbacks: { proxy_on_request_body: returns(3) },
    events: [[bare], [], [], ['request body  end']],
  },
]

for (const { name, callbacks, events, pause, abi = '0.2.1' } of cases) {
  test(`HttpStream obeys actions: ${name}`, async () => {
    const probe = await Probe.start(abi, callbacks, { config: pause === undefined ? {} : { headersPause: pause } })
    const host = new RecordingHost()
    const stream = probe.plugin.http(host)
    const seen: (readonly string[])[] = []
    stream.request.headers(request(['content-length', '2']), 'more')
    seen.push(host.take())
    stream.request.body(bytes('a'), 'more')
    seen.push(host.take())
    stream.request.body(bytes('b'), 'end')
    seen.push(host.take())
    // Whoever continues is another callback, here the root's: of a queue, a tick or a call.
    probe.callbacks['proxy_on_tick'] = function* () {
      yield ['proxy_set_effective_context', 2]
      yield ['proxy_continue_stream', 0]
    }
    tick(probe)
    seen.push(host.take())
    assert.deepEqual(seen, events)
    stream.close()
  })
}

/** Lets the root context run a callback now. */
function tick(probe: Probe): void {
  const { vm } = probe
  vm.call(vm.callbacks.onTick, vm.root, 0)
  vm.settle()
}

test('HttpStream shows the next callback the whole body after a pause', async () => {
  const seen: string[] = []
  const probe = await Probe.start('0.2.1', {
    *proxy_on_request_body(probe, [, size = 0, end]) {
      seen.push(`${size} ${String(yield* probe.get('proxy_get_buffer_bytes', 0, 0, 100))}`)
      return end === 1 ? 0 : 1
    },
  })
  const host = new RecordingHost()
  const stream = probe.plugin.http(host)
  stream.request.headers(request(), 'more')
  stream.request.body(bytes('ab'), 'more')
  stream.request.body(bytes('cd'), 'more')
  stream.request.body(bytes('e'), 'end')
  assert.deepEqual(seen, ['2 ab', '4 abcd', '5 abcde'])
  assert.deepEqual(host.take(), [bare, 'request body abcde end'])
})

test('HttpStream gives trailers that a plugin adds with the last of the body', async () => {
  const probe = await Probe.start('0.2.1', {
    *proxy_on_response_body(probe, [, , end]) {
      if (end === 1) yield ['proxy_add_header_map_value', 3, ...probe.text('X-Sum'), ...probe.text('7')]
      else assert.equal(yield ['proxy_add_header_map_value', 3, ...probe.text('x'), ...probe.text('7')], 2)
    },
  })
  const host = new RecordingHost()
  const stream = probe.plugin.http(host)
  stream.request.headers(request(), 'end')
  stream.response.headers(response(), 'more')
  stream.response.body(bytes('a'), 'more')
  stream.response.body(bytes('b'), 'end')
  assert.deepEqual(host.take().slice(1), [
    'response headers 200',
    'response body a',
    'response body b',
    'response trailers x-sum=7',
  ])
})

test('HttpStream continues trailers that were paused, with the body before them', async () => {
  const probe = await Probe.start('0.2.1', { proxy_on_request_body: returns(1), proxy_on_request_trailers: returns(1) })
  const host = new RecordingHost()
  const stream = probe.plugin.http(host)
  stream.request.headers(request(), 'more')
  stream.request.body(bytes('a'), 'more')
  stream.request.trailers(HeaderMap.of([['t', '1']]))
  assert.deepEqual(host.take(), [bare])
  probe.callbacks['proxy_on_tick'] = function* () {
    yield ['proxy_set_effective_context', 2]
    assert.equal(yield ['proxy_continue_stream', 0], 0)
    assert.equal(yield ['proxy_continue_stream', 4], 2)
  }
  tick(probe)
  assert.deepEqual(host.take(), ['request body a', 'request trailers t=1'])
})

test('HttpStream answers instead of the upstream, after its own callbacks for responses', async () => {
  const probe = await Probe.start('0.2.1', {
    *proxy_on_request_headers(probe) {
      const headers = HeaderMap.of([['X-A', '1']]).toPairs()
      const texts = [...probe.text('not today'), ...probe.text('no'), ...probe.bytes(headers)]
      assert.equal(yield ['proxy_send_local_response', 429, ...texts, 8], 0)
      // It decides, whatever the callback returns.
      return 0
    },
    *proxy_on_response_headers(probe) {
      assert.equal(yield* probe.get('proxy_get_header_map_value', 2, ...probe.text(':status')), '429')
      yield ['proxy_replace_header_map_value', 2, ...probe.text('x-a'), ...probe.text('2')]
    },
    *proxy_on_response_body(probe) {
      yield ['proxy_set_buffer_bytes', 1, 0, 0, ...probe.text('really ')]
    },
  })
  const host = new RecordingHost()
  const stream = probe.plugin.http(host)
  stream.request.headers(request(), 'more')
  stream.request.body(bytes('late'), 'end')
  stream.response.headers(response(), 'end')
  assert.deepEqual(host.take(), ['respond 429 not_today grpc 8 x-a=2 really no'])
  stream.close()
  assert.deepEqual(probe.calls.slice(-3), ['proxy_on_done 2', 'proxy_on_log 2', 'proxy_on_delete 2'])
})

test('HttpStream resets when the plugin closes it', async () => {
  const probe = await Probe.start('0.2.0', {
    *proxy_on_response_headers() {
      assert.equal(yield ['proxy_close_stream', 1], 0)
    },
  })
  const host = new RecordingHost()
  const stream = probe.plugin.http(host)
  stream.request.headers(request(), 'end')
  stream.response.headers(response(), 'end')
  assert.deepEqual(host.take().slice(1), ['reset'])
})

test('HttpStream breaks a response off when the plugin wants to answer after its head has gone', async () => {
  let when = 'body'
  const probe = await Probe.start('0.2.1', {
    *proxy_on_response_body(probe) {
      if (when === 'body')
        yield ['proxy_send_local_response', 502, ...['', '', ''].flatMap(text => probe.text(text)), -1]
      return 1
    },
    *proxy_on_log(probe) {
      if (when === 'log')
        yield ['proxy_send_local_response', 502, ...['', '', ''].flatMap(text => probe.text(text)), -1]
    },
  })
  const host = new RecordingHost()
  const stream = probe.plugin.http(host)
  stream.request.headers(request(), 'end')
  stream.response.headers(response(), 'more')
  stream.response.body(bytes('secret'), 'end')
  assert.deepEqual(host.take().slice(1), ['response headers 200', 'reset'])
  stream.close()
  // Nothing is left of it to break off.
  when = 'log'
  const whole = probe.plugin.http(host)
  whole.request.headers(request(), 'end')
  whole.response.headers(response(), 'end')
  whole.close()
  assert.deepEqual(host.take().slice(1), ['response headers 200 end'])
})

test('HttpStream refuses a body beyond its limit that a plugin collects', async () => {
  const callbacks = { proxy_on_request_body: returns(1), proxy_on_response_body: returns(1) }
  const probe = await Probe.start('0.2.1', callbacks, { config: { limits: { bodyBytes: 3 } } })
  const [first, second] = [new RecordingHost(), new RecordingHost()]
  const large = probe.plugin.http(first)
  large.request.headers(request(), 'more')
  large.request.body(bytes('ab'), 'more')
  large.request.body(bytes('cd'), 'more')
  large.request.body(bytes('ef'), 'end')
  assert.deepEqual(first.take().slice(1), ['respond 413 request_payload_too_large grpc 14'])
  const answer = probe.plugin.http(second)
  answer.request.headers(request(), 'end')
  answer.response.headers(response(), 'more')
  answer.response.body(bytes('abcd'), 'more')
  // Its head has gone already.
  assert.deepEqual(second.take().slice(1), ['response headers 200', 'reset'])
})

test('HttpStream waits with log and delete until the plugin is done', async () => {
  const probe = await Probe.start('0.2.1', {
    // oxlint-disable-next-line require-yield
    *proxy_on_done(_probe, [id]) {
      return id === 2 ? 0 : 1
    },
    *proxy_on_tick() {
      yield ['proxy_set_effective_context', 2]
      assert.equal(yield ['proxy_done'], 0)
      assert.equal(yield ['proxy_done'], 1)
    },
  })
  const stream = probe.plugin.http(new RecordingHost())
  stream.request.headers(request(), 'end')
  stream.close()
  assert.equal(probe.calls.at(-1), 'proxy_on_done 2')
  tick(probe)
  assert.deepEqual(probe.calls.slice(-3), ['proxy_on_tick 1', 'proxy_on_log 2', 'proxy_on_delete 2'])
})

test('HttpStream lets events that come while the plugin runs wait, in their order', async () => {
  const probe = await Probe.start('0.2.1')
  const [outer, inner] = [new RecordingHost(), new RecordingHost()]
  const second = probe.plugin.http(inner)
  const third = probe.plugin.http(new RecordingHost())
  let during: readonly string[] = ['not yet']
  probe.callbacks['proxy_on_request_headers'] = function* (probe) {
    delete probe.callbacks['proxy_on_request_headers']
    yield ['proxy_log', 2, 0, 0]
    second.request.headers(request(), 'more')
    second.request.body(bytes('a'), 'more')
    second.request.body(bytes('b'), 'end')
    third.request.headers(request(), 'end')
    third.close()
    during = [...inner.events]
  }
  const first = probe.plugin.http(outer)
  first.request.headers(request(), 'end')
  assert.deepEqual(during, [])
  assert.equal(outer.take().length, 1)
  assert.deepEqual(inner.take(), ['request headers GET /items?id=7 shop', 'request body a', 'request body b end'])
  for (const stream of [first, second]) stream.close()
  assert.equal(probe.plugin.state.streams, 0)
})

test('HttpStream loses no event that waits for a callback which fails', async () => {
  const probe = await Probe.start('0.2.1', {}, { config: { failurePolicy: 'reload' } })
  const [outer, inner] = [new RecordingHost(), new RecordingHost()]
  const bystander = probe.plugin.http(inner)
  bystander.request.headers(request(), 'more')
  inner.take()
  probe.ignoreErrors()
  probe.callbacks['proxy_on_request_headers'] = function* (probe) {
    delete probe.callbacks['proxy_on_request_headers']
    yield ['proxy_log', 2, 0, 0]
    bystander.request.body(bytes('a'), 'end')
    bystander.response.headers(response(), 'end')
    bystander.close()
    probe.vm.stop('trap', 'the test ends it')
  }
  probe.plugin.http(outer).request.headers(request(), 'end')
  assert.deepEqual(outer.take(), ['respond 503 wasm_fail_stream grpc 14'])
  assert.deepEqual(inner.take(), ['request body a end', 'response headers 200 end'])
  assert.equal(probe.plugin.state.streams, 0)
  assert.deepEqual(probe.calls.slice(-2), ['proxy_on_log 2', 'proxy_on_delete 2'])
})

test('a plugin gets streams of its kind only', async () => {
  const service = await Probe.start('0.2.1', {}, { config: { kind: 'service' } })
  assert.throws(() => service.plugin.http(new RecordingHost()), /of kind service/)
  assert.throws(() => service.plugin.tcp(new RecordingHost()), /of kind service/)
})
