import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { test } from 'node:test'
import { MeshError } from '../../src/core/index.ts'
import { SystemCallFailure } from '../../src/kernel/index.ts'
import { emptyCompiledPolicy, evaluateNetworkPolicy, stepsBetween } from '../../src/policy/index.ts'
import type { DirectionVerdict } from '../../src/policy/index.ts'
import { testReconciler } from '../../src/sources/reconcile/testing.ts'
import { KernelTables } from './kernel-tables.ts'
import { RandomWorld } from './random-world.ts'
import { compileWorld, probeOf } from './world.ts'

const seed = Number(process.env['HEDDLE_FUZZ_SEED'] ?? randomInt(2 ** 31))

/** Undefined with the reason if this process may not make maps, or has no FFI. */
function open(): KernelTables | string {
  try {
    return new KernelTables()
  } catch (error) {
    const cause = error instanceof MeshError ? error.cause : undefined
    if (cause instanceof SystemCallFailure && cause.code === 'EPERM') return 'needs CAP_BPF'
    if (error instanceof MeshError && error.code === 'MESH_KERNEL_UNSUPPORTED') return error.message
    throw error
  }
}

test(`maps of the kernel decide as the evaluation does (seed ${seed})`, t => {
  const opened = open()
  if (typeof opened === 'string') {
    t.skip(opened)
    return
  }
  opened[Symbol.dispose]()
  const dice = new RandomWorld(seed)
  let compared = 0
  for (let chain = 0; chain < 50; chain++) {
    using tables = new KernelTables()
    const reconciler = testReconciler()
    let before = emptyCompiledPolicy
    for (let at = 0; at < 5; at++) {
      const world = dice.world()
      const { set, compiled } = compileWorld(reconciler, world, before)
      for (const step of stepsBetween(before, compiled)) tables.apply(step)
      before = compiled
      for (let i = 0; i < 40; i++) {
        const probe = probeOf(set, dice.probe(world))
        const { egress, ingress } = evaluateNetworkPolicy(compiled, probe)
        if (egress.kind === 'self') continue
        const where = `seed ${seed}: ${JSON.stringify({ world, probe })}`
        assert.equal(tables.rule('egress', probe.from, probe.to, probe), ruleOf(egress), where)
        assert.equal(tables.rule('ingress', probe.to, probe.from, probe), ruleOf(ingress), where)
        compared += 2
      }
    }
  }
  t.diagnostic(`${compared} verdicts by maps of the kernel, seed ${seed}`)
})

function ruleOf(verdict: DirectionVerdict): number | undefined {
  if (verdict.kind === 'open') return undefined
  return verdict.kind === 'allowed' ? verdict.rule.id : 0
}
