import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Listener } from '../model/index.ts'
import { ListenerGate } from './listener-gate.ts'
import type { SocketPlace } from './port-probe.ts'

function listenersOf(...ids: string[]): ReadonlyMap<string, Listener> {
  return new Map(
    ids.map(id => {
      const [address = '', port] = id.split(':')
      return [id, { id, address, port: Number(port), kind: 'gateway', protocol: 'HTTP', virtualHosts: [] }]
    }),
  )
}

function open(ours: readonly string[] = []) {
  const taken = new Set<string>()
  const probed: string[] = []
  const state = { changes: 0, settled: Promise.resolve() }
  const gate = new ListenerGate({
    probe: ({ address, port }: SocketPlace) => {
      probed.push(`${address}:${port}`)
      return Promise.resolve(taken.has(`${address}:${port}`) ? 'taken' : undefined)
    },
    isOurs: ({ address, port }) => ours.includes(`${address}:${port}`),
    settled: () => state.settled,
    onChange: () => void state.changes++,
  })
  return { gate, taken, probed, state }
}

test('ListenerGate lets a listener through once its place was probed, and never probes what workers hold', async () => {
  const { gate, probed, state } = open()
  const wanted = listenersOf('10.0.0.1:80', '10.0.0.1:81')
  assert.deepEqual([...gate.admit(wanted).keys()], [])
  await gate.decided()
  assert.equal(gate.admit(wanted), wanted)
  const more = listenersOf('10.0.0.1:80', '10.0.0.1:81', '10.0.0.1:82')
  assert.deepEqual([...gate.admit(more).keys()], ['10.0.0.1:80', '10.0.0.1:81'])
  await gate.decided()
  assert.equal(gate.admit(more), more)
  assert.deepEqual(probed, ['10.0.0.1:80', '10.0.0.1:81', '10.0.0.1:82'])
  assert.equal(state.changes, 2)
})

test('ListenerGate lets a listener through at once whose socket is there from an earlier agent', async () => {
  const { gate, probed } = open(['10.0.0.1:80'])
  const wanted = listenersOf('10.0.0.1:80', '10.0.0.1:81')
  assert.deepEqual([...gate.admit(wanted).keys()], ['10.0.0.1:80'])
  await gate.decided()
  assert.equal(gate.admit(wanted), wanted)
  assert.deepEqual(probed, ['10.0.0.1:81'])
})

test('ListenerGate refuses a taken place with its reason until a retry finds it free', async () => {
  const { gate, taken, probed, state } = open()
  taken.add('10.0.0.1:80')
  const wanted = listenersOf('10.0.0.1:80', '10.0.0.1:81')
  gate.admit(wanted)
  await gate.decided()
  assert.deepEqual([...gate.admit(wanted).keys()], ['10.0.0.1:81'])
  assert.deepEqual([...gate.refused], [['10.0.0.1:80', 'taken']])
  await gate.decided()
  assert.equal(probed.length, 2)
  gate.retry()
  await gate.decided()
  assert.deepEqual([probed.length, state.changes], [3, 1])
  taken.clear()
  gate.retry()
  await gate.decided()
  assert.equal(gate.admit(wanted), wanted)
  assert.deepEqual([gate.refused.size, state.changes], [0, 2])
})

test('ListenerGate forgets what was taken away only when the workers have closed it', async () => {
  const { gate, probed, state } = open()
  const wanted = listenersOf('10.0.0.1:80')
  gate.admit(wanted)
  await gate.decided()
  const { promise, resolve } = Promise.withResolvers<void>()
  state.settled = promise
  gate.admit(new Map())
  assert.equal(gate.admit(wanted), wanted)
  gate.admit(new Map())
  resolve()
  await promise
  await Promise.resolve()
  assert.equal(gate.admit(wanted).size, 0)
  await gate.decided()
  assert.equal(probed.length, 2)
})

test('ListenerGate lets nothing through that was taken away while it was probed', async () => {
  const { gate, state } = open()
  gate.admit(listenersOf('10.0.0.1:80'))
  gate.admit(new Map())
  await gate.decided()
  assert.equal(state.changes, 0)
})
