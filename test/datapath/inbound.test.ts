import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NetworkPolicy } from '../../src/model/index.ts'
import type { Python } from './python.ts'
import { datapathSkip, World } from './world.ts'

const skip = datapathSkip()

const client = 16
const other = 17

/** Nobody but `peers` may connect to `shop/other`. */
function letsIn(...ids: readonly number[]): NetworkPolicy {
  const ingress = ids.length === 0 ? [] : [{ peers: [{ kind: 'identities' as const, ids }], ports: undefined }]
  return { key: 'shop/in', subjects: [other], ingress, egress: undefined, isStandIn: false }
}

/** `shop/client` may connect to nobody. */
const noWayOut: NetworkPolicy = {
  key: 'shop/out',
  subjects: [client],
  ingress: undefined,
  egress: [],
  isStandIn: false,
}

interface Family {
  readonly name: string
  readonly family: string
  readonly server: string
  /** As clients write it. */
  readonly host: string
}

const families: readonly Family[] = [
  { name: 'IPv4', family: 'AF_INET', server: '127.0.0.1', host: '127.0.0.1' },
  { name: 'IPv6', family: 'AF_INET6', server: '::1', host: '::1' },
  { name: 'IPv4-mapped', family: 'AF_INET6', server: '::ffff:127.0.0.1', host: '::ffff:127.0.0.1' },
]
const [ipv4] = families

async function listen(server: Python, { family, server: address }: Family = ipv4 as Family): Promise<string> {
  await server.do(`s = socket.socket(socket.${family}); s.bind((${JSON.stringify(address)}, 0)); s.listen()`)
  await server.do('s.settimeout(5)')
  return await server.do('s.getsockname()[1]')
}

/** Datagrams that are dropped are not answered; what is let through is answered at once, so that no test waits for that. */
const short = 0.3
/** For what comes for certain. */
const long = 20

/** At once: nobody waits for time-outs. */
const refused = 'ConnectionRefusedError'

async function connect(from: Python, port: string, { family, host }: Family = ipv4 as Family): Promise<string> {
  await from.do(`c = socket.socket(socket.${family}); c.settimeout(${long})`)
  return await from.do(`c.connect((${JSON.stringify(host)}, ${port}))`)
}

for (const family of families) {
  test(`${family.name}: who connects is known by the socket, whatever its address`, { skip }, async t => {
    const world = new World(t)
    const server = world.python('shop/other')
    const [member, outsider, agent] = [world.python('shop/client'), world.python('outside'), world.python('agent')]
    const port = await listen(server, family)
    const answers = async (): Promise<readonly string[]> =>
      await Promise.all([member, outsider, agent, server].map(each => connect(each, port, family)))
    assert.deepEqual(await answers(), ['None', 'None', 'None', 'None'], 'without a policy')
    world.update([], [letsIn(client)])
    assert.deepEqual(await answers(), ['None', refused, 'None', 'None'], 'members only')
    world.update([], [letsIn()])
    assert.deepEqual(await answers(), [refused, refused, 'None', 'None'], 'nobody')
    await t.waitFor(() => {
      const refused = world.flows.filter(({ verdict }) => verdict === 'ingress-denied')
      assert.deepEqual(new Set(refused.map(({ role }) => role)), new Set(['server']))
      assert.deepEqual(
        refused.map(({ policies }) => policies.join()),
        refused.map(() => 'shop/in'),
      )
    })
  })
}

for (const family of families) {
  test(`${family.name}: connections that are open end when a policy comes`, { skip }, async t => {
    const world = new World(t)
    const [server, member] = [world.python('shop/other'), world.python('shop/client')]
    const port = await listen(server, family)
    const open = async (): Promise<void> => {
      assert.equal(await connect(member, port, family), 'None')
      await server.do(`a = s.accept()[0]; a.settimeout(${long})`)
      await member.do('c.sendall(b"one")')
      assert.equal(await server.do('a.recv(9)'), "b'one'")
    }
    for (const policy of [letsIn(), noWayOut]) {
      for (const sender of ['server', 'client'] as const) {
        await open()
        world.update([], [policy])
        await (sender === 'client' ? member.do('c.sendall(b"two")') : server.do('a.sendall(b"two")'))
        const ends = [await server.do('a.recv(9)'), await member.do('c.recv(9)')]
        // Whose socket it is that was refused is told that, and the other end is reset.
        for (const end of ends) assert.match(end, /^Connection(Aborted|Reset)Error$/, `${policy.key}, ${sender}`)
        world.update([], [])
      }
    }
    await open()
  })
}

test('a server that listens no more keeps its connections, with no way out of its own', { skip }, async t => {
  const world = new World(t)
  const [server, outsider] = [world.python('shop/client'), world.python('outside')]
  world.update([], [noWayOut])
  const port = await listen(server)
  assert.equal(await connect(outsider, port), 'None')
  await server.do(`a = s.accept()[0]; a.settimeout(${short}); s.close()`)
  await outsider.do('c.sendall(b"question")')
  assert.equal(await server.do('a.recv(99)'), "b'question'")
  await server.do('a.sendall(b"answer")')
  assert.equal(await outsider.do('c.recv(99)'), "b'answer'")
})

test('a socket that was a client is none when it listens', { skip }, async t => {
  const world = new World(t)
  const [first, server, outsider] = [world.python('shop/client'), world.python('shop/other'), world.python('outside')]
  const port = await listen(first)
  assert.equal(await connect(server, port), 'None')
  // connect() to no family ends the connection, and the socket may listen.
  await server.do('import ctypes; ctypes.CDLL(None).connect(c.fileno(), b"\\0" * 16, 16)')
  await server.do('c.bind(("127.0.0.1", 0)); c.listen(); s = c')
  const again = await server.do('s.getsockname()[1]')
  assert.equal(await connect(outsider, again), 'None')
  await server.do(`s.settimeout(5); a = s.accept()[0]; a.settimeout(${long})`)
  world.update([], [letsIn(client)])
  await outsider.do('c.sendall(b"x")')
  assert.equal(await server.do('a.recv(9)'), 'ConnectionAbortedError')
  assert.equal(await outsider.do('c.recv(9)'), 'ConnectionResetError')
})

for (const { name, family, server: address, host } of families) {
  test(`${name}: datagrams are policed by who sends, and their answers are not`, { skip }, async t => {
    const world = new World(t)
    const [server, member, outsider] = [
      world.python('shop/other'),
      world.python('shop/client'),
      world.python('outside'),
    ]
    await server.do(
      `s = socket.socket(socket.${family}, socket.SOCK_DGRAM); s.bind((${JSON.stringify(address)}, 0)); s.settimeout(${short})`,
    )
    const port = await server.do('s.getsockname()[1]')
    const to = `(${JSON.stringify(host)}, ${port})`
    for (const each of [member, outsider]) {
      await each.do(`c = socket.socket(socket.${family}, socket.SOCK_DGRAM); c.settimeout(${short})`)
    }
    // Egress of the server is closed: it may answer, and no more than that.
    const mute: NetworkPolicy = { ...noWayOut, key: 'shop/mute', subjects: [other] }
    world.update([], [letsIn(client), mute])
    await outsider.do(`c.sendto(b"x", ${to})`)
    assert.equal(await server.do('s.recvfrom(9)'), 'TimeoutError')
    await member.do(`c.sendto(b"x", ${to})`)
    await server.do('d, who = s.recvfrom(9)')
    await server.do('s.sendto(b"answer", who)')
    assert.equal(await member.do('c.recv(99)'), "b'answer'")
    const stranger = await outsider.do('c.getsockname()[1]')
    assert.equal(await server.do(`s.sendto(b"x", (${JSON.stringify(host)}, ${stranger}))`), 'PermissionError')
    world.update([], [letsIn(), mute])
    await member.do(`c.sendto(b"more", ${to})`)
    assert.equal(await server.do('s.recvfrom(9)'), 'TimeoutError', 'begun before the policy')
    assert.equal(await server.do('s.sendto(b"more", who)'), 'PermissionError')
  })
}

test('connected datagram sockets are closed by a policy that comes later', { skip }, async t => {
  const world = new World(t)
  const [member, outsider] = [world.python('shop/client'), world.python('outside')]
  await outsider.do('s = socket.socket(type=socket.SOCK_DGRAM); s.bind(("127.0.0.1", 0)); s.settimeout(5)')
  await member.do(
    `c = socket.socket(type=socket.SOCK_DGRAM); c.connect(("127.0.0.1", ${await outsider.do('s.getsockname()[1]')}))`,
  )
  assert.equal(await member.do('c.send(b"one")'), '3')
  assert.equal(await outsider.do('s.recv(9)'), "b'one'")
  world.update([], [noWayOut])
  assert.equal(await member.do('c.send(b"two")'), 'PermissionError')
  world.update([], [])
  assert.equal(await member.do('c.send(b"three")'), '5')
  assert.equal(await outsider.do('s.recv(9)'), "b'three'")
})

test('a socket from outside of the mesh is its maker’s: who is in the mesh does not let it in', { skip }, async t => {
  const world = new World(t)
  const server = world.python('shop/other')
  const mover = world.python('outside')
  const port = await listen(server)
  world.update([], [letsIn(client)])
  await mover.do(`c = socket.socket(); c.settimeout(${long}); u = socket.socket(type=socket.SOCK_DGRAM)`)
  await mover.do(`open("${world.cgroup.enter('shop/client')}/cgroup.procs", "w").write("0")`)
  assert.equal(await mover.do(`c.connect(("127.0.0.1", ${port}))`), refused)
  assert.equal(await connect(mover, port), 'None', 'a socket of its own')
})

test('packets that a raw socket makes up are policed as those of any other', { skip }, async t => {
  const world = new World(t)
  const [member, outsider] = [world.python('shop/client'), world.python('outside')]
  await outsider.do('s = socket.socket(type=socket.SOCK_DGRAM); s.bind(("127.0.0.1", 0)); s.settimeout(5)')
  const port = await outsider.do('s.getsockname()[1]')
  await member.do('r = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)')
  await member.do('lo = socket.inet_aton("127.0.0.1")')
  await member.do(`p = struct.pack("!BBHHHBBH4s4sHHHH", 69, 0, 29, 0, 0, 64, 17, 0, lo, lo, 999, ${port}, 9, 0) + b"x"`)
  assert.equal(await member.do('r.sendto(p, ("127.0.0.1", 0))'), '29')
  assert.equal(await outsider.do('s.recv(9)'), "b'x'")
  world.update([], [noWayOut])
  assert.equal(await member.do('r.sendto(p, ("127.0.0.1", 0))'), 'PermissionError')
  // Of TCP, too, where no packet is let through for one before it.
  await member.do('t = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)')
  const segment = (port: number): string => `struct.pack("!HHIIBBHHH", 9999, ${port}, 1, 1, 80, 4, 9, 0, 0)`
  const toPort99 = { key: 'shop/out', subjects: [client], ingress: undefined, isStandIn: false }
  const ports = [{ kind: 'range', protocol: 'TCP', from: 99, to: 99 }] as const
  world.update([], [{ ...toPort99, egress: [{ peers: undefined, ports }] }])
  assert.equal(await member.do(`t.sendto(${segment(99)}, ("127.0.0.1", 0))`), '20')
  assert.equal(await member.do(`t.sendto(${segment(98)}, ("127.0.0.1", 0))`), 'PermissionError')
  await member.do('g = socket.socket(socket.AF_INET, socket.SOCK_RAW, 47)')
  assert.equal(await member.do('g.sendto(b"tunnel", ("127.0.0.1", 0))'), 'PermissionError')
})

test('the agent knows who connects to it, and nobody is taken for who had the port before', { skip }, async t => {
  const world = new World(t)
  const [agent, member, outsider] = [world.python('agent'), world.python('shop/client'), world.python('outside')]
  const port = await listen(agent)
  const from =
    'c = socket.socket(); c.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); c.bind(("127.0.0.9", 45454))'
  const cgroups = new Map([...world.cgroup.workloads()].map(([id, key]) => [key, id]))
  const ends = { remoteAddress: '127.0.0.9', remotePort: 45_454, localAddress: '127.0.0.1', localPort: Number(port) }
  for (const [who, known] of [
    [member, cgroups.get('shop/client')],
    [outsider, 0n],
  ] as const) {
    await who.do(from)
    assert.equal(await who.do(`c.connect(("127.0.0.1", ${port}))`), 'None')
    assert.equal(world.datapath.callerOf(ends), known)
    await who.do('c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)); c.close()')
  }
})
