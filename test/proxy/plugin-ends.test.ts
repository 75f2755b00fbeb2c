/** Where one exchange ends and the next on its connection begins, with plugins in between. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { compilePlugin, Engine, offlineServices, Plugin, pluginConfig } from '../../src/wasm/index.ts'
import { Probe } from '../guests/probe.ts'
import type { Callback } from '../guests/probe.ts'
import { openPlugged } from '../support/plugged.ts'
import type { PluggedProxy } from '../support/plugged.ts'
import { parseAnswer, RawClient } from '../support/raw.ts'

/** What Envoy's SDKs call the end of a message that goes on without its body. */
const continueAndEnd = 2

/** The endpoint answers with the path. */
const open = async (plugin: Plugin): Promise<PluggedProxy> =>
  openPlugged(plugin, (request, response) => {
    if (request.url?.endsWith('/unchanged') === true) response.writeHead(304).end()
    else response.writeHead(200, { 'content-length': request.url?.length ?? 0 }).end(request.url)
  })

const openProbe = async (callbacks: Record<string, Callback>): Promise<PluggedProxy> =>
  open((await Probe.start('0.2.1', callbacks)).plugin)

/** Sends all at once. @returns status and content of each answer, and the last of the connection */
async function pipeline(port: number, requests: readonly string[]): Promise<readonly string[]> {
  await using client = await RawClient.open(port)
  const heads = requests.map((line, index) => {
    const end = index === requests.length - 1 ? 'connection: close\r\n' : ''
    return `${line} HTTP/1.1\r\nhost: a\r\n${end}\r\n`
  })
  client.write(heads.join(''))
  let text = await client.receiveAll()
  return requests.map(line => {
    const answer = parseAnswer(text, { isHead: line.startsWith('HEAD') })
    text = answer?.rest ?? ''
    return `${answer?.status} ${answer?.body}`
  })
}

test('answers to pipelined requests are told apart where some pass plugins, and some have no content', async () => {
  await using bed = await openProbe({})
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
  await using bed = await openProbe({
    *proxy_on_response_headers(probe) {
      yield ['proxy_get_log_level', probe.room()]
      return continueAndEnd
    },
  })
  const answers = await pipeline(bed.port, ['GET /plugged/1', 'GET /2', 'GET /plugged/3', 'GET /4'])
  assert.deepEqual(answers, ['200 ', '200 /2', '200 ', '200 /4'])
})

/** What a plugin makes of an answer with a length, and what comes to the client. */
const disagreeing = {
  'no content': { field: ':status', value: '204', answer: '204 ' },
  'not modified': { field: ':status', value: '304', answer: '304 ' },
  'a shorter length': { field: 'content-length', value: '3', answer: '200 /plugged/1' },
  'a longer length': { field: 'content-length', value: '300', answer: '200 /plugged/1' },
}

for (const [name, { field, value, answer }] of Object.entries(disagreeing)) {
  test(`a head that a plugin has made to disagree with its content (${name}) takes nothing of the next answer`, async () => {
    // It changes no bodies, so that lengths would stay.
    const module = await readFile(new URL('../../examples/plugins/rewrite-headers.wasm', import.meta.url))
    const configuration = JSON.stringify({ response: { set: { [field]: value } } })
    const config = pluginConfig({ name: 'rewrite', configuration })
    const parts = { engine: new Engine(), services: offlineServices() }
    await using bed = await open(new Plugin(await compilePlugin(module), config, parts))
    assert.deepEqual(await pipeline(bed.port, ['GET /plugged/1', 'GET /2', 'GET /3']), [answer, '200 /2', '200 /3'])
  })
}

test('the last bytes of an answer with a length come to a plugin as the last', async () => {
  const seen: string[] = []
  await using bed = await openProbe({
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
  await using bed = await openProbe({
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
