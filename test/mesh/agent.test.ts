import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { Agent as HttpAgent } from 'node:http'
import path from 'node:path'
import { test } from 'node:test'
import { fetchText, isAlive, TestMesh } from './agent-process.ts'
import { answering, gateway, program, route, service, workload } from './resources.ts'
import { freePort } from '../support/ports.ts'

test('an agent starts workloads, serves them at the Gateway and at their virtual address, and stops all of it', async t => {
  const mesh = await TestMesh.create(t)
  mesh.write(
    'mesh.yaml',
    gateway(mesh.gatewayPort) + service('a') + workload('a-1', 'a', await freePort()) + route([['a', 1]]),
  )
  const agent = await mesh.up({ flags: ['--drain-seconds', '5'] })
  await answering(mesh, '/x', /^a-1 \d+/)
  assert.match(mesh.output, /tier: user space \(as --tier user wants it\)/)

  const [host = '', port] = (await mesh.status()).services[0]?.address?.split(':') ?? []
  const direct = await fetchText({ host, port: Number(port), path: '/', agent: false })
  assert.match(direct.body, /^a-1 \d+/)

  const second = await mesh.run('up', '-f', path.join(mesh.directory, 'mesh'))
  assert.deepEqual(
    [second.code, second.stderr.includes(`an agent already runs on ${mesh.socketPath} (pid ${agent.pid})`)],
    [1, true],
  )

  const explained = await mesh.run('explain', 'GET', `http://x:${mesh.gatewayPort}/x`)
  assert.match(explained.stdout, /HTTPRoute shop\/all rule 0: \/\*[^]*backend shop\/a:9080 100%/)
  const logs = await mesh.run('logs')
  assert.match(logs.stdout, /shop\/a-1 a-1 listens/)
  const config = await mesh.ask('/config')
  assert.equal(config.body.includes('"NAME": "(masked)"'), true)

  const pid = Number(direct.body.split(' ')[1])
  const slow = mesh.get('/slow')
  await mesh.until(async () =>
    (await mesh.status()).services.some(each => each.endpoints.some(one => one.activeRequests > 0)),
  )
  agent.kill('SIGTERM')
  assert.match((await slow).body, /^a-1/)
  const [code] = (await once(agent, 'exit')) as [number]
  assert.deepEqual([code, isAlive(pid), existsSync(mesh.socketPath)], [0, false, false])
})

test('edits under load lose no request', async t => {
  const mesh = await TestMesh.create(t)
  const ports = [await freePort(), await freePort(), await freePort()] as const
  const base = gateway(mesh.gatewayPort) + service('a') + service('b')
  const workloads = workload('a-1', 'a', ports[0]) + workload('b-1', 'b', ports[1])
  mesh.write('mesh.yaml', base + workloads)
  mesh.write(
    'route.yaml',
    route([
      ['a', 1],
      ['b', 1],
    ]),
  )
  await mesh.up()
  await answering(mesh, '/', /^a-1/)
  await answering(mesh, '/', /^b-1/)

  const pool = new HttpAgent({ keepAlive: true, maxSockets: 8 })
  t.after(() => pool.destroy())
  const answers: string[] = []
  let isOver = false
  const client = async () => {
    while (!isOver) {
      const { status, body, reason } = await mesh.get('/', pool)
      answers.push(`${status} ${reason ?? body.split(' ')[0]}`)
    }
  }
  const clients = Array.from({ length: 8 }, client)
  const applied = async (edit: () => void) => {
    const before = (await mesh.status()).agent.configVersion
    edit()
    await mesh.until(async () => (await mesh.status()).agent.configVersion > before)
  }
  for (let round = 0; round < 5; round++) {
    await applied(() =>
      mesh.write(
        'route.yaml',
        route([
          ['a', 9],
          ['b', 1],
        ]),
      ),
    )
    await applied(() => mesh.write('extra.yaml', route([['b', 1]], 'extra', `/extra-${round}`)))
    await applied(() => mesh.write('mesh.yaml', `${base}${workloads}${workload('a-2', 'a', ports[2])}`))
    await answering(mesh, '/', /^a-2/)
    await applied(() => mesh.write('mesh.yaml', base + workloads))
    await applied(() =>
      mesh.write(
        'route.yaml',
        route([
          ['a', 1],
          ['b', 1],
        ]),
      ),
    )
  }
  isOver = true
  await Promise.all(clients)
  const bad = answers.filter(answer => !answer.startsWith('200 '))
  assert.deepEqual(bad, [])
  assert.ok(answers.length > 200, `${answers.length} requests`)
})

test('a bad edit keeps the last good version in force and says what is wrong', async t => {
  const mesh = await TestMesh.create(t)
  const port = await freePort()
  const good = gateway(mesh.gatewayPort) + service('a') + workload('a-1', 'a', port)
  mesh.write('mesh.yaml', good)
  mesh.write('route.yaml', route([['a', 1]]))
  await mesh.up()
  await answering(mesh, '/', /^a-1/)
  mesh.write('route.yaml', route([['a', 1]]).replace('type: PathPrefix', 'type: Prefixx'))
  await mesh.until(async () => (await mesh.status()).problems.length > 0)
  assert.match((await mesh.get('/')).body, /^a-1/)
  const { code, stdout } = await mesh.run('status')
  assert.equal(code, 1)
  assert.match(stdout, /Problems\nerror .*route\.yaml:\d+: HTTPRoute shop\/all: /)
  assert.match(mesh.output, /ERROR .*route\.yaml:\d+: HTTPRoute shop\/all: /)
  mesh.write('route.yaml', route([['a', 1]]))
  await mesh.until(async () => (await mesh.status()).problems.length === 0)
  await mesh.until(async () => mesh.output.includes('the configuration has no problems any more'))
})

test('a worker that dies is replaced, what it counted stays, and the others go on', async t => {
  const mesh = await TestMesh.create(t)
  mesh.write(
    'mesh.yaml',
    gateway(mesh.gatewayPort) + service('a') + workload('a-1', 'a', await freePort()) + route([['a', 1]]),
  )
  // Loaded into every thread of the agent: the worker that finds the file throws, once.
  const trap = path.join(mesh.directory, 'trap.mjs')
  const trigger = path.join(mesh.directory, 'crash')
  writeFileSync(
    trap,
    `import { isMainThread } from 'node:worker_threads'
     import { unlinkSync } from 'node:fs'
     if (!isMainThread) setInterval(() => {
       try { unlinkSync(${JSON.stringify(trigger)}) } catch { return }
       throw new Error('a defect on purpose')
     }, 5).unref()`,
  )
  await mesh.up({ env: { NODE_OPTIONS: `--import=${trap}` } })
  await answering(mesh, '/', /^a-1/)
  for (let at = 0; at < 20; at++) await mesh.get('/')
  const counted = async () => {
    const { body } = await mesh.ask('/metrics')
    const series = body.matchAll(/^http_server_requests_total\{.*status_class="2xx".*\} (\d+)/gm)
    return [...series].reduce((sum, [, value]) => sum + Number(value), 0)
  }
  const before = await counted()
  assert.ok(before >= 20)

  writeFileSync(trigger, '')
  await mesh.until(async () => mesh.output.includes('a worker ended and is replaced'))
  await mesh.until(async () => (await mesh.status()).agent.workers === 2)
  assert.match(mesh.output, /a defect on purpose/)
  const codes = new Set<number>()
  for (let at = 0; at < 20; at++) codes.add((await mesh.get('/')).status)
  assert.deepEqual([...codes], [200])
  assert.equal(await counted(), before + 20)
  assert.match((await mesh.ask('/metrics')).body, /^heddle_worker_restarts_total 1$/m)
})

test('heddle run joins the mesh, joins it again after the agent was killed, and leaves it when it ends', async t => {
  const mesh = await TestMesh.create(t)
  mesh.write(
    'mesh.yaml',
    gateway(mesh.gatewayPort) +
      service('a') +
      service('b') +
      workload('b-1', 'b', await freePort()) +
      route([['a', 1]]) +
      route([['b', 1]], 'b', '/b'),
  )
  const first = await mesh.up()
  await answering(mesh, '/b', /^b-1/)
  const supervised = Number((await mesh.get('/b')).body.split(' ')[1])
  assert.deepEqual([(await mesh.get('/')).status, (await mesh.get('/')).reason], [503, 'no-endpoint'])

  const words = [
    'run',
    '-s',
    'a',
    '-n',
    'shop',
    '--',
    process.execPath,
    '-e',
    program.replace('process.env.NAME', "'run'"),
  ]
  const child = mesh.heddle(words)
  await answering(mesh, '/', /^run/)

  first.kill('SIGKILL')
  await once(first, 'exit')
  await mesh.until(() => Promise.resolve(!isAlive(supervised)))
  await mesh.up()
  await answering(mesh, '/', /^run/)
  assert.match(mesh.output, /the agent went away[^]*registered again/)

  child.kill('SIGTERM')
  const [code] = (await once(child, 'exit')) as [number]
  assert.equal(code, 143)
  await mesh.until(async () => (await mesh.get('/')).reason === 'no-endpoint')
})
