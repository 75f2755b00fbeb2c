/**
 * `npm run fuzz:kernel [-- --seconds N --operations N --seed N]`: clients of every manner on the kernel's HTTP path, while
 * tables and pools change, the path is switched off and on, endpoints die and the runtime starts anew. An answer tells whom it
 * is for: it fails when one is wrong, lost or another's, or when something is left in the kernel. Without options it takes a
 * minute.
 */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { kernelSkip } from '../../../src/kernel/ebpf/testing.ts'
import { seededRandom } from '../../../src/proxy/routing/fixtures.ts'
import { enterCgroup, leaveCgroup } from '../world.ts'
import type { ClientOptions } from './client.ts'
import { FuzzedPath } from './fuzzed-path.ts'
import { below } from './operation.ts'
import { Shared } from './shared.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    operations: { type: 'string', default: 'Infinity' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    threads: { type: 'string', default: '2' },
    clients: { type: 'string', default: '12' },
  },
})
const seconds = Number(values.seconds)
const operations = Number(values.operations)
const seed = Number(values.seed)
if (!(seconds > 0) || !(operations > 0) || !Number.isInteger(seed)) {
  console.error('usage: npm run fuzz:kernel -- [--seconds N] [--operations N] [--seed N] [--threads N] [--clients N]')
  process.exit(2)
}
const reason = kernelSkip()
if (reason !== false) {
  console.error(`the kernel's HTTP path cannot be fuzzed here: ${reason}`)
  process.exit(process.env['HEDDLE_TEST_REQUIRE'] === undefined ? 0 : 1)
}

const mostFaults = 5
const random = seededRandom(seed)
const shared = new Shared()
const faults: string[] = []
const disturbances = new Map<string, number>()
const cgroup = enterCgroup()
const path = await FuzzedPath.open({ cgroup, random, shared, seed })

function startThread(index: number): Worker {
  const workerData: ClientOptions = {
    name: String.fromCodePoint(97 + index),
    port: path.port,
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

async function disturb(): Promise<void> {
  while (!shared.isOver) {
    await sleep(50 + below(random, 400))
    const what = await path.disturb()
    disturbances.set(what, (disturbances.get(what) ?? 0) + 1)
  }
}

const startMs = performance.now()
const elapsed = (): number => Math.round((performance.now() - startMs) / 1000)
const told = (): string =>
  `${elapsed()} s: ${shared.operations} operations, ${path.served} answers in the kernel, ${path.fallbacks} connections to the proxy, ${faults.length} faults`
console.log(`seed ${seed}`)
const reporter = setInterval(() => console.log(told()), 5000)
const watch = setInterval(() => {
  if (shared.operations >= operations || performance.now() - startMs > seconds * 1000) shared.end()
}, 100)
const threads = Array.from({ length: Number(values.threads) }, (_, index) => startThread(index))
await Promise.all([disturb(), ...threads.map(thread => once(thread, 'exit'))])
clearInterval(reporter)
clearInterval(watch)
console.log(told())
console.log(`disturbances ${JSON.stringify(Object.fromEntries(disturbances))}; reasons ${path.reasons}`)
try {
  await path.settle()
} catch (error) {
  faults.push(error instanceof Error ? `${error.message} ${String(error.cause)}` : String(error))
}
const { served } = path
await path[Symbol.asyncDispose]()
await leaveCgroup(cgroup)
if (served === 0) faults.push('nothing was answered in the kernel')
if (faults.length === 0) {
  console.log('no answer was wrong, lost or of another; nothing is left in the kernel')
} else {
  console.error(`seed ${seed}: ${faults.length} faults`)
  for (const fault of faults) console.error(fault.slice(0, 1000))
  process.exitCode = 1
}
