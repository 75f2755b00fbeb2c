import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { KeeperClient } from '../../src/kernel/index.ts'
import { freePort } from '../support/ports.ts'
import { until } from '../support/until.ts'
import { isAlive } from '../mesh/agent-process.ts'
import { member, MemberMesh, serviceOf } from './member-mesh.ts'
import { datapathSkip } from './world.ts'

const skip = datapathSkip()

/** Answers with its process id, and says so in both of its outputs. */
const program = `
let count = 0
require('node:http').createServer((request, response) => {
  count++
  console.log('asked ' + count)
  console.error('asked too ' + count)
  response.end(String(process.pid))
  if (request.url === '/end') process.exit(3)
}).listen(process.env.PORT, '127.0.0.1')`

const workload = (port: number, env = 'A: a'): string => `
---
apiVersion: heddle.dev/v1alpha1
kind: Workload
metadata: {name: db-0, namespace: shop}
spec:
  service: db
  port: ${port}
  process:
    command: [${JSON.stringify(process.execPath)}, -e, ${JSON.stringify(program)}]
    env: {${env}}
`

const base = [serviceOf('db', '{port: 9080, appProtocol: tcp}'), member('client')]

/** One program of a Workload, which others ask by TCP, so that it answers without an agent, too. */
class ProgramMesh {
  readonly each: MemberMesh
  readonly port: number
  #address = ''

  private constructor(each: MemberMesh, port: number) {
    this.each = each
    this.port = port
  }

  static async create(t: TestContext): Promise<ProgramMesh> {
    const port = await freePort()
    return new ProgramMesh(await MemberMesh.create(t, [...base, workload(port)]), port)
  }

  async up(...flags: readonly string[]): Promise<void> {
    await this.each.up('--dns-address', 'off', ...flags)
    const { services } = await this.each.mesh.status()
    this.#address = services.find(({ key }) => key === 'shop/db:9080')?.address ?? this.#address
  }

  async ask(path = '/'): Promise<string> {
    const { output } = await this.each.run('shop.client', ['curl', '-s', '-m', '10', `http://${this.#address}${path}`])
    return output
  }

  /** Once it answers. */
  async pid(): Promise<number> {
    let pid = 0
    await until(async () => (pid = Number(await this.ask())) > 0)
    return pid
  }

  async logs(): Promise<string> {
    return (await this.each.mesh.run('logs')).stdout
  }

  kept(): number | undefined {
    using client = KeeperClient.connect(`${this.each.mesh.socketPath}.keeper`)
    return client?.state().count
  }

  configure(resources: readonly string[]): void {
    this.each.mesh.write('mesh.yaml', [...base, ...resources].join(''))
  }
}

async function untilGone(pid: number): Promise<void> {
  await until(() => !isRunning(pid))
}

/** A zombie that nobody waits for is dead for our purpose. */
function isRunning(pid: number): boolean {
  return isAlive(pid) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'))
}

test(
  'programs outlive agents that are killed or hand over, and the next one goes on with them',
  { skip, timeout: 120_000 },
  async t => {
    const mesh = await ProgramMesh.create(t)
    await using each = mesh.each
    await mesh.up()
    const pid = await mesh.pid()
    const kept = mesh.kept()
    const { stdout } = await each.mesh.run('status')
    assert.match(stdout, /^keeper: pid \d+, version \d+, holds \d+ sockets, 1 programs, takes \d+\.\d MB$/m)
    for (const signal of ['SIGKILL', 'SIGTERM', 'SIGKILL'] as const) {
      await each.kill(signal)
      assert.equal(await mesh.ask(), String(pid), `without an agent, after ${signal}`)
      await mesh.up()
      assert.equal(await mesh.ask(), String(pid), `with the next agent, after ${signal}`)
      assert.match(readFileSync(`/proc/${pid}/cgroup`, 'latin1'), /\/shop\.db-0$/m)
      assert.equal(mesh.kept(), kept)
    }
    const count = Number((await mesh.logs()).match(/asked (\d+)\n/)?.[1])
    assert.ok(count > 1)
    // Nothing of what it wrote while there was no agent, and after, is missing.
    await mesh.ask()
    await until(async () => /asked too \d+/.test(await mesh.logs()))
    const logged = [...(await mesh.logs()).matchAll(/asked (\d+)$/gm)].map(([, number]) => Number(number))
    assert.ok(logged.length >= 3, logged.join())
    for (const [at, number] of logged.entries()) assert.equal(number, (logged[0] ?? 0) + at)
    // It is no child of this agent, which starts it again all the same.
    assert.equal(await mesh.ask('/end'), String(pid))
    await until(async () => ![String(pid), ''].includes(await mesh.ask()))
    assert.match(
      each.mesh.output,
      /workload ended and is started again workload=shop\/db-0 how="?ended; only the agent/,
    )
    const next = await mesh.pid()
    await each.kill('SIGKILL')
    await mesh.up()
    assert.equal(await mesh.pid(), next)
    await each.kill('SIGINT')
    await untilGone(next)
    assert.equal(mesh.kept(), undefined)
  },
)

test(
  'a program that has changed or is gone when the next agent comes is ended, and one whose file cannot be read waits for it',
  { skip, timeout: 120_000 },
  async t => {
    const mesh = await ProgramMesh.create(t)
    await using each = mesh.each
    await mesh.up()
    const first = await mesh.pid()
    await each.kill('SIGKILL')
    mesh.configure([workload(mesh.port, 'A: b')])
    await mesh.up()
    await untilGone(first)
    let second = 0
    await until(async () => (second = Number(await mesh.ask())) > 0 && second !== first)
    const kept = mesh.kept() ?? 0
    await each.kill('SIGTERM')
    mesh.configure(['\n---\nkind: [\n'])
    await each.up('--dns-address', 'off')
    assert.ok(isRunning(second))
    mesh.configure([workload(mesh.port, 'A: b')])
    await until(async () => (await mesh.ask()) === String(second))
    await each.kill('SIGTERM')
    mesh.configure([])
    await mesh.up()
    await untilGone(second)
    // Its process and its two outputs.
    await until(() => mesh.kept() === kept - 3, { explain: () => `${mesh.kept()} of ${kept}\n${each.mesh.output}` })
  },
)

test(
  'a program that has ended while no agent ran is started again, and what it wrote last is read',
  { skip, timeout: 120_000 },
  async t => {
    const mesh = await ProgramMesh.create(t)
    await using each = mesh.each
    await mesh.up()
    const pid = await mesh.pid()
    await each.kill('SIGKILL')
    await mesh.ask('/end')
    await untilGone(pid)
    await mesh.up()
    assert.notEqual(await mesh.pid(), pid)
    assert.match(await mesh.logs(), /asked 2$/m)
  },
)

test(
  'processes of an agent that was killed with its keeper are ended before a program is started in their place',
  { skip, timeout: 120_000 },
  async t => {
    const mesh = await ProgramMesh.create(t)
    await using each = mesh.each
    await mesh.up()
    const pid = await mesh.pid()
    {
      using client = KeeperClient.connect(`${each.mesh.socketPath}.keeper`)
      await each.kill('SIGKILL')
      process.kill(client?.state().pid ?? 0, 'SIGKILL')
    }
    await mesh.up()
    await untilGone(pid)
    assert.notEqual(await mesh.pid(), pid)
  },
)

test(
  'cleanup ends programs and the keeper, and says so; an agent in user space does too',
  { skip, timeout: 120_000 },
  async t => {
    const mesh = await ProgramMesh.create(t)
    await using each = mesh.each
    await mesh.up()
    const first = await mesh.pid()
    await each.kill('SIGTERM')
    const { stdout, code } = await each.mesh.run('cleanup')
    assert.equal(code, 0, stdout)
    assert.match(
      stdout,
      /^ended workload shop\/db-0, process \d+\nended the keeper, process \d+, which held \d+ sockets\nremoved \d+ links, .*\nnothing of it is left\n$/,
    )
    assert.equal(isRunning(first), false)
    await mesh.up()
    const second = await mesh.pid()
    await each.kill('SIGKILL')
    const user = await each.mesh.up({ flags: ['--tier', 'user', '--dns-address', 'off'] })
    await untilGone(second)
    assert.equal(existsSync(`${each.mesh.socketPath}.keeper`), false)
    user.kill('SIGTERM')
    await until(() => user.exitCode !== null)
  },
)
