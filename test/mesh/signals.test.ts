import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { isAlive, TestMesh } from './agent-process.ts'
import { answering, gateway, program, route, service, workload } from './resources.ts'
import { freePort } from '../support/ports.ts'

async function meshOf(mesh: TestMesh, script: string = program): Promise<void> {
  const own = workload('a-1', 'a', await freePort()).replace(JSON.stringify(program), JSON.stringify(script))
  mesh.write('mesh.yaml', gateway(mesh.gatewayPort) + service('a') + own + route([['a', 1]]))
}

/** All processes below this one. */
function descendants(root: number): readonly number[] {
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc').filter(each => /^\d+$/.test(each))) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
      children.set(parent, [...(children.get(parent) ?? []), Number(name)])
    } catch {
      // It has ended in between.
    }
  }
  const found: number[] = []
  for (const queue = [root]; queue.length > 0;) {
    const next = children.get(queue.pop() ?? 0) ?? []
    found.push(...next)
    queue.push(...next)
  }
  return found
}

test('SIGHUP opens the access log anew, so that it can be rotated', async t => {
  const mesh = await TestMesh.create(t)
  await meshOf(mesh)
  const log = path.join(mesh.directory, 'access.log')
  const agent = await mesh.up({ flags: ['--access-log', log] })
  await answering(mesh, '/before', /^a-1/)
  await mesh.until(() => Promise.resolve(readFileSync(log, 'utf8').includes('/before')))
  renameSync(log, `${log}.1`)
  agent.kill('SIGHUP')
  await mesh.until(async () => {
    await mesh.get('/after')
    return existsSync(log) && readFileSync(log, 'utf8').includes('/after')
  })
  assert.equal(readFileSync(log, 'utf8').includes('/before'), false)
  assert.equal(agent.exitCode, null)
})

for (const signals of [
  ['SIGTERM', 'SIGTERM'],
  ['SIGINT', 'SIGINT'],
] as const) {
  test(`a second ${signals[1]} ends what the first one waits for`, async t => {
    const mesh = await TestMesh.create(t)
    // Neither the request nor the program ends by itself.
    const stubborn = `process.on('SIGTERM', () => {})\n${program.replace('setTimeout(answer, 500)', 'undefined')}`
    await meshOf(mesh, stubborn)
    const agent = await mesh.up({ flags: ['--drain-seconds', '3600'] })
    await answering(mesh, '/', /^a-1/)
    const below = descendants(agent.pid ?? 0)
    const cut = mesh.get('/slow').catch((error: NodeJS.ErrnoException) => error.code)
    await mesh.until(async () =>
      (await mesh.status()).services.some(each => each.endpoints.some(one => one.activeRequests > 0)),
    )
    agent.kill(signals[0])
    await mesh.until(() => Promise.resolve(mesh.output.includes('the agent stops')))
    agent.kill(signals[1])
    const [code] = (await once(agent, 'exit')) as [number]
    assert.deepEqual([code, await cut], [1, 'ECONNRESET'])
    assert.match(mesh.output, /the agent stops at once/)
    await mesh.until(() => Promise.resolve(!below.some(isAlive)))
    assert.equal(existsSync(mesh.socketPath), false)
  })
}

const ends: readonly (readonly [string, (agent: ChildProcess) => void])[] = [
  ['SIGTERM', agent => void agent.kill('SIGTERM')],
  ['kill -9', agent => void agent.kill('SIGKILL')],
  ['kill -9 of its whole process group', agent => void process.kill(-(agent.pid ?? 0), 'SIGKILL')],
]
for (const [name, end] of ends) {
  test(`after ${name} no process, socket or temporary file of an agent remains`, async t => {
    const mesh = await TestMesh.create(t)
    await meshOf(mesh, `require('node:child_process').spawn('sleep', ['1000'])\n${program}`)
    const temporary = path.join(mesh.directory, 'tmp')
    mkdirSync(temporary)
    const agent = await mesh.up({ flags: ['--drain-seconds', '0'], env: { TMPDIR: temporary } })
    await answering(mesh, '/', /^a-1/)
    const below = descendants(agent.pid ?? 0)
    assert.ok(below.length >= 3, 'the guard, the program and its child')
    end(agent)
    await once(agent, 'exit')
    await mesh.until(() => Promise.resolve(!below.some(isAlive) && !existsSync(mesh.socketPath)))
    assert.deepEqual(readdirSync(temporary), [])
  })
}

test('the socket of the next agent survives the guard of one that was killed', async t => {
  const mesh = await TestMesh.create(t)
  await meshOf(mesh)
  const agent = await mesh.up()
  await answering(mesh, '/', /^a-1/)
  const below = descendants(agent.pid ?? 0)
  rmSync(mesh.socketPath)
  writeFileSync(mesh.socketPath, 'of another agent')
  agent.kill('SIGKILL')
  await mesh.until(() => Promise.resolve(!below.some(isAlive)))
  assert.equal(readFileSync(mesh.socketPath, 'utf8'), 'of another agent')
})
