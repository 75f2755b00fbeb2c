import assert from 'node:assert/strict'
import { test } from 'node:test'
import { guest } from '../../../test/guests/probe.ts'
import { Engine } from '../engine/engine.ts'
import { bodyOf, moduleOf, nameOf, vectorOf } from '../engine/testing.ts'
import { offlineServices } from './offline.ts'
import { Plugin } from './plugin.ts'
import { pluginConfig } from './plugin-config.ts'
import type { PluginOptions } from './plugin-config.ts'
import { compilePlugin } from './plugin-module.ts'
import { PluginVm } from './vm.ts'
import type { AbiVersion } from './abi.ts'

/** Starts a plugin; the numbers that it gives to `env.mark`, and what is in the log. */
async function start(
  bytes: Uint8Array,
  options: Partial<PluginOptions> = {},
): Promise<{ marks: number[]; logs: string[] }> {
  const marks: number[] = []
  const logs: string[] = []
  const hostFunctions = (): Record<string, (mark: number) => void> => ({ mark: mark => void marks.push(mark) })
  const log = (level: string, _plugin: string, message: string): void => void logs.push(`${level}: ${message}`)
  const config = pluginConfig({ name: 'it', hostFunctions, ...options })
  new Plugin(await compilePlugin(bytes), config, { engine: new Engine(), services: offlineServices({ log }) }).close()
  return { marks, logs }
}

interface Exported {
  /** How many parameters, and whether there is a result. */
  readonly parameters?: number
  readonly result?: number
  /** Instructions before the result; without any the function marks its place in the list. */
  readonly code?: readonly number[]
}

const malloc: Exported = { parameters: 1, result: 1024 }

/** A module whose functions say in what order they were called: by their index in the list. */
function pluginOf(functions: Readonly<Record<string, Exported>>, imported: readonly string[] = ['mark']): Uint8Array {
  const entries = Object.entries(functions)
  const types = entries.map(([, { parameters = 0, result }]) => [
    0x60,
    ...vectorOf(...Array.from({ length: parameters }, () => [0x7f])),
    ...vectorOf(...(result === undefined ? [] : [[0x7f]])),
  ])
  const imports = imported.map(name => [...nameOf('env'), ...nameOf(name), 0, entries.length])
  const exported = entries.map(([name], index) => [...nameOf(name), 0, index + imported.length])
  const bodies = entries.map(([, { result, code }], index) =>
    bodyOf(...(code ?? [0x41, index, 0x10, 0]), ...(result === undefined ? [] : [0x41, ...leb(result)])),
  )
  return moduleOf(
    [1, vectorOf(...types, [0x60, 1, 0x7f, 0])],
    [2, vectorOf(...imports)],
    [3, vectorOf(...entries.map((_entry, index) => [index]))],
    [5, vectorOf([0, 1])],
    [7, vectorOf([...nameOf('memory'), 2, 0], ...exported)],
    [10, vectorOf(...bodies)],
  )
}

function leb(value: number): readonly number[] {
  return value < 64 ? [value] : [(value & 0x7f) | 0x80, value >> 7]
}

const abi: Exported = { code: [] }
const marker = { proxy_abi_version_0_2_1: abi }
const memory = { ...marker, malloc: { ...malloc, code: [] } }

const orders: Readonly<
  Record<string, readonly [functions: Readonly<Record<string, Exported>>, marks: readonly number[]]>
> = {
  'nothing to start': [memory, []],
  _start: [{ ...memory, _start: {} }, [2]],
  _initialize: [{ ...memory, _initialize: {} }, [2]],
  '_initialize and main, and never _start': [
    { ...memory, _start: {}, main: { parameters: 2, result: 0 }, _initialize: {} },
    [4, 3],
  ],
  '_initialize and __main_void': [{ ...memory, __main_void: { result: 0 }, _initialize: {} }, [3, 2]],
  'main wins over __main_void': [
    { ...memory, __main_void: { result: 0 }, main: { parameters: 2, result: 0 }, _initialize: {} },
    [4, 3],
  ],
  'the root context': [
    {
      ...memory,
      proxy_on_configure: { parameters: 2, result: 1 },
      proxy_on_vm_start: { parameters: 2, result: 1 },
      proxy_on_context_create: { parameters: 2 },
    },
    [4, 3, 2],
  ],
}

for (const [name, [functions, marks]] of Object.entries(orders)) {
  test(`an instance starts in the order of the toolchains: ${name}`, async () => {
    assert.deepEqual((await start(pluginOf(functions))).marks, marks)
  })
}

for (const [names, used] of [
  [['malloc'], 'malloc'],
  [['malloc', 'proxy_on_memory_allocate'], 'proxy_on_memory_allocate'],
  [['proxy_on_memory_allocate', 'malloc'], 'proxy_on_memory_allocate'],
] as const) {
  // TinyGo exports both, and its malloc gives memory that its collector never frees.
  test(`memory of a module that exports ${names.join(' and ')} comes from ${used}`, async () => {
    const allocator: Exported = { parameters: 1, result: 1024 }
    const functions = { ...marker, ...Object.fromEntries(names.map(name => [name, allocator])) }
    const marks: number[] = []
    const hostFunctions = (): Record<string, (mark: number) => void> => ({ mark: mark => void marks.push(mark) })
    const vm = new PluginVm({
      engine: new Engine(),
      module: await compilePlugin(pluginOf(functions)),
      config: pluginConfig({ name: 'it', hostFunctions }),
      services: offlineServices(),
    })
    assert.equal(vm.allocate(8), 1024)
    assert.deepEqual(marks, [Object.keys(functions).indexOf(used)])
  })
}

const versions: Readonly<Record<string, readonly [exports: readonly string[], version: AbiVersion | undefined]>> = {
  'the first marker decides': [['proxy_abi_version_0_2_0', 'proxy_abi_version_0_1_0'], '0.2.0'],
  'whatever comes before it': [['proxy_on_log', 'proxy_abi_version_0_1_0'], '0.1.0'],
  'a version nobody knows is none': [['proxy_abi_version_0_3_0', 'proxy_abi_version_0_2_1'], '0.2.1'],
  'no marker': [['proxy_abi_version_0_3_0'], undefined],
}

for (const [name, [names, version]] of Object.entries(versions)) {
  test(`compilePlugin() finds the version of the ABI: ${name}`, async () => {
    const bytes = pluginOf(Object.fromEntries(names.map(each => [each, abi])))
    if (version === undefined)
      await assert.rejects(compilePlugin(bytes), {
        code: 'MESH_PLUGIN_INVALID',
        message: /exports no proxy_abi_version/,
      })
    else assert.equal((await compilePlugin(bytes)).abi, version)
  })
}

const broken: Readonly<Record<string, readonly [bytes: Uint8Array, message: RegExp]>> = {
  'no allocator': [pluginOf(marker), /exports neither proxy_on_memory_allocate nor malloc/],
  'host functions that do not exist': [
    pluginOf(memory, ['mark', 'proxy_redis_call', 'proxy_redis_init']),
    /ABI 0\.2\.1 has no host function env\.proxy_redis_call, env\.proxy_redis_init/,
  ],
  'a host function of a newer ABI': [
    pluginOf({ proxy_abi_version_0_2_0: abi, malloc }, ['mark', 'proxy_get_log_level']),
    /ABI 0\.2\.0 has no host function env\.proxy_get_log_level/,
  ],
  'a host function of an older ABI': [
    pluginOf(memory, ['mark', 'proxy_clear_route_cache']),
    /ABI 0\.2\.1 has no host function env\.proxy_clear_route_cache/,
  ],
  'a trap in _initialize': [pluginOf({ ...memory, _initialize: { code: [0x00] } }), /does not start: unreachable/],
  'a loop in _start': [
    pluginOf({ ...memory, _start: { code: [0x03, 0x40, 0x0c, 0, 0x0b] } }),
    /more than 20 ms of processor time/,
  ],
  'a trap in a callback': [
    pluginOf({ ...memory, proxy_on_context_create: { parameters: 2, code: [0x00] } }),
    /proxy_on_context_create: unreachable/,
  ],
}

for (const [name, [bytes, message]] of Object.entries(broken)) {
  test(`a plugin does not start with ${name}`, async () => {
    await assert.rejects(start(bytes, { limits: { startMs: 20 } }), { code: 'MESH_PLUGIN_START', message })
  })
}

test('host functions that act on a context end an instance that calls them too early', async () => {
  const early = { ...memory, _initialize: { code: [0x41, 1, 0x10, 1] } }
  // The type of the import is wrong for its real parameters, which do not matter here.
  const bytes = pluginOf(early, ['mark', 'proxy_grpc_close'])
  // `proxy_grpc_close` answers a number, which this module does not take: it links all the same.
  await assert.rejects(start(bytes), { code: 'MESH_PLUGIN_START', message: /called a host function/ })
})

test('WASI answers what runtimes of languages ask at their start', async () => {
  const { logs } = await start(await guest('wasi'), { environment: { REGION: 'eu-1', STAGE: 'test' } })
  assert.deepEqual(logs, [
    'info: to the log',
    'info: fd_write 0 11 0',
    'error: an error',
    'info: fd_write 0 8 0',
    'info: fd_write 8 0 0',
    'info: fd_write outside 21 21 0',
    'info: fd_write outside of a vector 21 0 0',
    'info: fd_fdstat_get 0 64 0',
    'info: fd_fdstat_get wrong 8 8 21',
    'info: files 52 0 0',
    'info: files 52 8 52',
    'info: files 44 1 0',
    'info: clock_time_get 0 0 1',
    'info: clock_time_get wrong 58 21 0',
    'info: random_get 0 0 1',
    'info: random_get wrong 28 21 0',
    'info: environ_sizes_get 0 2 23',
    'info: environ_get 0 0 0',
    'info: STAGE=test',
    'info: environ wrong 21 21 21',
    'info: args_sizes_get 0 0 0',
    'info: args_get 0 0 0',
    'info: poll_oneoff 0 0 21',
    'info: pthread_equal 1 0 0',
  ])
})

test('WASI functions that are no capability answer that they are not capable', async () => {
  const capabilities = new Set(['proxy_on_configure', 'proxy_log', 'pthread_equal', 'emscripten_notify_memory_growth'])
  const { logs } = await start(await guest('wasi'), { capabilities })
  assert.ok(logs.includes('info: files 76 76 76'))
  assert.ok(logs.includes("warn: random_get is not among the plugin's capabilities"))
})
