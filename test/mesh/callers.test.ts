import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { UdpServer } from '../support/streams.ts'
import { fetchText, TestMesh } from './agent-process.ts'
import { program } from './resources.ts'
import { freePort } from '../support/ports.ts'

/**
 * A workload that calls whom it is told to, `/call?URL`, over connections that it keeps, `/http2?URL` by HTTP/2, and
 * otherwise by way of other processes: `/child?URL`, one that has lost its parent; `/daemon?URL`, one that has also
 * left for a session of its own; `/workers?URL`, the workers of a server that forks. `/udp?ADDRESS:PORT` sends a datagram.
 */
const calling = `
const cluster = require('node:cluster')
const http = require('node:http')
const http2 = require('node:http2')
const { spawn } = require('node:child_process')
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
const call = (url, done) => http.get(url, { agent }, answer => {
  answer.resume().once('end', () => done(String(answer.statusCode)))
}).once('error', error => done(error.code))
const callHttp2 = (url, done) => {
  const session = http2.connect(url).once('error', error => done(error.code))
  const stream = session.request({ ':path': '/x' })
  stream.once('response', headers => done(String(headers[':status']))).resume().once('end', () => session.close())
}
const fetched = 'fetch(process.argv[1], { redirect: "manual" }).then(({ status }) => console.log(status))'
// Waits until the shell that started it is gone.
const orphaned = 'const timer = setInterval(() => { if (process.ppid === Number(process.argv[2])) return; clearInterval(timer); ' + fetched + ' }, 5)'
const runOrphan = (prefix, url, done) => {
  const child = spawn('/bin/sh', ['-c', '(exec ' + prefix + '"$0" -e "$1" "$2" "$$") &', process.execPath, orphaned, url])
  let text = ''
  child.stderr.pipe(process.stderr)
  child.stdout.on('data', bytes => (text += bytes)).once('close', () => done(text.trim()))
}
const forked = 'fetch(process.argv[1], { redirect: "manual" }).then(({ status }) => process.send(String(status)))'
const runWorkers = (url, done) => {
  cluster.setupPrimary({ exec: url, execArgv: ['-e', forked, '--'] })
  const texts = []
  for (let i = 0; i < 2; i++) cluster.fork().on('message', function (text) {
    this.kill()
    if (texts.push(text) === 2) done(texts.join(' '))
  })
}
const sendDatagram = (url, done) => {
  const [address, port] = url.split(':')
  const socket = require('node:dgram').createSocket('udp4').once('message', text => done(String(text)))
  socket.send('hello', Number(port), address)
  setTimeout(() => socket.close(), 5000).unref()
}
http.createServer((request, response) => {
  const [kind, url] = request.url.split('?')
  const done = text => response.end(text)
  if (kind === '/call') call(url, done)
  else if (kind === '/http2') callHttp2(url, done)
  else if (kind === '/child') runOrphan('', url, done)
  else if (kind === '/daemon') runOrphan('setsid ', url, done)
  else if (kind === '/workers') runWorkers(url, done)
  else if (kind === '/udp') sendDatagram(url, done)
  else done('ready')
}).listen(process.env.PORT, '127.0.0.1')`

type Kind = 'call' | 'http2' | 'child' | 'daemon' | 'workers'

const workload = (name: string, namespace: string, port: number, script: string): string => `
---
apiVersion: heddle.dev/v1alpha1
kind: Workload
metadata: {name: ${name}, namespace: ${namespace}}
spec:
  service: ${name}
  port: ${port}
  process:
    command: [${JSON.stringify(process.execPath)}, -e, ${JSON.stringify(script)}]
    env: {NAME: ${name}}
`

const service = (name: string, namespace: string): string => `
---
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: ${namespace}}
spec: {ports: [{port: 9080}]}
`

/** The consumers' own route: all that they ask of the producer is led elsewhere. */
const consumerRoute = (namespace: string, statusCode: number): string => `
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: elsewhere, namespace: ${namespace}}
spec:
  parentRefs: [{group: '', kind: Service, namespace: shop, name: a, port: 9080}]
  rules:
  - filters: [{type: RequestRedirect, requestRedirect: {hostname: elsewhere.example, statusCode: ${statusCode}}}]
`

async function meshOf(t: TestContext) {
  const mesh = await TestMesh.create(t)
  const ports = { a: await freePort(), north: await freePort(), south: await freePort() }
  const services = [service('a', 'shop'), service('caller', 'north'), service('caller', 'south')]
  const callers = (['north', 'south'] as const).map(each => workload('caller', each, ports[each], calling))
  mesh.write('mesh.yaml', [...services, workload('a', 'shop', ports.a, program), ...callers].join(''))
  mesh.write('north.yaml', consumerRoute('north', 302))
  await mesh.up({ flags: ['--access-log', path.join(mesh.directory, 'access.log')] })
  const wellCount = async () =>
    (await mesh.status()).services.flatMap(each => each.endpoints).filter(each => each.healthy)
  await mesh.until(async () => (await wellCount()).length === 3)
  const address = (await mesh.status()).services.find(({ key }) => key === 'shop/a:9080')?.address ?? ''
  const url = `http://${address}/x`
  const ask = async (from: 'north' | 'south', kind: Kind = 'call') => {
    const answer = await fetchText({ host: '127.0.0.1', port: ports[from], path: `/${kind}?${url}`, agent: false })
    return answer.body
  }
  return { mesh, url, ask, ports }
}

test('a consumer route is for the callers of its namespace, on every request of their connections', async t => {
  const { mesh, ask, url } = await meshOf(t)
  for (let round = 0; round < 3; round++) assert.deepEqual([await ask('north'), await ask('south')], ['302', '200'])
  // Nobody's workload: as if there were no consumer.
  assert.equal((await fetch(url, { redirect: 'manual' })).status, 200)

  const logged = () => readFileSync(path.join(mesh.directory, 'access.log'), 'utf8').split('\n')
  const isLogged = (caller: string | undefined, status: number) =>
    logged().some(line => / caller=(\S+) /.exec(line)?.[1] === caller && line.includes(`" ${status} `))
  await mesh.until(() =>
    Promise.resolve(isLogged('north/caller', 302) && isLogged('south/caller', 200) && isLogged(undefined, 200)),
  )

  const explain = async (from: string) => (await mesh.run('explain', 'GET', url, '--from', from)).stdout
  assert.match(await explain('north/caller'), /HTTPRoute north\/elsewhere/)
  assert.doesNotMatch(await explain('south/caller'), /north\/elsewhere/)

  // What was said of a connection holds when routes change: connections that were accepted before are asked about, too.
  mesh.write('south.yaml', consumerRoute('south', 307))
  await mesh.until(async () => (await ask('south')) === '307')
  assert.equal(await ask('north'), '302')
  const metrics = await mesh.ask('/metrics')
  assert.match(metrics.body, /heddle_caller_lookups_total\{[^}]*outcome="known"[^}]*\} [1-9]/)
  assert.match(metrics.body, /heddle_caller_lookups_total\{[^}]*outcome="unknown"[^}]*\} [1-9]/)
})

test('requests after the first one of a connection ask for no caller', async t => {
  const { mesh, ask } = await meshOf(t)
  const lookups = async () =>
    (await mesh.ask('/metrics')).body
      .split('\n')
      .filter(line => line.startsWith('heddle_caller_lookups_total'))
      .map(line => Number(line.slice(line.lastIndexOf(' ') + 1)))
      .reduce((sum, count) => sum + count, 0)
  assert.equal(await ask('north'), '302')
  const before = await lookups()
  assert.ok(before > 0)
  for (let round = 0; round < 10; round++) assert.equal(await ask('north'), '302')
  assert.equal(await lookups(), before)
})

test('a UDPRoute of a consumer is for the datagrams of the workloads of its namespace', async t => {
  const { mesh, ports } = await meshOf(t)
  await using common = await UdpServer.start(() => [Buffer.from('common')])
  await using special = await UdpServer.start(() => [Buffer.from('special')])
  const udpService = (name: string, namespace: string, port: number): string => `
---
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: ${namespace}}
spec: {ports: [{port: 9053, protocol: UDP}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${name}-1, namespace: ${namespace}, labels: {kubernetes.io/service-name: ${name}}}
addressType: IPv4
ports: [{port: ${port}, protocol: UDP}]
endpoints: [{addresses: [127.0.0.1]}]
`
  mesh.write(
    'udp.yaml',
    `${udpService('common', 'shop', common.port)}${udpService('special', 'north', special.port)}
---
apiVersion: gateway.networking.k8s.io/v1
kind: UDPRoute
metadata: {name: ours, namespace: north}
spec:
  parentRefs: [{group: '', kind: Service, namespace: shop, name: common, port: 9053}]
  rules: [{backendRefs: [{name: special, port: 9053}]}]
`,
  )
  const address = async () => (await mesh.status()).services.find(({ name }) => name === 'common')?.address ?? ''
  await mesh.until(async () => (await address()) !== '')
  const target = await address()
  const ask = async (from: 'north' | 'south') => {
    const answer = await fetchText({ host: '127.0.0.1', port: ports[from], path: `/udp?${target}`, agent: false })
    return answer.body
  }
  for (let round = 0; round < 3; round++) {
    assert.deepEqual([await ask('north'), await ask('south')], ['special', 'common'])
  }
})

const kinds: readonly { readonly kind: Kind; readonly what: string; readonly north: string; readonly south: string }[] =
  [
    { kind: 'http2', what: 'a client of HTTP/2 calls for its workload', north: '302', south: '200' },
    {
      kind: 'child',
      what: 'a process whose parent has ended still calls for the workload',
      north: '302',
      south: '200',
    },
    { kind: 'workers', what: 'workers of a server call for its workload', north: '302 302', south: '200 200' },
    // Nothing tells whose it is: what holds for all callers holds for it.
    { kind: 'daemon', what: 'a daemon that has left its session calls for nobody', north: '200', south: '200' },
  ]
for (const { kind, what, north, south } of kinds) {
  test(what, async t => {
    const { ask } = await meshOf(t)
    assert.deepEqual([await ask('north', kind), await ask('south', kind)], [north, south])
  })
}

test('what `heddle run` starts calls for its workload as long as it runs', async t => {
  const { mesh, url } = await meshOf(t)
  const script = `fetch(${JSON.stringify(url)}, { redirect: 'manual' }).then(({ status }) => console.log('got', status))`
  const run = (...flags: readonly string[]) =>
    mesh.run('run', '--service', 'caller', ...flags, '--', process.execPath, '-e', script)
  assert.match((await run('--namespace', 'north')).stdout, /got 302/)
  assert.match((await run('--namespace', 'south')).stdout, /got 200/)
})

test('whoever registers a workload speaks for its own process, not for one that is not its own', async t => {
  const { mesh, url } = await meshOf(t)
  const register = async (pid: number, name: string) => {
    const body = JSON.stringify({ namespace: 'north', name, service: 'caller', port: await freePort(), pid })
    const request = http.request({ socketPath: mesh.socketPath, path: '/workloads', method: 'POST', agent: false })
    t.after(() => request.destroy())
    request.on('error', () => {}).end(body)
    const [answer] = (await once(request, 'response')) as [http.IncomingMessage]
    assert.equal(answer.statusCode, 200)
    await once(answer.resume(), 'data')
    return () => request.destroy()
  }
  const { hostname: host, port } = new URL(url)
  const status = async () => (await fetchText({ host, port: Number(port), path: '/x', agent: false })).status
  assert.equal(await status(), 200)

  const ended = spawn('true')
  await once(ended, 'exit')
  const leave = await register(ended.pid ?? 0, 'another')
  await mesh.until(() => Promise.resolve(/unknown as a caller.*north\/another/.test(mesh.output)))
  assert.equal(await status(), 200)
  leave()

  await register(process.pid, 'own')
  assert.doesNotMatch(mesh.output, /north\/own/)
  assert.equal(await status(), 302)
})

test('callers that come all at once are told apart', async t => {
  const { url, ask } = await meshOf(t)
  const stranger = async () => {
    // A connection of its own each time, from a process that is gone when it has its answer.
    const child = spawn('curl', ['-s', '-o', '/dev/null', '-w', '%{http_code}', url])
    let text = ''
    for await (const piece of child.stdout) text += String(piece)
    return text
  }
  const asked = Array.from({ length: 8 }, () => [ask('north', 'child'), ask('south', 'child'), stranger()]).flat()
  const answers = await Promise.all(asked)
  assert.deepEqual(answers, Array.from({ length: 8 }, () => ['302', '200', '200']).flat())
})
