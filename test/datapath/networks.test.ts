import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { Container } from './container.ts'
import { closedEgress, endpoint, member, MemberMesh, serviceOf } from './member-mesh.ts'
import { Python } from './python.ts'
import { datapathSkip, serve } from './world.ts'

const skip = datapathSkip()

/** Those of the namespace `box` are told so. */
const consumerRoute = `
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: box}
spec:
  parentRefs: [{group: '', kind: Service, name: web, namespace: shop}]
  rules:
  - filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: x-caller, value: box}]}}]
    backendRefs: [{name: web, namespace: shop, port: 80}]
---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: box, namespace: shop}
spec:
  from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: box}]
  to: [{group: '', kind: Service}]
`

async function mesh(t: TestContext, ...more: readonly string[]): Promise<MemberMesh> {
  const db = await serve(t, 'endpoint')
  const web = createServer((_, response) => response.end('hello')).listen(0, '127.0.0.1')
  await once(web, 'listening')
  const echo = createSocket('udp4').bind(0, '127.0.0.1')
  await once(echo, 'listening')
  echo.on('message', (bytes, from) => echo.send(bytes, from.port, from.address))
  t.after(() => {
    web.closeAllConnections()
    web.close()
    echo.close()
  })
  return MemberMesh.create(t, [
    serviceOf('web', '{port: 80}'),
    serviceOf('db', '{port: 5432, appProtocol: tcp}'),
    serviceOf('echo', '{port: 7, protocol: UDP}'),
    endpoint('web', (web.address() as AddressInfo).port),
    endpoint('db', db.port),
    endpoint('echo', echo.address().port),
    ...more,
  ])
}

const request = 'b"GET / HTTP/1.1\\r\\nHost: web\\r\\n\\r\\n"'
const askWeb = (to: string): string =>
  `(lambda s: (s.sendall(${request}), s.recv(999))[1])(socket.create_connection(${to}, 20))`
const askEcho = (to: string, seconds: number): string =>
  `(lambda u: (u.settimeout(${seconds}), u.sendto(b"one", ${to}), u.recvfrom(9))[2])(socket.socket(type=socket.SOCK_DGRAM))`

test(
  'programs in network namespaces of their own are full members of the mesh',
  { skip, timeout: 120_000 },
  async t => {
    const closed = serviceOf('closed', '{port: 1}')
    const open = serviceOf('open', '{port: 1}', { namespace: 'box' })
    await using each = await mesh(t, consumerRoute, closedEgress('closed'), closed, open)
    await each.up()
    await using box = await Container.start(each, 'box')
    await using shut = await Container.start(each, 'shut')
    await using dark = await Container.start(each, 'dark', { hasLoopback: false })
    const before = shut.listening()
    assert.match(
      await dark.join('-s', 'closed', '-n', 'shop'),
      /no sockets in its network namespace: its loopback device is down: ip link set lo up/,
    )
    assert.match(await box.join('-s', 'open', '-n', 'box', '--name', 'one'), /is in the mesh/)
    assert.match(await shut.join('-s', 'closed', '-n', 'shop', '--name', 'two', '-l', 'app=closed'), /is in the mesh/)
    // By name, to the proxy, with what its route does for callers of that namespace.
    assert.match(await box.curl('-i', 'http://web.shop/'), /^HTTP\/1.1 200 [^]*x-caller: box\n[^]*hello$/)
    assert.equal(await box.curl('-6', 'http://web.shop.svc.cluster.local/'), 'hello', 'by its IPv6 address')
    assert.equal(await box.curl('http://db.shop:5432/'), 'endpoint')
    assert.match(await box.program.do(askEcho('("echo.shop", 7)', 20)), /^\(b'one', \('127\.[\d.]+', 7\)\)$/)
    // Policies hold for them.
    // Before or after it has been taken.
    assert.match(await shut.curl('http://db:5432/'), /reset|Empty reply|Couldn't connect/)
    assert.equal(await shut.program.do(askEcho('("echo", 7)', 0.5)), 'TimeoutError')
    assert.equal(await shut.program.do('socket.create_connection(("127.0.0.1", 1), 5)'), 'PermissionError')
    // Both from the same address and port at a time.
    const port = 45_000 + (process.pid % 1000)
    for (const { program } of [box, shut]) {
      await program.do(`c = socket.socket(); c.settimeout(20); c.bind(("127.0.0.1", ${port}))`)
      assert.equal(await program.do('c.connect(("web.shop", 80))'), 'None')
    }
    for (const { program } of [box, shut]) await program.do(`c.sendall(${request})`)
    assert.match(await box.program.do('c.recv(999)'), /200 OK.*x-caller: box/)
    assert.match(await shut.program.do('c.recv(999)'), /403 .*policy-denied/)
    // The agent's own socket there, past the virtual address, knows who calls, too.
    assert.match(await shut.program.do(askWeb(shut.peerOf(port))), /403 .*policy-denied/)
    // So is a Service that comes while they are there.
    const late = await serve(t, 'late')
    each.mesh.write('late.yaml', serviceOf('late', '{port: 81, appProtocol: tcp}') + endpoint('late', late.port))
    await each.mesh.until(async () => (await box.curl('http://late.shop:81/')) === 'late')
    const sockets = shut.listening()
    assert.ok(sockets.length > before.length)
    // While there is no agent they wait, and are served by the next one by who they are.
    await each.kill('SIGKILL')
    const waiting = [box.curl('-i', 'http://web.shop/'), shut.curl('http://web/')]
    await each.up()
    const [known = '', refused = ''] = await Promise.all(waiting)
    assert.match(known, /x-caller: box[^]*hello/)
    assert.match(refused, /policy-denied/)
    assert.deepEqual(shut.listening(), sockets)
    // Whoever leaves is left.
    for (const name of ['box/one', 'shop/two']) assert.equal((await each.mesh.run('leave', name)).code, 0)
    await each.mesh.until(() => Promise.resolve(shut.listening().length === before.length))
    assert.match(await box.curl('http://web.shop/'), /resolve host/)
  },
)

const onlyClient = `
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  podSelector: {matchLabels: {app: api}}
  ingress: [{from: [{podSelector: {matchLabels: {app: client}}}]}]
`

test(
  'who serves in a network namespace of its own is reached, and knows by their sockets who comes',
  { skip, timeout: 120_000 },
  async t => {
    await using each = await mesh(t, serviceOf('api', '{port: 80}'), member('client'), member('other'), onlyClient)
    await each.up()
    await using box = await Container.start(each, 'api')
    const there = await box.link()
    await box.program.do('import http.server, threading')
    await box.program.do(`s = http.server.HTTPServer(("${there}", 8080), http.server.SimpleHTTPRequestHandler)`)
    await box.program.do('threading.Thread(target=s.serve_forever, daemon=True).start()')
    // Where it listens is found out.
    const words = ['join', box.folder, '-s', 'api', '-n', 'shop', '--name', 'api', '-l', 'app=api']
    const { stdout, stderr } = await each.mesh.run(...words)
    assert.match(stdout, /at port 8080/, stderr)
    const service = (await each.mesh.status()).services.find(({ key }) => key === 'shop/api:80')?.address ?? ''
    const curl = ['curl', '-sS', '-o', '/dev/null', '-w', '%{http_code}', '-m', '20']
    const ask = async (who: string, to: string): Promise<string> =>
      (await each.run(`shop.${who}`, [...curl, `http://${to}/`])).output
    // By the proxy, and past it.
    assert.equal(await ask('client', service), '200')
    assert.equal(await ask('other', service), '403')
    assert.equal(await ask('client', `${there}:8080`), '200')
    assert.match(await ask('other', `${there}:8080`), /^000/)
    // Whoever is of no cgroup of the mesh is refused by the packet, and told at once.
    const stranger = new Python()
    assert.equal(await stranger.do(`socket.create_connection(("${there}", 8080), 20)`), 'ConnectionRefusedError')
    await stranger.end()
    const datagrams = 'd = socket.socket(type=socket.SOCK_DGRAM)'
    await box.program.do(`${datagrams}; d.bind(("${there}", 8080)); d.settimeout(20)`)
    const client = new Python({ cgroup: join(each.cgroup.folder, 'shop.client') })
    await client.do(`${datagrams}; d.connect(("${there}", 8080))`)
    assert.equal(await client.do('d.send(b"one")'), '3')
    assert.match(await box.program.do('d.recvfrom(9)'), /b'one'/)
    await client.end()
  },
)
