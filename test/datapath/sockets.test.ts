import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NetworkPeer } from '../../src/model/index.ts'
import { closed, datapathSkip, draw, serve, World } from './world.ts'

const skip = datapathSkip()
const addresses = ['127.99.0.1', 'fd68:6564:646c::7f63:1']
const udpAddresses = ['127.99.0.2', 'fd68:6564:646c::7f63:2']

/** Programs nobody here wrote; each prints what the server at a URL answers. */
const httpClients: readonly (readonly [name: string, command: (url: string) => readonly string[]])[] = [
  ['curl', url => ['curl', '-sS', '--max-time', '5', url]],
  [
    'python',
    url => ['python3', '-c', `import urllib.request as r; print(r.urlopen("${url}", timeout=5).read().decode())`],
  ],
  ['node', url => [process.execPath, '-e', `fetch("${url}").then(a => a.text()).then(console.log)`]],
]
const hosts = ['127.99.0.1', '[fd68:6564:646c::7f63:1]', '[::ffff:127.99.0.1]']

test('curl, python and node reach a Service by its virtual addresses', { skip }, async t => {
  const world = new World(t)
  const endpoint = await serve(t, 'endpoint')
  world.update([{ name: 'db', addresses, port: 80, endpoints: [endpoint] }])
  for (const host of hosts) {
    for (const [name, command] of httpClients) {
      const { code, output } = await world.run(command(`http://${host}:80/`))
      assert.deepEqual([code, output], [0, 'endpoint'], `${name} to ${host}`)
    }
  }
})

/** Connects once and prints the peer's address and port as Python sees them. */
const peerName = (family: string, address: string): readonly string[] => [
  'python3',
  '-c',
  `import socket; s = socket.socket(socket.${family}); s.settimeout(5); s.connect(("${address}", 80)); print(*s.getpeername()[:2])`,
]

test('getpeername() shows the virtual address', { skip }, async t => {
  const world = new World(t)
  const [v4, v6] = [await serve(t, 'four'), await serve(t, 'six', { address: '::1' })]
  world.update([{ name: 'db', addresses, port: 80, endpoints: [v4, v6] }])
  assert.equal((await world.run(peerName('AF_INET', '127.99.0.1'))).output, '127.99.0.1 80')
  assert.equal((await world.run(peerName('AF_INET6', '::ffff:127.99.0.1'))).output, '::ffff:127.99.0.1 80')
  const [, address = ''] = addresses
  assert.equal((await world.run(peerName('AF_INET6', address))).output, `${address} 80`)
})

/** SO_ORIGINAL_DST of IPv4, and of IPv6, of a socket as Python names it: address and port, or the exception. */
const originalOf = (socket: string): readonly string[] => [
  `(lambda b: f"{socket.inet_ntop(socket.AF_INET, b[4:8])} {int.from_bytes(b[2:4])}")(${socket}.getsockopt(0, 80, 16))`,
  `(lambda b: f"{socket.inet_ntop(socket.AF_INET6, b[8:24])} {int.from_bytes(b[2:4])}")(${socket}.getsockopt(41, 80, 28))`,
]

test('SO_ORIGINAL_DST is the virtual address, at either end of a connection that was led', { skip }, async t => {
  const world = new World(t)
  const [client, server] = [world.python('shop/client'), world.python('shop/other')]
  const [v4 = '', v6 = ''] = addresses
  for (const [family, own, host, asked] of [
    ['AF_INET', '127.0.0.1', v4, [`${v4} 80`, `::ffff:${v4} 80`]],
    ['AF_INET6', '::1', v6, ['none', `${v6} 80`]],
  ] as const) {
    await server.do(`s = socket.socket(socket.${family}); s.bind(("${own}", 0)); s.listen(); s.settimeout(20)`)
    const port = Number(await server.do('s.getsockname()[1]'))
    world.update([{ name: 'db', addresses, port: 80, endpoints: [{ address: own, port }] }])
    const connect = async (to: string, from: number): Promise<void> => {
      await client.do(`c = socket.socket(socket.${family}); c.settimeout(20)`)
      await client.do('c.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)')
      await client.do('c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))')
      assert.equal(await client.do(`c.bind(("${own}", ${from}))`), 'None')
      assert.equal(await client.do(`c.connect(${to})`), 'None')
      await server.do('a = s.accept()[0]')
    }
    const answers = async (program: typeof client, socket: string): Promise<readonly string[]> => {
      const [of4 = '', of6 = ''] = originalOf(socket)
      // As the kernel says it, with netfilter or without.
      return [await program.do(of4), await program.do(of6)].map(each => (each.endsWith('Error') ? 'none' : each))
    }
    await connect(`("${host}", 80)`, 0)
    assert.deepEqual(await answers(client, 'c'), asked, `${family}, the client`)
    assert.deepEqual(await answers(server, 'a'), asked, `${family}, the server`)
    // Nobody was led by this one, which has the same ends.
    const from = Number(await client.do('c.getsockname()[1]'))
    await client.do('c.close()')
    await connect(`("${own}", ${port})`, from)
    assert.deepEqual(await answers(client, 'c'), ['none', 'none'], `${family}, the client`)
    assert.deepEqual(await answers(server, 'a'), ['none', 'none'], `${family}, the server`)
  }
  // TCP_CONGESTION, with more room than the kernel shows to programs.
  await client.do('import ctypes; room = ctypes.create_string_buffer(9000); length = ctypes.c_uint(9000)')
  const other = 'ctypes.CDLL(None).getsockopt(c.fileno(), 6, 13, room, ctypes.byref(length))'
  assert.equal(await client.do(other), '0')
  assert.match(await client.do('room.value.decode()'), /^[a-z]+$/)
})

test('connections are shared out by weight, and only among healthy endpoints', { skip }, async t => {
  const world = new World(t)
  const [a, b, c] = [await serve(t, 'a'), await serve(t, 'b'), await serve(t, 'c')]
  const endpoints = [a, { ...b, weight: 3 }, { ...c, healthy: false }]
  world.update([{ name: 'db', addresses, port: 80, endpoints }])
  const { output } = await world.run(draw('127.99.0.1', 400))
  const answers = output.split('\n')
  assert.equal(answers.length, 400)
  const share = answers.filter(answer => answer === 'b').length / 400
  // Seven standard deviations on either side of 3/4.
  assert.ok(share > 0.6 && share < 0.9, `${share}`)
  assert.ok(!answers.includes('c'))
  world.update([{ name: 'db', addresses, port: 80, endpoints: [c] }])
  assert.equal((await world.run(draw('127.99.0.1', 3))).output, 'c\nc\nc')
  world.update([{ name: 'db', addresses, port: 80, endpoints: [] }])
  assert.match((await world.run(draw('127.99.0.1', 1))).output, /ConnectionRefusedError/)
  await t.waitFor(() => assert.equal(world.flows.at(-1)?.verdict, 'no-endpoint'))
})

/** Sends one datagram to each address in turn from one socket, connected or not, and prints answers with their senders. */
const datagrams = (family: string, to: readonly string[], isConnected: boolean): readonly string[] => [
  'python3',
  '-c',
  `import socket
s = socket.socket(socket.${family}, socket.SOCK_DGRAM); s.settimeout(5)
for a in ${JSON.stringify(to)}:
  ${isConnected ? 's.connect((a, 80)); s.send(b"x")' : 's.sendto(b"x", (a, 80))'}
  d, f = s.recvfrom(99); print(d.decode(), *f[:2])`,
]

const udpRows: readonly (readonly [name: string, family: string, to: readonly string[]])[] = [
  ['IPv4', 'AF_INET', ['127.99.0.1', '127.99.0.2', '127.99.0.1']],
  ['IPv6', 'AF_INET6', [addresses[1] ?? '', udpAddresses[1] ?? '', addresses[1] ?? '']],
  ['IPv4-mapped', 'AF_INET6', ['::ffff:127.99.0.1', '::ffff:127.99.0.2', '::ffff:127.99.0.1']],
]

for (const isConnected of [true, false]) {
  for (const [name, family, to] of udpRows) {
    const kind = isConnected ? 'connected' : 'unconnected'
    test(`${kind} UDP of ${name} reaches Services, and answers come from where it was sent`, { skip }, async t => {
      const world = new World(t)
      const address = name === 'IPv6' ? '::1' : '127.0.0.1'
      const [a, b] = [
        await serve(t, 'a', { address, protocol: 'udp' }),
        await serve(t, 'b', { address, protocol: 'udp' }),
      ]
      world.update([
        { name: 'one', addresses, port: 80, carrier: 'udp', endpoints: [a] },
        { name: 'two', addresses: udpAddresses, port: 80, carrier: 'udp', endpoints: [b] },
      ])
      const { output } = await world.run(datagrams(family, to, isConnected))
      assert.deepEqual(
        output.split('\n'),
        to.map((each, at) => `${at === 1 ? 'b' : 'a'} ${each} 80`),
      )
    })
  }
}

test('a socket sends its datagrams to one endpoint until the Service has others', { skip }, async t => {
  const world = new World(t)
  const udp = { protocol: 'udp' } as const
  const endpoints = [
    await serve(t, 'a', udp),
    await serve(t, 'b', udp),
    await serve(t, 'c', udp),
    await serve(t, 'd', udp),
  ]
  world.update([{ name: 'one', addresses, port: 80, carrier: 'udp', endpoints }])
  const to = Array.from({ length: 30 }, () => '127.99.0.1')
  const { output } = await world.run(datagrams('AF_INET', to, false))
  assert.equal(output.split('\n').length, 30)
  assert.equal(new Set(output.split('\n')).size, 1)
})

test('a Service of the proxy leads to its listener, also by its IPv6 address', { skip }, async t => {
  const world = new World(t)
  const listener = await serve(t, 'proxy', { address: '127.99.0.1' })
  const { port } = listener
  world.update([{ name: 'web', addresses, port, listener: 'HTTP', backend: { protocol: 'http1' }, endpoints: [] }])
  for (const host of hosts) {
    assert.equal((await world.run(['curl', '-sS', `http://${host}:${port}/`])).output, 'proxy')
  }
})

test('egress policies refuse at once, and name the policy; the rule that allows is named too', { skip }, async t => {
  const world = new World(t)
  const endpoint = await serve(t, 'endpoint')
  const services = [{ name: 'db', addresses, port: 80, endpoints: [endpoint] }]
  const curl = ['curl', '-sS', '--max-time', '5', 'http://127.99.0.1/']
  world.update(services)
  assert.equal((await world.run(curl)).output, 'endpoint')
  world.update(services, [closed('shop/deny', [])])
  assert.notEqual((await world.run(curl)).code, 0)
  assert.equal((await world.run(curl, 'shop/other')).output, 'endpoint', 'whom the policy does not select is free')
  const block = { bytes: Uint8Array.of(127, 0, 0, 0), prefixLength: 8 }
  const ports = [{ kind: 'range', protocol: 'TCP', from: endpoint.port, to: endpoint.port }] as const
  world.update(services, [closed('shop/some', [{ peers: [{ kind: 'block', block, except: [] }], ports }])])
  assert.equal((await world.run(curl)).output, 'endpoint')
  await t.waitFor(() => assert.equal(world.flows.length, 4))
  assert.deepEqual(
    world.flows.map(({ verdict, service, policies, rules }) => [
      verdict,
      service,
      ...policies,
      ...rules.map(rule => rule.policy),
    ]),
    [
      ['allowed', 'shop/db:80'],
      ['egress-denied', 'shop/db:80', 'shop/deny'],
      ['allowed', 'shop/db:80'],
      ['allowed', 'shop/db:80', 'shop/some'],
    ],
  )
  assert.equal(world.datapath.lostFlows, 0n)
})

/** All ways around a policy that closes everything: none gets through. */
const bypasses: readonly (readonly [name: string, code: (port: number, udpPort: number) => string])[] = [
  ["an endpoint's own address", port => `socket.create_connection(("127.0.0.1", ${port}), 5)`],
  ['an IPv4-mapped address', port => `socket.socket(socket.AF_INET6).connect(("::ffff:127.0.0.1", ${port}))`],
  ['a datagram', (_, port) => `socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", ${port}))`],
  ['a connected datagram', (_, port) => `socket.socket(type=socket.SOCK_DGRAM).connect(("127.0.0.1", ${port}))`],
  [
    'an IPv4-mapped datagram',
    (_, port) => `socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(b"x", ("::ffff:127.0.0.1", ${port}))`,
  ],
  ['fast open', port => `socket.socket().sendto(b"x", 0x20000000, ("127.0.0.1", ${port}))`],
  ['multipath TCP', port => `socket.socket(proto=262).connect(("127.0.0.1", ${port}))`],
]

test('a process of the mesh gets around an egress policy in none of these ways', { skip }, async t => {
  const world = new World(t)
  const [tcp, udp] = [await serve(t, 'tcp'), await serve(t, 'udp', { protocol: 'udp' })]
  for (const isClosed of [false, true]) {
    world.update([], isClosed ? [closed('shop/deny', [])] : [])
    for (const [name, code] of bypasses) {
      const { output } = await world.run([
        'python3',
        '-c',
        `import socket; ${code(tcp.port, udp.port)}; print("through")`,
      ])
      if (isClosed) assert.match(output, /PermissionError/, name)
      else assert.equal(output, 'through', name)
    }
  }
})

/** What leads to this machine itself, though it does not look so. */
const unspecified = [
  ['AF_INET', '0.0.0.0', '127.0.0.1'],
  ['AF_INET6', '::ffff:0.0.0.0', '127.0.0.1'],
  ['AF_INET6', '::', '::1'],
] as const

test('an address that is none is judged as the one that it leads to', { skip }, async t => {
  const world = new World(t)
  const program = world.python('shop/client')
  const outside = (bytes: Uint8Array, own: Uint8Array): NetworkPeer => ({
    kind: 'block',
    block: { bytes, prefixLength: 0 },
    except: [{ bytes: own, prefixLength: own.length === 4 ? 8 : 128 }],
  })
  const loopback = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)
  const peers = [outside(new Uint8Array(4), Uint8Array.of(127, 0, 0, 0)), outside(new Uint8Array(16), loopback)]
  for (const isClosed of [false, true]) {
    world.update([], isClosed ? [closed('shop/outside', [{ peers, ports: undefined }])] : [])
    for (const [family, host, address] of unspecified) {
      for (const protocol of ['tcp', 'udp'] as const) {
        const { port } = await serve(t, 'server', { address, protocol })
        const type = protocol === 'tcp' ? 'STREAM' : 'DGRAM'
        await program.do(`s = socket.socket(socket.${family}, socket.SOCK_${type}); s.settimeout(20)`)
        const code = `s.connect(("${host}", ${port})) or s.send(b"x") and s.recv(9) and "through"`
        assert.equal(await program.do(code), isClosed ? 'PermissionError' : 'through', `${host}, ${protocol}`)
      }
    }
  }
})

/** By which sockets choose their way, some with privileges: level, number and value as Python writes them. */
const options: readonly (readonly [name: string, level: number, option: number, value: string])[] = [
  ['SO_BINDTODEVICE', 1, 25, 'b"lo"'],
  ['SO_MARK', 1, 36, '7'],
  ['SO_PRIORITY', 1, 12, '6'],
  ['IP_TRANSPARENT', 0, 19, '1'],
  ['IP_FREEBIND', 0, 15, '1'],
  ['IP_TOS', 0, 1, '16'],
  // The network sees nothing of connect() with these.
  ['TCP_REPAIR', 6, 19, '1'],
  ['TCP_FASTOPEN_CONNECT', 6, 30, '1'],
]

test('no option of a socket gets its connections and datagrams around an egress policy', { skip }, async t => {
  const world = new World(t)
  const [tcp, udp] = [await serve(t, 'tcp'), await serve(t, 'udp', { protocol: 'udp' })]
  const program = world.python('shop/client')
  const asked = async (protocol: 'TCP' | 'UDP', option: (typeof options)[number]): Promise<string> => {
    const [, level, number, value] = option
    await program.do(`s = socket.socket(type=socket.SOCK_${protocol === 'TCP' ? 'STREAM' : 'DGRAM'}); s.settimeout(20)`)
    const set = await program.do(`s.setsockopt(${level}, ${number}, ${value})`)
    assert.equal(set, 'None', option[0])
    if (protocol === 'TCP') return await program.do(`s.connect(("127.0.0.1", ${tcp.port})) or "through"`)
    return await program.do(`s.sendto(b"x", ("127.0.0.1", ${udp.port})) and "through"`)
  }
  for (const isClosed of [false, true]) {
    world.update([], isClosed ? [closed('shop/deny', [])] : [])
    for (const protocol of ['TCP', 'UDP'] as const) {
      for (const option of options) {
        if (protocol === 'UDP' && option[1] === 6) continue
        const name = `${option[0]}, ${protocol}`
        assert.equal(await asked(protocol, option), isClosed ? 'PermissionError' : 'through', name)
      }
    }
  }
})

test('a process in a cgroup further down is who it was', { skip }, async t => {
  const world = new World(t)
  const { port } = await serve(t, 'tcp')
  const folder = `${world.cgroup.enter('shop/client')}/further`
  const code = `import os, socket
os.makedirs("${folder}/down", exist_ok=True)
open("${folder}/down/cgroup.procs", "w").write("0")
socket.create_connection(("127.0.0.1", ${port}), 5); print("through")`
  assert.equal((await world.run(['python3', '-c', code])).output, 'through')
  world.update([], [closed('shop/deny', [])])
  assert.match((await world.run(['python3', '-c', code])).output, /PermissionError/)
})

test('a process in a cgroup of nobody is refused everything', { skip }, async t => {
  const world = new World(t)
  const { port } = await serve(t, 'tcp')
  const code = `import socket; socket.create_connection(("127.0.0.1", ${port}), 5)`
  assert.match((await world.run(['python3', '-c', code], 'shop/unknown')).output, /PermissionError/)
  await t.waitFor(() => assert.equal(world.flows.at(-1)?.verdict, 'no-identity'))
})
