/**
 * `npm run soak [-- --seconds N --seed N]`: an agent under mixed traffic, while its configuration changes, endpoints
 * come, go and die and clients break off, by HTTP/1.1 and HTTP/2. It fails when a request is lost that could have been kept, or when memory
 * or descriptors grow. Without options it takes fifteen minutes.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../src/proxy/routing/fixtures.ts'
import { TestMesh } from '../mesh/agent-process.ts'
import { disturb, endpointNames, lastingEndpoints, writeMesh, writeWeights } from './disturbances.ts'
import { footprintOf, growth } from './footprint.ts'
import type { Footprint } from './footprint.ts'
import { Ledger } from './ledger.ts'
import { runTraffic } from './traffic.ts'
import { freePort } from '../support/ports.ts'
import { refuse, runOptions } from '../support/run-options.ts'

const usage = 'npm run soak -- [--seconds N, at least 10] [--seed N]'
const values = runOptions(usage, { seconds: '900', seed: String(Date.now() % 1_000_000) })
const seconds = Number(values.seconds)
const seed = Number(values.seed)
if (!(seconds >= 10) || !Number.isInteger(seed)) refuse(usage)

/** How often memory and descriptors are looked at. */
const sampleMs = 250
/** Beside what a heap of JavaScript breathes by: a tenth and as many megabytes, or descriptors. */
const allowance = { share: 1.1, megabytes: 24, descriptors: 24 }

test(`a soak of ${seconds} s, seed ${seed}`, { timeout: (seconds + 120) * 1000 }, async t => {
  const mesh = await TestMesh.create(t)
  const ledger = new Ledger()
  const ports = await Promise.all(endpointNames.map(() => freePort()))
  const soak = { mesh, ledger, random: seededRandom(seed), ports }
  writeMesh(soak, false)
  writeWeights(soak, 5)
  const agent = await mesh.up({ flags: ['--drain-seconds', '10'] })
  await mesh.until(async () => {
    const { services } = await mesh.status()
    return services.flatMap(({ endpoints }) => endpoints).filter(({ healthy }) => healthy).length === lastingEndpoints
  })

  const end = new AbortController()
  const samples: Footprint[] = []
  const sampler = setInterval(() => samples.push(footprintOf(agent.pid ?? 0)), sampleMs)
  const startMs = performance.now()
  const reporter = setInterval(() => {
    const last = samples.at(-1)
    const elapsed = Math.round((performance.now() - startMs) / 1000)
    console.log(
      `${elapsed} s: ${ledger.total} requests, ${ledger.lost.length} lost, ${ledger.excused} excused; ` +
        `${last?.megabytes.toFixed(0)} MB, ${last?.descriptors} descriptors`,
    )
  }, 5_000)
  const timer = setTimeout(() => end.abort(), seconds * 1000)
  const traffic = runTraffic({ port: mesh.gatewayPort, ledger, random: seededRandom(seed + 1), signal: end.signal })
  try {
    const [disturbances] = await Promise.all([disturb(soak, end.signal), traffic])
    console.log(`${disturbances} disturbances; asked: ${JSON.stringify(Object.fromEntries(ledger.asked))}`)
  } finally {
    clearInterval(sampler)
    clearInterval(reporter)
    clearTimeout(timer)
    end.abort()
  }

  assert.equal(agent.exitCode, null, mesh.output)
  assert.deepEqual(ledger.lost, [], `seed ${seed}`)
  const memory = growth(samples.map(({ megabytes }) => megabytes))
  const descriptors = growth(samples.map(each => each.descriptors))
  console.log(`memory ${JSON.stringify(memory)}, descriptors ${JSON.stringify(descriptors)}`)
  assert.ok(memory.after <= memory.before * allowance.share + allowance.megabytes, JSON.stringify(memory))
  assert.ok(
    descriptors.after <= descriptors.before * allowance.share + allowance.descriptors,
    JSON.stringify(descriptors),
  )
})
