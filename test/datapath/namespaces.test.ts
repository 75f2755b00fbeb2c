import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { unmapIpAddress, parseIpAddress } from '../../src/codec/index.ts'
import { meshOf } from '../../src/datapath/testing.ts'
import type { CompiledNetworkPolicy, NetworkMember, NetworkPolicySet } from '../../src/model/index.ts'
import { compileNetworkPolicies } from '../../src/policy/index.ts'
import { until } from '../support/until.ts'
import { Python } from './python.ts'
import { datapathSkip, World } from './world.ts'

const skip = datapathSkip()

const client = 16
const other = 17

interface Network {
  readonly family: 'AF_INET' | 'AF_INET6'
  readonly size: number
  readonly server: string
  readonly client: string
  readonly stranger: string
}

const networks: readonly Network[] = [
  { family: 'AF_INET', size: 24, server: '10.99.0.1', client: '10.99.0.2', stranger: '10.99.0.3' },
  { family: 'AF_INET6', size: 64, server: 'fd99::1', client: 'fd99::2', stranger: 'fd99::3' },
]

/** Two workloads with addresses of their own, and who may connect to the second. */
function apply(
  world: World,
  network: Network,
  { allowed, before }: { readonly allowed: readonly number[]; readonly before?: CompiledNetworkPolicy },
): CompiledNetworkPolicy {
  const bytes = (text: string): Uint8Array => unmapIpAddress(parseIpAddress(text) ?? new Uint8Array(4))
  const members: readonly NetworkMember[] = [
    { key: 'shop/client', identity: client, address: bytes(network.client), ports: [] },
    { key: 'shop/other', identity: other, address: bytes(network.server), ports: [] },
  ]
  const identities = members.map(({ key, identity }) => {
    return [identity, { id: identity, name: key, key, namespace: 'shop', service: '', labels: {}, ports: [] }] as const
  })
  const ingress = [{ peers: [{ kind: 'identities' as const, ids: allowed }], ports: undefined }]
  const policy = { key: 'shop/in', subjects: [other], ingress, egress: undefined, isStandIn: false }
  const set: NetworkPolicySet = { identities: new Map(identities), members, policies: [policy] }
  const policies = compileNetworkPolicies(set, before)
  world.datapath.update({ ...meshOf([]), policies, members, nodeSockets: [], names: { open: undefined, led: [] } })
  return policies
}

const alone = ['unshare', '--net'] as const

for (const network of networks) {
  test(`${network.family}: who comes from another network is known by an address of his own`, { skip }, async t => {
    const world = new World(t)
    const server = world.own(new Python({ cgroup: world.cgroup.enter('shop/other'), before: alone }))
    const member = world.own(new Python({ cgroup: world.cgroup.enter('shop/client'), before: alone }))
    await member.do('0')
    const stranger = world.own(new Python({ before: ['nsenter', `--net=/proc/${member.pid}/ns/net`] }))
    const run = async (on: Python, command: string): Promise<void> => {
      const words = JSON.stringify(command.split(' '))
      assert.equal(await on.do(`__import__("subprocess").run(${words}).returncode`), '0', command)
    }
    await run(server, `ip link add near type veth peer name far netns ${member.pid}`)
    for (const [on, device, ...addresses] of [
      [server, 'near', network.server],
      [member, 'far', network.client, network.stranger],
    ] as const) {
      await run(on, `ip link set ${device} up`)
      for (const address of addresses) {
        const more = network.family === 'AF_INET6' ? ' nodad' : ''
        await run(on, `ip addr add ${address}/${network.size} dev ${device}${more}`)
      }
    }
    await server.do(`s = socket.socket(socket.${network.family}); s.bind(("${network.server}", 80)); s.listen()`)
    await server.do(`u = socket.socket(socket.${network.family}, socket.SOCK_DGRAM); u.bind(("${network.server}", 80))`)
    await server.do('u.settimeout(0.3); s.settimeout(5)')
    let count = 0
    const ask = async (from: Python, address: string): Promise<readonly string[]> => {
      await from.do(`c = socket.socket(socket.${network.family}); c.settimeout(20); c.bind(("${address}", 0))`)
      const connected = await from.do(`c.connect(("${network.server}", 80))`)
      await from.do(`d = socket.socket(socket.${network.family}, socket.SOCK_DGRAM); d.bind(("${address}", 0))`)
      const text = `${++count}`
      const sent = await from.do(`d.sendto(b"${text}", ("${network.server}", 80))`)
      if (sent !== `${text.length}`) return [connected, sent]
      // One of before may come late.
      let heard = await server.do('u.recv(9).decode()')
      while (heard !== text && heard !== 'TimeoutError') heard = await server.do('u.recv(9).decode()')
      return [connected, heard === text ? 'heard' : heard]
    }
    const through = ['None', 'heard']
    // At once, though the server is in another network than whoever attends to that.
    const refused = ['ConnectionRefusedError', 'TimeoutError']
    const before = apply(world, network, { allowed: [client, other] })
    // The link may need a moment.
    await until(async () => isDeepStrictEqual(await ask(member, network.client), through))
    assert.deepEqual(await ask(stranger, network.stranger), refused, 'an address that is nobody’s')
    assert.deepEqual(await ask(stranger, network.client), through, 'whoever has the address of a workload')
    await stranger.do(`o = socket.socket(socket.${network.family}); o.settimeout(20); o.bind(("${network.client}", 0))`)
    assert.equal(await stranger.do(`o.connect(("${network.server}", 80))`), 'None')
    const port = await stranger.do('o.getsockname()[1]')
    await server.do(`a, who = s.accept()\nwhile who[1] != ${port}: a, who = s.accept()\na.settimeout(20)`)
    apply(world, network, { allowed: [other], before })
    await stranger.do('o.sendall(b"x")')
    assert.equal(await server.do('a.recv(9)'), 'ConnectionAbortedError')
    assert.equal(await stranger.do('o.recv(9)'), 'ConnectionResetError')
    assert.deepEqual(await ask(member, network.client), ['PermissionError', 'PermissionError'], 'told where it asks')
    assert.deepEqual(await ask(stranger, network.client), refused)
  })
}
