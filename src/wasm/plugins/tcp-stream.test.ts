import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Probe } from '../../../test/guests/probe.ts'
import type { Callback } from '../../../test/guests/probe.ts'
import { bytes, RecordingHost } from './testing.ts'

const ok = 0

function tcp(callbacks: Record<string, Callback>, failurePolicy: 'open' | 'closed' = 'closed'): Promise<Probe> {
  return Probe.start('0.2.1', callbacks, { config: { kind: 'tcp', failurePolicy } })
}

/** Lets the root context act on the connection, which is context 2. */
function later(probe: Probe, callback: Callback): void {
  probe.callbacks['proxy_on_tick'] = function* (probe, parameters) {
    assert.equal(yield ['proxy_set_effective_context', 2], ok)
    yield* callback(probe, parameters)
  }
  probe.vm.call(probe.vm.callbacks.onTick, probe.vm.root, 0)
  probe.vm.settle()
}

test('TcpStream calls the callbacks of a connection in their order', async () => {
  const probe = await tcp({})
  const host = new RecordingHost()
  const stream = probe.plugin.tcp(host)
  stream.connected()
  stream.fromDownstream(bytes('hello'), 'more')
  stream.fromUpstream(bytes('welcome'), 'end')
  stream.fromDownstream(bytes(''), 'end')
  stream.upstreamClosed('unknown')
  stream.downstreamClosed('remote')
  stream.close()
  assert.deepEqual(host.events, ['to upstream hello', 'to downstream welcome end', 'to upstream  end'])
  assert.deepEqual(probe.calls.slice(3), [
    'proxy_on_context_create 2',
    'proxy_on_new_connection 2',
    'proxy_on_downstream_data 2',
    'proxy_on_upstream_data 2',
    'proxy_on_downstream_data 2',
    'proxy_on_upstream_connection_close 2',
    'proxy_on_downstream_connection_close 2',
    'proxy_on_done 2',
    'proxy_on_log 2',
    'proxy_on_delete 2',
  ])
})

test('TcpStream keeps data that is paused, shows all of it, and passes it on as it was edited', async () => {
  const seen: (readonly number[])[] = []
  const probe = await tcp({
    *proxy_on_downstream_data(probe, parameters) {
      seen.push(parameters.slice(0, 3))
      if (parameters[2] === 0) return 1
      assert.equal(yield* probe.get('proxy_get_buffer_bytes', 2, 0, 99), 'abc')
      assert.equal(yield ['proxy_set_buffer_bytes', 2, 1, 1, ...probe.text('--')], ok)
      assert.equal(yield* probe.get('proxy_get_buffer_bytes', 3, 0, 99), 1)
      return 0
    },
  })
  const host = new RecordingHost()
  const stream = probe.plugin.tcp(host)
  stream.connected()
  stream.fromDownstream(bytes('a'), 'more')
  stream.fromDownstream(bytes('b'), 'more')
  assert.deepEqual(host.take(), [])
  stream.fromDownstream(bytes('c'), 'end')
  assert.deepEqual(host.take(), ['to upstream a--c end'])
  assert.deepEqual(seen, [
    [2, 1, 0],
    [2, 2, 0],
    [2, 3, 1],
  ])
})

test('TcpStream continues both directions later, and holds a new connection', async () => {
  const pause: Callback = function* () {
    assert.equal(yield ['proxy_log', 2, 0, 0], ok)
    return 1
  }
  const probe = await tcp({ proxy_on_new_connection: pause, proxy_on_upstream_data: pause })
  const host = new RecordingHost()
  const stream = probe.plugin.tcp(host)
  stream.connected()
  stream.fromDownstream(bytes('early'), 'more')
  assert.ok(!probe.calls.includes('proxy_on_downstream_data 2'))
  later(probe, function* () {
    assert.equal(yield ['proxy_continue_stream', 2], ok)
  })
  assert.deepEqual(host.take(), ['to upstream early'])
  stream.fromUpstream(bytes('held'), 'more')
  assert.deepEqual(host.take(), [])
  later(probe, function* () {
    assert.equal(yield ['proxy_continue_stream', 3], ok)
  })
  assert.deepEqual(host.take(), ['to downstream held'])
})

test('TcpStream closes the side that the plugin closes', async () => {
  const probe = await tcp({
    *proxy_on_new_connection() {
      assert.equal(yield ['proxy_close_stream', 2], ok)
      assert.equal(yield ['proxy_close_stream', 3], ok)
      assert.equal(yield ['proxy_close_stream', 4], 2)
    },
  })
  const host = new RecordingHost()
  probe.plugin.tcp(host).connected()
  assert.deepEqual(host.take(), ['close downstream', 'close upstream'])
})

for (const [policy, events] of [
  ['open', ['to upstream held', 'to upstream more']],
  ['closed', ['reset']],
] as const) {
  test(`TcpStream of a plugin that fails ${policy}`, async () => {
    const probe = await tcp({}, policy)
    const host = new RecordingHost()
    const stream = probe.plugin.tcp(host)
    stream.connected()
    later(probe, function* () {
      yield ['proxy_log', 2, 0, 0]
    })
    probe.callbacks['proxy_on_downstream_data'] = function* (probe) {
      yield ['proxy_log', 2, 0, 0]
      probe.vm.stop('trap', 'the test ends it')
    }
    probe.ignoreErrors()
    stream.fromDownstream(bytes('held'), 'more')
    stream.fromDownstream(bytes('more'), 'more')
    stream.close()
    assert.deepEqual(host.take(), events)
  })
}
