import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
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

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Bytes of the heap that are no garbage. */
function kept(): number {
  collect()
  return process.memoryUsage().heapUsed
}

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
  const [before, rssBefore] = [kept(), process.memoryUsage.rss()]
  trap(8000)
  const grownMb = (process.memoryUsage.rss() - rssBefore) / 1024 / 1024
  const keptBytes = (kept() - before) / 8000
  assert.equal(answers, 10_000)
  assert.equal(plugin.state.failures.trap, 10_000)
  // The whole process for the memories of instances, which lie outside of the heap; the heap for what is small.
  assert.ok(grownMb < 100, `${grownMb} MB more`)
  assert.ok(keptBytes < 100, `${keptBytes} bytes of the heap are kept for each trap`)
  plugin.close()
})
