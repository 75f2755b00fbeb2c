/** Where one exchange ends and the next on its connection begins, with plugins in between. */
import assert from 'node:assert/strict'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { PluginChain } from '../../src/daemon/plugins/plugin-chain.ts'
import { RunningPlugins } from '../../src/daemon/plugins/running-plugins.ts'
import { StreamChain } from '../../src/daemon/plugins/stream-chain.ts'
import { Probe } from '../guests/probe.ts'
import type { Callback } from '../guests/probe.ts'
import { freePort } from '../support/ports.ts'
import { buildSnapshot, ProxyUnderTest } from '../support/proxy.ts'
import { RawClient } from '../support/raw.ts'

/** What Envoy's SDKs call the end of a message that goes on without its body. */
const continueAndEnd = 2

interface Bed extends AsyncDisposable {
  readonly port: number
  readonly probe: Probe
}

/** Requests below `/plugged` pass a plugin, others do not; the endpoint answers with the path. */
async function open(callbacks: Record<string, Callback>): Promise<Bed> {
  const stack = new AsyncDisposableStack()
  const server = http.createServer((request, response) => {
    if (request.url?.endsWith('/unchanged') === true) response.writeHead(304).end()
    else response.writeHead(200, { 'content-length': request.url?.length ?? 0 }).end(request.url)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  stack.defer(() => server.close().closeAllConnections())
  const probe = await Probe.start('0.2.1', callbacks)
  const running = new RunningPlugins({ version: 0, slot: () => ({ plugin: probe.plugin, isOpen: false }) }, ['probe'])
  const proxy = stack.use(
    new ProxyUnderTest({
      plugins: { chain: () => new PluginChain(running), streamChain: () => new StreamChain(running) },
    }),
  )
  const port = await freePort()
  const backends = { 'shop/items:80': { ports: [(server.address() as AddressInfo).port] } }
  const to = { backends: ['shop/items:80'] }
  const rules = [
    { prefix: '/plugged', plugins: ['probe'], ...to },
    { prefix: '', ...to },
  ]
  assert.deepEqual([...(await proxy.apply(buildSnapshot({ rules, backends }, port, 1)))], [])
  return { port, probe, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

/** Sends all at once. @returns status and content of each answer, and the last of the connection */
async function pipeline(port: number, requests: readonly string[]): Promise<readonly string[]> {
  await using client = await RawClient.open(port)
  const heads = requests.map((line, index) => {
    const end = index === requests.length - 1 ? 'connection: close\r\n' : ''
    return `${line} HTTP/1.1\r\nhost: a\r\n${end}\r\n`
  })
  client.write(heads.join(''))
  return (await client.receiveAll()).split(/(?=HTTP\/1\.1 )/).map(answer => {
    const content = answer.slice(answer.indexOf('\r\n\r\n') + 4)
    // One chunk: the length is not kept beside a plugin that may change what comes.
    return `${answer.slice(9, 12)} ${content.replace(/^\w+\r\n(.*)\r\n0\r\n\r\n$/, '$1')}`
  })
}

test('answers to pipelined requests are told apart where some pass plugins, and some have no content', async () => {
  await using bed = await open({})
  const requests = [
    'HEAD /plugged/1',
    'GET /2',
    'GET /plugged/unchanged',
    'GET /4',
    'GET /plugged/5',
    'GET /6',
    'GET /plugged/7',
    'GET /plugged/8',
  ]
  const answers = await pipeline(bed.port, requests)
  assert.deepEqual(answers, [
    '200 ',
    '200 /2',
    '304 ',
    '200 /4',
    '200 /plugged/5',
    '200 /6',
    '200 /plugged/7',
    '200 /plugged/8',
  ])
})

test('content of an answer that a plugin has ended at its head is not taken for that of the next', async () => {
  await using bed = await open({
    *proxy_on_response_headers(probe) {
      yield ['proxy_get_log_level', probe.room()]
      return continueAndEnd
    },
  })
  const answers = await pipeline(bed.port, ['GET /plugged/1', 'GET /2', 'GET /plugged/3', 'GET /4'])
  assert.deepEqual(answers, ['200 ', '200 /2', '200 ', '200 /4'])
})

test('the last bytes of an answer with a length come to a plugin as the last', async () => {
  const seen: string[] = []
  await using bed = await open({
    *proxy_on_response_body(probe, [, size, end]) {
      yield ['proxy_get_log_level', probe.room()]
      seen.push(`${size} ${end}`)
      return 0
    },
  })
  assert.deepEqual(await pipeline(bed.port, ['GET /plugged/1']), ['200 /plugged/1'])
  assert.equal(seen.at(-1), '10 1')
})

test('a plugin that puts its end off reads nothing of the exchange that comes next', async () => {
  const read: (string | number)[] = []
  let first = 0
  await using bed = await open({
    *proxy_on_done(probe, [id = 0]) {
      yield ['proxy_get_log_level', probe.room()]
      first ||= id
      return id === first ? 0 : 1
    },
    *proxy_on_request_headers(_probe, [id]) {
      if (id === first || first === 0) return 0
      yield ['proxy_set_effective_context', first]
      yield ['proxy_done']
      return 0
    },
    *proxy_on_log(probe) {
      read.push(yield* probe.get('proxy_get_property', ...probe.text('xds\0cluster_name')))
    },
  })
  assert.deepEqual(await pipeline(bed.port, ['GET /plugged/1']), ['200 /plugged/1'])
  assert.deepEqual(await pipeline(bed.port, ['GET /plugged/2']), ['200 /plugged/2'])
  const notFound = 1
  assert.deepEqual(read, [notFound, 'shop/items:80'])
})
