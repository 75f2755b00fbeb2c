/**
 * `npm run bench -- --help`
 *
 * Heddle against nginx, haproxy and a direct connection (http2: and nghttpx; routing: against itself
 * with fewer routes): same backend, same machine, same minute. Figures of one round belong together; the ratios are
 * taken within rounds, and their median is told with the smallest and largest.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, loadavg, release, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { output } from './processes.ts'
import { formatTable, summarise } from './result.ts'
import type { Result } from './result.ts'
import { http1 } from './suites/http1.ts'
import { http2 } from './suites/http2.ts'
import { kernelHttp } from './suites/kernel-http.ts'
import { l4 } from './suites/l4.ts'
import { plugins } from './suites/plugins.ts'
import { routing } from './suites/routing.ts'
import { tls } from './suites/tls.ts'
import type { Suite } from './suites/suite.ts'

const suites: readonly Suite[] = [http1, http2, tls, routing, l4, plugins, kernelHttp]

const usage = `npm run bench -- [SUITE …] [--seconds N] [--rounds N] [--case TEXT] [--rate N] [--json FILE]
suites: ${suites.map(suite => suite.name).join(', ')}`

const { values, positionals } = readArguments()
if (values.help) {
  console.log(usage)
  process.exit(0)
}

const wanted = positionals.length === 0 ? suites : suites.filter(suite => positionals.includes(suite.name))
const unknown = positionals.filter(name => !suites.some(suite => suite.name === name))
if (unknown.length > 0) fail(`no suite ${unknown.join(', ')}; there is ${suites.map(suite => suite.name).join(', ')}`)
const [seconds, rounds, rate] = [values.seconds, values.rounds, values.rate].map(Number)
for (const [name, value] of Object.entries({ seconds, rounds, rate })) {
  if (!Number.isInteger(value) || Number(value) < 1) fail(`--${name} must be a whole number above 0`)
}
const versions = wanted.every(suite => suite.isSelfContained === true)
  ? `Node ${process.version}`
  : await peerVersions()

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  // Once: a second one does not wait for servers to end.
  process.once(signal, () => stop.abort(signal))
}
const notes = new Set<string>()
const failures: string[] = []
const results: Result[] = []
// What a user runs, and not the sources, which bin/heddle takes where they are newer.
await output([fileURLToPath(new URL('../scripts/bundle-agent.sh', import.meta.url))])
const folder = await mkdtemp(join(tmpdir(), 'heddle-bench-'))
try {
  for (const suite of wanted) {
    const samples = await suite.run({
      seconds: seconds ?? 5,
      rounds: rounds ?? 5,
      rate: rate ?? 3000,
      only: values.case,
      folder,
      signal: stop.signal,
      progress: text => console.error(text),
      note: text => notes.add(text),
      failure: text => failures.push(text),
    })
    results.push(...summarise(suite.name, samples))
  }
} catch (error) {
  if (!stop.signal.aborted) throw error
  console.error(`ended by ${stop.signal.reason}`)
  process.exitCode = 1
} finally {
  await rm(folder, { recursive: true, force: true })
}
if (stop.signal.aborted) process.exit()

if (results.length === 0 && failures.length === 0)
  fail(`no case of ${wanted.map(suite => suite.name).join(', ')} has ${values.case} in its name`)

console.log(`\n${formatTable(results)}\n`)
console.log(
  `${cpus().length} × ${cpus()[0]?.model ?? 'CPU'}, Linux ${release()}, load average ${loadavg()[0]?.toFixed(2)}, ${versions}.`,
)
console.log(
  'Ratios: median of the rounds (smallest–largest). cpu, p50, p99, memory, lookup, connect: below 1 is better; throughput, stream: above 1.',
)
console.log(`Latencies at ${rate} requests/s. Not shown:`)
for (const limit of new Set(wanted.flatMap(suite => suite.limits))) console.log(`  - ${limit}`)
if (notes.size > 0) console.log(`Read with care:\n${[...notes].map(note => `  - ${note}`).join('\n')}`)
if (failures.length > 0) {
  console.log(`FAILED, so that the figures mean little:\n${failures.map(failure => `  - ${failure}`).join('\n')}`)
  process.exitCode = 1
}
if (values.json !== undefined) {
  await writeFile(
    resolve(process.env['INIT_CWD'] ?? '.', values.json),
    `${JSON.stringify(results.map(withoutSpread), undefined, 2)}\n`,
  )
}

function readArguments() {
  try {
    return parseArgs({
      options: {
        seconds: { type: 'string', default: '5' },
        rounds: { type: 'string', default: '5' },
        case: { type: 'string', default: '' },
        rate: { type: 'string', default: '3000' },
        json: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
      allowPositionals: true,
    })
  } catch (error) {
    return fail(`${error instanceof Error ? error.message : String(error)}\n${usage}`)
  }
}

function withoutSpread({ suite, case: name, metric, unit, heddle, peers, ratio }: Result): object {
  return { suite, case: name, metric, unit, heddle, peers, ratio }
}

async function peerVersions(): Promise<string> {
  try {
    // nginx tells its version on standard error.
    const nginx = await output(['sh', '-c', 'nginx -v 2>&1'])
    const haproxy = await output(['haproxy', '-v'])
    await output(['sh', '-c', 'command -v wrk && command -v taskset'])
    return `${/nginx\/[\d.]+/.exec(nginx)?.[0]}, haproxy/${/version ([\d.]+)/.exec(haproxy)?.[1]}, Node ${process.version}`
  } catch {
    return fail('nginx, haproxy and wrk are needed: run scripts/install-test-packages.sh')
  }
}

function fail(message: string): never {
  console.error(message)
  process.exit(2)
}
