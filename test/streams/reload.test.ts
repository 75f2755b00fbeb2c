import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import net from 'node:net'
import { describe, it } from 'node:test'
import type { CallerSource } from '../../src/proxy/index.ts'
import { RawClient } from '../support/raw.ts'
import { named, StreamBed, TcpServer, UdpClient, UdpServer } from '../support/streams.ts'
import type { StreamSketch } from '../support/streams.ts'

const host = 'Gateway test/l4/tcp'

/** Sends this much through an echo and tells whether the same came back. */
async function echoes(port: number, bytes: number): Promise<boolean> {
  const piece = randomBytes(16 * 1024)
  const [sent, got] = [createHash('sha256'), createHash('sha256')]
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  let left = bytes
  let received = 0
  const pour = (): void => {
    while (left > 0) {
      left -= piece.length
      sent.update(piece)
      if (!socket.write(piece)) return
    }
    socket.end()
  }
  socket.on('drain', pour).on('connect', pour)
  socket.on('data', chunk => {
    received += chunk.length
    got.update(chunk)
  })
  await new Promise((resolve, reject) => socket.on('end', resolve).on('error', reject))
  socket.destroy()
  return received === bytes && sent.digest('hex') === got.digest('hex')
}

for (const transport of ['native', 'node'] as const) {
  describe(`streams while the configuration changes, over ${transport} sockets`, { timeout: 60_000 }, () => {
    it('no byte of any session is lost under fifty changes of routes, weights and backends', async () => {
      const echo = (socket: net.Socket): void => {
        socket.pipe(socket)
      }
      await using a = await TcpServer.start(echo)
      await using b = await TcpServer.start(echo)
      const sketch = (round: number): StreamSketch => ({
        listeners: {
          tcp: { protocol: 'TCP', hosts: [{ id: host }] },
          ...(round % 2 === 0 ? {} : { more: { protocol: 'TCP', hosts: [{ id: 'Gateway test/l4/more' }] } }),
        },
        routes: [{ on: host, to: round % 3 === 0 ? { 'a:1': 1 } : { 'a:1': round, 'b:1': 1 } }],
        backends: {
          'a:1': { ports: round % 4 === 0 ? [b.port] : [a.port, b.port], settings: { slowStartMs: round } },
          'b:1': { ports: [b.port] },
        },
      })
      await using bed = await StreamBed.start(sketch(0), { transport })
      const clients = Array.from({ length: 12 }, () => echoes(bed.port('tcp'), 4 * 1024 * 1024))
      for (let round = 1; round <= 50; round++) {
        await bed.apply(sketch(round))
        await new Promise(resolve => setImmediate(resolve))
      }
      assert.deepEqual(new Set(await Promise.all(clients)), new Set([true]))
      const records = await bed.logged(clients.length)
      assert.deepEqual(new Set(records.map(({ flags }) => flags)), new Set(['-']))
    })

    it('routes of consumers hold for the callers of their namespace, who are asked for once a connection', async () => {
      await using common = await TcpServer.start(named('common'))
      await using consumer = await TcpServer.start(named('consumer'))
      const callers: CallerSource & { namespace: string | undefined; asked: number } = {
        namespace: undefined,
        asked: 0,
        ask(_ends, waiting) {
          callers.asked++
          const { namespace } = callers
          setImmediate(() =>
            waiting.identified(
              namespace === undefined
                ? undefined
                : { namespace, service: `${namespace}/client`, workload: `${namespace}/client-0` },
            ),
          )
        },
      }
      const service = 'Service test/db:1'
      const sketch = (hasConsumer: boolean): StreamSketch => ({
        listeners: { tcp: { protocol: 'TCP', kind: 'service', hosts: [{ id: service }] } },
        routes: [
          { on: service, to: { 'common:1': 1 } },
          ...(hasConsumer ? [{ on: service, clientNamespace: 'web', to: { 'consumer:1': 1 } }] : []),
        ],
        backends: { 'common:1': { ports: [common.port] }, 'consumer:1': { ports: [consumer.port] } },
      })
      await using bed = await StreamBed.start(sketch(false), { transport, callers })
      const ask = async (): Promise<string> => {
        await using client = await RawClient.open(bed.port())
        client.write('early')
        return await client.receive(text => text.endsWith('early'))
      }
      assert.equal(await ask(), 'common\nearly')
      assert.equal(callers.asked, 0, 'where nothing depends on it nobody is asked')
      await bed.apply(sketch(true))
      for (const [namespace, answer] of [
        ['web', 'consumer\nearly'],
        ['other', 'common\nearly'],
        [undefined, 'common\nearly'],
      ] as const) {
        callers.namespace = namespace
        assert.equal(await ask(), answer)
      }
      assert.equal(callers.asked, 3)
      const records = await bed.logged(4)
      assert.deepEqual(
        records.map(({ clientService }) => clientService),
        ['', 'web/client', 'other/client', ''],
      )
    })
  })
}

describe('UDP while the configuration changes', () => {
  it('sessions stay with their endpoint', async () => {
    await using server = await UdpServer.start(datagram => [datagram])
    const id = 'Gateway test/l4/udp'
    const sketch = (round: number): StreamSketch => ({
      listeners: { udp: { protocol: 'UDP', hosts: [{ id }] } },
      routes: [{ kind: 'UDPRoute', on: id, to: { 'a:1': 1 + round } }],
      backends: { 'a:1': { ports: [server.port], settings: { slowStartMs: round } } },
    })
    await using bed = await StreamBed.start(sketch(0))
    await using client = await UdpClient.open(bed.port())
    for (let round = 1; round <= 20; round++) {
      await bed.apply(sketch(round))
      assert.equal(await client.ask(`${round}`), `${round}`)
    }
    assert.equal(server.peers.size, 1)
  })

  it('routes of consumers hold for the callers of their namespace, and what comes before they are known waits', async () => {
    await using common = await UdpServer.start(datagram => [Buffer.from(`common ${String(datagram)}`)])
    await using consumer = await UdpServer.start(datagram => [Buffer.from(`consumer ${String(datagram)}`)])
    const asked: { readonly protocol?: string; tell(namespace: string | undefined): void }[] = []
    const callers: CallerSource = {
      ask({ protocol }, waiting) {
        const tell = (namespace: string | undefined): void =>
          waiting.identified(
            namespace === undefined
              ? undefined
              : { namespace, service: `${namespace}/client`, workload: `${namespace}/client-0` },
          )
        asked.push(protocol === undefined ? { tell } : { protocol, tell })
      },
    }
    const id = 'Service test/dns:1'
    await using bed = await StreamBed.start(
      {
        listeners: { udp: { protocol: 'UDP', kind: 'service', hosts: [{ id }] } },
        routes: [
          { kind: 'UDPRoute', on: id, to: { 'common:1': 1 } },
          { kind: 'UDPRoute', on: id, clientNamespace: 'web', to: { 'consumer:1': 1 } },
        ],
        backends: { 'common:1': { ports: [common.port] }, 'consumer:1': { ports: [consumer.port] } },
      },
      { callers },
    )
    for (const [at, [namespace, name]] of (
      [
        ['web', 'consumer'],
        ['other', 'common'],
        [undefined, 'common'],
      ] as const
    ).entries()) {
      await using client = await UdpClient.open(bed.port())
      client.send('one')
      client.send('two')
      while (asked.length <= at) await new Promise(resolve => setImmediate(resolve))
      assert.equal(asked[at]?.protocol, 'UDP')
      asked[at]?.tell(namespace)
      while (client.answers.length < 2) await new Promise(resolve => setImmediate(resolve))
      assert.deepEqual(client.answers.map(String), [`${name} one`, `${name} two`])
      assert.equal(await client.ask('three'), `${name} three`)
    }
    assert.equal(asked.length, 3)
  })
})
