import assert from 'node:assert/strict'
import { test } from 'node:test'
import { abis, Probe } from '../../../test/guests/probe.ts'
import type { Abi, Callback, ProbeOptions, Script } from '../../../test/guests/probe.ts'
import { HeaderMap } from '../../codec/index.ts'
import type { ForeignFunction } from './ports.ts'
import { SharedMemory } from './shared-memory.ts'
import { bytes, RecordingHost, request, response } from './testing.ts'

const ok = 0
const notFound = 1
const badArgument = 2
const serializationFailure = 3
const invalidMemory = 6
const outside = 0x7fffff00

/** Runs a script in the headers' callback of a request, and what the stream's host saw. */
async function inRequest(
  script: (probe: Probe) => Script,
  options: ProbeOptions & { readonly abi?: Abi; readonly host?: RecordingHost } = {},
): Promise<{ readonly probe: Probe; readonly host: RecordingHost }> {
  const host = options.host ?? new RecordingHost()
  let hasRun = false
  const callback: Callback = function* (probe) {
    hasRun = true
    return yield* script(probe)
  }
  const probe = await Probe.start(options.abi ?? '0.2.1', { proxy_on_request_headers: callback }, options)
  probe.plugin.http(host).request.headers(request(['x-a', '1'], ['x-a', '2']), 'more')
  assert.ok(hasRun)
  assert.equal(probe.plugin.state.failures.trap, 0, probe.logs.join('\n'))
  return { probe, host }
}

function lines(probe: Probe, level: string): readonly string[] {
  return probe.logs.filter(line => line.startsWith(level))
}

test('every out-parameter and every text is checked before anything happens', async () => {
  // Of each function, the parameters with which it works; the test spoils one pointer after the other.
  const text = 'text'
  const out = 'out'
  const calls: Readonly<Record<string, readonly (number | typeof text | typeof out)[]>> = {
    proxy_log: [2, text],
    proxy_get_log_level: [out],
    proxy_get_current_time_nanoseconds: [out],
    proxy_get_buffer_bytes: [7, 0, 10, out, out],
    proxy_get_buffer_status: [7, out, out],
    proxy_get_header_map_pairs: [0, out, out],
    proxy_set_header_map_pairs: [0, text],
    proxy_get_header_map_value: [0, text, out, out],
    proxy_add_header_map_value: [0, text, text],
    proxy_replace_header_map_value: [0, text, text],
    proxy_remove_header_map_value: [0, text],
    proxy_get_header_map_size: [0, out],
    proxy_send_local_response: [200, text, text, text, -1],
    proxy_http_call: [text, text, text, text, 5, out],
    proxy_grpc_call: [text, text, text, text, text, 5, out],
    proxy_grpc_stream: [text, text, text, text, out],
    proxy_grpc_send: [6, text, 0],
    proxy_get_status: [out, out, out],
    proxy_get_shared_data: [text, out, out, out],
    proxy_set_shared_data: [text, text, 0],
    proxy_register_shared_queue: [text, out],
    proxy_resolve_shared_queue: [text, text, out],
    proxy_enqueue_shared_queue: [1, text],
    proxy_dequeue_shared_queue: [1, out, out],
    proxy_define_metric: [0, text, out],
    proxy_get_metric: [4, out],
    proxy_get_property: [text, out, out],
    proxy_set_property: [text, text],
    proxy_call_foreign_function: [text, text, out, out],
  }
  await inRequest(function* (probe) {
    yield ['proxy_define_metric', 0, ...probe.text('m'), probe.room()]
    yield ['proxy_set_shared_data', ...probe.text('x-a'), ...probe.text('v'), 0]
    yield ['proxy_register_shared_queue', ...probe.text('x-a'), probe.room()]
    for (const [name, shape] of Object.entries(calls)) {
      for (const [spoilt, kind] of shape.entries()) {
        if (typeof kind === 'number') continue
        const parameters = shape.flatMap((part, index) => {
          if (typeof part === 'number') return [part]
          const isSpoilt = index === spoilt
          if (part === out) return [isSpoilt ? outside : probe.room()]
          return isSpoilt ? [outside, 10] : probe.text('x-a')
        })
        const status = yield [name, ...parameters]
        const isEmptyResult = status === notFound && name === 'proxy_get_property'
        assert.ok(status === invalidMemory || isEmptyResult, `${name}, parameter ${spoilt}: ${status}`)
      }
    }
    return 0
  })
})
for (const abi of Object.keys(abis) as Abi[]) {
  test(`maps of headers, ABI ${abi}`, async () => {
    const { host, probe } = await inRequest(
      function* (probe) {
        const key = (name: string): [number, number] => probe.text(name)
        // The first of several values; names in any case.
        assert.equal(yield* probe.get('proxy_get_header_map_value', 0, ...key('X-A')), '1')
        assert.equal(yield* probe.get('proxy_get_header_map_value', 0, ...key('none')), abi === '0.1.0' ? '' : notFound)
        assert.equal(yield* probe.get('proxy_get_header_map_value', 2, ...key('x-a')), badArgument)
        assert.equal(yield* probe.get('proxy_get_header_map_value', 99, ...key('x-a')), badArgument)
        assert.equal(yield ['proxy_add_header_map_value', 0, ...key('X-B'), ...key('3')], ok)
        assert.equal(yield ['proxy_replace_header_map_value', 0, ...key('x-a'), ...key('4')], ok)
        assert.equal(yield ['proxy_remove_header_map_value', 0, ...key('none')], ok)
        for (const map of [1, 2, 3, 4, 7, 8]) {
          assert.equal(yield ['proxy_add_header_map_value', map, ...key('a'), ...key('b')], badArgument)
          assert.equal(yield ['proxy_replace_header_map_value', map, ...key('a'), ...key('b')], badArgument)
          assert.equal(yield ['proxy_remove_header_map_value', map, ...key('a')], badArgument)
          assert.equal(yield ['proxy_set_header_map_pairs', map, ...key('')], badArgument)
          assert.equal(yield ['proxy_get_header_map_size', map, probe.room()], badArgument)
          assert.equal(yield* probe.get('proxy_get_header_map_pairs', map), '')
        }
        const expected = HeaderMap.of([...request(), ['x-a', '4'], ['x-b', '3']]).toPairs()
        assert.equal(yield* probe.get('proxy_get_header_map_pairs', 0), expected.toString('latin1'))
        const size = probe.room()
        assert.equal(yield ['proxy_get_header_map_size', 0, size], ok)
        assert.equal(probe.memory.u32(size), expected.length)
        // Malformed: nothing changes, and no status ends the plugin.
        assert.equal(yield ['proxy_set_header_map_pairs', 0, ...probe.bytes(expected.subarray(1))], ok)
        assert.equal(yield ['proxy_add_header_map_value', 0, ...key('bad name'), ...key('b')], badArgument)
        assert.equal(yield ['proxy_add_header_map_value', 0, ...key('a'), ...key('b\r\nc: d')], badArgument)
        return 0
      },
      { abi },
    )
    assert.deepEqual(host.take(), ['request headers GET /items?id=7 shop x-a=4 x-b=3'])
    assert.ok(lines(probe, 'warn').length > 20)
  })
}

test('a plugin replaces all headers at once', async () => {
  const { host } = await inRequest(function* (probe) {
    const pairs = HeaderMap.of([
      ['b', '2'],
      [':path', '/other'],
      [':method', 'PUT'],
    ]).toPairs()
    assert.equal(yield ['proxy_set_header_map_pairs', 0, ...probe.bytes(pairs)], ok)
    return 0
  })
  assert.deepEqual(host.take(), ['request headers /other PUT b=2'])
})

test('in the log phase headers are read only, and what is gone is not found', async () => {
  let hasRun = false
  const probe = await Probe.start('0.2.1', {
    *proxy_on_log(probe) {
      hasRun = true
      assert.equal(yield* probe.get('proxy_get_header_map_value', 0, ...probe.text(':path')), '/items?id=7')
      assert.equal(yield* probe.get('proxy_get_header_map_value', 2, ...probe.text(':status')), '200')
      assert.equal(yield* probe.get('proxy_get_header_map_value', 3, ...probe.text('t')), '2')
      assert.equal(yield* probe.get('proxy_get_header_map_value', 1, ...probe.text('t')), notFound)
      assert.equal(yield ['proxy_add_header_map_value', 0, ...probe.text('a'), ...probe.text('b')], badArgument)
    },
    *proxy_on_response_headers(probe) {
      // What went on is no longer the plugin's.
      assert.equal(yield* probe.get('proxy_get_header_map_value', 0, ...probe.text(':path')), badArgument)
    },
  })
  const stream = probe.plugin.http(new RecordingHost())
  stream.request.headers(request(), 'end')
  stream.response.headers(response(), 'more')
  stream.response.trailers(HeaderMap.of([['t', '2']]))
  stream.close()
  assert.ok(hasRun)
})

/** What a body becomes by one `proxy_set_buffer_bytes`. */
const splices: readonly (readonly [start: number, size: number, data: string, result: string])[] = [
  [0, 0, 'x', 'xbody'],
  [0, 4, 'x', 'x'],
  [0, 0xffffffff | 0, 'x', 'x'],
  [4, 0, 'x', 'bodyx'],
  [99, 5, 'x', 'bodyx'],
  [1, 2, 'xyz', 'bxyzy'],
  [1, 2, '', 'by'],
  [0, 99, '', ''],
]

for (const [start, size, data, result] of splices) {
  test(`a body is changed at ${start} for ${size >>> 0} bytes to '${result}'`, async () => {
    const probe = await Probe.start('0.2.1', {
      *proxy_on_request_body(probe) {
        assert.equal(yield ['proxy_set_buffer_bytes', 0, start, size, ...probe.text(data)], ok)
        const length = probe.room()
        assert.equal(yield ['proxy_get_buffer_status', 0, length, probe.room()], ok)
        assert.equal(probe.memory.u32(length), result.length)
      },
    })
    const host = new RecordingHost()
    const stream = probe.plugin.http(host)
    stream.request.headers(request(['content-length', '4']), 'more')
    const sent = bytes('body')
    stream.request.body(sent, 'end')
    // Its length is not promised, since it may change.
    assert.deepEqual(host.take(), ['request headers GET /items?id=7 shop', `request body ${result} end`])
    assert.deepEqual(sent, bytes('body'))
  })
}

test('buffers are read in parts, and only where they are', async () => {
  const probe = await Probe.start(
    '0.2.1',
    {
      *proxy_on_request_body(probe) {
        assert.equal(yield* probe.get('proxy_get_buffer_bytes', 0, 1, 2), 'od')
        assert.equal(yield* probe.get('proxy_get_buffer_bytes', 0, 2, 99), 'dy')
        assert.equal(yield* probe.get('proxy_get_buffer_bytes', 0, 99, 1), '')
        assert.equal(yield* probe.get('proxy_get_buffer_bytes', 0, -1, 1), badArgument)
        assert.equal(yield* probe.get('proxy_get_buffer_bytes', 9, 0, 1), badArgument)
        for (const type of [1, 2, 3, 4, 5, 8]) {
          assert.equal(yield* probe.get('proxy_get_buffer_bytes', type, 0, 1), notFound)
          assert.equal(yield ['proxy_set_buffer_bytes', type, 0, 0, ...probe.text('')], notFound)
          assert.equal(yield ['proxy_get_buffer_status', type, probe.room(), probe.room()], notFound)
        }
        assert.equal(yield* probe.get('proxy_get_buffer_bytes', 7, 0, 99), 'plugin')
        assert.equal(yield ['proxy_set_buffer_bytes', 7, 0, 0, ...probe.text('')], badArgument)
        assert.equal(yield ['proxy_set_buffer_bytes', 9, 0, 0, ...probe.text('')], badArgument)
      },
      *proxy_on_vm_start(probe) {
        assert.equal(yield* probe.get('proxy_get_buffer_bytes', 6, 0, 99), 'vm')
      },
    },
    { config: { vmConfiguration: 'vm', configuration: 'plugin' } },
  )
  const stream = probe.plugin.http(new RecordingHost())
  stream.request.headers(request(), 'more')
  stream.request.body(bytes('body'), 'end')
  assert.equal(probe.plugin.state.failures.trap, 0)
})

test('ABI 0.1.0 gives the configuration of the callback that runs, and continues by its own functions', async () => {
  const seen: unknown[] = []
  const probe = await Probe.start(
    '0.1.0',
    {
      *proxy_on_vm_start(probe) {
        seen.push(yield* probe.get('proxy_get_configuration'))
        assert.equal(yield* probe.get('proxy_get_buffer_bytes', 7, 0, 9), badArgument)
      },
      *proxy_on_configure(probe) {
        seen.push(yield* probe.get('proxy_get_configuration'))
      },
      *proxy_on_request_headers() {
        assert.equal(yield ['proxy_clear_route_cache'], ok)
        assert.equal(yield ['proxy_continue_request'], ok)
        return 1
      },
      *proxy_on_response_headers() {
        assert.equal(yield ['proxy_continue_response'], ok)
        return 1
      },
    },
    { config: { vmConfiguration: 'vm', configuration: 'plugin' } },
  )
  assert.deepEqual(seen, ['vm', 'plugin'])
  const host = new RecordingHost()
  const stream = probe.plugin.http(host)
  stream.request.headers(request(), 'end')
  stream.response.headers(response(), 'end')
  assert.deepEqual(host.take(), [
    'clear route cache',
    'request headers GET /items?id=7 shop end',
    'response headers 200 end',
  ])
})

test('logs have levels, and the clock nanoseconds', async () => {
  const { probe } = await inRequest(function* (probe) {
    for (let level = 0; level <= 5; level++) assert.equal(yield ['proxy_log', level, ...probe.text(`at ${level}`)], ok)
    assert.equal(yield ['proxy_log', 6, ...probe.text('x')], badArgument)
    assert.equal(yield ['proxy_log', -1, ...probe.text('x')], badArgument)
    const out = probe.room(8)
    assert.equal(yield ['proxy_get_log_level', out], ok)
    assert.equal(probe.memory.u32(out), 2)
    assert.equal(yield ['proxy_get_current_time_nanoseconds', out], ok)
    const ms = Number(probe.memory.view.getBigUint64(out, true) / 1_000_000n)
    assert.ok(Math.abs(ms - Date.now()) < 60_000)
    return 0
  })
  assert.deepEqual(probe.logs, [
    'trace: at 0',
    'debug: at 1',
    'info: at 2',
    'warn: at 3',
    'error: at 4',
    'critical: at 5',
  ])
})

test('shared data is set by compare and swap', async () => {
  await inRequest(function* (probe) {
    const key = probe.text('k')
    const cas = probe.room()
    const read = function* (): Generator<readonly [string, ...number[]], string | number, number> {
      const [pointer, length] = [probe.room(), probe.room()]
      const status = yield ['proxy_get_shared_data', ...key, pointer, length, cas]
      return status === ok ? probe.memory.text(probe.memory.u32(pointer), probe.memory.u32(length)) : status
    }
    assert.equal(yield* read(), notFound)
    assert.equal(yield ['proxy_set_shared_data', ...key, ...probe.text('one'), 99], ok)
    assert.equal(yield* read(), 'one')
    const first = probe.memory.u32(cas)
    assert.ok(first > 0)
    assert.equal(yield ['proxy_set_shared_data', ...key, ...probe.text('two'), first], ok)
    assert.equal(yield ['proxy_set_shared_data', ...key, ...probe.text('three'), first], 8)
    assert.equal(yield* read(), 'two')
    assert.notEqual(probe.memory.u32(cas), first)
    assert.equal(yield ['proxy_set_shared_data', ...key, ...probe.text('four'), 0], ok)
    assert.equal(yield* read(), 'four')
    return 0
  })
})

test('shared data and queues are bounded', async () => {
  const shared = new SharedMemory(100)
  const { probe } = await inRequest(
    function* (probe) {
      assert.equal(yield ['proxy_set_shared_data', ...probe.text('k'), ...probe.bytes(new Uint8Array(200)), 0], 10)
      const id = probe.room()
      assert.equal(yield ['proxy_register_shared_queue', ...probe.text('q'), id], ok)
      assert.equal(yield ['proxy_enqueue_shared_queue', probe.memory.u32(id), ...probe.bytes(new Uint8Array(200))], 10)
      return 0
    },
    { services: { sharedData: shared, queues: shared } },
  )
  assert.equal(lines(probe, 'warn').length, 2)
})

test('queues tell who registered last of each item, when nothing runs', async () => {
  const shared = new SharedMemory()
  const services = { sharedData: shared, queues: shared }
  const { promise, resolve } = Promise.withResolvers<readonly number[]>()
  let taken: unknown
  const receiver = await Probe.start(
    '0.2.1',
    {
      *proxy_on_configure(probe) {
        assert.equal(yield ['proxy_register_shared_queue', ...probe.text('q'), probe.room()], ok)
        return 1
      },
      *proxy_on_queue_ready(probe, [root = 0, id = 0]) {
        taken = yield* probe.get('proxy_dequeue_shared_queue', id)
        assert.equal(yield* probe.get('proxy_dequeue_shared_queue', id), 7)
        resolve([root, id])
      },
    },
    { services, config: { vmId: 'one' } },
  )
  const { probe } = await inRequest(
    function* (probe) {
      const id = probe.room()
      assert.equal(yield ['proxy_resolve_shared_queue', ...probe.text('one'), ...probe.text('none'), id], notFound)
      assert.equal(yield ['proxy_resolve_shared_queue', ...probe.text(''), ...probe.text('q'), id], notFound)
      assert.equal(yield ['proxy_resolve_shared_queue', ...probe.text('one'), ...probe.text('q'), id], ok)
      assert.equal(yield ['proxy_enqueue_shared_queue', probe.memory.u32(id), ...probe.text('item')], ok)
      assert.equal(yield ['proxy_enqueue_shared_queue', 99, ...probe.text('item')], notFound)
      assert.equal(yield* probe.get('proxy_dequeue_shared_queue', 99), notFound)
      return 0
    },
    { services, config: { vmId: 'two' } },
  )
  assert.equal(taken, undefined)
  assert.deepEqual(await promise, [1, 1])
  assert.equal(taken, 'item')
  for (const { plugin } of [receiver, probe]) plugin.close()
})

test('metrics of a plugin have kinds', async () => {
  await inRequest(function* (probe) {
    const out = probe.room()
    const value = probe.room(8)
    const define = function* (type: number, name: string): Generator<readonly [string, ...number[]], number, number> {
      assert.equal(yield ['proxy_define_metric', type, ...probe.text(name), out], ok)
      return probe.memory.u32(out)
    }
    const read = function* (id: number): Generator<readonly [string, ...number[]], bigint, number> {
      assert.equal(yield ['proxy_get_metric', id, value], ok)
      return probe.memory.view.getBigUint64(value, true)
    }
    const [counter, gauge, histogram] = [yield* define(0, 'c'), yield* define(1, 'g'), yield* define(2, 'h')]
    assert.deepEqual([counter & 3, gauge & 3, histogram & 3], [0, 1, 2])
    assert.equal(yield ['proxy_define_metric', 3, ...probe.text('x'), out], badArgument)
    // Another id, the same metric; another kind is another thing.
    const again = yield* define(0, 'c')
    assert.notEqual(again, counter)
    assert.equal(yield ['proxy_define_metric', 1, ...probe.text('c'), out], 10)
    assert.equal(yield ['proxy_increment_metric', counter, 5n], ok)
    assert.equal(yield ['proxy_record_metric', again, 2n], ok)
    assert.equal(yield* read(counter), 7n)
    assert.equal(yield ['proxy_increment_metric', counter, 0n], badArgument)
    assert.equal(yield ['proxy_increment_metric', counter, -1n], badArgument)
    assert.equal(yield ['proxy_record_metric', gauge, 9n], ok)
    assert.equal(yield ['proxy_increment_metric', gauge, -2n], ok)
    assert.equal(yield* read(gauge), 7n)
    assert.equal(yield ['proxy_record_metric', histogram, 3n], ok)
    assert.equal(yield ['proxy_increment_metric', histogram, 3n], badArgument)
    assert.equal(yield ['proxy_get_metric', histogram, value], badArgument)
    for (const id of [0, 999, counter + 1]) {
      assert.equal(yield ['proxy_increment_metric', id, 1n], notFound)
      assert.equal(yield ['proxy_record_metric', id, 1n], notFound)
      assert.equal(yield ['proxy_get_metric', id, value], notFound)
    }
    return 0
  })
})

test('a metric that is defined again and again keeps an id beyond the limit, and another is refused', async () => {
  const { probe } = await inRequest(
    function* (probe) {
      const out = probe.room()
      for (let count = 0; count < 5; count++) {
        assert.equal(yield ['proxy_define_metric', 0, ...probe.text('c'), out], ok)
        assert.equal(yield ['proxy_increment_metric', probe.memory.u32(out), 1n], ok)
      }
      const value = probe.room(8)
      assert.equal(yield ['proxy_get_metric', 4, value], ok)
      assert.equal(probe.memory.view.getBigUint64(value, true), 5n)
      assert.equal(yield ['proxy_define_metric', 0, ...probe.text('d'), out], 10)
      return 0
    },
    { config: { limits: { metrics: 2 } } },
  )
  assert.equal(lines(probe, 'warn').length, 1)
})

test('foreign functions are called by name, and may need no result', async () => {
  await inRequest(
    function* (probe) {
      const compressed = yield* probe.get(
        'proxy_call_foreign_function',
        ...probe.text('compress'),
        ...probe.text('aaaaaaaa'),
      )
      assert.equal(typeof compressed, 'string')
      const given = probe.bytes(bytes(String(compressed)))
      assert.equal(yield* probe.get('proxy_call_foreign_function', ...probe.text('uncompress'), ...given), 'aaaaaaaa')
      assert.equal(
        yield* probe.get('proxy_call_foreign_function', ...probe.text('uncompress'), ...probe.text('?')),
        badArgument,
      )
      assert.equal(yield* probe.get('proxy_call_foreign_function', ...probe.text('broken'), ...probe.text('')), 10)
      assert.equal(yield* probe.get('proxy_call_foreign_function', ...probe.text('none'), ...probe.text('')), notFound)
      assert.equal(yield ['proxy_call_foreign_function', ...probe.text('echo'), ...probe.text('a'), 0, 0], ok)
      assert.equal(
        yield ['proxy_call_foreign_function', ...probe.text('clear_route_cache'), ...probe.text(''), 0, 0],
        ok,
      )
      return 0
    },
    {
      services: {
        foreignFunctions: new Map<string, ForeignFunction>([
          ['compress', (argument: Uint8Array) => argument],
          ['uncompress', (argument: Uint8Array) => (argument[0] === 63 ? 'bad-argument' : argument)],
          ['broken', () => 'internal-failure'],
          ['echo', (argument: Uint8Array) => argument],
        ]),
      },
    },
  )
})

test('properties come from the plugin, the messages and the proxy, in their encodings', async () => {
  const host = new RecordingHost()
  const fields = new Map<string, number | string | boolean>([
    ['a', 1.5],
    ['b', 'text'],
    ['c', true],
  ])
  host.attributes.set('source.address', '10.0.0.1:4567')
  host.attributes.set('source.port', 4567n)
  host.attributes.set('connection.mtls', true)
  host.attributes.set('connection_id', 12n)
  host.attributes.set('metadata.filter_metadata', { fields: new Map([['ns', { fields }]]) })
  host.attributes.set('xds.node', { fields: new Map([['id', 'node-1']]), message: bytes('\x0a\x01x') })
  host.attributes.set('xds.route_name', 'orders')
  host.attributes.set('upstream.locality', null)
  host.attributes.set('request.time', 1_700_000_000_000_000_000n)
  host.attributes.set('a.list', ['x', 'y'])
  const number = (value: bigint): string => {
    const buffer = Buffer.alloc(8)
    buffer.writeBigInt64LE(value)
    return buffer.toString('latin1')
  }
  const double = Buffer.alloc(8)
  double.writeDoubleLE(1.5)
  const expected: readonly (readonly [path: string, value: string | number])[] = [
    ['plugin_name', 'probe'],
    ['plugin_root_id', ''],
    ['plugin_vm_id', 'vm'],
    ['request.path', '/items?id=7'],
    ['request.url_path', '/items'],
    ['request.query', 'id=7'],
    ['request.host', 'shop'],
    ['request.method', 'GET'],
    ['request.headers.x-a', '1,2'],
    ['request.headers.none', notFound],
    ['request.size', number(0n)],
    ['request.time', number(1_700_000_000_000_000_000n)],
    ['response.code', notFound],
    ['source.address', '10.0.0.1:4567'],
    ['source.port', number(4567n)],
    ['source.port.deeper', notFound],
    ['connection.mtls', '\x01'],
    ['connection_id', number(12n)],
    ['metadata.filter_metadata.ns.a', double.toString('latin1')],
    ['metadata.filter_metadata.ns.b', 'text'],
    ['metadata.filter_metadata.ns.none', notFound],
    ['xds.node', '\x0a\x01x'],
    ['node.id', 'node-1'],
    ['xds.node.id', 'node-1'],
    ['route_name', 'orders'],
    ['xds.route_name', 'orders'],
    ['upstream.locality', serializationFailure],
    ['a.list.1', 'y'],
    ['a.list.2', notFound],
    ['a.list', '\x02\0\0\0' + '\x01\0\0\0\0\0\0\0'.repeat(2) + 'x\0\0y\0\0'],
    ['nothing', notFound],
  ]
  await inRequest(
    function* (probe) {
      for (const [path, value] of expected) {
        const text = path.replaceAll('.', '\0')
        assert.equal(yield* probe.get('proxy_get_property', ...probe.text(text)), value, path)
        assert.equal(yield* probe.get('proxy_get_property', ...probe.text(`${text}\0`)), value, `${path} with NUL`)
      }
      // What was set is found by the whole path, before anything else.
      assert.equal(yield ['proxy_set_property', ...probe.text('my\0own'), ...probe.text('v')], ok)
      assert.equal(yield* probe.get('proxy_get_property', ...probe.text('my\0own')), 'v')
      assert.equal(yield* probe.get('proxy_get_property', ...probe.text('my')), notFound)
      return 0
    },
    { host, config: { vmId: 'vm' } },
  )
  assert.equal(Buffer.from(host.properties.get(['my', 'own']) ?? '').toString(), 'v')
})

test('the root context has no stream', async () => {
  await Probe.start('0.2.1', {
    *proxy_on_configure(probe) {
      assert.equal(yield ['proxy_set_property', ...probe.text('a'), ...probe.text('b')], notFound)
      assert.equal(yield ['proxy_continue_stream', 0], ok)
      assert.equal(yield ['proxy_close_stream', 1], ok)
      assert.equal(yield ['proxy_done'], notFound)
      assert.equal(yield ['proxy_set_effective_context', 77], badArgument)
      assert.equal(yield ['proxy_set_effective_context', 1], ok)
      assert.equal(
        yield ['proxy_send_local_response', 200, ...probe.text(''), ...probe.text(''), ...probe.text(''), -1],
        ok,
      )
      assert.equal(yield* probe.get('proxy_get_property', ...probe.text('plugin_root_id')), '')
      return 1
    },
  })
})

test('what is not among the capabilities answers a failure, and a callback is not called', async () => {
  const names = ['proxy_on_context_create', 'proxy_on_request_headers', 'test_begin', 'test_next', 'test_result']
  const { probe } = await inRequest(
    function* (probe) {
      assert.equal(yield ['proxy_log', 2, ...probe.text('x')], 10)
      return 0
    },
    { config: { capabilities: new Set(names) } },
  )
  assert.deepEqual(probe.calls, [
    'proxy_on_context_create 1',
    'proxy_on_context_create 2',
    'proxy_on_request_headers 2',
  ])
  assert.match(probe.logs.join('\n'), /proxy_log is not among the plugin's capabilities/)
})
