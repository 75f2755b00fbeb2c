/**
 * Every host function with each of its statuses, and every callback, of the three
 * versions. What is tried is compared with what a module of the version imports
 * and exports, and with what the host offers: nothing can be forgotten here.
 */
import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { ManualClock } from '../../src/core/index.ts'
import { HeaderMap, LocalMetrics, SharedMemory } from '../../src/wasm/index.ts'
import type { Callouts, CallRefusal, ForeignFunction, GrpcObserver, HttpCallResult } from '../../src/wasm/index.ts'
import { webAssembly } from '../../src/wasm/engine/web-assembly.ts'
import { statuses } from '../../src/wasm/plugins/abi.ts'
import { hostFunctions } from '../../src/wasm/plugins/host/functions.ts'
import { bytes, RecordingHost, request, response } from '../../src/wasm/plugins/testing.ts'
import { abis, guest, Probe } from '../guests/probe.ts'
import type { Abi, Callback, Script } from '../guests/probe.ts'
import { inBody, inEnd, inHeaders } from './abi-table.ts'
import type { Made, Row, StatusName } from './abi-table.ts'

/** `there` answers when the test says so, to `broken` nothing can be sent, and nobody else is known. */
class Upstreams implements Callouts {
  readonly results: ((result: HttpCallResult) => void)[] = []
  readonly observers: GrpcObserver[] = []

  http(call: { readonly upstream: string }, done: (result: HttpCallResult) => void): ReturnType<Callouts['http']> {
    if (call.upstream !== 'there') return refusal(call.upstream)
    this.results.push(done)
    return { cancel() {} }
  }

  grpc(call: { readonly upstream: string }, observer: GrpcObserver): ReturnType<Callouts['grpc']> {
    if (call.upstream !== 'there') return refusal(call.upstream)
    this.observers.push(observer)
    return { send() {}, end() {}, cancel() {} }
  }
}

function refusal(upstream: string): CallRefusal {
  return { refused: upstream === 'broken' ? 'failed' : 'unknown-upstream', detail: 'not in this test' }
}

const foreignFunctions = new Map<string, ForeignFunction>([
  ['echo', argument => argument],
  ['refusing', () => 'bad-argument'],
  ['broken', () => 'internal-failure'],
])

const pairs = HeaderMap.of([
  [':method', 'GET'],
  [':path', '/'],
  [':authority', 'a'],
]).toPairs()

/** Of toolchains, not of the ABI. */
const besides = ['pthread_equal', 'emscripten_notify_memory_growth']

async function namesOf(abi: Abi, kind: 'imports' | 'exports'): Promise<readonly string[]> {
  const module = await webAssembly.compile(await guest(`probe-${abis[abi]}`))
  const names = webAssembly.Module[kind](module).map(({ name }) => name)
  return names.filter(name => name.startsWith('proxy_') && !name.startsWith('proxy_abi_version')).toSorted()
}

/** In ABI 0.1.0 a header that is not there is empty. */
function expectedOf(abi: Abi, name: string, status: StatusName): number {
  return abi === '0.1.0' && name === 'proxy_get_header_map_value' && status === 'notFound' ? 0 : statuses[status]
}

for (const abi of Object.keys(abis) as Abi[]) {
  test(`each host function answers each of its statuses, ABI ${abi}`, async () => {
    const imports = new Set(await namesOf(abi, 'imports'))
    const tried = new Set<string>()
    const clock = new ManualClock()
    const shared = new SharedMemory(200)
    let made: Made | undefined
    const run = function* (probe: Probe, rows: Readonly<Record<string, Row>>): Script {
      assert.ok(made !== undefined)
      for (const [name, row] of Object.entries(rows)) {
        if (!imports.has(name)) continue
        for (const [status, step] of Object.entries(row) as [StatusName, NonNullable<Row[StatusName]>][]) {
          assert.equal(yield step(probe, made), expectedOf(abi, name, status), `${name}: ${status}`)
        }
        tried.add(name)
      }
    }
    const probe = await Probe.start(
      abi,
      {
        *proxy_on_request_headers(probe) {
          const out = probe.room()
          const names = [...probe.text('there'), ...probe.text('s'), ...probe.text('m'), ...probe.text('')]
          yield ['proxy_define_metric', 0, ...probe.text('c'), out]
          const counter = probe.memory.u32(out)
          yield ['proxy_define_metric', 2, ...probe.text('h'), out]
          const histogram = probe.memory.u32(out)
          yield ['proxy_register_shared_queue', ...probe.text('q'), out]
          const queue = probe.memory.u32(out)
          yield ['proxy_http_call', ...probe.text('there'), ...probe.bytes(pairs), 0, 0, 0, 0, 100, out]
          const httpCall = probe.memory.u32(out)
          yield ['proxy_grpc_call', ...names, 0, 0, 100, out]
          const grpcCall = probe.memory.u32(out)
          yield ['proxy_grpc_stream', ...names, out]
          made = { counter, histogram, queue, httpCall, grpcCall, grpcStream: probe.memory.u32(out) }
          const declare = probe.text('declare_property')
          yield ['proxy_call_foreign_function', ...declare, ...probe.text('\x0a\x05fixed\x10\x01'), 0, 0]
          yield ['proxy_set_property', ...probe.text('fixed'), ...probe.text('v')]
          yield ['proxy_call_foreign_function', ...probe.text('expr_create'), ...probe.text('null'), 0, 0]
          yield* run(probe, inHeaders)
          return 0
        },
        *proxy_on_request_body(probe) {
          yield* run(probe, inBody)
        },
        *proxy_on_done(_probe, [id]) {
          if (id !== 1) return 1
          yield ['proxy_set_tick_period_milliseconds', 10]
          return 0
        },
        *proxy_on_tick(probe) {
          yield* run(probe, inEnd)
        },
      },
      {
        services: {
          clock,
          callouts: new Upstreams(),
          sharedData: shared,
          queues: shared,
          metrics: new LocalMetrics(),
          foreignFunctions,
        },
      },
    )
    const host = new RecordingHost()
    host.attributes.set('nothing', null)
    const stream = probe.plugin.http(host)
    stream.request.headers(request(['x-a', '1']), 'more')
    stream.request.body(bytes('body'), 'end')
    assert.match(host.take().at(-1) ?? '', /^respond 403 no/)
    stream.close()
    probe.plugin.close()
    clock.advance(10)
    assert.equal(probe.calls.at(-1), 'proxy_on_delete 1')
    assert.equal(probe.plugin.state.failures.trap, 0)
    assert.deepEqual([...tried].toSorted(), [...imports].toSorted())
    const offered = Object.keys(hostFunctions(probe.vm)['env'] ?? {})
    const ofAbi = offered.filter(name => !name.startsWith('test_') && !besides.includes(name))
    assert.deepEqual(ofAbi.toSorted(), [...imports].toSorted())
  })

  test(`each callback is called with its parameters, ABI ${abi}`, async () => {
    const upstreams = new Upstreams()
    const clock = new ManualClock()
    const seen = new Map<string, readonly number[]>()
    const { promise: isReady, resolve: ready } = Promise.withResolvers<void>()
    const callbacks: Record<string, Callback> = {}
    const services = {
      clock,
      callouts: upstreams,
      foreignFunctions: new Map<string, ForeignFunction>([
        [
          'echo',
          (argument, callBack) => {
            callBack(7, argument)
            return argument
          },
        ],
      ]),
    }
    const names = await namesOf(abi, 'exports')
    for (const name of names)
      callbacks[name] = function* (_probe, parameters): Script {
        yield ['proxy_log', 0, 0, 0]
        if (!seen.has(name) || parameters[0] === 2) seen.set(name, [...parameters])
        if (name === 'proxy_on_queue_ready') ready()
        if (name.endsWith('start') || name.endsWith('configure') || name.endsWith('done')) return 1
        return 0
      }
    callbacks['proxy_on_configure'] = function* (probe, parameters) {
      seen.set('proxy_on_configure', [...parameters])
      const out = probe.room()
      const call = [...probe.text('there'), ...probe.bytes(pairs)]
      const names = [...probe.text('there'), ...probe.text('s'), ...probe.text('m'), ...probe.text('')]
      yield ['proxy_http_call', ...call, 0, 0, 0, 0, 100, out]
      yield ['proxy_grpc_stream', ...names, out]
      yield ['proxy_register_shared_queue', ...probe.text('q'), out]
      yield ['proxy_enqueue_shared_queue', probe.memory.u32(out), ...probe.text('item')]
      yield ['proxy_set_tick_period_milliseconds', 10]
      yield ['proxy_call_foreign_function', ...probe.text('echo'), ...probe.text('abc'), 0, 0]
      return 1
    }
    const config = { vmConfiguration: 'vm', configuration: 'plugin' }
    const probe = await Probe.start(abi, callbacks, { services, config })
    await isReady
    clock.advance(10)
    upstreams.results[0]?.({
      kind: 'response',
      headers: HeaderMap.of([[':status', '200']]),
      body: bytes('yes'),
      trailers: HeaderMap.of([
        ['a', '1'],
        ['b', '2'],
      ]),
    })
    const [observer] = upstreams.observers
    observer?.onInitialMetadata(HeaderMap.of([['k', 'v']]))
    observer?.onMessage(bytes('four'))
    observer?.onTrailingMetadata(HeaderMap.of([['k', 'v']]))
    observer?.onClose(5, 'none')
    const stream = probe.plugin.http(new RecordingHost())
    stream.request.headers(request(), 'more')
    stream.request.body(bytes('ask'), 'more')
    stream.request.trailers(HeaderMap.of([['t', '1']]))
    stream.response.headers(response(), 'more')
    stream.response.body(bytes('told'), 'more')
    stream.response.trailers(HeaderMap.of([['t', '1']]))
    stream.close()
    const ofHttp = new Map(seen)
    const tcp = await Probe.start(abi, callbacks, { services, config: { ...config, kind: 'tcp' } })
    const connection = tcp.plugin.tcp(new RecordingHost())
    connection.connected()
    connection.fromDownstream(bytes('ab'), 'more')
    connection.fromUpstream(bytes('abc'), 'end')
    connection.upstreamClosed('unknown')
    connection.downstreamClosed('remote')
    connection.close()
    for (const { plugin } of [probe, tcp]) {
      assert.equal(plugin.state.failures.trap, 0)
      plugin.close()
    }
    const end = (flag: number): readonly number[] => (abi === '0.1.0' ? [] : [flag])
    const expected: Readonly<Record<string, readonly number[]>> = {
      proxy_on_context_create: [2, 1],
      proxy_on_vm_start: [1, 2],
      proxy_on_configure: [1, 6],
      proxy_on_tick: [1],
      proxy_on_queue_ready: [1, 1],
      proxy_on_new_connection: [2],
      proxy_on_downstream_data: [2, 2, 0],
      proxy_on_upstream_data: [2, 3, 1],
      proxy_on_downstream_connection_close: [2, 2],
      proxy_on_upstream_connection_close: [2, 0],
      proxy_on_request_headers: [2, 3, ...end(0)],
      proxy_on_request_body: [2, 3, 0],
      proxy_on_request_trailers: [2, 1],
      proxy_on_response_headers: [2, 1, ...end(0)],
      proxy_on_response_body: [2, 4, 0],
      proxy_on_response_trailers: [2, 1],
      proxy_on_http_call_response: [1, 4, 1, 3, 2],
      proxy_on_grpc_receive_initial_metadata: [1, 10, 1],
      proxy_on_grpc_receive: [1, 10, 4],
      proxy_on_grpc_receive_trailing_metadata: [1, 10, 1],
      proxy_on_grpc_close: [1, 10, 5],
      proxy_on_done: [2],
      proxy_on_log: [2],
      proxy_on_delete: [2],
      ...(abi !== '0.1.0' && { proxy_on_foreign_function: [1, 7, 3] }),
    }
    const given = new Map([...ofHttp, ...seen])
    for (const [name, parameters] of Object.entries(expected))
      assert.deepEqual(given.get(name)?.slice(0, parameters.length), parameters, name)
    const called = names.filter(name => name.startsWith('proxy_on_') && name !== 'proxy_on_memory_allocate')
    assert.deepEqual(Object.keys(expected).toSorted(), called)
  })
}

/** What the sources of the host functions name in each: helpers beside them may know more. */
async function statusesInSources(): Promise<ReadonlyMap<string, readonly string[]>> {
  const folder = new URL('../../src/wasm/plugins/host/', import.meta.url)
  const found = new Map<string, readonly string[]>()
  for (const file of (await readdir(folder)).filter(name => name.endsWith('.ts') && !name.endsWith('.test.ts'))) {
    const source = await readFile(new URL(file, folder), 'utf8')
    for (const part of source.split(/\n {2,8}(?=proxy_\w+[(:])/).slice(1)) {
      const [body = ''] = part.split(/\n\}\)?\n/)
      const [name = ''] = /^\w+/.exec(body) ?? []
      found.set(
        name,
        Object.keys(statuses).filter(status => new RegExp(`\\b${status}\\b`).test(body)),
      )
    }
  }
  return found
}

test('each status that the source of a host function names is in the table', async () => {
  const found = await statusesInSources()
  const tables = [inHeaders, inBody, inEnd]
  const offered = new Set((await Promise.all((Object.keys(abis) as Abi[]).map(abi => namesOf(abi, 'imports')))).flat())
  assert.deepEqual([...found.keys()].toSorted(), [...offered].toSorted())
  for (const [name, named] of found) {
    const tried = new Set(tables.flatMap(table => Object.keys(table[name] ?? {})))
    for (const status of named) assert.ok(tried.has(status), `nothing makes ${name} answer ${status}`)
  }
})

test('a foreign function calls the plugin back when it has returned, and not when the context is gone', async () => {
  const later: (() => void)[] = []
  const seen: unknown[] = []
  const probe = await Probe.start(
    '0.2.1',
    {
      *proxy_on_request_headers(probe) {
        yield ['proxy_call_foreign_function', ...probe.text('slow'), ...probe.text('ask'), 0, 0]
        assert.equal(yield* probe.get('proxy_get_buffer_bytes', 8, 0, 99), statuses.notFound)
        return 1
      },
      *proxy_on_foreign_function(probe, parameters) {
        seen.push(parameters.slice(0, 3), yield* probe.get('proxy_get_buffer_bytes', 8, 0, 99))
        seen.push(yield ['proxy_set_buffer_bytes', 8, 0, 0, ...probe.text('x')])
        yield ['proxy_continue_stream', 0]
      },
    },
    {
      services: {
        foreignFunctions: new Map<string, ForeignFunction>([
          [
            'slow',
            (argument, callBack) => {
              later.push(() => callBack(9, Buffer.concat([argument, Buffer.from('ed')])))
              return argument
            },
          ],
        ]),
      },
    },
  )
  const host = new RecordingHost()
  const stream = probe.plugin.http(host)
  stream.request.headers(request(), 'end')
  assert.deepEqual(host.take(), [])
  later[0]?.()
  assert.deepEqual(seen.splice(0), [[2, 9, 5], 'asked', statuses.badArgument])
  assert.deepEqual(host.take(), ['request headers GET /items?id=7 shop end'])
  stream.close()
  later[0]?.()
  assert.deepEqual(seen, [])
  assert.equal(probe.plugin.state.failures.trap, 0)
})
