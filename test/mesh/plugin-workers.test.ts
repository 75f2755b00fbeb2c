import assert from 'node:assert/strict'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { silentLogger, systemClock } from '../../src/core/index.ts'
import type { Plugin } from '../../src/model/index.ts'
import { WorkerPool } from '../../src/daemon/worker-pool.ts'
import { WorkerThreads } from '../../src/daemon/worker-threads.ts'
import { guest } from '../guests/probe.ts'
import { freePort } from '../support/ports.ts'
import { buildSnapshot } from '../support/proxy.ts'

function ask(port: number, wish: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = http.get({ port, headers: { 'x-do': wish }, agent: false }, response => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0))
    })
    request.on('error', reject)
  })
}

test('a worker thread runs the plugins of its snapshot, replaces instances that trap, and counts both', async t => {
  const endpoint = http.createServer((_request, response) => void response.end('here'))
  await new Promise<void>(resolve => endpoint.listen(0, '127.0.0.1', resolve))
  t.after(() => new Promise<void>(resolve => endpoint.close(() => resolve())))
  const key = 'WasmPlugin shop/hostile'
  const plugin: Plugin = {
    key,
    name: 'shop.hostile',
    kind: 'http',
    rootId: '',
    vmId: '',
    vmConfiguration: new Uint8Array(0),
    configuration: new Uint8Array(0),
    environment: {},
    failStrategy: 'reload',
    source: { url: 'file:///hostile.wasm', sha256: undefined, pull: 'if-not-present', pullSecret: undefined },
    module: 'hash-of-it',
    problem: undefined,
  }
  const port = await freePort()
  const sketch = {
    rules: [{ prefix: '', backends: ['shop/items:80'], plugins: [key] }],
    backends: { 'shop/items:80': { ports: [(endpoint.address() as AddressInfo).port] } },
  }
  const bytes = await guest('hostile')
  let metrics: unknown
  const pool = new WorkerPool(
    { ...buildSnapshot(sketch, port, 1), plugins: new Map([[key, plugin]]) },
    {
      callers: { ask: (questions, reply) => reply(questions.map(({ id }) => ({ id, caller: undefined }))) },
      clock: systemClock,
      logger: silentLogger,
      threads: new WorkerThreads(new URL('../../src/daemon/worker.ts', import.meta.url), 0),
      ticketKeys: new Uint8Array(48),
      count: 1,
      transport: 'node',
      worker: { zone: '', accessLog: 'off', accessLogFormat: 'text', logLevel: 'error', areInspected: false },
      modules: hash => (hash === 'hash-of-it' ? bytes : undefined),
      observer: {
        collected: (_worker, state) => void (metrics = state),
        retired() {},
        restarted: () => assert.fail('a worker ended'),
        lines() {},
        listenFailures() {},
      },
    },
  )
  t.after(() => pool.close())
  await pool.applied(1)
  assert.equal(await ask(port, 'nothing'), 200)
  assert.equal(await ask(port, 'request_headers:trap'), 503)
  assert.equal(await ask(port, 'request_headers:loop'), 503)
  assert.equal(await ask(port, 'nothing'), 200)
  await pool.collect()
  while (pool.plugins().length === 0) await pool.collect()
  const [status] = pool.plugins()
  assert.deepEqual(status?.failures, { trap: 1, cpu: 1, exit: 0, start: 0 })
  assert.equal(status?.status, 'running')
  assert.match(JSON.stringify(metrics), /heddle_plugin_failures_total/)
})
