import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { commandInCgroup } from '../../src/datapath/index.ts'
import type { FlowRecord } from '../../src/daemon/index.ts'
import { closedEgress, endpoint, member, MemberMesh, serviceOf } from './member-mesh.ts'
import { datapathSkip, serve, World } from './world.ts'
import { freePort } from '../support/ports.ts'

const skip = datapathSkip('dig')
const addresses = ['127.99.0.1', 'fd68:6564:646c::7f63:1']

/** Takes what comes, answers 5,000 bytes to the first of it, and ends as it is told. */
async function server(t: TestContext, end: (socket: Socket) => void): Promise<{ address: string; port: number }> {
  const sockets = new Set<Socket>()
  const listener = createServer({ allowHalfOpen: true }, socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('data', () => socket.write(Buffer.alloc(5000), () => end(socket)))
    socket.on('end', () => socket.end())
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    listener.close()
  })
  return { address: '127.0.0.1', port: (listener.address() as AddressInfo).port }
}

const exchange = (host: string, last: string): readonly string[] => [
  'python3',
  '-c',
  `import socket
s = socket.create_connection(("${host}", 80), 5); s.sendall(b"x" * 3000); n = 0
while n < 5000: n += len(s.recv(9999))
${last}`,
]

const ends: readonly (readonly [name: string, last: string, end: (socket: Socket) => void])[] = [
  ['the client', 's.close()', () => {}],
  ['the server', 's.recv(1); s.close()', socket => socket.end()],
]

for (const [name, last, end] of ends) {
  test(`a connection that ${name} ends is told with its bytes and times`, { skip }, async t => {
    const world = new World(t)
    const at = await server(t, end)
    world.update([{ name: 'db', addresses, port: 80, endpoints: [at] }])
    for (const host of addresses) {
      const { output, code } = await world.run(exchange(host, last))
      assert.equal(code, 0, output)
    }
    await t.waitFor(() => assert.equal(world.ends.length, 2))
    for (const [index, flow] of world.ends.entries()) {
      const { service, workload, transfer, given, verdict } = flow
      assert.deepEqual([service, workload, given.port, verdict], ['shop/db:80', 'shop/client', at.port, 'allowed'])
      assert.deepEqual([transfer?.sentBytes, transfer?.receivedBytes], [3000, 5000])
      assert.ok(
        transfer?.connectMs !== undefined && transfer.connectMs > 0 && transfer.durationMs >= transfer.connectMs,
      )
      assert.ok(transfer.roundTripMs > 0 && transfer.roundTripMs < 5000)
      assert.equal(world.flows[index]?.socketCookie, flow.socketCookie)
    }
  })
}

test('a connection that nobody takes, or that is reset, ends too', { skip }, async t => {
  const world = new World(t)
  const at = await server(t, socket => socket.resetAndDestroy())
  const nobody = await freePort()
  world.update([
    { name: 'db', addresses, port: 80, endpoints: [at] },
    { name: 'gone', addresses, port: 81, endpoints: [{ address: '127.0.0.1', port: nobody }] },
  ])
  const code = `import socket
s = socket.create_connection(("127.99.0.1", 80), 5); s.sendall(b"x")
try:
  while s.recv(9999): pass
except ConnectionResetError: print("reset")
try: socket.create_connection(("127.99.0.1", 81), 5)
except ConnectionRefusedError: print("refused")`
  assert.equal((await world.run(['python3', '-c', code])).output, 'reset\nrefused')
  await t.waitFor(() => assert.equal(world.ends.length, 2))
  assert.deepEqual(
    world.ends.map(({ service, transfer }) => [service, transfer?.connectMs === undefined]),
    [
      ['shop/db:80', false],
      ['shop/gone:81', true],
    ],
  )
})

for (const { name, family, host, socket } of [
  { name: 'connected', family: 'AF_INET', host: '127.99.0.1', socket: 'c.connect(A); s = lambda: c.send(b"x" * 100)' },
  { name: 'unconnected', family: 'AF_INET', host: '127.99.0.1', socket: 's = lambda: c.sendto(b"x" * 100, A)' },
  {
    name: 'IPv6',
    family: 'AF_INET6',
    host: 'fd68:6564:646c::7f63:1',
    socket: 'c.connect(A); s = lambda: c.send(b"x" * 100)',
  },
]) {
  test(`datagrams (${name}) end with their socket, and are told with their bytes`, { skip }, async t => {
    const world = new World(t)
    const at = await serve(t, 'udp', { protocol: 'udp' })
    world.update([{ name: 'dns', addresses, port: 80, carrier: 'udp', endpoints: [at] }])
    const client = world.python('shop/client')
    await client.do(`A = ("${host}", 80); c = socket.socket(socket.${family}, socket.SOCK_DGRAM); c.settimeout(20)`)
    await client.do(socket)
    for (let count = 0; count < 5; count++) {
      await client.do('s()')
      assert.equal(await client.do('c.recv(99)'), "b'udp'")
    }
    await t.waitFor(() => assert.equal(world.flows.length, 1), { timeout: 10_000 })
    assert.equal(world.ends.length, 0)
    await client.do('c.close()')
    await t.waitFor(() => assert.equal(world.ends.length, 1), { timeout: 10_000 })
    const [end] = world.ends
    assert.ok(end !== undefined)
    const { service, workload, protocol, role, transfer, given } = end
    assert.deepEqual(
      [service, workload, protocol, role, given.port],
      ['shop/dns:80/udp', 'shop/client', 17, 'client', at.port],
    )
    assert.deepEqual([transfer?.sentBytes, transfer?.receivedBytes, transfer?.connectMs], [500, 15, undefined])
  })
}

test('datagrams end after a silence, also those that a server gets from outside, and begin anew', { skip }, async t => {
  const world = new World(t, { forgetMs: 500 })
  const [client, server, outsider] = [world.python('shop/client'), world.python('shop/other'), world.python('outside')]
  await server.do('s = socket.socket(type=socket.SOCK_DGRAM); s.bind(("127.0.0.1", 0)); s.settimeout(20)')
  const port = Number(await server.do('s.getsockname()[1]'))
  const send = async (): Promise<void> => {
    for (const [from, text] of [
      [client, 'inside'],
      [outsider, 'from outside'],
    ] as const) {
      await from.do(`c.sendto(b"${text}", ("127.0.0.1", ${port}))`)
      assert.equal(await server.do('s.recv(99)'), `b'${text}'`)
    }
  }
  for (const each of [client, outsider]) await each.do('c = socket.socket(type=socket.SOCK_DGRAM)')
  for (const round of [1, 2]) {
    await send()
    await t.waitFor(() => assert.equal(world.ends.length, 2 * round), { timeout: 10_000 })
    await t.waitFor(() => assert.equal(world.flows.length, 2 * round), { timeout: 10_000 })
  }
  const told = world.ends.map(({ role, workload, given, transfer }) => [
    role,
    workload,
    given.port,
    transfer?.sentBytes,
    transfer?.receivedBytes,
  ])
  const inside = ['client', 'shop/client', port, 6, 0]
  const outside = ['server', 'shop/other', port, 0, 12]
  const sorted = told.toSorted((a, b) => String(a[0]).localeCompare(String(b[0])))
  assert.deepEqual(sorted, [inside, inside, outside, outside])
  assert.equal(world.datapath.lostFlows, 0n)
})

test('events that find no room are counted', { skip }, async t => {
  const world = new World(t)
  const { port } = await serve(t, 'udp', { protocol: 'udp' })
  world.update([{ name: 'dns', addresses, port: 80, carrier: 'udp', endpoints: [{ address: '127.0.0.1', port }] }])
  const code = `import socket
for _ in range(30000):
  with socket.socket(type=socket.SOCK_DGRAM) as s: s.connect(("127.99.0.1", 80))`
  const [program, ...args] = commandInCgroup(world.cgroup.enter('shop/client'), ['python3', '-c', code])
  // Whoever has the events to read is held up meanwhile.
  assert.equal(spawnSync(program, args, { stdio: 'inherit' }).status, 0)
  await t.waitFor(() => assert.equal(BigInt(world.flows.length) + world.datapath.lostFlows, 30_000n))
  t.diagnostic(`${world.flows.length} events, ${world.datapath.lostFlows} lost`)
  assert.ok(world.datapath.lostFlows > 0n)
})

test(
  'heddle flows tells who spoke to whom, what was refused and why, and what names were asked for',
  { skip },
  async t => {
    const at = await serve(t, 'endpoint')
    await using each = await MemberMesh.create(t, [
      serviceOf('db', '{port: 80, appProtocol: tcp}'),
      endpoint('db', at.port),
      member('client'),
      member('closed'),
      closedEgress('closed'),
    ])
    await each.up()
    const followed = each.mesh.heddle(['flows', '-f', '-n', '0', '-o', 'json'])
    assert.ok(followed.stdout !== null)
    const records: FlowRecord[] = []
    createInterface({ input: followed.stdout }).on('line', line => records.push(JSON.parse(line) as FlowRecord))
    const curl = ['curl', '-sS', '-m', '5', 'http://db/']
    // Until it follows.
    await each.mesh.until(async () => {
      await each.run('shop.client', ['dig', '+short', '+tries=1', 'db'])
      return records.length > 0
    })
    records.length = 0
    // getaddrinfo() connects datagrams to each address, to find which is the better one.
    assert.equal((await each.run('shop.client', curl)).output, 'endpoint')
    assert.notEqual((await each.run('shop.closed', curl)).code, 0)
    const has = (wanted: FlowRecord['kind']): boolean => records.some(({ kind }) => kind === wanted)
    await each.mesh.until(() => Promise.resolve(has('closed') && has('refused')))
    const brief = records.flatMap(record => {
      if (record.kind === 'lost' || record.kind === 'request') return [record.kind]
      if (record.kind === 'name') return `${record.source.workload} ? ${record.name} ${record.type} ${record.verdict}`
      const { source, destination, kind, verdict, policies } = record
      return `${source.workload} ${kind} ${destination.service} ${destination.workload} ${verdict} ${policies.join()}`.trim()
    })
    assert.ok(brief.includes('shop/client ? db A NOERROR'), brief.join('\n'))
    assert.ok(brief.includes(`shop/client opened shop/db:80 shop/db-${at.port} allowed`), brief.join('\n'))
    assert.ok(brief.includes(`shop/client closed shop/db:80 shop/db-${at.port} allowed`), brief.join('\n'))
    assert.ok(
      brief.includes(`shop/closed refused shop/db:80 shop/db-${at.port} egress-denied shop/closed`),
      brief.join('\n'),
    )

    assert.ok(
      !records.some(record => 'protocol' in record && record.protocol === 'UDP'),
      'looking for an address is no flow',
    )

    const refused = await each.mesh.run('flows', '--verdict', 'refused', '--service', 'db')
    assert.match(
      refused.stdout,
      /^(?:\d\d:\d\d:\d\d\.\d{3} shop\/closed → shop\/db:80 \(127\.0\.0\.1:\d+\) TCP refused: egress-denied by shop\/closed\n)+$/,
    )
    const closed = await each.mesh.run('flows', '--verdict', 'closed')
    assert.match(closed.stdout, /TCP closed after .*, connected in .*, round trip .*; sent \d+ B, received \d+ B\n$/)
    const { body } = await each.mesh.ask('/metrics')
    assert.match(body, /^heddle_flow_events_lost_total 0$/m)
    assert.match(body, /^heddle_flows_total\{source="shop\/client",destination="shop\/db:80",verdict="allowed"\} 1$/m)
    assert.match(
      body,
      /^heddle_flows_total\{source="shop\/closed",destination="shop\/db:80",verdict="egress-denied"\} [12]$/m,
    )
    assert.match(
      body,
      /^heddle_flow_bytes_total\{source="shop\/client",destination="shop\/db:80",direction="received"\} [1-9]/m,
    )
  },
)

test('the end of a connection from before a restart of the agent is told by the next one', { skip }, async t => {
  const at = await serve(t, 'endpoint')
  await using each = await MemberMesh.create(t, [
    serviceOf('db', '{port: 80, appProtocol: tcp}'),
    endpoint('db', at.port),
    member('client'),
  ])
  await each.up()
  const code = `import socket, sys
s = socket.create_connection(("db", 80), 5)
print("there", flush=True); sys.stdin.read(); s.sendall(b"x" * 70); s.recv(9999)`
  const [program, ...args] = commandInCgroup(join(each.cgroup.folder, 'shop.client'), ['python3', '-c', code])
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  await once(child.stdout, 'data')
  await each.kill('SIGKILL')
  await each.up()
  child.stdin.end()
  await ended
  await each.mesh.until(async () => (await each.mesh.run('flows', '--verdict', 'closed')).stdout !== '')
  const { stdout } = await each.mesh.run('flows')
  assert.match(stdout, /^\S+ shop\/client → shop\/db:80 \(127\.0\.0\.1:\d+\) TCP closed .* sent 70 B, received \d+ B$/m)
  assert.doesNotMatch(stdout, /opened/)
})
