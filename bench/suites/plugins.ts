/** What a plugin costs a request: the host and the plugin by themselves, and in the whole proxy. */
import { readFile } from 'node:fs/promises'
import {
  compilePlugin,
  Engine,
  HeaderMap,
  offlineServices,
  Plugin,
  pluginConfig,
  StreamProperties,
} from '../../src/wasm/index.ts'
import type { HttpStreamHost, PluginModule } from '../../src/wasm/index.ts'
import type { Sample } from '../result.ts'
import { runPlugged } from './plugged.ts'
import { rotated } from './suite.ts'
import type { Suite } from './suite.ts'

const measureMs = 100

interface Case {
  readonly name: string
  readonly guest: string
  readonly configuration?: string
}

/** Seven callbacks that do nothing, and the workload by which hosts are compared: 20 headers added, read and removed. */
const cases: readonly Case[] = [
  { name: 'no-op, C++', guest: 'noop' },
  { name: 'no-op, AssemblyScript', guest: 'assembly-rewrite', configuration: 'noop' },
  { name: '20 add, get, remove, C++', guest: 'rewrite' },
  { name: '20 add, get, remove, AssemblyScript', guest: 'assembly-rewrite' },
]

export const plugins: Suite = {
  name: 'plugins',
  limits: [
    'cases that do not say “in the proxy” are the host by itself, without what hands a request over',
    'none is another listener of the same agent, without the plugin, lua nginx with the like of it by ngx_http_lua_module',
    'cost is what the agent takes with the plugin less what it takes without, in the same round',
    'memory is the linear memory of the instance; what the host keeps beside it is not measured',
    '“unmetered” is the same plugin without the code that lets it be stopped',
  ],
  async run(options) {
    const samples: Sample[] = []
    for (const each of cases.filter(({ name }) => name.includes(options.only))) {
      options.progress(`plugins, ${each.name}`)
      const bytes = await readFile(new URL(`../../test/guests/${each.guest}.wasm`, import.meta.url))
      const contestants = {
        heddle: await compilePlugin(bytes),
        unmetered: await compilePlugin(bytes, { time: 'unmetered' }),
      }
      const race = Object.entries(contestants).map(([contestant, module]) => ({
        contestant,
        ...contestantOf(open(module, each)),
      }))
      for (const { exchange } of race) cpuOf(exchange, measureMs * 3)
      for (let round = 0; round < options.rounds; round += 1) {
        for (const { contestant, exchange, memory } of rotated(race, round)) {
          options.signal.throwIfAborted()
          const about = { case: each.name, contestant, round }
          samples.push({ ...about, metric: 'cpu', value: cpuOf(exchange, measureMs) })
          samples.push({ ...about, metric: 'memory', value: memory() })
        }
      }
    }
    return [...samples, ...(await runPlugged(options))]
  },
}

/** Its memory is that of the instance after all that it has served. */
function contestantOf(plugin: Plugin): { readonly exchange: () => void; readonly memory: () => number } {
  return { exchange: exchangeOf(plugin), memory: () => plugin.state.memoryBytes / 1024 / 1024 }
}

function open(module: PluginModule, { configuration = '' }: Case): Plugin {
  const config = pluginConfig({ name: 'bench', configuration })
  return new Plugin(module, config, { engine: new Engine(), services: offlineServices() })
}

const nothing = { headers() {}, body() {}, trailers() {} }
const host: HttpStreamHost = {
  request: nothing,
  response: nothing,
  respond() {
    throw new Error('the plugin answered')
  },
  reset() {
    throw new Error('the plugin reset the stream')
  },
  clearRouteCache() {},
  property: () => undefined,
  properties: new StreamProperties(),
}

/** One exchange with twelve headers, and bodies both ways. */
function exchangeOf(plugin: Plugin): () => void {
  const request = HeaderMap.of([
    [':method', 'POST'],
    [':path', '/items/17?fields=name,price'],
    [':scheme', 'https'],
    [':authority', 'shop.example.com'],
    ['user-agent', 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0)'],
    ['accept', 'application/json'],
    ['accept-encoding', 'gzip, deflate, br'],
    ['content-type', 'application/json'],
    ['authorization', 'Bearer eyJhbGciOiJFUzI1NiJ9.e30.c2lnbmF0dXJl'],
    ['cookie', 'session=0123456789abcdef; theme=dark'],
    ['x-request-id', '4c3a5a8e-7d1f-4d53-9a55-2f1f4b8d0a11'],
    ['traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
  ])
  const response = HeaderMap.of([
    [':status', '200'],
    ['content-type', 'application/json'],
  ])
  const body = Buffer.from('{"name": "lamp", "price": 17}')
  return () => {
    const stream = plugin.http(host)
    stream.request.headers(request, 'more')
    stream.request.body(body, 'end')
    stream.response.headers(response, 'more')
    stream.response.body(body, 'end')
    stream.close()
  }
}

/** @returns microseconds of this thread's processor time for each call */
function cpuOf(action: () => void, ms: number): number {
  const endMs = performance.now() + ms
  const before = process.threadCpuUsage()
  let count = 0
  for (; performance.now() < endMs; count += 100) for (let left = 100; left > 0; left -= 1) action()
  const { user, system } = process.threadCpuUsage(before)
  return (user + system) / count
}
