import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { guest } from '../../../test/guests/probe.ts'
import { ManualClock } from '../../core/index.ts'
import { Engine } from '../engine/engine.ts'
import { CpuBudget, threadCpuMs } from '../engine/cpu-budget.ts'
import type { HttpStream } from './http-stream.ts'
import { offlineServices } from './offline.ts'
import { Plugin } from './plugin.ts'
import { pluginConfig } from './plugin-config.ts'
import type { PluginOptions } from './plugin-config.ts'
import { compilePlugin } from './plugin-module.ts'
import type { PluginModule } from './plugin-module.ts'
import { bytes, RecordingHost, request, response } from './testing.ts'

let module: PluginModule
before(async () => {
  module = await compilePlugin(await guest('hostile'), { memoryLimitBytes: 8 * 1024 * 1024 })
})

class World {
  readonly logs: string[] = []
  readonly clock = new ManualClock()
  readonly plugin: Plugin
  /** Of the thread, as the budget read it. */
  cpuMs = 0

  constructor(options: Partial<PluginOptions> = {}) {
    const services = offlineServices({
      clock: this.clock,
      log: (level, _plugin, message) => void this.logs.push(`${level}: ${message}`),
    })
    const config = pluginConfig({ name: 'hostile', ...options, limits: { callMs: 250, ...options.limits } })
    this.plugin = new Plugin(module, config, { engine: new Engine(new CpuBudget(threadCpuMs)), services })
  }

  open(wish: string): { readonly stream: HttpStream; readonly host: RecordingHost } {
    const host = new RecordingHost()
    const stream = this.plugin.http(host)
    stream.request.headers(request(['x-do', wish]), 'more')
    return { stream, host }
  }
}

const failed = 'respond 503 wasm_fail_stream grpc 14'

const harms: readonly (readonly [what: string, kind: string, log: RegExp])[] = [
  ['trap', 'trap', /the instance is discarded: unreachable\n  at .*\n  at proxy_on_request_headers/],
  ['exit', 'exit', /proc_exit\(3\)/],
  ['loop', 'cpu', /more than 250 ms of processor time/],
  ['recursion', 'cpu', /more than 250 ms of processor time/],
  ['fill', 'cpu', /more than 250 ms of processor time/],
  ['grow', 'cpu', /more than 250 ms of processor time/],
  ['log', 'cpu', /more than 250 ms of processor time/],
  ['stack', 'trap', /call stack/],
  ['memory', 'trap', /unreachable/],
  ['trap-memory', 'trap', /unreachable/],
]

for (const [what, kind, log] of harms) {
  test(`a plugin that does harm loses its instance and nothing else: ${what}`, () => {
    const world = new World({ failurePolicy: 'reload' })
    const bystander = world.open('nothing')
    const paused = world.open('request_headers:pause')
    assert.deepEqual(bystander.host.take(), ['request headers GET /items?id=7 shop x-do=nothing'])
    const beganMs = threadCpuMs()
    const culprit = world.open(`request_headers:${what}`)
    const tookMs = threadCpuMs() - beganMs
    assert.deepEqual(culprit.host.take(), [failed])
    // What waited for the instance is answered at once.
    assert.deepEqual(paused.host.take(), [failed])
    // What did not wait goes on, in another instance.
    bystander.stream.request.body(bytes('all'), 'end')
    bystander.stream.response.headers(response(), 'end')
    assert.deepEqual(bystander.host.take(), ['request body all end', 'response headers 200 end'])
    const later = world.open('nothing')
    assert.deepEqual(later.host.take().length, 1)
    assert.equal(world.plugin.state.failures[kind as 'trap'], 1)
    assert.match(world.logs.filter(line => !line.includes('again')).join('\n'), log)
    if (kind === 'cpu') assert.ok(tookMs < 500, `it ran for ${tookMs} ms`)
    for (const { stream } of [bystander, paused, culprit, later]) stream.close()
    world.plugin.close()
    assert.equal(world.clock.pending, 0)
  })
}

test('a plugin that fails closed does not judge the rest of a request whose beginning is lost to it', () => {
  const world = new World({ failurePolicy: 'closed' })
  const partly = world.open('nothing')
  const whole = world.open('nothing')
  whole.stream.request.body(bytes('all'), 'end')
  const answered = world.open('nothing')
  answered.stream.response.headers(response(), 'more')
  for (const { host } of [partly, whole, answered]) host.take()
  assert.deepEqual(world.open('request_headers:trap').host.take(), [failed])
  partly.stream.request.body(bytes('rest'), 'end')
  whole.stream.response.headers(response(), 'end')
  assert.deepEqual(partly.host.take(), [failed])
  assert.deepEqual(whole.host.take(), ['response headers 200 end'])
  // Its answer has begun: the end is a reset.
  assert.deepEqual(answered.host.take(), ['reset'])
  for (const { stream } of [partly, whole, answered]) stream.close()
  assert.equal(world.plugin.state.streams, 0)
})

test('a plugin that fails open lets everything pass as it was', () => {
  const world = new World({ failurePolicy: 'open' })
  const paused = world.open('request_headers:pause')
  paused.stream.request.body(bytes('a'), 'end')
  const culprit = world.open('request_headers:trap')
  assert.deepEqual(paused.host.take(), [
    'request headers GET /items?id=7 shop x-do=request_headers:pause',
    'request body a end',
  ])
  assert.deepEqual(culprit.host.take(), ['request headers GET /items?id=7 shop x-do=request_headers:trap'])
  culprit.stream.request.body(bytes('b'), 'end')
  culprit.stream.response.headers(response(), 'end')
  assert.deepEqual(culprit.host.take(), ['request body b end', 'response headers 200 end'])
})

test('a plugin that fails while the response has begun ends the stream', () => {
  const world = new World()
  const { stream, host } = world.open('request_body:trap')
  assert.equal(host.take().length, 1)
  stream.response.headers(response(), 'more')
  stream.request.body(bytes('a'), 'end')
  assert.deepEqual(host.take(), ['response headers 200', 'reset'])
})

for (const what of ['headers', 'one-header', 'body']) {
  test(`what a plugin creates has a limit: ${what}`, () => {
    // It is this limit that is meant to be reached, and not that of time, however slow the machine.
    const world = new World({ limits: { callMs: 10_000 } })
    const callback = what === 'body' ? 'request_body' : 'request_headers'
    const { stream, host } = world.open(`${callback}:${what}`)
    stream.request.body(bytes('a'), 'end')
    assert.equal(host.events.length, 2, host.events.join('\n').slice(0, 2000))
    assert.ok(host.events.join('').length < 300_000)
    assert.match(world.logs.join('\n'), /too many already|more than the limit/)
  })
}

for (const what of ['no-memory', 'wrong-memory']) {
  test(`an allocator that gives nothing useful is answered with a status: ${what}`, () => {
    const world = new World()
    const { host } = world.open(`request_headers:${what}`)
    assert.equal(host.events.length, 1)
    assert.deepEqual(world.logs, ['info: refused'])
  })
}

test('a plugin that was removed answers what it paused, and nothing comes after it', () => {
  const world = new World()
  const paused = world.open('request_headers:pause')
  world.plugin[Symbol.dispose]()
  assert.deepEqual(paused.host.take(), [failed])
  paused.stream.request.body(bytes('a'), 'end')
  paused.stream.close()
  assert.deepEqual(paused.host.take(), [])
  assert.equal(world.plugin.state.status, 'closed')
})

for (const [failurePolicy, expected] of [
  ['closed', [failed]],
  ['open', ['request headers GET /items?id=7 shop x-do=request_headers:pause']],
] as const) {
  test(`what a plugin that has gone holds for long is decided without it (${failurePolicy})`, () => {
    const world = new World({ failurePolicy })
    const paused = world.open('request_headers:pause')
    const passing = world.open('nothing')
    passing.host.take()
    world.plugin.close()
    world.clock.advance(9999)
    assert.deepEqual(paused.host.take(), [])
    world.clock.advance(1)
    assert.deepEqual(paused.host.take(), expected)
    passing.stream.request.body(bytes('all'), 'end')
    assert.deepEqual(passing.host.take(), ['request body all end'])
    for (const { stream } of [paused, passing]) stream.close()
    assert.equal(world.plugin.state.instances, 0)
    assert.equal(world.clock.pending, 0)
  })
}

test('a plugin that is replaced finishes its streams where they are', () => {
  const world = new World()
  const paused = world.open('request_headers:pause')
  world.plugin.replace(module, pluginConfig({ name: 'hostile', limits: { callMs: 30 } }))
  assert.equal(world.plugin.state.instances, 2)
  assert.deepEqual(paused.host.take(), [])
  paused.stream.close()
  assert.equal(world.plugin.state.instances, 1)
})
