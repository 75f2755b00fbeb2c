import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MemberMesh } from '../datapath/member-mesh.ts'
import { datapathSkip } from '../datapath/world.ts'
import { until } from '../support/until.ts'
import { addressOf, areLeft, ask, begin, Client, limited, programsOfPath, statusOf, untilCarried } from './carried.ts'

const skip = datapathSkip('python3')

/** Connections, and a program that asks all the time, over the end of an agent and the start of the next. */
async function outlive(each: MemberMesh, signal: 'SIGKILL' | 'SIGTERM', host: string): Promise<void> {
  await using kept = new Client(each, host)
  await using load = new Client(each, host)
  await using patient = new Client(each, host)
  await using hopeless = new Client(each, host)
  for (const client of [kept, patient, hopeless]) assert.match(String(await client.say('/a')), /^200 web-0 /)
  await load.say('load 2')
  await until(async () => (await statusOf(each)).served > 50)
  const underWay = patient.say('/slow')
  const never = hopeless.say('/never')
  const countBefore = Number(await load.say('count'))
  const toldBefore = requestsIn(await ask(each, '/metrics'))
  await each.kill(signal)
  const countAtKill = Number(await load.say('count'))
  assert.match(String(await kept.say('/b')), /^200 web-0 /, 'with no agent alive')
  assert.match(String(await underWay), /^200 web-0 /)
  await using late = new Client(each, host)
  const waiting = late.say('/new')
  const waitingLarge = kept.say('/%41')
  await until(async () => Number(await load.say('count')) > countAtKill + 50)
  await each.up('--dns-address', 'off', '--kernel-http', 'auto')
  assert.match(String(await waiting), /^200 web-0 /)
  assert.match(String(await waitingLarge), /^200 web-0 /, 'what is not of the path waits for the next agent')
  assert.match(String(await never), /^504 /, 'its time is over, and the next agent knows its limit')
  for (const client of [kept, late, patient]) assert.match(String(await client.say('/c')), /^200 web-0 /)
  await untilCarried(each)
  await using fresh = new Client(each, host)
  assert.match(String(await fresh.say('/d')), /^200 web-0 /)
  assert.ok((await statusOf(each)).served > 0, 'new connections are on the path of the new agent')
  const said = (await load.say('stop')) as { answers: number; wrong: readonly string[] }
  assert.deepEqual(said.wrong, [])
  const counted = requestsIn(await ask(each, '/metrics'))
  // Of others than the load there are 9 at most. What it asked between the two looks may be on either side.
  assert.ok(counted >= said.answers - countAtKill, `${counted} counted of ${said.answers - countAtKill}`)
  const most = said.answers - countBefore + 4 + 9
  assert.ok(counted <= most, `${counted} counted of ${most}: ${toldBefore} were told by the agent before`)
}

/** Requests that the agent tells of since it began. */
function requestsIn(metrics: string): number {
  const series = metrics.matchAll(/^http_server_requests_total\{[^}]*shop\/web:9080[^}]*\} (\d+)$/gm)
  return [...series].reduce((sum, [, value]) => sum + Number(value), 0)
}

test(
  'an agent that is killed or told to stop: its connections are served in the kernel without it, new ones too or they wait, and none fails; cleanup leaves nothing',
  { skip, timeout: 240_000 },
  async t => {
    await using each = await begin(t, { more: limited }, '--kernel-http', 'auto')
    await untilCarried(each)
    const host = await addressOf(each)
    await using idle = new Client(each, host)
    assert.match(String(await idle.say('/a')), /^200 web-0 /)
    const ids = new Set(programsOfPath(each))
    assert.ok(ids.size >= 5, `${ids.size} programs`)
    await outlive(each, 'SIGKILL', host)
    for (const id of programsOfPath(each)) ids.add(id)
    // The one that is told to stop has a connection of the one that was killed.
    await outlive(each, 'SIGTERM', host)
    assert.match(String(await idle.say('/b')), /^200 web-0 /)
    await using fresh = new Client(each, host)
    assert.match(String(await fresh.say('/d')), /^200 web-0 /)
    // Each connection of their paths has asked for something by now; and the keeper has been told of the new one.
    await until(() => areLeft([...ids]).length === 0)
    const last = programsOfPath(each)
    await each.kill('SIGKILL')
    assert.match(String(await fresh.say('/e')), /^200 web-0 /)
    const { code, stdout, stderr } = await each.mesh.run('cleanup')
    assert.equal(code, 0, stdout + stderr)
    assert.deepEqual(areLeft(last), [], 'also while a program keeps its dead connection open')
  },
)
