import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { test } from 'node:test'
import type { CompiledNetworkPolicy } from '../../src/model/index.ts'
import type { DirectionVerdict } from '../../src/policy/index.ts'
import { testReconciler } from '../../src/sources/reconcile/testing.ts'
import { fits, isAllowed, isolating } from './oracle.ts'
import type { RawProbe, RawWorld } from './oracle.ts'
import { RandomWorld } from './random-world.ts'
import { compileWorld, verdictOf } from './world.ts'

const seed = Number(process.env['HEDDLE_FUZZ_SEED'] ?? randomInt(2 ** 31))
/** Worlds that follow each other in one process, as edits do. */
const chains = 150
const worldsPerChain = 20
const probesPerWorld = 40

test(`compiled policies decide as the specification reads (seed ${seed})`, t => {
  const dice = new RandomWorld(seed)
  let allowed = 0
  let denied = 0
  for (let chain = 0; chain < chains; chain++) {
    const reconciler = testReconciler()
    let before: CompiledNetworkPolicy | undefined
    for (let at = 0; at < worldsPerChain; at++) {
      const world = dice.world()
      const compiled = compileWorld(reconciler, world, before)
      before = compiled.compiled
      for (let i = 0; i < probesPerWorld; i++) {
        const probe = dice.probe(world)
        const verdict = verdictOf(compiled, probe)
        const where = `seed ${seed}: ${JSON.stringify({ world, probe, verdict })}`
        assert.equal(verdict.isAllowed, isAllowed(world, probe), where)
        checkBlame(world, probe, 'egress', verdict.egress, where)
        checkBlame(world, probe, 'ingress', verdict.ingress, where)
        if (verdict.isAllowed) allowed++
        else denied++
      }
    }
  }
  t.diagnostic(`${chains * worldsPerChain} sets of policies, ${allowed} allowed, ${denied} denied, seed ${seed}`)
  assert.ok(Math.min(allowed, denied) > 10_000, 'both verdicts are common')
})

/** The rule that is named allows it, the policies that are named isolate. */
function checkBlame(
  world: RawWorld,
  probe: RawProbe,
  direction: 'ingress' | 'egress',
  verdict: DirectionVerdict,
  where: string,
): void {
  const subject = direction === 'egress' ? probe.from : probe.to
  const policies = new Map(
    isolating(world, subject, direction).map(policy => [
      `${policy.metadata.namespace ?? 'default'}/${policy.metadata.name}`,
      policy,
    ]),
  )
  if (verdict.kind === 'denied') assert.deepEqual(verdict.policies, [...policies.keys()].toSorted(), where)
  if (verdict.kind === 'open') assert.equal(policies.size, 0, where)
  if (verdict.kind !== 'allowed') return
  const policy = policies.get(verdict.rule.policy)
  assert.ok(policy !== undefined && verdict.rule.direction === direction, where)
  assert.ok(fits(world, probe, policy, direction, verdict.rule.index), where)
}
