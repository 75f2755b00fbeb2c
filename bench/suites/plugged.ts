/**
 * What a plugin costs a request in the whole proxy: by two listeners of one agent, with and without it, and by nginx
 * doing the like in Lua. Two agents of the same code differ by up to 2 µs, as memory and compiler fell out in each.
 */
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startBackend } from '../peers/backend.ts'
import type { Contestant, ScenePlugin } from '../peers/contestant.ts'
import { startHeddle } from '../peers/heddle.ts'
import { startNginx } from '../peers/nginx.ts'
import { freePorts } from '../processes.ts'
import type { Sample } from '../result.ts'
import { measureLoad, race, spreadOut } from './race.ts'
import type { SuiteOptions } from './suite.ts'

interface PluggedCase {
  readonly name: string
  readonly plugin: ScenePlugin
  /** What nginx does instead, in `rewrite_by_lua_block`. */
  readonly lua?: string
}

const rewriteInLua = `
  for i = 0, 19 do ngx.req.set_header(string.format("x-header-%02d", i), "a value of a header") end
  for i = 0, 19 do local value = ngx.req.get_headers(100)[string.format("x-header-%02d", i)] end
  for i = 0, 19 do ngx.req.clear_header(string.format("x-header-%02d", i)) end`

const guest = (name: string, configuration = ''): ScenePlugin => ({
  module: fileURLToPath(new URL(`../../test/guests/${name}.wasm`, import.meta.url)),
  configuration,
})

const cases: readonly PluggedCase[] = [
  { name: 'no-op, C++, in the proxy', plugin: guest('noop') },
  { name: 'no-op, AssemblyScript, in the proxy', plugin: guest('assembly-rewrite', '{ mode: noop }') },
  { name: '20 add, get, remove, C++, in the proxy', plugin: guest('rewrite'), lua: rewriteInLua },
  { name: '20 add, get, remove, AssemblyScript, in the proxy', plugin: guest('assembly-rewrite'), lua: rewriteInLua },
  { name: 'body inspection, C++, in the proxy', plugin: guest('inspect') },
]

/** As Debian has it. */
const luaModule = '/usr/lib/nginx/modules/ngx_http_lua_module.so'

export async function runPlugged(options: SuiteOptions): Promise<readonly Sample[]> {
  const samples: Sample[] = []
  for (const each of cases.filter(({ name }) => name.includes(options.only))) {
    const own = await runCase(each, options)
    samples.push(...own, ...costs(own))
  }
  return samples
}

async function runCase({ name, plugin, lua }: PluggedCase, options: SuiteOptions): Promise<readonly Sample[]> {
  const folder = await mkdtemp(join(options.folder, 'plugged-'))
  const routes = Array.from({ length: 100 }, (_, index) => `/service-${String(index + 1).padStart(5, '0')}`)
  const endpointPorts = await freePorts(2)
  await using programs = new AsyncDisposableStack()
  programs.use(await startBackend(folder, endpointPorts))
  const contestants: Contestant[] = []
  const enter = async (called: string, start: (own: string) => Promise<Contestant>): Promise<void> => {
    const own = join(folder, called)
    await mkdir(own)
    const contestant = { ...(await start(own)), name: called }
    if (contestant.program !== undefined) programs.use(contestant.program)
    contestants.push(contestant)
  }
  const scene = { routes, endpointPorts }
  await enter('heddle', own => startHeddle({ ...scene, folder: own, plugin }))
  const [plugged] = contestants
  if (plugged?.plainPort !== undefined) contestants.push({ ...plugged, name: 'none', port: plugged.plainPort })
  if (lua !== undefined && existsSync(luaModule)) {
    await enter('lua', own => startNginx({ ...scene, folder: own, lua }))
  } else if (lua !== undefined) {
    options.note('nginx is left out: scripts/install-test-packages.sh installs its module for Lua')
  }
  const measure = (
    contestant: Contestant,
    context: Parameters<typeof measureLoad>[1],
  ): ReturnType<typeof measureLoad> => measureLoad(contestant, context, { body: 'small', connections: 32 })
  return await race('plugins', contestants, [{ name, measure, hasAllRounds: true }], {
    paths: spreadOut(routes),
    options,
  })
}

/** CPU with the plugin less that without, round by round. */
function costs(samples: readonly Sample[]): readonly Sample[] {
  const cpu = samples.filter(({ metric }) => metric === 'cpu')
  const without = new Map(cpu.filter(({ contestant }) => contestant === 'none').map(s => [s.round, s.value]))
  return cpu
    .filter(({ contestant }) => contestant === 'heddle')
    .map(sample => ({ ...sample, metric: 'cost', value: sample.value - (without.get(sample.round) ?? Number.NaN) }))
}
