import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Resolver } from 'node:dns/promises'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { TestMesh } from '../mesh/agent-process.ts'
import { run } from '../support/programs.ts'
import { freePort } from '../support/ports.ts'

const services = `
apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: default}
spec: {ports: [{name: http, port: 9080}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {clusterIP: None, ports: [{name: pg, port: 5432}]}
`

const slice = (addresses: readonly string[], notReady: readonly string[] = []): string => `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: db, namespace: shop, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
ports: [{name: pg, port: 5432}]
endpoints:
${addresses.map(address => `- {addresses: [${address}]}`).join('\n')}
${notReady.map(address => `- {addresses: [${address}], conditions: {ready: false}}`).join('\n')}
`

/** A real resolver with a few names, and one whose answer is too large for a datagram. */
async function dnsmasq(t: TestContext, directory: string): Promise<number> {
  const port = await freePort()
  const file = join(directory, 'dnsmasq.conf')
  const many = Array.from({ length: 200 }, (_, at) => `host-record=many.example.com,10.2.0.${at}`)
  const lines = [`port=${port}`, 'listen-address=127.0.0.1', 'bind-interfaces', 'no-resolv', 'no-hosts', 'pid-file=']
  const records = ['address=/.gone.example/', 'host-record=www.example.com,192.0.2.80,2001:db8::80']
  writeFileSync(file, [...lines, ...records, ...many].join('\n'))
  const child = spawn('dnsmasq', ['--keep-in-foreground', `--conf-file=${file}`, '--user=', '--log-facility=-'])
  t.after(async () => {
    const ended = once(child, 'exit')
    child.kill()
    await ended
  })
  child.stderr.setEncoding('utf8')
  for await (const text of child.stderr) if (String(text).includes('started')) break
  return port
}

test('real clients resolve names of the mesh and of elsewhere through the agent', { timeout: 60_000 }, async t => {
  const mesh = await TestMesh.create(t)
  mesh.write('services.yaml', services)
  mesh.write('slice.yaml', slice(['10.1.0.1', '10.1.0.2'], ['10.1.0.3']))
  const upstream = await dnsmasq(t, mesh.directory)
  await mesh.up({ flags: ['--dns-address', '127.0.0.1:0', '--dns-upstream', `127.0.0.1:${upstream}`] })
  const { agent, services: statuses } = await mesh.status()
  const port = Number(agent.dns?.split(':')[1])
  assert.ok(port > 0)
  const dig = async (...words: readonly string[]): Promise<string> => {
    const { out, errors, code } = await run('dig', ['@127.0.0.1', '-p', String(port), '+tries=1', ...words])
    assert.equal(code, 0, out + errors)
    return out
  }
  const short = async (...words: readonly string[]): Promise<string[]> =>
    (await dig('+short', ...words)).split('\n').filter(line => line !== '')

  const virtual = statuses.find(({ name }) => name === 'reviews')?.virtualAddresses ?? []
  const [ipv4 = '', ipv6 = ''] = virtual
  assert.match(ipv6, /^fd68:6564:646c::7f/)
  const forms = ['reviews', 'reviews.default', 'reviews.default.svc', 'reviews.default.svc.cluster.local']
  for (const name of forms) assert.deepEqual(await short(name, 'A'), [ipv4], name)
  assert.deepEqual(await short('+tcp', 'reviews.default'), [ipv4])
  assert.deepEqual(await short('-x', ipv4), ['reviews.default.svc.cluster.local.'])
  assert.deepEqual(await short('-x', ipv6), ['reviews.default.svc.cluster.local.'])
  assert.deepEqual(await short('_http._tcp.reviews.default', 'SRV'), ['0 100 9080 reviews.default.svc.cluster.local.'])
  assert.match(await dig('nobody.default.svc.cluster.local'), /status: NXDOMAIN[\s\S]*cluster\.local\.\s+5\s+IN\s+SOA/)
  assert.match(await dig('reviews.default.svc', 'AAAA'), /status: NOERROR[\s\S]*svc\.\s+5\s+IN\s+SOA/)
  assert.deepEqual((await short('db.shop')).toSorted(), ['10.1.0.1', '10.1.0.2'])

  assert.deepEqual(await short('www.example.com', 'A'), ['192.0.2.80'])
  assert.deepEqual(await short('www.example.com', 'AAAA'), ['2001:db8::80'])
  assert.match(await dig('nothing.gone.example'), /status: NXDOMAIN/)
  assert.match(await dig('+noedns', '+ignore', 'many.example.com'), /flags: [a-z ]*tc/)
  assert.equal((await short('+noedns', 'many.example.com')).length, 200)

  const { out } = await run('host', ['-p', String(port), 'db.shop.svc.cluster.local', '127.0.0.1'])
  assert.match(out, /has address 10\.1\.0\.1/)
  const resolver = new Resolver()
  resolver.setServers([`127.0.0.1:${port}`])
  assert.deepEqual(await resolver.resolve4('reviews.default'), [ipv4])
  const targets = (await resolver.resolveSrv('_pg._tcp.db.shop')).map(({ name, port: number }) => `${name}:${number}`)
  assert.deepEqual(targets.toSorted(), [
    '10-1-0-1.db.shop.svc.cluster.local:5432',
    '10-1-0-2.db.shop.svc.cluster.local:5432',
  ])
  assert.deepEqual(await resolver.reverse(ipv4), ['reviews.default.svc.cluster.local'])
  await assert.rejects(resolver.resolve4('nobody.default.svc.cluster.local'), { code: 'ENOTFOUND' })
  assert.equal((await resolver.resolve4('many.example.com')).length, 200)

  mesh.write('slice.yaml', slice(['10.1.0.9']))
  await mesh.until(async () => (await short('db.shop')).join() === '10.1.0.9')
  const metrics = (await mesh.ask('/metrics')).body
  assert.match(metrics, /heddle_dns_queries_total\{source="mesh",type="A",result="answered"\} \d/)
  assert.match(metrics, /heddle_dns_forward_duration_seconds_count \d/)
})
