import assert from 'node:assert/strict'
import http from 'node:http'
import type { RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PluginChain } from '../../src/daemon/plugins/plugin-chain.ts'
import { RunningPlugins } from '../../src/daemon/plugins/running-plugins.ts'
import { StreamChain } from '../../src/daemon/plugins/stream-chain.ts'
import type { Plugin } from '../../src/wasm/index.ts'
import { freePort } from './ports.ts'
import { buildSnapshot, ProxyUnderTest } from './proxy.ts'

export interface PluggedProxy extends AsyncDisposable {
  readonly port: number
}

/** A proxy before an endpoint: requests below `/plugged` pass the plugin, others do not. */
export async function openPlugged(plugin: Plugin, endpoint: RequestListener): Promise<PluggedProxy> {
  const stack = new AsyncDisposableStack()
  const server = http.createServer(endpoint)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  stack.defer(() => server.close().closeAllConnections())
  const running = new RunningPlugins({ version: 0, slot: () => ({ plugin, isOpen: false }) }, ['probe'])
  const proxy = stack.use(
    new ProxyUnderTest({
      plugins: { chain: () => new PluginChain(running), streamChain: () => new StreamChain(running) },
    }),
  )
  const port = await freePort()
  const backends = { 'shop/items:80': { ports: [(server.address() as AddressInfo).port] } }
  const to = { backends: ['shop/items:80'] }
  const rules = [
    { prefix: '/plugged', plugins: ['probe'], ...to },
    { prefix: '', ...to },
  ]
  assert.deepEqual([...(await proxy.apply(buildSnapshot({ rules, backends }, port, 1)))], [])
  return { port, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}
