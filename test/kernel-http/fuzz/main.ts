/**
 * `npm run fuzz:kernel [-- --seconds N --operations N --seed N --part path|agent]`: clients of every manner on the kernel's HTTP
 * path. In the first half its runtime is in this process: tables and pools change, the path is switched off and on, endpoints die
 * and the runtime starts anew. In the second half it is the agent's, which is killed, told to stop and started again, while routes
 * and policies change. An answer tells whom it is for: it fails when one is wrong, lost or another's, or when something is left in
 * the kernel. Without options it takes a minute.
 */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { kernelSkip } from '../../../src/kernel/ebpf/testing.ts'
import { seededRandom } from '../../../src/proxy/routing/fixtures.ts'
import { refuse, runOptions } from '../../support/run-options.ts'
import type { ClientOptions } from './client.ts'
import { FuzzedAgent } from './fuzzed-agent.ts'
import { FuzzedPath } from './fuzzed-path.ts'
import type { Fuzzed, FuzzOptions } from './fuzzed.ts'
import { below } from './operation.ts'
import type { Random } from './operation.ts'
import { Shared } from './shared.ts'

const usage =
  'npm run fuzz:kernel -- [--seconds N] [--operations N] [--seed N] [--threads N] [--clients N] [--part path|agent]'
const values = runOptions(usage, {
  seconds: '60',
  operations: 'Infinity',
  seed: String(Date.now() % 1_000_000),
  threads: '2',
  clients: '12',
  part: 'all',
})
const seconds = Number(values.seconds)
const operations = Number(values.operations)
const seed = Number(values.seed)
if (!(seconds > 0) || !(operations > 0) || !Number.isInteger(seed) || !['all', 'path', 'agent'].includes(values.part)) {
  refuse(usage)
}
const reason = kernelSkip()
if (reason !== false) {
  console.error(`the kernel's HTTP path cannot be fuzzed here: ${reason}`)
  process.exit(process.env['HEDDLE_TEST_REQUIRE'] === undefined ? 0 : 1)
}

const mostFaults = 5
const faults: string[] = []

function startThread(index: number, { host, port }: Fuzzed, shared: Shared): Worker {
  const workerData: ClientOptions = {
    name: String.fromCodePoint(97 + index),
    host,
    port,
    seed: seed + index + 1,
    clients: Number(values.clients),
    memory: shared.memory,
  }
  const worker = new Worker(new URL('client.ts', import.meta.url), { workerData })
  worker.on('message', (fault: string) => {
    console.error(`seed ${seed}: ${fault}`)
    faults.push(fault)
    if (faults.length >= mostFaults) shared.end()
  })
  worker.on('error', error => {
    faults.push(String(error))
    shared.end()
  })
  return worker
}

/** Disturbs it until the time is over; what happened, and how often. */
async function disturb(fuzzed: Fuzzed, shared: Shared, random: Random): Promise<string> {
  const counts = new Map<string, number>()
  while (!shared.isOver) {
    await sleep(50 + below(random, 400))
    const what = await fuzzed.disturb()
    counts.set(what, (counts.get(what) ?? 0) + 1)
  }
  return [...counts].map(([what, count]) => `${what} ${count}`).join(', ')
}

/** @param share  of the operations and the time */
async function fuzz(what: string, open: (options: FuzzOptions) => Promise<Fuzzed>, share: number): Promise<void> {
  const random = seededRandom(seed)
  const shared = new Shared()
  const startMs = performance.now()
  const fuzzed = await open({ random, shared, seed })
  const told = (): string => {
    const seconds = Math.round((performance.now() - startMs) / 1000)
    return `${what}, ${seconds} s: ${shared.operations} operations, ${fuzzed.served} answers in the kernel, ${shared.cut} cut by a death, ${faults.length} faults`
  }
  const reporter = setInterval(() => console.log(told()), 10_000)
  const watch = setInterval(() => {
    const isEnough = shared.operations >= operations * share || performance.now() - startMs > seconds * 1000 * share
    if (isEnough) shared.end()
  }, 100)
  const threads = Array.from({ length: Number(values.threads) }, (_, index) => startThread(index, fuzzed, shared))
  const clientsOver = Promise.all(threads.map(thread => once(thread, 'exit')))
  try {
    const disturbances = await disturb(fuzzed, shared, random)
    await clientsOver
    console.log(`${told()}\n  what happened: ${disturbances}\n  to the proxy: ${fuzzed.reasons}`)
    await fuzzed.settle()
    if (fuzzed.served === 0) faults.push(`${what}: nothing was answered in the kernel`)
  } catch (error) {
    faults.push(`${what}: ${error instanceof Error ? `${error.message} ${String(error.cause)}` : String(error)}`)
    shared.end()
    await clientsOver
  }
  clearInterval(reporter)
  clearInterval(watch)
  await fuzzed[Symbol.asyncDispose]()
}

console.log(`seed ${seed}`)
const parts: readonly (readonly [name: string, open: (options: FuzzOptions) => Promise<Fuzzed>])[] = [
  ['path', options => FuzzedPath.open(options)],
  ['agent', options => FuzzedAgent.open(options)],
]
const wanted = parts.filter(([name]) => values.part === 'all' || values.part === name)
for (const [name, open] of wanted) if (faults.length === 0) await fuzz(name, open, 1 / wanted.length)
if (faults.length === 0) {
  console.log('no answer was wrong, lost or of another; nothing is left in the kernel')
} else {
  console.error(`seed ${seed}: ${faults.length} faults`)
  for (const fault of faults) console.error(fault.slice(0, 1000))
  process.exitCode = 1
}
