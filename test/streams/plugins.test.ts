import assert from 'node:assert/strict'
import net from 'node:net'
import { describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import { silentLogger } from '../../src/core/index.ts'
import { WorkerPlugins } from '../../src/daemon/plugins/worker-plugins.ts'
import type { Plugin } from '../../src/model/index.ts'
import { offlineServices } from '../../src/wasm/index.ts'
import { guest } from '../guests/probe.ts'
import { pluginOf } from '../support/plugged-proxy.ts'
import { RawClient } from '../support/raw.ts'
import { StreamBed, TcpServer } from '../support/streams.ts'
import type { StreamSketch } from '../support/streams.ts'
import { until } from '../support/until.ts'

const host = 'Gateway test/l4/tcp'

interface Bed {
  readonly bed: StreamBed
  readonly runner: WorkerPlugins
  /** Another list of plugins takes over for new connections. */
  readonly replace: (plugins: readonly Plugin[]) => Promise<void>
}

function plugin(name: string, more: Partial<Plugin> = {}): Plugin {
  return pluginOf(name, 'stream', { kind: 'tcp', ...more })
}

const configured = (text: string): Partial<Plugin> => ({ configuration: Buffer.from(text) })

/** A listener whose connections pass these plugins, in front of a server. */
async function start(t: TestContext, server: TcpServer, plugins: readonly Plugin[]): Promise<Bed> {
  const runner = new WorkerPlugins(offlineServices({}), silentLogger)
  t.after(() => runner[Symbol.dispose]())
  const module = new Map([['stream', await guest('stream')]])
  const sketchOf = (list: readonly Plugin[]): StreamSketch => ({
    listeners: { tcp: { protocol: 'TCP', hosts: [{ id: host, plugins: list.map(({ key }) => key) }] } },
    routes: [{ on: host, to: { 'db:1': 1 } }],
    backends: { 'db:1': { ports: [server.port] } },
    plugins: new Map(list.map(each => [each.key, each])),
  })
  const tell = async (list: readonly Plugin[]): Promise<StreamSketch> => {
    await runner.update(new Map(list.map(each => [each.key, each])), module)
    return sketchOf(list)
  }
  const bed = await StreamBed.start(await tell(plugins), { transport: 'native', runner })
  t.after(() => bed[Symbol.asyncDispose]())
  const replace = async (list: readonly Plugin[]): Promise<void> => {
    await bed.apply(await tell(list))
    runner.prune(new Map(list.map(each => [each.key, each])))
  }
  return { bed, runner, replace }
}

/** Says everything again, and then that it is over. */
const echo = (): Promise<TcpServer> =>
  TcpServer.start(socket => {
    socket.on('data', bytes => socket.write(bytes))
    socket.on('end', () => socket.end())
  })

/** What comes back until `end`, or the code of the error. */
async function said(port: number, text: string): Promise<string> {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  const { promise, resolve } = Promise.withResolvers<string>()
  let received = ''
  socket.on('data', bytes => (received += bytes.toString()))
  socket.on('error', error => resolve('code' in error ? String(error.code) : error.message))
  socket.on('end', () => resolve(received))
  socket.end(text)
  const how = await promise
  socket.destroy()
  return how
}

describe('plugins of connections', { timeout: 60_000 }, () => {
  it('see and change the bytes of both directions', async t => {
    await using server = await echo()
    const { bed, runner } = await start(t, server, [plugin('one')])
    assert.equal(await said(bed.port(), 'hello'), '!HELLO')
    await until(() => runner.status()[0]?.streams === 0)
    const [record] = await bed.logged(1)
    assert.deepEqual([record?.requestBytes, record?.flags, record?.reason], [5, '-', undefined])
  })

  it('pass on to each other in their order, and back in the other', async t => {
    await using server = await echo()
    const { bed } = await start(t, server, [plugin('one'), plugin('two')])
    assert.equal(await said(bed.port(), 'hello'), '!!HELLO')
  })

  it('hold what the client has sent until they have seen enough', async t => {
    await using server = await echo()
    const { bed } = await start(t, server, [plugin('one')])
    await using client = await RawClient.open(bed.port())
    client.write('hold on, ')
    await until(() => bed.proxies.length > 0 && server.sockets.size === 1)
    const [socket] = server.sockets
    assert.equal(socket?.bytesRead, 0)
    client.write('go')
    assert.equal(await client.receive(text => text.endsWith('go')), '!hold on, go')
  })

  it('a megabyte in both directions is whole, whoever reads slowly', async t => {
    await using server = await echo()
    const { bed } = await start(t, server, [plugin('one')])
    const answer = await said(bed.port(), 'x'.repeat(1_000_000))
    assert.equal(answer.replaceAll('!', ''), 'X'.repeat(1_000_000))
  })

  it('hold a new connection until they let it go', async t => {
    await using server = await echo()
    const { bed } = await start(t, server, [plugin('one', configured('wait'))])
    assert.equal(await said(bed.port(), 'hello'), '!HELLO')
  })

  it('close the client, who gets no byte of the endpoint', async t => {
    await using server = await echo()
    const { bed, runner } = await start(t, server, [plugin('one')])
    assert.equal(await said(bed.port(), 'deny'), '')
    await until(() => server.sockets.size === 0 && runner.status()[0]?.streams === 0)
    const [record] = await bed.logged(1)
    assert.equal(record?.reason, 'plugin-response')
  })

  it('close a connection before anything was said', async t => {
    await using server = await echo()
    const { bed, runner } = await start(t, server, [plugin('one', configured('shut'))])
    assert.equal(await said(bed.port(), ''), '')
    await until(() => runner.status()[0]?.streams === 0)
    assert.equal(server.sockets.size, 0)
  })

  it('close the endpoint, whose last words the client still gets', async t => {
    await using server = await TcpServer.start(socket => {
      socket.on('data', () => {})
      socket.on('end', () => socket.end('last words'))
    })
    const { bed } = await start(t, server, [plugin('one')])
    await using client = await RawClient.open(bed.port(), { allowHalfOpen: true })
    client.write('bye')
    assert.equal(await client.receiveAll(), '!last words')
  })

  for (const what of ['trap', 'loop']) {
    it(`a ${what} resets its own connection and no other`, async t => {
      await using server = await echo()
      const { bed, runner } = await start(t, server, [plugin('one')])
      await using other = await RawClient.open(bed.port())
      other.write('before ')
      await other.receive(text => text.endsWith('BEFORE '))
      assert.equal(await said(bed.port(), what), 'ECONNRESET')
      other.write('after')
      assert.equal(await other.receive(text => text.endsWith('AFTER')), '!BEFORE !AFTER')
      assert.equal(await said(bed.port(), 'again'), '!AGAIN')
      const [record] = await bed.logged(1)
      assert.equal(record?.reason, 'plugin-failed')
      await until(() => runner.status()[0]?.streams === 1)
    })
  }

  it('one that fails open lets its connection pass as it is', async t => {
    await using server = await echo()
    const { bed } = await start(t, server, [plugin('one', { failStrategy: 'fail-open' })])
    assert.equal(await said(bed.port(), 'trap'), 'trap')
  })

  it('one that cannot run refuses connections, or lets them pass if it fails open', async t => {
    await using server = await echo()
    const { bed, replace } = await start(t, server, [plugin('one', { module: undefined })])
    assert.equal(await said(bed.port(), 'hello'), 'ECONNRESET')
    await replace([plugin('one', { module: undefined, failStrategy: 'fail-open' })])
    assert.equal(await said(bed.port(), 'hello'), 'hello')
  })

  it('a plugin that goes keeps the connections that it has', async t => {
    await using server = await echo()
    const { bed, replace } = await start(t, server, [plugin('one')])
    await using client = await RawClient.open(bed.port())
    client.write('hold on, ')
    await until(() => server.sockets.size === 1)
    await replace([])
    assert.equal(await said(bed.port(), 'plain'), 'plain')
    client.write('go')
    assert.equal(await client.receive(text => text.endsWith('go')), '!hold on, go')
  })

  it('connections that end in every way leave no stream', async t => {
    await using server = await echo()
    const { bed, runner } = await start(t, server, [plugin('one'), plugin('two')])
    const clients = await Promise.all(Array.from({ length: 40 }, () => RawClient.open(bed.port())))
    for (const [index, client] of clients.entries()) {
      client.write(['hello', 'hold', 'deny', 'trap', 'bye'][index % 5] ?? '')
      if (index % 3 === 0) client.socket.resetAndDestroy()
      else if (index % 3 === 1) client.socket.end()
    }
    await until(() => runner.status()[0]?.streams === runner.status()[1]?.streams)
    for (const client of clients) client.socket.destroy()
    await until(() => runner.status().every(({ streams }) => streams === 0) && server.sockets.size === 0)
    assert.equal(await said(bed.port(), 'hello'), '!!HELLO')
  })
})
