/**
 * How contestants are compared: side by side, one of them under load at a time, in rounds.
 *
 * Access logs are emptied in between: the memory behind a file that grows is new to a virtual machine some day, and
 * then a byte of a log costs ten times as much, for whoever writes at that moment.
 */
import { truncate } from 'node:fs/promises'
import { loadWithWrk } from '../load/wrk.ts'
import { fileOf } from '../peers/backend.ts'
import type { Contestant } from '../peers/contestant.ts'
import type { Metric, Sample } from '../result.ts'
import { rotated } from './suite.ts'
import type { SuiteOptions } from './suite.ts'

export interface Case {
  readonly name: string
  readonly measure: (contestant: Contestant, context: Context) => Promise<Figures>
  /** Others have half of them. */
  readonly hasAllRounds?: boolean
}

export interface Context {
  /** Of the case. */
  readonly name: string
  readonly options: SuiteOptions
  /** Routes that get requests. */
  readonly paths: readonly string[]
}

export type Figures = Partial<Record<Metric, number>>

export interface Race extends Omit<Context, 'name'> {
  /** Load before the first round. @default small answers by HTTP/1.1 */
  readonly warmUp?: Case['measure']
}

export async function race(
  suite: string,
  contestants: readonly Contestant[],
  cases: readonly Case[],
  { paths, options, warmUp = warmUpByHttp1 }: Race,
): Promise<readonly Sample[]> {
  const samples: Sample[] = []
  // A compiler that learns while it runs shall have learnt before the first round.
  const warming = { ...options, seconds: Math.min(3, options.seconds), note: () => {} }
  for (const contestant of contestants) {
    options.signal.throwIfAborted()
    await warmUp(contestant, { name: 'warm-up', options: warming, paths })
  }
  for (const { name, measure, hasAllRounds = false } of cases) {
    const rounds = hasAllRounds ? options.rounds : Math.ceil(options.rounds / 2)
    for (let round = 0; round < rounds; round += 1) {
      for (const contestant of rotated(contestants, round)) {
        options.signal.throwIfAborted()
        options.progress(`${suite}, ${name}: round ${round + 1} of ${rounds}, ${contestant.name}`)
        if (contestant.accessLog !== undefined) await truncate(contestant.accessLog)
        const figures = await measure(contestant, { name, options, paths })
        for (const [metric, value] of Object.entries(figures) as [Metric, number][]) {
          samples.push({ case: name, metric, contestant: contestant.name, round, value })
        }
      }
    }
  }
  return samples
}

function warmUpByHttp1(contestant: Contestant, context: Context): Promise<Figures> {
  return measureLoad(contestant, context, { body: 'small', connections: 32 })
}

/** At most a hundred of the routes, evenly spread, in an order without a pattern that a cache could like. */
export function spreadOut(routes: readonly string[]): readonly string[] {
  const count = Math.min(100, routes.length)
  return Array.from({ length: count }, (_, index) => {
    const position = (index * 37) % count
    return routes[Math.floor((position * routes.length) / count)] ?? ''
  })
}

export interface LoadShape {
  readonly body: string
  readonly connections: number
  readonly closes?: boolean
}

/** As fast as the contestant's core allows. */
export async function measureLoad(contestant: Contestant, context: Context, shape: LoadShape): Promise<Figures> {
  const { name, options, paths } = context
  const load = {
    origin: `${contestant.scheme}://${contestant.host}:${contestant.port}`,
    paths: paths.map(path => `${path}/${fileOf(shape.body)}`),
    connections: shape.connections,
    closes: shape.closes ?? false,
  }
  await loadWithWrk(options.folder, { ...load, seconds: 1 })
  const beforeUs = contestant.program?.cpuUs() ?? 0
  const startMs = performance.now()
  const result = await loadWithWrk(options.folder, { ...load, seconds: options.seconds })
  const cpuUs = (contestant.program?.cpuUs() ?? 0) - beforeUs
  if (result.errors > 0) {
    options.failure(`${contestant.name}, ${name}: ${result.errors} of ${result.requests} requests failed`)
  }
  if (contestant.program === undefined) return { throughput: result.perSecond }
  noteIdleCore(contestant.name, name, { cpuUs, wallMs: performance.now() - startMs, options })
  return { cpu: cpuUs / result.requests, throughput: result.perSecond }
}

export function noteIdleCore(
  contestant: string,
  caseName: string,
  { cpuUs, wallMs, options }: { readonly cpuUs: number; readonly wallMs: number; readonly options: SuiteOptions },
): void {
  if (cpuUs / 1000 / wallMs >= 0.85) return
  options.note(`${contestant}, ${caseName}: the load or the backend limited its throughput, not its core`)
}
