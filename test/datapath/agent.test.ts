import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess, ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { commandInCgroup, MeshCgroup, tierPlaces } from '../../src/datapath/index.ts'
import { Bpf } from '../../src/kernel/index.ts'
import { TestMesh } from '../mesh/agent-process.ts'
import { service, workload } from '../mesh/resources.ts'
import { datapathSkip, idsOf, runIn, serve } from './world.ts'
import type { KernelId } from './world.ts'
import { freePort } from '../support/ports.ts'

const skip = datapathSkip()

const outsider = (name: string, more: string): string => `
---
apiVersion: heddle.dev/v1alpha1
kind: Workload
metadata: {name: ${name}, namespace: shop, labels: {app: ${name}}}
spec: {port: 1, ${more}}
`

const policy = `
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: shop}
spec: {podSelector: {matchLabels: {app: closed}}, policyTypes: [Egress]}
`

/** An agent of the kernel tier with a Service `db` by TCP, whose endpoint is the test's own. */
class KernelMesh {
  readonly mesh: TestMesh
  readonly bpf = new Bpf()

  private constructor(mesh: TestMesh) {
    this.mesh = mesh
  }

  static async create(t: TestContext): Promise<KernelMesh> {
    const each = new KernelMesh(await TestMesh.create(t))
    const { port } = await serve(t, 'endpoint')
    const resources = [
      service('db', 'tcp'),
      service('web'),
      workload('web-0', 'web', await freePort()),
      outsider('db-0', `service: db, port: ${port}`).replace('port: 1, ', ''),
      outsider('client', ''),
      outsider('closed', ''),
      policy,
    ]
    each.mesh.write('mesh.yaml', resources.join(''))
    return each
  }

  up(): Promise<ChildProcess> {
    return this.mesh.up({ flags: ['--tier', 'kernel', '--dns-address', 'off'] })
  }

  get cgroup(): MeshCgroup {
    const found = MeshCgroup.find(tierPlaces(this.mesh.socketPath).cgroup)
    assert.ok(found !== undefined)
    return found
  }

  ids(kind: KernelId[0]): readonly number[] {
    return idsOf(this.bpf, this.cgroup.id).flatMap(([of, id]) => (of === kind ? [id] : []))
  }

  async addressOf(name: string): Promise<string> {
    const { services } = await this.mesh.status()
    return services.find(each => each.key === `shop/${name}:9080`)?.address?.split(':')[0] ?? ''
  }

  /** In the cgroup of a workload that is no program of the agent's. */
  async curl(workloadName: string, url: string): Promise<string> {
    const { output } = await runIn(join(this.cgroup.folder, `shop.${workloadName}`), ['curl', '-sS', '-m', '5', url])
    return output
  }

  /** Nothing may stay, whatever became of the test. */
  async end(agent: ChildProcess): Promise<void> {
    if (agent.exitCode === null && agent.signalCode === null) {
      const ended = once(agent, 'exit')
      agent.kill('SIGTERM')
      await ended
    }
    const { pins, cgroup } = tierPlaces(this.mesh.socketPath)
    const { stdout, code, stderr } = await this.mesh.run('cleanup')
    this.bpf[Symbol.dispose]()
    assert.equal(code, 0, stdout + stderr)
    assert.match(stdout, /^removed 13 links, 13 programs and \d+ maps\nnothing of it is left\n$/m)
    assert.equal(MeshCgroup.find(cgroup), undefined)
    assert.equal(existsSync(pins), false)
    const again = await this.mesh.run('cleanup')
    assert.match(again.stdout, /^removed 0 links, 0 programs and 0 maps\n/)
  }
}

test('an agent leads its workloads in the kernel, and says so; cleanup waits for its end', { skip }, async t => {
  const each = await KernelMesh.create(t)
  const agent = await each.up()
  try {
    assert.match(each.mesh.output, /^tier: kernel \(programs on cgroup .*, pinned in .*\)$/m)
    assert.doesNotMatch(each.mesh.output, /NetworkPolicies are/)
    const db = await each.addressOf('db')
    assert.equal(await each.curl('client', `http://${db}:9080/`), 'endpoint')
    assert.match(
      await each.curl('closed', `http://${db}:9080/`),
      /Operation not permitted|Couldn't connect|Failed to connect/i,
    )
    await each.mesh.until(() =>
      Promise.resolve(each.mesh.output.includes('a connection was refused by the kernel tier verdict=egress-denied')),
    )
    const web = await each.addressOf('web')
    await each.mesh.until(async () => (await each.curl('client', `http://${web}:9080/`)).startsWith('web-0 '))
    const program = ['cat', '/proc/self/cgroup']
    const ran = await each.mesh.run('run', '-n', 'shop', '--service', 'db', '--name', 'mine', '--', ...program)
    assert.match(ran.stdout, /^0::.*\/shop\.mine$/m)
    const refused = await each.mesh.run('cleanup')
    assert.deepEqual([refused.code, /an agent runs at/.test(refused.stderr)], [1, true])
  } finally {
    await each.end(agent)
  }
})

/** A connection that is kept, and asked now and then whom it is connected to. */
class HeldConnection {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #lines: AsyncIterator<string>

  constructor(folder: string, host: string) {
    const code = `import socket, sys
s = socket.create_connection((${JSON.stringify(host)}, 9080), 5)
for _ in sys.stdin: print(*s.getpeername(), flush=True)`
    const [program, ...args] = commandInCgroup(folder, ['python3', '-c', code])
    this.#child = spawn(program, args, { stdio: 'pipe' })
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
  }

  async peerName(): Promise<string> {
    this.#child.stdin.write('?\n')
    const { value } = await this.#lines.next()
    return String(value)
  }

  async end(): Promise<void> {
    const ended = once(this.#child, 'exit')
    this.#child.stdin.end()
    await ended
  }
}

test(
  'a killed agent leaves balancing and policies in force, and the next one takes over; nothing adds up',
  { skip },
  async t => {
    const each = await KernelMesh.create(t)
    let agent = await each.up()
    try {
      const url = `http://${await each.addressOf('db')}:9080/`
      const links = each.ids('link')
      assert.equal(links.length, 13)
      const [host = ''] = url.slice('http://'.length).split(':')
      const held = new HeldConnection(join(each.cgroup.folder, 'shop.client'), host)
      assert.equal(await held.peerName(), `${host} 9080`)
      for (let round = 0; round < 3; round++) {
        const ended = once(agent, 'exit')
        agent.kill('SIGKILL')
        await ended
        assert.equal(await each.curl('client', url), 'endpoint', 'without an agent')
        assert.doesNotMatch(await each.curl('closed', url), /endpoint/)
        agent = await each.up()
        assert.equal(await each.curl('client', url), 'endpoint', 'with the next agent')
        assert.doesNotMatch(await each.curl('closed', url), /endpoint/)
        assert.deepEqual(each.ids('link'), links)
        await t.waitFor(() => assert.equal(each.ids('program').length, 13), { timeout: 5000 })
        assert.equal(await held.peerName(), `${host} 9080`, 'a connection from before')
      }
      await held.end()
    } finally {
      await each.end(agent)
    }
  },
)

test('heddle doctor says what the kernel tier needs, and that all of it is here', { skip }, async t => {
  const mesh = await TestMesh.create(t)
  const { code, stdout } = await mesh.run('doctor')
  assert.equal(code, 0, stdout)
  assert.match(stdout, /^ok +our programs +all 15 are taken by this kernel$/m)
  assert.match(stdout, /\nThe kernel tier can run here\.\n$/)
})

/** Node as root without any capability, which is nobody to the kernel. */
function powerless(words: readonly string[]): { code: number | null; output: string } {
  const command = ['--bounding-set=-all', '--inh-caps=-all', '--', process.execPath, '--experimental-ffi', ...words]
  const { status, stdout, stderr } = spawnSync('setpriv', command, { encoding: 'utf8', timeout: 30_000 })
  return { code: status, output: stdout + stderr }
}

test(
  'without privileges the kernel tier is refused with what to do, and auto takes user space and says why',
  { skip },
  async t => {
    const mesh = await TestMesh.create(t)
    mesh.write('mesh.yaml', service('db', 'tcp'))
    const flags = ['--socket-path', mesh.socketPath]
    const main = join(import.meta.dirname, '../../src/cli/main.ts')
    const doctor = powerless([main, 'doctor', ...flags])
    assert.equal(doctor.code, 1)
    const privileges =
      /^missing +privileges +this process lacks CAP_BPF CAP_NET_ADMIN CAP_PERFMON CAP_SYS_ADMIN: run it as root$/m
    assert.match(doctor.output, privileges)
    const up = powerless([main, 'up', '-f', join(mesh.directory, 'mesh'), '--tier', 'kernel', ...flags])
    assert.equal(up.code, 1)
    assert.match(up.output, /^heddle: .*EPERM.*\n {2}.*run it as root/m)
    const options = JSON.stringify({ wanted: 'auto', socketPath: mesh.socketPath })
    const module = JSON.stringify(new URL('../../src/daemon/tier.ts', import.meta.url).href)
    const auto = powerless(['-e', `import(${module}).then(m => console.log(m.openTier(${options}).status))`])
    assert.match(auto.output, /active: 'user space',\s+reason: .this process lacks CAP_BPF .*: run it as root'/)
    assert.equal(MeshCgroup.find(tierPlaces(mesh.socketPath).cgroup), undefined)
  },
)
