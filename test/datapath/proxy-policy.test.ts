import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { gateway, route, workload } from '../mesh/resources.ts'
import { endpoint, member, MemberMesh, serviceOf } from './member-mesh.ts'
import { Python } from './python.ts'
import { datapathSkip } from './world.ts'
import { freePort } from '../support/ports.ts'

const skip = datapathSkip()

/** Everything of the Services is closed, but for workloads with `app` as said. */
const closed = (...apps: readonly string[]): string => `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: servers, namespace: shop}
spec:
  podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [client, other]}]}
  ingress: [${apps.map(app => `{from: [{podSelector: {matchLabels: {app: ${app}}}}]}`).join(', ')}]
`

const routeOf = (kind: 'TCPRoute' | 'UDPRoute', name: string): string => `
---
apiVersion: gateway.networking.k8s.io/v1
kind: ${kind}
metadata: {name: ${name}, namespace: shop}
spec:
  parentRefs: [{group: '', kind: Service, name: ${name}}]
  rules: [{backendRefs: [{name: ${name}, port: 9000}]}]
`

const wideGateway = (port: number): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: wide, namespace: shop}
spec:
  gatewayClassName: heddle
  addresses: [{value: 0.0.0.0}]
  listeners: [{name: dns, port: ${port}, protocol: UDP}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: UDPRoute
metadata: {name: wide, namespace: shop}
spec:
  parentRefs: [{name: wide}]
  rules: [{backendRefs: [{name: dns, port: 9000}]}]
`

/** Answers HTTP with a body that never ends, and all else with what it was sent. */
async function echo(t: TestContext): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', bytes => {
      if (bytes.toString('latin1').startsWith('GET')) {
        socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n')
      } else socket.write(bytes)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

async function echoUdp(t: TestContext): Promise<number> {
  const socket = createSocket('udp4')
  socket.on('message', (bytes, from) => socket.send(bytes, from.port, from.address))
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  t.after(() => socket.close())
  return socket.address().port
}

/** Services of HTTP, TCP and UDP that the proxy serves, with a client in the mesh, another one, and one outside. */
class Shop implements AsyncDisposable {
  readonly mesh: MemberMesh
  readonly client: Python
  readonly other: Python
  readonly outside: Python

  private constructor(mesh: MemberMesh) {
    this.mesh = mesh
    this.client = new Python({ cgroup: join(mesh.cgroup.folder, 'shop.client') })
    this.other = new Python({ cgroup: join(mesh.cgroup.folder, 'shop.other') })
    this.outside = new Python()
  }

  static async open(t: TestContext): Promise<Shop> {
    const [raw, dns] = [await echo(t), await echoUdp(t)]
    const mesh = await MemberMesh.create(t, [
      serviceOf('web', '{port: 9080}'),
      workload('web-0', 'web', await freePort()),
      serviceOf('stream', '{port: 9080}'),
      endpoint('stream', raw),
      serviceOf('raw', '{port: 9000, appProtocol: tcp}'),
      endpoint('raw', raw),
      routeOf('TCPRoute', 'raw'),
      serviceOf('dns', '{port: 9000, protocol: UDP}'),
      endpoint('dns', dns),
      routeOf('UDPRoute', 'dns'),
      member('client'),
      member('other'),
    ])
    mesh.mesh.write('policy.yaml', closed('client'))
    await mesh.up('--dns-address', 'off')
    const shop = new Shop(mesh)
    for (const each of shop.#programs) await each.do(helpers)
    return shop
  }

  get #programs(): readonly Python[] {
    return [this.client, this.other, this.outside]
  }

  async addressOf(service: string): Promise<string> {
    const { services } = await this.mesh.mesh.status()
    return services.find(({ key }) => key.startsWith(`shop/${service}:`))?.address?.split(':')[0] ?? ''
  }

  async police(...apps: readonly string[]): Promise<void> {
    const before = (await this.mesh.mesh.status()).agent.configVersion
    this.mesh.mesh.write('policy.yaml', closed(...apps))
    await this.mesh.mesh.until(async () => (await this.mesh.mesh.status()).agent.configVersion > before)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#programs.map(program => program.end()))
    await this.mesh[Symbol.asyncDispose]()
  }
}

const helpers = `
import http.client
def get(host, port):
  c = http.client.HTTPConnection(host, port, timeout=5)
  c.request("GET", "/")
  r = c.getresponse()
  return f"{r.status} {r.getheader('x-heddle-reason')} {r.read().decode().split()[0]}"
def talk(to):
  with socket.create_connection(to, 5) as c:
    c.sendall(b"one")
    return c.recv(9)
`

test('what goes through the proxy is policed by who calls', { skip, timeout: 120_000 }, async t => {
  await using shop = await Shop.open(t)
  const { mesh } = shop.mesh
  const { client, other, outside } = shop
  assert.doesNotMatch(mesh.output, /NOT enforced|in part only/)
  const web = `get("${await shop.addressOf('web')}", 9080)`
  await mesh.until(async () => (await client.do(web)) === '200 None web-0')
  for (const each of [other, outside]) assert.match(await each.do(web), /^403 policy-denied /)
  const raw = `("${await shop.addressOf('raw')}", 9000)`
  for (const [who, answer] of [
    [client, "b'one'"],
    [other, 'ConnectionResetError'],
    [outside, 'ConnectionResetError'],
  ] as const) {
    assert.equal(await who.do(`talk(${raw})`), answer)
  }
  const dns = `("${await shop.addressOf('dns')}", 9000)`
  for (const [who, answer] of [
    [client, "b'one'"],
    [other, 'TimeoutError'],
    [outside, 'TimeoutError'],
  ] as const) {
    await who.do('u = socket.socket(type=socket.SOCK_DGRAM); u.settimeout(0.5)')
    await who.do(`u.connect(${dns})`)
    await who.do('u.send(b"one")')
    assert.equal(await who.do('u.recv(9)'), answer)
  }
  const metrics = (await mesh.ask('/metrics')).body
  assert.match(metrics, /heddle_local_replies_total\{[^}]*reason="policy-denied"[^}]*\} [1-9]/)
  const pair = (source: string, status: string): RegExp =>
    new RegExp(
      `^heddle_service_requests_total\\{source="shop/${source}",destination="shop/web:9080",status_class="${status}"\\} [1-9]`,
      'm',
    )
  assert.match(metrics, pair('client', '2xx'))
  assert.match(metrics, pair('other', '4xx'))
  assert.match(metrics, /heddle_stream_refused_total\{[^}]*reason="policy-denied"[^}]*\} [1-9]/)
})

test('what is open through the proxy ends when a policy refuses it', { skip, timeout: 120_000 }, async t => {
  await using shop = await Shop.open(t)
  const { client } = shop
  const web = await shop.addressOf('web')
  await shop.mesh.mesh.until(async () => (await client.do(`get("${web}", 9080)`)) === '200 None web-0')
  await client.do(`h = http.client.HTTPConnection("${web}", 9080, timeout=5)`)
  await client.do('h.request("GET", "/"); r = h.getresponse(); r.read()')
  await client.do(`c = socket.create_connection(("${await shop.addressOf('raw')}", 9000), 5); c.sendall(b"one")`)
  assert.equal(await client.do('c.recv(9)'), "b'one'")
  await client.do(`e = http.client.HTTPConnection("${await shop.addressOf('stream')}", 9080, timeout=9)`)
  await client.do('e.request("GET", "/"); s = e.getresponse()')
  assert.equal(await client.do('s.read(5)'), "b'begin'")
  await client.do('u = socket.socket(type=socket.SOCK_DGRAM); u.settimeout(0.5)')
  await client.do(`u.connect(("${await shop.addressOf('dns')}", 9000)); u.send(b"one")`)
  assert.equal(await client.do('u.recv(9)'), "b'one'")
  await shop.police()
  await client.do('h.request("GET", "/")')
  assert.equal(await client.do('h.getresponse().status'), '403', 'the next request')
  assert.equal(await client.do('c.recv(9)'), 'ConnectionResetError', 'bytes')
  assert.match(await client.do('s.read(5)'), /IncompleteRead|ConnectionResetError/, 'an answer that goes on')
  await client.do('u.send(b"two")')
  assert.equal(await client.do('u.recv(9)'), 'TimeoutError', 'datagrams')
  await shop.police('client')
  assert.equal(await client.do(`get("${web}", 9080)`), '200 None web-0')
})

test('by a Gateway’s own address a program of the mesh is who it is, too', { skip, timeout: 120_000 }, async t => {
  await using shop = await Shop.open(t)
  const { mesh } = shop.mesh
  mesh.write('gateway.yaml', gateway(mesh.gatewayPort) + route([['web', 1]]))
  const front = `get("127.0.0.1", ${mesh.gatewayPort})`
  await mesh.until(async () => (await shop.client.do(front)) === '200 None web-0')
  assert.match(await shop.other.do(front), /^403 policy-denied /)
  // By datagrams, too, whose socket is bound to no address.
  const port = await freePort()
  mesh.write('wide.yaml', wideGateway(port))
  for (const who of [shop.client, shop.other]) {
    await who.do('u = socket.socket(type=socket.SOCK_DGRAM); u.settimeout(0.5)')
  }
  const ask = `u.sendto(b"one", ("127.0.0.1", ${port})) and u.recv(9)`
  await mesh.until(async () => (await shop.client.do(ask)) === "b'one'")
  assert.equal(await shop.other.do(ask), 'TimeoutError')
})

test('a socket from outside and one that goes around connect() are nobody to the proxy', { skip }, async t => {
  await using shop = await Shop.open(t)
  const { outside } = shop
  const web = await shop.addressOf('web')
  await outside.do('c = socket.socket(); c.settimeout(5)')
  await outside.do(`open("${join(shop.mesh.cgroup.folder, 'shop.client')}/cgroup.procs", "w").write("0")`)
  await outside.do(`c.connect(("${web}", 9080)); c.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")`)
  assert.match(await outside.do('c.recv(999)'), /403 Forbidden/)
})
