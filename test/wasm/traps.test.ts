import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  compilePlugin,
  Engine,
  HeaderMap,
  offlineServices,
  Plugin,
  pluginConfig,
  StreamProperties,
} from '../../src/wasm/index.ts'
import type { HttpStreamHost } from '../../src/wasm/index.ts'
import { ManualClock } from '../../src/core/index.ts'
import { guest } from '../guests/probe.ts'

test('ten thousand traps are answered and leave no memory behind', { timeout: 240_000 }, async () => {
  const clock = new ManualClock()
  const module = await compilePlugin(await guest('hostile'))
  const parts = { engine: new Engine(), services: offlineServices({ clock }) }
  const plugin = new Plugin(module, pluginConfig({ name: 'hostile' }), parts)
  let answers = 0
  const sink = { headers() {}, body() {}, trailers() {} }
  const host: HttpStreamHost = {
    request: sink,
    response: sink,
    respond: () => void answers++,
    reset() {},
    clearRouteCache() {},
    property: () => undefined,
    properties: new StreamProperties(),
  }
  const trap = (count: number): void => {
    for (let index = 0; index < count; index++) {
      const stream = plugin.http(host)
      stream.request.headers(HeaderMap.of([['x-do', 'request_headers:trap']]), 'end')
      stream.close()
      // Starts may take a share of the time only.
      clock.advance(100)
    }
  }
  trap(2000)
  const before = process.memoryUsage.rss()
  trap(8000)
  const grownMb = (process.memoryUsage.rss() - before) / 1024 / 1024
  assert.equal(answers, 10_000)
  assert.equal(plugin.state.failures.trap, 10_000)
  assert.ok(grownMb < 100, `${grownMb} MB more`)
  plugin.close()
})
