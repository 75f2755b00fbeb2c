/**
 * Small messages between programs of a node: in the kernel, by a direct connection, and through proxies of one hop and of two,
 * as sidecars are. What counts is all that the machine does for a request: clients, proxies, endpoint and kernel together.
 */
import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { KernelService } from '../../src/kernel-http/index.ts'
import { enterCgroup, leaveCgroup, World } from '../../test/kernel-http/world.ts'
import { loadWithWrk } from '../load/wrk.ts'
import { fileOf, startBackend } from '../peers/backend.ts'
import type { Contestant, Scene } from '../peers/contestant.ts'
import { startHaproxy } from '../peers/haproxy.ts'
import { startNginx } from '../peers/nginx.ts'
import { freePorts, output, pinned } from '../processes.ts'
import type { Sample } from '../result.ts'
import { race, spreadOut } from './race.ts'
import type { Case, Context, Figures } from './race.ts'
import type { Suite, SuiteOptions } from './suite.ts'

const connections = 32
const routeCounts = [1, 1_000, 20_000]
const bodies = ['30 B', '1 KB', '10 KB', '60 KB']

export const kernelHttp: Suite = {
  name: 'kernel-http',
  limits: [
    'kernel-http: cpu is the time of all programs, the load generator and what interrupts do for them included; threads of the kernel are not',
    'kernel-http: all programs share all cores; throughput is what is left of them, and latency has no other traffic beside it',
  ],
  async run(options) {
    const samples: Sample[] = []
    const cgroup = enterCgroup()
    try {
      for (const routeCount of routeCounts) {
        const cases = bodies
          .map(body => ({ name: `${body}, ${routeCount} ${routeCount === 1 ? 'route' : 'routes'}`, body }))
          .filter(({ name }) => name.includes(options.only))
        if (cases.length > 0) samples.push(...(await runGroup(cgroup, routeCount, cases, options)))
      }
    } finally {
      await leaveCgroup(cgroup)
    }
    return samples
  },
}

interface BodyCase {
  readonly name: string
  readonly body: string
}

async function runGroup(
  cgroup: ReturnType<typeof enterCgroup>,
  routeCount: number,
  bodyCases: readonly BodyCase[],
  options: SuiteOptions,
): Promise<readonly Sample[]> {
  const folder = await mkdtemp(join(options.folder, `${routeCount}-routes-`))
  const routes = Array.from({ length: routeCount }, (_, index) => `/service-${String(index + 1).padStart(5, '0')}`)
  const endpointPorts = await freePorts(1)
  await using programs = new AsyncDisposableStack()
  programs.use(await startBackend(folder, endpointPorts))
  const world = programs.use(
    await World.open(cgroup, {
      backendPort: endpointPorts[0] ?? 0,
      pooled: 2 * connections,
      table: () => tableOf(routes),
      mesh: {
        rules: routes.map(prefix => ({ prefix, backends: ['b'] })),
        backends: { b: { ports: endpointPorts } },
      },
    }),
  )
  const local = (name: string, port: number): Contestant => {
    return { name, scheme: 'http', host: '127.0.0.1', port, program: undefined }
  }
  const contestants = [
    local('heddle', world.port),
    local('direct', endpointPorts[0] ?? 0),
    local('user space', world.proxy.port),
  ]
  for (const start of [startNginx, startHaproxy]) {
    const one = await hop(start, { folder, routes, endpointPorts }, programs)
    const two = await hop(start, { folder: join(folder, 'second'), routes, endpointPorts: [one.port] }, programs)
    contestants.push(one, { ...two, name: `2 × ${two.name}` })
  }
  const cases = bodyCases.map(({ name, body }): Case => ({
    name,
    measure: (...args) => measure({ folder: cgroup.folder, body }, ...args),
    hasAllRounds: true,
  }))
  const samples = await race('kernel-http', contestants, cases, {
    paths: spreadOut(routes),
    options,
    warmUp: (...args) => measure({ folder: cgroup.folder, body: bodyCases[0]?.body ?? '' }, ...args),
  })
  noteFallbacks(world, options)
  return samples
}

function noteFallbacks({ fallbacks, strangers, kernel, agent }: World, { note }: SuiteOptions): void {
  // wrk opens a connection to see whether there is anybody, and closes it; the agent may be later than both.
  const given = fallbacks - strangers
  if (given === 0) return
  const texts = [...kernel.reasons(), ['endpoint ended', agent.replayed] as const].map(
    ([why, count]) => `${why} ${count}`,
  )
  note(`${given} connections of the kernel’s path were given to the proxy: ${texts.join(', ')}`)
}

async function hop(
  start: (scene: Scene) => Promise<Contestant>,
  scene: Scene,
  programs: AsyncDisposableStack,
): Promise<Contestant> {
  await mkdir(scene.folder, { recursive: true })
  const contestant = await start(scene)
  if (contestant.program !== undefined) programs.use(contestant.program)
  return contestant
}

/** One rule for each route, with a permission and counts of its own. */
function tableOf(routes: readonly string[]): KernelService {
  return {
    paths: routes.map((value, index) => ({
      kind: 'prefix',
      value,
      rules: [
        {
          fields: [],
          action: { kind: 'pools', targets: [{ pool: 1, weight: 1, count: (index % 4095) + 1 }] },
          number: index + 1,
        },
      ],
    })),
    permissions: routes.map((_, index) => ({ caller: 0n, number: index + 1 })),
  }
}

/** Time of all programs of the suite, load generator included, in microseconds: they are of one cgroup. */
function busyUs(folder: string): number {
  return Number(/^usage_usec (\d+)$/m.exec(readFileSync(join(folder, 'cpu.stat'), 'latin1'))?.[1])
}

async function measure(
  { folder, body }: { readonly folder: string; readonly body: string },
  contestant: Contestant,
  { name, options, paths }: Context,
): Promise<Figures> {
  const { host, port } = contestant
  const load = {
    origin: `http://${host}:${port}`,
    paths: paths.map(path => `${path}/${fileOf(body)}`),
    connections,
    closes: false,
  }
  await loadWithWrk(options.folder, { ...load, seconds: 1 })
  const beforeUs = busyUs(folder)
  const result = await loadWithWrk(options.folder, { ...load, seconds: options.seconds })
  const cpu = (busyUs(folder) - beforeUs) / result.requests
  if (result.errors > 0)
    options.failure(`${contestant.name}, ${name}: ${result.errors} of ${result.requests} requests failed`)
  const generator = fileURLToPath(new URL('../load/paced.ts', import.meta.url))
  const shape = [host, port, options.rate, options.seconds, connections].map(String)
  const text = await output(pinned('load', [process.execPath, generator, ...shape, ...load.paths]))
  const { errors, p50, p99 } = JSON.parse(text) as { errors: number; p50: number; p99: number }
  if (errors > 0) options.failure(`${contestant.name}: ${errors} requests failed at ${options.rate} requests/s`)
  return { cpu, throughput: result.perSecond, p50, p99 }
}
