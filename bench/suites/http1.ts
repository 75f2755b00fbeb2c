/** HTTP/1.1 in the clear, one worker each, among routes that only differ by path. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startBackend } from '../peers/backend.ts'
import type { Contestant } from '../peers/contestant.ts'
import { startHaproxy } from '../peers/haproxy.ts'
import { startHeddle } from '../peers/heddle.ts'
import { startNginx } from '../peers/nginx.ts'
import { freePorts, output, pinned } from '../processes.ts'
import type { Sample } from '../result.ts'
import { measureLoad, race, spreadOut } from './race.ts'
import type { Case, Context, Figures } from './race.ts'
import type { Suite, SuiteOptions } from './suite.ts'

interface Http1Case extends Case {
  readonly routes: number
}

const cases: readonly Http1Case[] = [
  { name: 'small', routes: 1_000, measure: measureSmall, hasAllRounds: true },
  { name: '10 KB', routes: 1_000, measure: (...args) => measureLoad(...args, { body: '10 KB', connections: 32 }) },
  { name: '1 MB', routes: 1_000, measure: (...args) => measureLoad(...args, { body: '1 MB', connections: 8 }) },
  {
    name: 'new connections',
    routes: 1_000,
    measure: (...args) => measureLoad(...args, { body: 'small', connections: 32, closes: true }),
  },
  { name: '2,000 idle connections', routes: 1_000, measure: measureIdle },
  { name: '1 route', routes: 1, measure: (...args) => measureLoad(...args, { body: 'small', connections: 32 }) },
  {
    name: '10 routes',
    routes: 10,
    measure: (...args) => measureLoad(...args, { body: 'small', connections: 32 }),
  },
  {
    name: '10,000 routes',
    routes: 10_000,
    measure: (...args) => measureLoad(...args, { body: 'small', connections: 32 }),
  },
]

export const http1: Suite = {
  name: 'http1',
  limits: [
    'the agent in user space, as without root: in the kernel tier it also knows who each connection is from',
    'everything on one machine over loopback: no network, no TLS, no HTTP/2',
    'one worker each on one core; how they scale over cores is not measured',
    'routes differ by path prefix only; no filters, retries or health checks at work',
    'nginx buffers its access log (64 KB, 1 s), haproxy writes its log line by line to standard output',
  ],
  async run(options) {
    const wanted = cases.filter(({ name }) => name.includes(options.only))
    const samples: Sample[] = []
    for (const [routes, group] of Map.groupBy(wanted, ({ routes: count }) => count)) {
      samples.push(...(await runGroup(routes, group, options)))
    }
    return samples
  },
}

/** All contestants run side by side, one of them under load at a time. */
async function runGroup(
  routeCount: number,
  group: readonly Http1Case[],
  options: SuiteOptions,
): Promise<readonly Sample[]> {
  const folder = await mkdtemp(join(options.folder, `${routeCount}-routes-`))
  await mkdir(folder, { recursive: true })
  const routes = Array.from({ length: routeCount }, (_, index) => `/service-${String(index + 1).padStart(5, '0')}`)
  const endpointPorts = await freePorts(2)
  const scene = { folder, routes, endpointPorts }
  await using programs = new AsyncDisposableStack()
  programs.use(await startBackend(folder, endpointPorts))
  const contestants: Contestant[] = []
  for (const start of [startHeddle, startNginx, startHaproxy]) {
    const contestant = await start(scene)
    if (contestant.program !== undefined) programs.use(contestant.program)
    contestants.push(contestant)
  }
  contestants.push({
    name: 'direct',
    scheme: 'http',
    host: '127.0.0.1',
    port: endpointPorts[0] ?? 0,
    program: undefined,
  })
  return await race('http1', contestants, group, { paths: spreadOut(routes), options })
}

async function measureSmall(contestant: Contestant, context: Context): Promise<Figures> {
  const { options } = context
  const figures = await measureLoad(contestant, context, { body: 'small', connections: 32 })
  const { host, port, program } = contestant
  const generator = fileURLToPath(new URL('../load/paced.ts', import.meta.url))
  const shape = [host, port, options.rate, options.seconds, 32].map(String)
  const paths = context.paths.map(path => `${path}/small`)
  const text = await output(pinned('load', [process.execPath, generator, ...shape, ...paths]))
  const { errors, p50, p99 } = JSON.parse(text) as { errors: number; p50: number; p99: number }
  if (errors > 0) options.failure(`${contestant.name}: ${errors} requests failed at ${options.rate} requests/s`)
  return { ...figures, p50, p99, ...(program === undefined ? {} : { memory: program.memoryMb() }) }
}

async function measureIdle(contestant: Contestant, { paths }: Context): Promise<Figures> {
  const { host, port, program } = contestant
  if (program === undefined) return {}
  const script = fileURLToPath(new URL('../load/idle.ts', import.meta.url))
  const client = spawn(process.execPath, [script, host, String(port), '2000', `${paths[0]}/small`], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = once(client, 'exit')
  const [first] = (await Promise.race([once(client.stdout, 'data'), ended])) as [unknown]
  if (!String(first).startsWith('ready')) throw new Error(`${contestant.name}: 2,000 connections could not be opened`)
  const memory = program.memoryMb()
  client.stdin.end()
  await ended
  return { memory }
}
