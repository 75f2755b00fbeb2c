import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Bpf, takeInventory } from '../../src/kernel/index.ts'
import type { MemberMesh } from '../datapath/member-mesh.ts'
import { datapathSkip } from '../datapath/world.ts'
import { until } from '../support/until.ts'
import { addressOf, begin, Client, statusOf, untilCarried } from './carried.ts'

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

test(
  'an agent that is killed: its connections are served in the kernel without it, new ones too or they wait, and none fails',
  { skip, timeout: 240_000 },
  async t => {
    await using each = await begin(t, {}, '--kernel-http', 'auto')
    await untilCarried(each)
    const host = await addressOf(each)
    await using kept = new Client(each, host)
    await using load = new Client(each, host)
    assert.match(String(await kept.say('/a')), /^200 web-0 /)
    await load.say('load 4')
    await until(async () => (await statusOf(each)).served > 50)
    const ids = new Set(programsOfPath(each))
    await each.kill('SIGKILL')
    assert.match(String(await kept.say('/b')), /^200 web-0 /, 'with no agent alive')
    await using late = new Client(each, host)
    const waiting = late.say('/new')
    const waitingLarge = kept.say('/%41')
    await each.up('--dns-address', 'off', '--kernel-http', 'auto')
    assert.match(String(await waiting), /^200 web-0 /)
    assert.match(String(await waitingLarge), /^200 web-0 /, 'what is not of the path waits for the next agent')
    for (const client of [kept, late]) assert.match(String(await client.say('/c')), /^200 web-0 /)
    await untilCarried(each)
    await using fresh = new Client(each, host)
    assert.match(String(await fresh.say('/d')), /^200 web-0 /)
    assert.ok((await statusOf(each)).served > 0, 'new connections are on the path of the new agent')
    // Each of its connections has asked for something by now.
    await until(() => areLeft([...ids]).length === 0)
    const said = (await load.say('stop')) as { answers: number; wrong: readonly string[] }
    assert.deepEqual(said.wrong, [])
    t.diagnostic(`${said.answers} answers`)
    for (const id of programsOfPath(each)) ids.add(id)
    await each.kill('SIGKILL')
    assert.match(String(await fresh.say('/e')), /^200 web-0 /)
    const { code, stdout, stderr } = await each.mesh.run('cleanup')
    assert.equal(code, 0, stdout + stderr)
    assert.deepEqual(areLeft([...ids]), [])
  },
)
