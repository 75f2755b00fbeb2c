import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { MeshCgroup, openPins, tierPlaces } from '../../src/datapath/index.ts'
import { Bpf } from '../../src/kernel/index.ts'
import { service, workload } from '../mesh/resources.ts'
import { freePort } from '../support/ports.ts'
import { until } from '../support/until.ts'
import { closedEgress, endpoint, member, MemberMesh } from './member-mesh.ts'
import { datapathSkip, serve } from './world.ts'

const skip = datapathSkip()

const root = join(import.meta.dirname, '../..')
const unit = readFileSync(join(root, 'deploy/systemd/heddle.service'), 'utf8')
/** `bpf`, as setpriv writes them. */
const ofUnit = (/^CapabilityBoundingSet=(.*)$/m.exec(unit)?.[1] ?? '')
  .split(' ')
  .map(name => name.replace(/^CAP_/, '').toLowerCase())

/** The command line of Heddle as root with these capabilities and no others. */
function bounded(capabilities: readonly string[], words: readonly string[]): readonly [string, string[]] {
  const set = ['-all', ...capabilities.map(name => `+${name}`)].join(',')
  const node = [process.execPath, '--experimental-ffi', join(root, 'src/cli/main.ts')]
  return ['setpriv', [`--bounding-set=${set}`, '--inh-caps=-all', '--', ...node, ...words]]
}

test(
  'the capabilities of the systemd unit are enough for the kernel tier, and none of its three can be left out',
  { skip, timeout: 200_000 },
  async t => {
    assert.deepEqual(ofUnit, ['bpf', 'net_admin', 'perfmon', 'net_bind_service'])
    const db = await serve(t, 'endpoint')
    await using each = await MemberMesh.create(t, [
      service('db', 'tcp'),
      endpoint('db', db.port),
      service('web'),
      workload('web-0', 'web', await freePort()),
      member('client'),
      member('closed'),
      closedEgress('closed'),
    ])
    const { mesh } = each
    const env = { PATH: process.env['PATH'], HEDDLE_SOCKET_PATH: mesh.socketPath }
    const flags = ['-f', join(mesh.directory, 'mesh'), '--admin-address', '127.0.0.1:0', '--dns-address', 'off']
    const up = ['up', ...flags, '--tier', 'kernel', '--workers', '1', '--service-cidr', '127.201.7.0/24']
    {
      // What systemd has done before the unit starts.
      const places = tierPlaces(mesh.socketPath)
      using bpf = new Bpf()
      openPins(bpf, places)
      MeshCgroup.open(places.cgroup)
    }
    const agents: ChildProcess[] = []
    const start = async (): Promise<ChildProcess> => {
      const [program, args] = bounded(ofUnit, up)
      const agent = spawn(program, args, { env, stdio: ['ignore', 'ignore', 'pipe'] })
      agents.push(agent)
      const said = text(agent.stderr)
      agent.once('exit', () => void said.then(all => t.diagnostic(all)))
      await until(() => mesh.isReady(), { timeoutMs: 30_000 })
      return agent
    }
    const end = async (agent: ChildProcess, signal: NodeJS.Signals): Promise<void> => {
      const ended = once(agent, 'exit')
      agent.kill(signal)
      await ended
    }
    try {
      const first = await start()
      const { agent, services } = await mesh.status()
      assert.equal(agent.tier.active, 'kernel')
      const ask = async (who: string, name: string): Promise<string> => {
        const address = services.find(({ key }) => key === `shop/${name}:9080`)?.address ?? ''
        return (await each.run(`shop.${who}`, ['curl', '-sS', '-m', '10', `http://${address}/`])).output
      }
      assert.equal(await ask('client', 'db'), 'endpoint')
      assert.doesNotMatch(await ask('closed', 'db'), /endpoint/)
      let web = ''
      await until(async () => /^web-0 \d+$/.test((web = await ask('client', 'web'))), {
        explain: () => web,
      })
      await end(first, 'SIGKILL')
      const second = await start()
      await until(async () => (await ask('client', 'web')) === web)
      const [program, args] = bounded(ofUnit, ['doctor'])
      const doctor = spawnSync(program, args, { env, encoding: 'utf8' })
      assert.equal(doctor.status, 0, doctor.stdout)
      await end(second, 'SIGINT')
      for (const missing of ['bpf', 'net_admin', 'perfmon']) {
        const rest = ofUnit.filter(name => name !== missing)
        const [without, words] = bounded(rest, up)
        const refused = spawnSync(without, words, { env, encoding: 'utf8', timeout: 30_000 })
        assert.equal(refused.status, 1, `without ${missing}`)
        const [asked, about] = bounded(rest, ['doctor'])
        const said = spawnSync(asked, about, { env, encoding: 'utf8' })
        assert.match(
          said.stdout,
          new RegExp(`^missing +privileges +this process lacks CAP_${missing.toUpperCase()}:`, 'm'),
        )
      }
    } finally {
      for (const agent of agents) if (agent.exitCode === null && agent.signalCode === null) await end(agent, 'SIGKILL')
    }
  },
)
