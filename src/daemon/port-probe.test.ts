import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { describeListenError, overlaps, parseListening, probePort } from './port-probe.ts'

const taken = 'another program or another agent listens there already'

async function listen(t: TestContext, host: string): Promise<number> {
  const server = createServer()
  server.listen({ host, port: 0, reusePort: true })
  await once(server, 'listening')
  t.after(() => void server.close())
  return (server.address() as AddressInfo).port
}

/** Another process, as another agent is. */
async function listenElsewhere(t: TestContext, host: string): Promise<number> {
  const script = `const s = require('node:net').createServer().listen({ host: '${host}', port: 0, reusePort: true }, () => console.log(s.address().port))`
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(async () => {
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  const [text] = (await once(child.stdout, 'data')) as [Buffer]
  return Number(text.toString())
}

test('probePort() finds a place free and leaves it free', async t => {
  const port = await listenElsewhere(t, '127.99.1.1')
  assert.equal(await probePort({ address: '127.99.1.2', port }, []), undefined)
  assert.equal(await probePort({ address: '127.99.1.2', port }, []), undefined)
})

test('probePort() finds whoever listens there, though the workers could share the port', async t => {
  const port = await listenElsewhere(t, '127.99.1.1')
  assert.equal(await probePort({ address: '127.99.1.1', port }, []), taken)
  assert.equal(await probePort({ address: '0.0.0.0', port }, []), taken)
})

test('probePort() tells our own listeners of an overlapping address from others', async t => {
  const own = await listen(t, '0.0.0.0')
  const held = [{ address: '0.0.0.0', port: own }]
  assert.equal(await probePort({ address: '127.99.1.1', port: own }, held), undefined)
  const foreign = await listenElsewhere(t, '127.99.1.1')
  assert.equal(
    await probePort({ address: '127.99.1.1', port: foreign }, [{ address: '0.0.0.0', port: foreign }]),
    taken,
  )
})

/** Another process that has a port of UDP and lets others share it. */
async function bindElsewhere(t: TestContext, host: string): Promise<number> {
  const script = `const s = require('node:dgram').createSocket({ type: 'udp4', reusePort: true }).bind(0, '${host}', () => console.log(s.address().port))`
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(async () => {
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  const [text] = (await once(child.stdout, 'data')) as [Buffer]
  return Number(text.toString())
}

test('probePort() asks for UDP by itself: another process is found, a port of TCP is none', async t => {
  const port = await bindElsewhere(t, '127.99.1.1')
  const transport = 'udp'
  assert.equal(await probePort({ address: '127.99.1.1', port, transport }, []), taken)
  assert.equal(await probePort({ address: '127.99.1.1', port }, []), undefined)
  assert.equal(await probePort({ address: '127.99.1.2', port, transport }, []), undefined)
  const held = [{ address: '0.0.0.0', port, transport } as const]
  assert.equal(await probePort({ address: '127.99.1.1', port, transport }, held), taken)
})

test('probePort() tells our own sockets of UDP from others', async t => {
  const socket = createSocket({ type: 'udp4', reusePort: true })
  socket.bind(0, '0.0.0.0')
  await once(socket, 'listening')
  t.after(() => void socket.close())
  const { port } = socket.address()
  const held = [{ address: '0.0.0.0', port, transport: 'udp' } as const]
  assert.equal(await probePort({ address: '127.99.1.1', port, transport: 'udp' }, held), undefined)
})

test('probePort() says what cannot work on this machine', async () => {
  assert.equal(await probePort({ address: '192.0.2.1', port: 4000 }, []), 'the address is not one of this machine')
})

test('describeListenError() says what to do about a port below 1024', () => {
  assert.match(describeListenError('EACCES', { address: '0.0.0.0', port: 80 }), /CAP_NET_BIND_SERVICE.*higher port/)
  assert.match(describeListenError('EACCES', { address: '0.0.0.0', port: 8080 }), /EACCES/)
})

test('overlaps() holds for equal and wildcard addresses of one port', () => {
  const cases = [
    ['127.0.0.1', '127.0.0.1', true],
    ['0.0.0.0', '127.0.0.1', true],
    ['127.0.0.1', '::', true],
    ['127.0.0.1', '127.0.0.2', false],
  ] as const
  for (const [a, b, expected] of cases)
    assert.equal(overlaps({ address: a, port: 1 }, { address: b, port: 1 }), expected)
  assert.equal(overlaps({ address: '0.0.0.0', port: 1 }, { address: '0.0.0.0', port: 2 }), false)
})

test('parseListening() reads listening sockets of both families', () => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1234 1 0 100 0 0 10 0
   1: 0100007F:1F91 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 1235 1 0 100 0 0 10 0
   2: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1236 1
   3: B80D0120000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1237 1
`
  assert.deepEqual(parseListening(table), [
    { address: '127.0.0.1', port: 8080, transport: 'tcp', inode: '1234' },
    { address: '::1', port: 80, transport: 'tcp', inode: '1236' },
    { address: '2001:db8::1', port: 80, transport: 'tcp', inode: '1237' },
  ])
})
