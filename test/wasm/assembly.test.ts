import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { compilePlugin, Engine, HeaderMap, offlineServices, Plugin, pluginConfig } from '../../src/wasm/index.ts'
import type { Callouts, HttpCall, HttpCallResult, PluginModule, PluginOptions } from '../../src/wasm/index.ts'
import { RecordingHost, request } from '../../src/wasm/plugins/testing.ts'
import { guest } from '../guests/probe.ts'

let module: PluginModule
before(async () => {
  module = await compilePlugin(await guest('assembly-gate'))
})

/** A plugin by the AssemblyScript SDK whose calls the test answers. */
class Gate {
  readonly logs: string[] = []
  readonly calls: HttpCall[] = []
  readonly #done: ((result: HttpCallResult) => void)[] = []
  readonly plugin: Plugin

  constructor(options: Partial<PluginOptions> = {}, callouts?: Callouts) {
    const own: Callouts = {
      http: (call, done) => {
        this.calls.push(call)
        this.#done.push(done)
        return { cancel() {} }
      },
      grpc: () => ({ refused: 'failed', detail: 'not here' }),
    }
    const log = (level: string, _plugin: string, message: string): void => void this.logs.push(`${level}: ${message}`)
    const services = offlineServices({ callouts: callouts ?? own, log })
    const config = pluginConfig({ name: 'gate', rootId: 'gate', configuration: 'a gate', ...options })
    this.plugin = new Plugin(module, config, { engine: new Engine(), services })
  }

  answer(index: number, result: HttpCallResult): void {
    this.#done[index]?.(result)
  }
}

function said(status: string, text: string): HttpCallResult {
  return {
    kind: 'response',
    headers: HeaderMap.of([[':status', status]]),
    body: Buffer.from(text),
    trailers: new HeaderMap(),
  }
}

test('a plugin by the AssemblyScript SDK holds requests until its service has answered', () => {
  const gate = new Gate()
  assert.deepEqual(gate.logs, ['info: [INFO]: configured as a gate'])
  const [first, second] = [new RecordingHost(), new RecordingHost()]
  const streams = [gate.plugin.http(first), gate.plugin.http(second)]
  streams[0]?.request.headers(request(), 'end')
  streams[1]?.request.headers(request(), 'end')
  assert.deepEqual(first.take(), [])
  assert.deepEqual(
    gate.calls.map(({ upstream, headers }) => [upstream, headers.get(':path')]),
    [
      ['gate', '/items?id=7'],
      ['gate', '/items?id=7'],
    ],
  )
  // In another order than they were asked.
  gate.answer(1, said('200', 'welcome'))
  gate.answer(0, said('401', 'no'))
  assert.deepEqual(second.take(), ['request headers GET /items?id=7 shop x-gate=welcome end'])
  assert.deepEqual(first.take(), ['respond 403 gate_said_no x-gate=401 the gate says no'])
  for (const stream of streams) stream.close()
  assert.deepEqual(gate.logs.slice(1), ['info: [INFO]: over', 'info: [INFO]: over'])
  assert.deepEqual(gate.plugin.state.failures, { trap: 0, cpu: 0, exit: 0, start: 0 })
})

test('a plugin hears of a service that cannot be called, and of one that does not answer', () => {
  const none = new Gate(
    {},
    {
      http: () => ({ refused: 'unknown-upstream', detail: 'nobody' }),
      grpc: () => ({ refused: 'failed', detail: '' }),
    },
  )
  const host = new RecordingHost()
  none.plugin.http(host).request.headers(request(), 'end')
  assert.deepEqual(host.take(), ['respond 502 gate_not_called'])
  assert.match(none.logs.join('\n'), /warn: a call to gate is not sent: nobody/)
  const dead = new Gate()
  const late = new RecordingHost()
  const stream = dead.plugin.http(late)
  stream.request.headers(request(), 'end')
  stream.close()
  // The stream is gone; the answer is the root's, and changes nothing.
  dead.answer(0, said('200', 'late'))
  assert.deepEqual(late.take(), [])
})

test('a plugin that refuses its configuration does not start', () => {
  assert.throws(() => new Gate({ configuration: 'refuse' }), {
    code: 'MESH_PLUGIN_START',
    message: /proxy_on_configure returned false/,
  })
})

test('a configuration that does not start never replaces one that works', () => {
  const gate = new Gate()
  const next = pluginConfig({ name: 'gate', rootId: 'gate', configuration: 'refuse' })
  assert.throws(() => gate.plugin.replace(module, next), { code: 'MESH_PLUGIN_START' })
  const host = new RecordingHost()
  gate.plugin.http(host).request.headers(request(), 'end')
  gate.answer(0, said('200', 'welcome'))
  assert.equal(host.take().length, 1)
  assert.equal(gate.plugin.state.instances, 1)
})
