import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Bpf, takeInventory } from '../../src/kernel/index.ts'
import type { MemberMesh } from '../datapath/member-mesh.ts'
import { datapathSkip } from '../datapath/world.ts'
import { addressOf, begin, Client, untilCarried } from './carried.ts'

const skip = datapathSkip('python3')

/** Programs of the path that hang on this mesh's cgroup, and those that share their maps; agents of others have their own. */
function programsOfPath(each: MemberMesh): readonly number[] {
  using bpf = new Bpf()
  const { links, programs } = takeInventory(bpf, 'kh_')
  const attached = new Set(
    links.filter(({ cgroupId }) => cgroupId === each.cgroup.id).map(({ programId }) => programId),
  )
  const maps = new Set(programs.filter(({ id }) => attached.has(id)).flatMap(({ mapIds }) => mapIds))
  return programs.filter(({ mapIds }) => mapIds.some(id => maps.has(id))).map(({ id }) => id)
}

function areLeft(ids: readonly number[]): readonly number[] {
  using bpf = new Bpf()
  return takeInventory(bpf, 'kh_')
    .programs.map(({ id }) => id)
    .filter(id => ids.includes(id))
}

test(
  'cleanup leaves nothing of the path, also while a program keeps its dead connection open',
  { skip, timeout: 180_000 },
  async t => {
    await using each = await begin(t, {}, '--kernel-http', 'auto')
    await untilCarried(each)
    await using client = new Client(each, await addressOf(each))
    assert.match(String(await client.say('/a')), /^200 web-0 /)
    const ids = programsOfPath(each)
    assert.ok(ids.length >= 5, `${ids.length} programs`)
    await each.kill('SIGKILL')
    const { code, stdout, stderr } = await each.mesh.run('cleanup')
    assert.equal(code, 0, stdout + stderr)
    assert.deepEqual(areLeft(ids), [])
  },
)
