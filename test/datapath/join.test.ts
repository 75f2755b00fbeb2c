import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { attachToCgroup, Bpf, loadObject, readObject } from '../../src/kernel/index.ts'
import { member, MemberMesh, serviceOf } from './member-mesh.ts'
import { Python } from './python.ts'
import { datapathSkip } from './world.ts'

const skip = datapathSkip()

/** A program for each hook, which allows everything. */
const hooks = new URL('../../bpf/tests/loader/hooks.bpf.o', import.meta.url)

/** Nobody but the workload `client` connects to what has joined, and it connects to nobody. */
const policy = `
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: joined, namespace: shop}
spec:
  podSelector: {matchLabels: {app: joined}}
  policyTypes: [Ingress, Egress]
  ingress: [{from: [{podSelector: {matchLabels: {app: client}}}]}]
`

/** A program as the system runs it, in a cgroup of its own that is none of the mesh's, and one in no cgroup of its own. */
class Outside implements AsyncDisposable {
  readonly mesh: MemberMesh
  readonly folder: string
  readonly service: Python
  readonly other: Python = new Python()
  readonly client: Python

  constructor(mesh: MemberMesh) {
    this.mesh = mesh
    this.folder = join(dirname(mesh.cgroup.folder), `heddle-test-${process.pid}.slice`, 'web.service')
    mkdirSync(this.folder, { recursive: true })
    this.service = new Python({ cgroup: this.folder })
    this.client = new Python({ cgroup: join(mesh.cgroup.folder, 'shop.client') })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.service, this.other, this.client].map(each => each.end()))
    await this.mesh[Symbol.asyncDispose]()
    rmdirSync(this.folder)
    rmdirSync(dirname(this.folder))
  }
}

const listen = 's = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(); s.settimeout(60)'

test(
  'a service of the system joins with all its sockets, stays over a restart of the agent, and leaves',
  { skip, timeout: 120_000 },
  async t => {
    const mesh = await MemberMesh.create(t, [
      serviceOf('web', '{port: 80, appProtocol: tcp}'),
      member('client'),
      policy,
    ])
    await mesh.up('--dns-address', 'off')
    await using outside = new Outside(mesh)
    const { service, other, client } = outside
    await service.do(listen)
    const port = await service.do('s.getsockname()[1]')
    const connect = async (from: Python, seconds = 20): Promise<string> => {
      await from.do(`c = socket.socket(); c.settimeout(${seconds})`)
      return await from.do(`c.connect(("127.0.0.1", ${port}))`)
    }
    assert.equal(await connect(other), 'None')
    await service.do('a = s.accept()[0]')
    const words = ['join', outside.folder, '-s', 'web', '-n', 'shop', '-l', 'app=joined', '--name', 'web-0']
    const joined = await mesh.mesh.run(...words)
    assert.equal(joined.code, 0, joined.stderr)
    assert.match(
      joined.stdout,
      new RegExp(`^shop/web-0 is in the mesh, at port ${port}; its cgroup is .*/web.service\n$`),
    )
    const again = await mesh.mesh.run(...words)
    assert.match(again.stderr, /workload shop\/web-0 has joined already/)
    const judged = async (when: string, hasAgent = true): Promise<void> => {
      assert.equal(await connect(client), 'None', when)
      // Nothing answers without an agent: half a second is not awaited in vain by whoever is let in.
      const [seconds, refused] = hasAgent ? [20, 'ConnectionRefusedError'] : [0.5, 'TimeoutError']
      assert.equal(await connect(other, seconds), refused, when)
      assert.equal(await service.do('socket.create_connection(("127.0.0.1", 1), 60)'), 'PermissionError', when)
    }
    await judged('a listener from before')
    await other.do('d = c')
    const services = (await mesh.mesh.status()).services
    const address = services.find(({ key }) => key === 'shop/web:80')?.address?.split(':')[0] ?? ''
    await client.do('c = socket.socket(); c.settimeout(60)')
    assert.equal(await client.do(`c.connect(("${address}", 80))`), 'None', 'as a Service')
    await mesh.kill('SIGKILL')
    await judged('without an agent', false)
    await mesh.up('--dns-address', 'off')
    await judged('with the next agent')
    const left = await mesh.mesh.run('leave', 'shop/web-0')
    assert.deepEqual([left.code, left.stdout], [0, 'shop/web-0 is out of the mesh\n'])
    assert.equal(await connect(other), 'None', 'out of the mesh')
    assert.equal(await service.do('socket.create_connection(("127.0.0.1", 1), 60)'), 'ConnectionRefusedError')
    const gone = await mesh.mesh.run('leave', 'shop/web-0')
    assert.match(gone.stderr, /no workload shop\/web-0 has joined/)
  },
)

test(
  'connections that a program had when it joined are judged, and end where they may not be',
  { skip, timeout: 120_000 },
  async t => {
    const mesh = await MemberMesh.create(t, [
      serviceOf('web', '{port: 80, appProtocol: tcp}'),
      member('client'),
      policy,
    ])
    await mesh.up('--dns-address', 'off')
    await using outside = new Outside(mesh)
    const { service, other } = outside
    await service.do(listen)
    await other.do(`c = socket.create_connection(("127.0.0.1", ${await service.do('s.getsockname()[1]')}), 60)`)
    await service.do('a = s.accept()[0]; a.settimeout(20)')
    await other.do('c.sendall(b"one")')
    assert.equal(await service.do('a.recv(9)'), "b'one'")
    await mesh.mesh.run('join', outside.folder, '-s', 'web', '-n', 'shop', '-l', 'app=joined', '--name', 'web-0')
    await other.do('c.sendall(b"two")')
    assert.equal(await service.do('a.recv(9)'), 'ConnectionAbortedError')
    assert.equal(await other.do('c.recv(9)'), 'ConnectionResetError')
    assert.equal((await mesh.mesh.run('leave', '-n', 'shop', 'web-0')).code, 0)
  },
)

test(
  'a process that shares its cgroup with others is taken out of it with the sockets it has, and goes back',
  { skip, timeout: 120_000 },
  async t => {
    const mesh = await MemberMesh.create(t, [
      serviceOf('web', '{port: 80, appProtocol: tcp}'),
      member('client'),
      policy,
    ])
    await mesh.up('--dns-address', 'off')
    await using outside = new Outside(mesh)
    const { other, client, service } = outside
    await other.do(listen)
    await other.do('u = socket.socket(type=socket.SOCK_DGRAM); u.bind(("127.0.0.1", 0)); u.settimeout(60)')
    const port = await other.do('s.getsockname()[1]')
    const datagrams = await other.do('u.getsockname()[1]')
    const cgroup = (): string => /^0::(.*)$/m.exec(readFileSync(`/proc/${other.pid}/cgroup`, 'utf8'))?.[1] ?? ''
    const connect = async (from: Python, seconds = 20): Promise<string> => {
      await from.do(`c = socket.socket(); c.settimeout(${seconds})`)
      return await from.do(`c.connect(("127.0.0.1", ${port}))`)
    }
    let sent = 0
    const send = async (from: Python): Promise<string> => {
      await from.do('d = socket.socket(type=socket.SOCK_DGRAM)')
      await from.do(`d.sendto(b"${++sent}", ("127.0.0.1", ${datagrams}))`)
      return String(sent)
    }
    const received = async (): Promise<string> => await other.do('u.recv(9).decode()')
    const before = cgroup()
    // One that was accepted, and one that waits to be.
    assert.equal(await connect(service), 'None')
    await other.do('a = s.accept()[0]; a.settimeout(20)')
    await service.do('first = c')
    assert.equal(await connect(service), 'None')
    const words = ['join', `${other.pid}`, '-s', 'web', '-n', 'shop', '-l', 'app=joined', '--name', 'web-1']
    const joined = await mesh.mesh.run(...words)
    assert.deepEqual([joined.code, joined.stderr], [0, ''])
    assert.match(cgroup(), /\/shop\.web-1$/)
    assert.equal(await other.do('socket.create_connection(("127.0.0.1", 1), 60)'), 'PermissionError')
    await service.do('first.sendall(b"x")')
    assert.equal(await other.do('a.recv(9)'), 'ConnectionAbortedError', 'a connection from before')
    const judged = async (when: string, hasAgent = true): Promise<void> => {
      assert.equal(await connect(client), 'None', when)
      const [seconds, refused] = hasAgent ? [20, 'ConnectionRefusedError'] : [0.5, 'TimeoutError']
      assert.equal(await connect(service, seconds), refused, when)
      // Of two the first does not come.
      await send(service)
      assert.equal(await send(client), await received(), when)
    }
    await judged('sockets from before')
    await mesh.kill('SIGKILL')
    await judged('without an agent', false)
    await mesh.up('--dns-address', 'off')
    await judged('with the next agent')
    assert.equal((await mesh.mesh.run('leave', 'shop/web-1')).code, 0)
    assert.equal(cgroup(), before)
    assert.equal(await other.do('socket.create_connection(("127.0.0.1", 1), 60)'), 'ConnectionRefusedError')
    assert.equal(await connect(service), 'None', 'out of the mesh')
    assert.equal(await send(service), await received())
  },
)

test(
  'a join that the kernel refuses leaves everything as it was, and says why',
  { skip, timeout: 120_000 },
  async t => {
    const mesh = await MemberMesh.create(t, [
      serviceOf('web', '{port: 80, appProtocol: tcp}'),
      member('client'),
      policy,
    ])
    await mesh.up('--dns-address', 'off')
    await using outside = new Outside(mesh)
    const { service, client } = outside
    await service.do(listen)
    const join = async (): ReturnType<MemberMesh['mesh']['run']> =>
      await mesh.mesh.run('join', outside.folder, '-s', 'web', '-n', 'shop', '-l', 'app=joined', '--name', 'web-0')
    {
      // As many as the kernel takes at one place.
      using bpf = new Bpf()
      using object = loadObject(bpf, readObject(readFileSync(hooks), { name: 'hooks' }))
      using links = new DisposableStack()
      const program = object.program('on_connect4')
      for (let count = 0; count < 64; count++) links.use(attachToCgroup(bpf, program, outside.folder))
      const { code, stderr } = await join()
      assert.equal(code, 1)
      assert.match(stderr, /shop\/web-0 could not join: .*E2BIG/)
    }
    assert.match((await mesh.mesh.run('status')).stdout, /^tier: kernel \(programs on cgroup /m)
    assert.deepEqual((await mesh.mesh.run('leave', 'shop/web-0')).code, 1, 'it has not joined')
    assert.equal(await client.do('socket.create_connection(("127.0.0.1", 1), 60)'), 'ConnectionRefusedError')
    assert.equal(await service.do('socket.create_connection(("127.0.0.1", 1), 60)'), 'ConnectionRefusedError')
    const again = await join()
    assert.equal(again.code, 0, again.stderr)
    assert.equal(await service.do('socket.create_connection(("127.0.0.1", 1), 60)'), 'PermissionError')
  },
)

test('what cannot join is told why', { skip, timeout: 120_000 }, async t => {
  const mesh = await MemberMesh.create(t, [serviceOf('web', '{port: 80, appProtocol: tcp}'), member('client')])
  await mesh.up('--dns-address', 'off')
  await using outside = new Outside(mesh)
  const rows: readonly (readonly [target: string, message: RegExp])[] = [
    ['999999999', /there is no process 999999999/],
    ['/no/such.service', /is no cgroup of version 2 below/],
    [mesh.cgroup.folder, /is of the mesh already/],
    [`${outside.client.pid}`, /is in the mesh already/],
    [outside.folder, /it listens at no port: say which with --port/],
  ]
  for (const [target, message] of rows) {
    const { code, stderr } = await mesh.mesh.run('join', target, '-s', 'web', '-n', 'shop')
    assert.equal(code, 1, target)
    assert.match(stderr, message)
  }
})
