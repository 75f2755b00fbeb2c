import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Plugin } from '../../model/index.ts'
import { describePlugin, pluginProblems } from './describe-plugins.ts'
import type { PluginStatus } from './plugin-status.ts'

function plugin(key: string, more: Partial<Plugin> = {}): Plugin {
  return {
    key,
    name: key,
    kind: 'http',
    rootId: '',
    vmId: '',
    vmConfiguration: new Uint8Array(0),
    configuration: new Uint8Array(0),
    environment: {},
    failStrategy: 'fail-closed',
    source: { url: '', sha256: undefined, pull: 'if-not-present', pullSecret: undefined },
    module: 'hash',
    problem: undefined,
    ...more,
  }
}

function status(key: string, problem: string | undefined, module?: string): PluginStatus {
  const failures = { trap: 0, cpu: 0, exit: 0, start: 1 }
  const state = { status: 'failed', instances: 0, memoryBytes: 0, streams: 0, failures, detail: undefined } as const
  return { name: key, key, module, problem, ...state }
}

test('pluginProblems() tells what does not run, of which resource, and what becomes of requests', () => {
  const plugins = [
    plugin('WasmPlugin shop/fine'),
    plugin('WasmPlugin shop/gone', { module: undefined, problem: 'gone.wasm cannot be read' }),
    plugin('WasmPlugin shop/open', { module: undefined, problem: 'no route to it', failStrategy: 'fail-open' }),
    plugin('EnvoyExtensionPolicy shop/stamp/1', { problem: 'the new one is no module' }),
    plugin('WasmPlugin shop/broken', { failStrategy: 'reload' }),
    plugin('WasmPlugin shop/newer'),
  ]
  const running = [
    status('WasmPlugin shop/fine', undefined, 'hash'),
    status('WasmPlugin shop/broken', 'it traps'),
    status('WasmPlugin shop/newer', 'it traps', 'older'),
  ]
  assert.deepEqual(
    pluginProblems(new Map(plugins.map(each => [each.key, each])), running).map(each => [each.resource, each.message]),
    [
      ['WasmPlugin shop/gone', 'gone.wasm cannot be read; nothing passes it'],
      ['WasmPlugin shop/open', 'no route to it; what should pass it goes on without'],
      ['EnvoyExtensionPolicy shop/stamp', 'the new one is no module; the module before it goes on'],
      ['WasmPlugin shop/broken', 'it traps; nothing passes it'],
      ['WasmPlugin shop/newer', 'it traps; the module before it goes on'],
    ],
  )
})

test('describePlugin() tells what becomes of requests that a plugin without a module should see', () => {
  const key = 'WasmPlugin shop/auth'
  assert.equal(describePlugin({ key, failStrategy: 'reload', problem: null }), `plugin ${key}`)
  assert.equal(
    describePlugin({ key, failStrategy: 'reload', problem: 'gone' }),
    `plugin ${key}, which does not run and lets nothing pass: gone`,
  )
  assert.equal(
    describePlugin({ key, failStrategy: 'fail-open', problem: 'gone' }),
    `plugin ${key}, which does not run and is passed by: gone`,
  )
})
