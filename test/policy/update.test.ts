import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import type {
  CompiledNetworkPolicy,
  NetworkPlace,
  NetworkPolicyStep,
  PolicyClass,
  SubjectClasses,
} from '../../src/model/index.ts'
import { emptyCompiledPolicy, evaluateNetworkPolicy, findPlace, stepsBetween } from '../../src/policy/index.ts'
import type { NetworkProbe } from '../../src/policy/index.ts'
import { testReconciler } from '../../src/sources/reconcile/testing.ts'
import type { RawWorld } from './oracle.ts'
import { RandomWorld } from './random-world.ts'
import { compileWorld, probeOf } from './world.ts'

const seed = Number(process.env['HEDDLE_FUZZ_SEED'] ?? randomInt(2 ** 31))

/** What a kernel has: tables that are edited in place. */
class Tables {
  readonly subjects = new Map<number, SubjectClasses>()
  readonly classes = new Map<number, PolicyClass>()
  readonly places = new Map<string, NetworkPlace>()

  apply(step: NetworkPolicyStep): void {
    const keyOf = ({ address, protocol, port }: NetworkPlace): string => `${address.join()} ${protocol} ${port}`
    switch (step.kind) {
      case 'fill-class':
        assert.equal(this.classes.has(step.class.id), false, 'the number is free')
        this.classes.set(step.class.id, step.class)
        break
      case 'set-subject':
        for (const id of Object.values(step.classes)) assert.ok(id === 0 || this.classes.has(id), 'the class is there')
        this.subjects.set(step.identity, step.classes)
        break
      case 'set-place':
        this.places.set(keyOf(step.place), step.place)
        break
      case 'remove-place':
        assert.ok(this.places.delete(keyOf(step.place)))
        break
      case 'remove-subject':
        assert.ok(this.subjects.delete(step.identity))
        break
      case 'drop-class':
        for (const { ingress, egress } of this.subjects.values()) {
          assert.ok(ingress !== step.class.id && egress !== step.class.id, 'nobody is in the class')
        }
        assert.ok(this.classes.delete(step.class.id))
    }
  }

  /** With the rules of both, whose numbers do not collide. */
  compiled(before: CompiledNetworkPolicy, after: CompiledNetworkPolicy): CompiledNetworkPolicy {
    const rules = new Map([...before.rules, ...after.rules])
    return { ...after, subjects: this.subjects, classes: this.classes, places: [...this.places.values()], rules }
  }
}

/** Policies of another world and some of its workloads, among those that stay. */
function edited(dice: RandomWorld, world: RawWorld, suffix: number): RawWorld {
  const other = dice.world()
  const added = other.workloads.map(each => ({
    ...each,
    metadata: { ...each.metadata, name: `${each.metadata.name}-${suffix}` },
  }))
  const kept = world.workloads.filter((_, at) => at < 2 || dice.roll(4) > 0)
  return { ...other, namespaces: world.namespaces, workloads: [...kept, ...added.slice(0, dice.roll(3))] }
}

test(`steps judge every connection as before or as after, and lead to the same tables (seed ${seed})`, () => {
  const dice = new RandomWorld(seed)
  for (let chain = 0; chain < 40; chain++) {
    const reconciler = testReconciler()
    const tables = new Tables()
    let world = dice.world()
    let before = { compiled: emptyCompiledPolicy }
    for (let at = 0; at < 10; at++) {
      const after = compileWorld(reconciler, world, before.compiled)
      const stayed = { ...world, workloads: world.workloads.slice(0, 2) }
      const probes = Array.from({ length: 20 }, () => probeOf(after.set, dice.probe(stayed)))
      for (const step of stepsBetween(before.compiled, after.compiled)) {
        tables.apply(step)
        const now = tables.compiled(before.compiled, after.compiled)
        checkPlaces(before.compiled, now, after.compiled)
        // At first everybody is new, and nobody judged before.
        if (at > 0) for (const probe of probes) checkBetween(before.compiled, now, after.compiled, probe)
      }
      assert.deepEqual(new Map(tables.subjects), after.compiled.subjects)
      assert.deepEqual(tables.classes, after.compiled.classes)
      for (const place of after.compiled.places) {
        const found = findPlace([...tables.places.values()], place.address, place.protocol, place.port)
        assert.deepEqual(found, place)
      }
      assert.equal(tables.places.size, after.compiled.places.length)
      assert.deepEqual(stepsBetween(after.compiled, after.compiled), [])
      before = after
      world = edited(dice, world, at)
    }
  }
})

/** Whoever is found at an address is judged as before or as after; one that nobody knew before is not open in between. */
function checkPlaces(before: CompiledNetworkPolicy, now: CompiledNetworkPolicy, after: CompiledNetworkPolicy): void {
  for (const place of now.places) {
    const { identity } = place
    const classes = now.subjects.get(identity)
    const wasKnown = before.subjects.has(identity) || before.places.some(old => isDeepStrictEqual(old, place))
    const fine = [after.subjects.get(identity), ...(wasKnown ? [before.subjects.get(identity)] : [])]
    assert.ok(
      fine.some(each => isDeepStrictEqual(each, classes)),
      `seed ${seed}: ${JSON.stringify({ place, classes, fine })}`,
    )
  }
}

function checkBetween(
  before: CompiledNetworkPolicy,
  now: CompiledNetworkPolicy,
  after: CompiledNetworkPolicy,
  probe: NetworkProbe,
): void {
  const [old, current, next] = [before, now, after].map(each => evaluateNetworkPolicy(each, probe))
  for (const direction of ['egress', 'ingress'] as const) {
    const verdict = current?.[direction].kind
    const fine = [old?.[direction].kind, next?.[direction].kind]
    assert.ok(fine.includes(verdict), `seed ${seed}: ${verdict} between ${fine.join(' and ')}`)
  }
}
