import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { tierPlaces } from '../../src/datapath/index.ts'
import { Bpf, KeeperClient, listPins } from '../../src/kernel/index.ts'
import { service, workload } from '../mesh/resources.ts'
import { freePort } from '../support/ports.ts'
import { until } from '../support/until.ts'
import { member, MemberMesh } from './member-mesh.ts'
import { datapathSkip, idsOf } from './world.ts'

const skip = datapathSkip()

/** How much there is of everything that outlives an agent, and of what an agent has open. */
function count(each: MemberMesh, bpf: Bpf, agent: number): Readonly<Record<string, number>> {
  const { mesh, cgroup } = each
  const ids = idsOf(bpf, cgroup.id)
  const ofKind = (wanted: string): number => ids.filter(([kind]) => kind === wanted).length
  using keeper = KeeperClient.connect(`${mesh.socketPath}.keeper`)
  const state = keeper?.state()
  return {
    links: ofKind('link'),
    programs: ofKind('program'),
    maps: ofKind('map'),
    pins: listPins(bpf, tierPlaces(mesh.socketPath).pins).length,
    cgroups: readdirSync(cgroup.folder, { withFileTypes: true }).filter(entry => entry.isDirectory()).length,
    keeper: state?.pid ?? -1,
    kept: state?.count ?? -1,
    keeperDescriptors: readdirSync(`/proc/${state?.pid}/fd`).length,
    agentDescriptors: readdirSync(`/proc/${agent}/fd`).length,
  }
}

/** Once nothing more is opened or closed: an agent that has just become ready still closes what it started with. */
async function settled(each: MemberMesh, bpf: Bpf, agent: number): Promise<Readonly<Record<string, number>>> {
  let last = count(each, bpf, agent)
  for (let same = 0; same < 20;) {
    await sleep(100)
    const now = count(each, bpf, agent)
    same = isDeepStrictEqual(now, last) ? same + 1 : 0
    last = now
  }
  return last
}

test('after each of ten restarts there is as much of everything as before', { skip, timeout: 240_000 }, async t => {
  await using each = await MemberMesh.create(t, [
    service('db', 'tcp'),
    service('web'),
    workload('web-0', 'web', await freePort()),
    member('client'),
  ])
  using bpf = new Bpf()
  await each.up()
  const pidOf = async (): Promise<number> => (await each.mesh.status()).agent.pid
  const first = await settled(each, bpf, await pidOf())
  t.diagnostic(JSON.stringify(first))
  assert.ok((first['links'] ?? 0) > 0 && (first['kept'] ?? 0) > 0)
  for (let round = 1; round <= 10; round++) {
    await each.kill(round % 3 === 0 ? 'SIGTERM' : 'SIGKILL')
    await each.up()
    const pid = await pidOf()
    // The kernel frees in the background, and connections of this test come and go.
    await until(
      () => {
        assert.deepEqual(count(each, bpf, pid), first)
        return true
      },
      {
        explain: () => `round ${round}: ${JSON.stringify(count(each, bpf, pid))} instead of ${JSON.stringify(first)}`,
      },
    )
  }
})
