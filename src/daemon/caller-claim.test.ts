import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mayClaim } from './caller-claim.ts'
import type { ClaimFacts } from './caller-claim.ts'

const owners = new Map([
  [100, 1000],
  [101, 1000],
  [200, 2000],
  [300, 0],
])
const facts = (peer: ClaimFacts['peer'], isSameNamespace = true): ClaimFacts => ({
  peer,
  agentUid: 1000,
  ownerOf: pid => owners.get(pid),
  isSameNamespace: () => isSameNamespace,
})
const peer = { pid: 100, uid: 1000 }

const cases: readonly (readonly [what: string, pid: number, facts: ClaimFacts, isAllowed: boolean])[] = [
  ['itself', 100, facts(peer), true],
  ['itself, seen from another PID namespace', 100, facts(peer, false), true],
  ['another process of its user', 101, facts(peer), true],
  ['a process of another user', 200, facts(peer), false],
  ['a process of root', 300, facts(peer), false],
  ['a process that there is not', 999, facts(peer), false],
  ['a number of another PID namespace', 101, facts(peer, false), false],
  ['a number, from where the agent can see nothing', 101, facts({ pid: 0, uid: 1000 }), false],
  ['a process of a user, as root', 101, facts({ pid: 300, uid: 0 }), false],
  ["a process of the agent's user, where the kernel can't be asked", 101, facts(undefined), true],
  ["a process of another user, where the kernel can't be asked", 200, facts(undefined), false],
  ["a process that there is not, where the kernel can't be asked", 999, facts(undefined), false],
]
for (const [what, pid, given, isAllowed] of cases) {
  test(`mayClaim() ${isAllowed ? 'lets' : 'does not let'} whoever registers a workload speak for ${what}`, () => {
    assert.equal(mayClaim(pid, given), isAllowed)
  })
}
