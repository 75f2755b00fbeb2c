import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Probe } from '../../../test/guests/probe.ts'
import { ManualClock } from '../../core/index.ts'
import { RecordingHost, request } from './testing.ts'

test('ticks come after each period, never overlap, and end with the plugin', async () => {
  const clock = new ManualClock()
  const probe = await Probe.start(
    '0.2.1',
    {
      *proxy_on_configure() {
        assert.equal(yield ['proxy_set_tick_period_milliseconds', 100], 0)
        return 1
      },
    },
    { services: { clock } },
  )
  const ticks = (): number => probe.calls.filter(call => call === 'proxy_on_tick 1').length
  clock.advance(99)
  assert.equal(ticks(), 0)
  clock.advance(251)
  assert.equal(ticks(), 3)
  // Another period, set in the callback itself.
  probe.callbacks['proxy_on_tick'] = function* () {
    yield ['proxy_set_tick_period_milliseconds', 1000]
  }
  clock.advance(50)
  assert.equal(ticks(), 4)
  clock.advance(999)
  assert.equal(ticks(), 4)
  assert.equal(clock.pending, 1)
  probe.callbacks['proxy_on_tick'] = function* () {
    yield ['proxy_set_tick_period_milliseconds', 0]
  }
  clock.advance(1)
  assert.equal(ticks(), 5)
  assert.equal(clock.pending, 0)
  // From a stream it is the root's, too.
  probe.callbacks['proxy_on_request_headers'] = function* () {
    yield ['proxy_set_tick_period_milliseconds', 10]
  }
  const stream = probe.plugin.http(new RecordingHost())
  stream.request.headers(request(), 'end')
  assert.equal(clock.pending, 1)
  stream.close()
  probe.plugin.close()
  assert.equal(clock.pending, 0)
  assert.deepEqual(probe.calls.slice(-2), ['proxy_on_done 1', 'proxy_on_delete 1'])
})

test('a plugin that is closed may put its end off', async () => {
  const clock = new ManualClock()
  const probe = await Probe.start(
    '0.2.1',
    {
      *proxy_on_done() {
        assert.equal(yield ['proxy_set_tick_period_milliseconds', 10], 0)
        return 0
      },
      *proxy_on_tick() {
        assert.equal(yield ['proxy_done'], 0)
      },
    },
    { services: { clock } },
  )
  probe.plugin.close()
  assert.equal(probe.calls.at(-1), 'proxy_on_done 1')
  assert.equal(probe.plugin.state.instances, 1)
  clock.advance(10)
  assert.equal(probe.calls.at(-1), 'proxy_on_delete 1')
  assert.equal(probe.plugin.state.instances, 0)
  assert.equal(clock.pending, 0)
})

test('a plugin that is closed waits for its streams', async () => {
  const probe = await Probe.start('0.2.1')
  const stream = probe.plugin.http(new RecordingHost())
  stream.request.headers(request(), 'end')
  probe.plugin.close()
  assert.ok(!probe.calls.includes('proxy_on_done 1'))
  stream.close()
  assert.equal(probe.calls.at(-1), 'proxy_on_delete 1')
  const late = new RecordingHost()
  probe.plugin.http(late).request.headers(request(), 'end')
  assert.deepEqual(late.take(), ['respond 503 wasm_fail_stream grpc 14'])
})

for (const [callback, message] of [
  ['proxy_on_vm_start', /proxy_on_vm_start returned false/],
  ['proxy_on_configure', /proxy_on_configure returned false/],
] as const) {
  test(`a plugin does not start when ${callback} says no`, async () => {
    // oxlint-disable-next-line require-yield
    const no = function* (): Generator<never, number, number> {
      return 0
    }
    await assert.rejects(Probe.start('0.2.1', { [callback]: no }), { code: 'MESH_PLUGIN_START', message })
  })
}

test('a plugin that fails without a stream is restarting, and ticks again a second later', async () => {
  const clock = new ManualClock()
  let harm: 'none' | 'tick' | 'start' = 'none'
  let ticks = 0
  const probe = await Probe.start(
    '0.2.1',
    {
      *proxy_on_configure() {
        if (harm === 'start') return 0
        yield ['proxy_set_tick_period_milliseconds', 10]
        return 1
      },
      *proxy_on_tick() {
        ticks++
        if (harm === 'tick') throw new Error('a trap')
        yield ['proxy_log', 0, 0, 0]
      },
    },
    { config: { kind: 'service' }, services: { clock } },
  )
  probe.ignoreErrors()
  const { plugin } = probe
  clock.advance(10)
  assert.deepEqual([plugin.state.status, ticks], ['running', 1])
  harm = 'tick'
  clock.advance(10)
  assert.deepEqual([plugin.state.status, plugin.state.instances, ticks], ['restarting', 0, 2])
  harm = 'start'
  clock.advance(1000)
  assert.deepEqual([plugin.state.status, plugin.state.failures.start], ['failed', 1])
  harm = 'none'
  clock.advance(1000)
  assert.equal(plugin.state.status, 'running')
  clock.advance(10)
  assert.equal(ticks, 3)
  harm = 'tick'
  clock.advance(10)
  plugin.close()
  clock.advance(5000)
  assert.deepEqual([plugin.state.status, plugin.state.instances, ticks], ['closed', 0, 4])
})
