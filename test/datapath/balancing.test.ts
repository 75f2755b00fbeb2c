import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { commandInCgroup } from '../../src/datapath/index.ts'
import { datapathSkip, draw, serve, World } from './world.ts'

const skip = datapathSkip()
const addresses = ['127.99.0.1', 'fd68:6564:646c::7f63:1']

test('a client comes back to its endpoint while that is there and the time is not over', { skip }, async t => {
  const world = new World(t)
  const endpoints = await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map(name => serve(t, name)))
  const sticky = { name: 'db', addresses, port: 80, affinitySeconds: 600 }
  const answers = async (workload = 'shop/client', host = '127.99.0.1'): Promise<readonly string[]> => [
    ...new Set((await world.run(draw(host, 20), workload)).output.split('\n')),
  ]
  world.update([{ ...sticky, endpoints }])
  const first = await answers()
  assert.equal(first.length, 1)
  assert.deepEqual(await answers(), first, 'another process of the workload is the same client')
  assert.equal((await answers('shop/other')).length, 1)
  assert.equal((await answers('shop/client', 'fd68:6564:646c::7f63:1')).length, 1)

  const gone = endpoints.findIndex((_, at) => 'abcdef'[at] === first[0])
  world.update([
    { ...sticky, endpoints: endpoints.map((each, at) => (at === (gone + 1) % 6 ? { ...each, weight: 9 } : each)) },
  ])
  assert.deepEqual(await answers(), first, 'others have changed')
  world.update([
    { ...sticky, endpoints: endpoints.map((each, at) => (at === gone ? { ...each, healthy: false } : each)) },
  ])
  const second = await answers()
  assert.equal(second.length, 1)
  assert.notDeepEqual(second, first, 'its endpoint is not healthy')

  world.update([{ ...sticky, endpoints, affinitySeconds: 0 }])
  assert.ok((await answers()).length > 1, 'without affinity')
})

test('a client that was away for too long is led anew', { skip }, async t => {
  const world = new World(t)
  const endpoints = await Promise.all(Array.from({ length: 20 }, (_, at) => serve(t, `e${at}`)))
  world.update([{ name: 'db', addresses, port: 80, affinitySeconds: 1, endpoints }])
  // Waits out the time, in the program as the kernel counts it. The same endpoint six times in a row is one in 3 million.
  const code = `import socket, time
for _ in range(6):
  for _ in range(2):
    s = socket.create_connection(("127.99.0.1", 80), 5); s.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n"); d = b""
    while c := s.recv(999): d += c
    print(d.decode().split()[-1])
  time.sleep(1.1)`
  const lines = (await world.run(['python3', '-c', code])).output.split('\n')
  assert.equal(lines.length, 12)
  for (let at = 0; at < 12; at += 2) assert.equal(lines[at], lines[at + 1], 'within the time')
  assert.ok(new Set(lines).size > 1)
})

test('datagrams of a client go to its endpoint, whatever their socket', { skip }, async t => {
  const world = new World(t)
  const udp = { protocol: 'udp' } as const
  const endpoints = await Promise.all(['a', 'b', 'c', 'd', 'e'].map(name => serve(t, name, udp)))
  world.update([{ name: 'dns', addresses, port: 80, carrier: 'udp', affinitySeconds: 60, endpoints }])
  const code = `import socket
for i in range(20):
  s = socket.socket(type=socket.SOCK_DGRAM); s.settimeout(5)
  if i % 2: s.connect(("127.99.0.1", 80)); s.send(b"x")
  else: s.sendto(b"x", ("127.99.0.1", 80))
  print(s.recv(99).decode())`
  const lines = (await world.run(['python3', '-c', code])).output.split('\n')
  assert.deepEqual([lines.length, new Set(lines).size], [20, 1])
})

const families = [
  ['IPv4', 'AF_INET', '127.99.0.1', '127.0.0.1'],
  ['IPv6', 'AF_INET6', 'fd68:6564:646c::7f63:1', '::1'],
  ['IPv4-mapped', 'AF_INET6', '::ffff:127.99.0.1', '127.0.0.1'],
] as const

for (const [name, family, host, address] of families) {
  test(`connected UDP of ${name} to an endpoint that has gone is closed, and nothing else is`, { skip }, async t => {
    const world = new World(t)
    const [a, b] = [
      await serve(t, 'a', { address, protocol: 'udp' }),
      await serve(t, 'b', { address, protocol: 'udp' }),
    ]
    const service = { name: 'dns', addresses, port: 80, carrier: 'udp' } as const
    const other = { ...service, name: 'other', port: 81 }
    world.update([
      { ...service, endpoints: [a] },
      { ...other, endpoints: [a] },
    ])
    // By the Service, by another Service, by itself.
    const code = `import errno, socket, sys
def go(h, p):
  s = socket.socket(socket.${family}, socket.SOCK_DGRAM); s.settimeout(5); s.connect((h, p)); s.send(b"x"); s.recv(9); return s
ss = [go("${host}", 80), go("${host}", 81), go("${host.startsWith('::ffff') ? '::ffff:127.0.0.1' : address}", ${a.port})]
print("ready", flush=True)
for _ in sys.stdin:
  for s in ss:
    for call in (lambda: s.send(b"x"), lambda: s.recv(9)):
      try: print(call())
      except OSError as e: print(errno.errorcode[e.errno])
  s = go("${host}", 80); s.send(b"x"); print(s.recv(9).decode(), flush=True)`
    const [program, ...args] = commandInCgroup(world.cgroup.enter('shop/client'), ['python3', '-c', code])
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    const take = async (count: number): Promise<readonly string[]> => {
      const taken: string[] = []
      while (taken.length < count) {
        const line = await lines.next()
        assert.ok(line.done !== true, 'the program goes on')
        taken.push(line.value)
      }
      return taken
    }
    try {
      assert.deepEqual(await take(1), ['ready'])
      world.update([
        { ...service, endpoints: [b] },
        { ...other, endpoints: [a] },
      ])
      child.stdin.write('?\n')
      const gone = ['EDESTADDRREQ', 'ECONNABORTED']
      assert.deepEqual(await take(7), [...gone, '1', "b'a'", '1', "b'a'", 'b'])
    } finally {
      const ended = once(child, 'exit')
      child.stdin.end()
      await ended
    }
  })
}
