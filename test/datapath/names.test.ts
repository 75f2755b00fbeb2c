import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { closedEgress, endpoint, member, MemberMesh, serviceOf } from './member-mesh.ts'
import { datapathSkip, serve } from './world.ts'

const skip = datapathSkip('dnsmasq', 'dig')

/** A resolver that nobody here wrote, on port 53 of a loopback address of its own; `asked` has the names that it was asked for. */
class ForeignResolver {
  readonly address: string
  readonly asked: string[] = []

  private constructor(address: string) {
    this.address = address
  }

  static async open(t: TestContext): Promise<ForeignResolver> {
    const each = new ForeignResolver(`127.${20 + (process.pid % 60)}.${1 + Math.floor(Math.random() * 250)}.53`)
    const options = [
      '--conf-file=/dev/null',
      '--no-resolv',
      '--no-hosts',
      '--bind-interfaces',
      '--no-daemon',
      '--pid-file',
    ]
    const names = ['--address=/www.example.com/192.0.2.7', '--address=/www.example.com/2001:db8::7']
    const large = Array.from({ length: 100 }, (_, at) => `--host-record=large.example.com,10.1.0.${at + 1}`)
    const child = spawn(
      'dnsmasq',
      [...options, `--listen-address=${each.address}`, '--log-queries', '--log-facility=-', ...names, ...large],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    )
    t.after(async () => {
      if (child.exitCode !== null) return
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    })
    const lines = createInterface({ input: child.stderr })
    const started = Promise.withResolvers<void>()
    lines.on('line', line => {
      if (/started, version/.test(line)) started.resolve()
      const name = /query\[\w+\] (\S+) from/.exec(line)?.[1]
      if (name !== undefined) each.asked.push(name)
    })
    await started.promise
    return each
  }
}

test(
  'programs of the mesh resolve its names, each by its namespace, and others by whom they ask',
  { skip },
  async t => {
    const foreign = await ForeignResolver.open(t)
    const one = await serve(t, 'one')
    const two = await serve(t, 'two', { address: '127.0.0.2' })
    await using each = await MemberMesh.create(t, [
      serviceOf('db', '{port: 80, appProtocol: tcp}'),
      serviceOf('db', '{port: 80, appProtocol: tcp}', { namespace: 'other' }),
      serviceOf('pair', '{name: a, port: 80, appProtocol: tcp}', { more: ', clusterIP: None' }),
      endpoint('db', one.port),
      endpoint('db', two.port, { namespace: 'other', address: two.address }),
      endpoint('pair', one.port),
      endpoint('pair', two.port, { address: two.address }),
      member('client'),
      member('stranger', 'other'),
      member('closed'),
      closedEgress('closed'),
    ])
    await each.up()
    const { services } = await each.mesh.status()
    const addressOf = (key: string): string => services.find(found => found.key === key)?.address?.split(':')[0] ?? ''
    const [ours, theirs] = [addressOf('shop/db:80'), addressOf('other/db:80')]
    assert.notEqual(ours, theirs)
    const dig = async (workload: string, ...words: readonly string[]): Promise<string> => {
      const command = ['dig', '+short', '+tries=1', '+time=4', `@${foreign.address}`, ...words]
      return (await each.run(workload, command)).output
    }

    await t.test('dig, by datagrams and by connections', async () => {
      for (const name of ['db', 'db.shop', 'db.shop.svc', 'db.shop.svc.cluster.local']) {
        assert.equal(await dig('shop.client', name), ours, name)
        assert.equal(await dig('shop.client', '+tcp', name), ours, `${name} by TCP`)
      }
      assert.equal(await dig('other.stranger', 'db'), theirs)
      assert.equal(await dig('other.stranger', 'db.shop'), ours)
      assert.match(await dig('shop.client', 'db', 'AAAA'), /^fd68:6564:646c::/)
      assert.deepEqual((await dig('shop.client', 'pair')).split('\n').toSorted(), ['127.0.0.1', '127.0.0.2'])
      assert.equal(await dig('shop.client', '-x', ours), 'db.shop.svc.cluster.local.')
      assert.deepEqual(foreign.asked, [], 'none of it has left the mesh')
    })

    await t.test('names of elsewhere are those of the resolver that is asked', async () => {
      assert.equal(await dig('shop.client', 'www.example.com'), '192.0.2.7')
      assert.equal(await dig('shop.client', '+tcp', 'www.example.com', 'AAAA'), '2001:db8::7')
      assert.equal((await dig('shop.client', 'large.example.com')).split('\n').length, 100, 'truncated, then by TCP')
      assert.ok(foreign.asked.includes('www.example.com') && foreign.asked.includes('large.example.com'))
    })

    await t.test('getaddrinfo() of the C library, which knows its resolver from resolv.conf', async () => {
      const code = `import socket; print(*sorted({a[4][0] for a in socket.getaddrinfo("db", 80)}))`
      const { output } = await each.run('shop.client', ['python3', '-c', code])
      assert.match(output, new RegExp(`^${ours.replaceAll('.', '\\.')} fd68:6564:646c::`))
      const url = (host: string): readonly string[] => ['curl', '-sS', '-m', '5', `http://${host}/`]
      assert.equal((await each.run('shop.client', url('db'))).output, 'one')
      assert.equal((await each.run('shop.client', [...url('db'), '-6'])).output, 'one')
      assert.equal((await each.run('other.stranger', url('db'))).output, 'two')
    })

    await t.test('a socket knows the resolver that it asked, connected or not', async () => {
      const code = `import socket, struct
q = struct.pack("!6H", 7, 256, 1, 0, 0, 0) + b"\\x02db\\0" + struct.pack("!2H", 1, 1)
a = ("${foreign.address}", 53)
s = socket.socket(type=socket.SOCK_DGRAM); s.settimeout(4); s.sendto(q, a); print(*s.recvfrom(512)[1])
s = socket.socket(type=socket.SOCK_DGRAM); s.settimeout(4); s.connect(a); s.send(q); s.recv(512); print(*s.getpeername())
s = socket.create_connection(a, 4); print(*s.getpeername())`
      const { output } = await each.run('shop.client', ['python3', '-c', code])
      assert.equal(output, `${foreign.address} 53\n`.repeat(3).trim())
    })

    await t.test('who may not go to a resolver gets names of the mesh and no others', async () => {
      foreign.asked.length = 0
      assert.equal(await dig('shop.closed', 'db'), ours)
      // The agent itself, whom everybody may reach.
      const [host = '', port = ''] = ((await each.mesh.status()).agent.dns ?? '').split(':')
      for (const way of ['+notcp', '+tcp']) {
        const ask = async (workload: string, name: string): Promise<string> =>
          (await each.run(workload, ['dig', '+tries=1', way, `@${host}`, '-p', port, name])).output
        assert.ok((await ask('shop.closed', 'db')).includes(ours), way)
        assert.match(await ask('shop.closed', 'secret.example.com'), /status: REFUSED/, way)
      }
      const { output } = await each.run('shop.closed', ['dig', '+tries=1', `@${foreign.address}`, 'secret.example.com'])
      assert.match(output, /status: REFUSED/)
      const code = `import socket, struct
q = struct.pack("!6H", 7, 256, 1, 0, 0, 0) + b"\\x06secret\\x07example\\x03com\\0" + struct.pack("!2H", 1, 1)
for _ in range(20): s = socket.socket(type=socket.SOCK_DGRAM); s.sendto(q, ("${foreign.address}", 53)); s.close()`
      await each.run('shop.closed', ['python3', '-c', code])
      // Those that were sent before it are through by then.
      assert.equal(await dig('shop.client', 'www.example.com'), '192.0.2.7')
      assert.deepEqual(foreign.asked, ['www.example.com'], 'also of sockets that are gone when the query comes')
    })

    await t.test('without an agent no name of the mesh gets out', async () => {
      foreign.asked.length = 0
      await each.kill('SIGKILL')
      const command = ['dig', '+short', '+tries=1', '+time=1', `@${foreign.address}`]
      for (const words of [['db'], ['+tcp', 'db'], ['www.example.com']]) {
        assert.notEqual((await each.run('shop.client', [...command, ...words])).code, 0)
      }
      assert.deepEqual(foreign.asked, [])
      await each.up()
      assert.equal(await dig('shop.client', 'db'), ours)
      assert.equal(await dig('shop.client', 'www.example.com'), '192.0.2.7')
    })
  },
)
