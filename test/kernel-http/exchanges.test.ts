import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { MeshCgroup } from '../../src/datapath/index.ts'
import { parseAnswer, RawClient, RawServer } from '../support/raw.ts'
import type { Answer } from '../support/raw.ts'
import { until } from '../support/until.ts'
import { Backend, pattern, rawAnswers } from './backend.ts'
import { inCgroup } from './in-cgroup.ts'
import { World } from './world.ts'

interface Exchange {
  readonly name: string
  /** Each is one write; a number waits until so many answers are there. */
  readonly writes: readonly (string | number)[]
  /** @default 1 */
  readonly answers?: number
  /** How many of them pass in the kernel; `some` where that is a matter of time. */
  readonly inKernel: number | 'some'
  readonly isHead?: boolean
  /** The client says nothing more after its writes. */
  readonly ends?: boolean
}

const get = (path: string, fields = ''): string => `GET ${path} HTTP/1.1\r\nHost: shop\r\n${fields}\r\n`
const post = (path: string, body: string, fields = ''): string =>
  `POST ${path} HTTP/1.1\r\nHost: shop\r\nContent-Length: ${body.length}\r\n${fields}\r\n${body}`

/** Every place at which a message can be cut in two. */
function splits(name: string, message: string, inKernel: (at: number) => number): readonly Exchange[] {
  return Array.from({ length: message.length - 1 }, (_, index) => ({
    name: `${name}, cut at ${index + 1}`,
    writes: [message.slice(0, index + 1), message.slice(index + 1)],
    inKernel: inKernel(index + 1),
  }))
}

const numbered = (count: number): readonly string[] => Array.from({ length: count }, (_, at) => get(`/p${at}`))
const small = get('/hello', 'x-tag: 1\r\n')
const headBytes = 8192
const messageBytes = 65_536
const headOf = (bytes: number): string => {
  const bare = get('/hello', 'x-fill: \r\n').length
  return get('/hello', `x-fill: ${'f'.repeat(bytes - bare)}\r\n`)
}
const messageOf = (bytes: number): string => {
  const bare = post('/length/5', pattern(messageBytes)).length - messageBytes
  return post('/length/5', pattern(bytes - bare))
}
const responseHead =
  'HTTP/1.1 200 OK\r\nDate: Wed, 25 Nov 2026 00:00:00 GMT\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n'
const lengthThatFits = messageBytes - responseHead.length - 'Content-Length: 12345\r\n\r\n'.length

/** Sound ways to code a body. */
const chunkedBodies: Readonly<Record<string, string>> = {
  empty: '0\r\n\r\n',
  'of many chunks': `${'1\r\na\r\n'.repeat(60)}0\r\n\r\n`,
  'with capitals and zeros': `00A\r\n0123456789\r\n000\r\n\r\n`,
  'with an extension': '5;name="a;b"\r\nhello\r\n0;last\r\n\r\n',
  'with trailers': '5\r\nhello\r\n0\r\nx-sum: 1\r\nx-more: 2\r\n\r\n',
  'with an end in its data': 'c\r\n0\r\n\r\nGET / H\r\n0\r\n\r\n',
}

const exchanges: readonly Exchange[] = [
  { name: 'a request', writes: [small], inKernel: 1 },
  {
    name: 'fifty, one after the other',
    writes: Array.from({ length: 50 }, (_, i) => [get(`/n${i}`), i + 1]).flat(),
    answers: 50,
    inKernel: 50,
  },
  { name: 'a query', writes: [get('/a?b=c&d=/../e')], inKernel: 1 },
  ...['PUT', 'DELETE', 'OPTIONS', 'PATCH'].map(method => ({
    name: method,
    writes: [get('/a').replace('GET', method).replace('\r\n\r\n', '\r\nContent-Length: 0\r\n\r\n')],
    inKernel: 1,
  })),
  { name: 'HEAD', writes: [get('/length/100').replace('GET', 'HEAD')], inKernel: 1, isHead: true },
  ...['204', '304', '404', '500'].map(status => ({
    name: `status ${status}`,
    writes: [get(`/status/${status}`)],
    inKernel: 1,
  })),
  ...splits('a small request', small, () => 0),
  ...splits('a request with a body', post('/a', 'hello', 'x-tag: 2\r\n'), at =>
    at >= post('/a', 'hello', 'x-tag: 2\r\n').length - 5 ? 1 : 0,
  ),
  {
    name: 'a body, byte by byte',
    writes: [post('/a', pattern(200)).slice(0, -200), ...pattern(200).split('')],
    inKernel: 1,
  },
  { name: 'a body of 60 KB in pieces of 1,000', writes: cut(post('/a', pattern(60_000)), 1000), inKernel: 1 },
  { name: 'a head of 8,192 bytes', writes: [headOf(headBytes)], inKernel: 1 },
  { name: 'a head of 8,193 bytes', writes: [headOf(headBytes + 1)], inKernel: 0 },
  { name: 'a message of 65,536 bytes', writes: [messageOf(messageBytes)], inKernel: 1 },
  { name: 'a message of 65,537 bytes', writes: [messageOf(messageBytes + 1)], inKernel: 0 },
  { name: 'a body of 1 MB', writes: [post('/a', pattern(1_000_000))], inKernel: 0 },
  ...[0, 1, 100, 1000, 10_000, 32_768, 60_000, lengthThatFits].map(bytes => ({
    name: `a response of ${bytes} bytes`,
    writes: [get(`/length/${bytes}`)],
    inKernel: 1,
  })),
  ...[lengthThatFits + 1, 100_000, 1_000_000].map(bytes => ({
    name: `a response of ${bytes} bytes`,
    writes: [get(`/length/${bytes}`)],
    inKernel: 0,
  })),
  ...[0, 1, 1000, 100_000].map(bytes => ({
    name: `a chunked response of ${bytes} bytes`,
    writes: [get(`/chunked/${bytes}`)],
    inKernel: 0,
  })),
  { name: 'a response in 1,000 chunks', writes: [get('/slowly/1000x1000')], inKernel: 0 },
  { name: 'a response until close', writes: [get('/until-close/5000')], inKernel: 0 },
  { name: 'a response that closes', writes: [get('/close/50')], inKernel: 0 },
  { name: 'small after large', writes: [get('/length/100000'), 1, small], answers: 2, inKernel: 0 },
  { name: 'large after small', writes: [small, 1, get('/length/100000'), 2, small], answers: 3, inKernel: 1 },
  {
    name: 'chunked between small ones',
    writes: [small, 1, get('/chunked/10'), 2, small, 3, small],
    answers: 4,
    inKernel: 1,
  },
  { name: 'twenty in one write', writes: [numbered(20).join('')], answers: 20, inKernel: 0 },
  { name: 'twenty writes without waiting', writes: numbered(20), answers: 20, inKernel: 'some' },
  ...['length/1000000', 'chunked/10', 'slowly/100x50', 'length/10'].map((first): Exchange => ({
    name: `a second one while /${first} is answered`,
    writes: [get(`/${first}`), get('/second'), 2, get('/third')],
    answers: 3,
    inKernel: 'some',
  })),
  { name: 'an answer after early hints', writes: [get('/early')], inKernel: 1 },
  { name: 'an answer before its body is read', writes: [post('/unread', pattern(50_000))], inKernel: 1 },
  {
    name: 'an answer before its body is sent',
    writes: [post('/unread', 'hello').slice(0, -5), 1, 'hello'],
    inKernel: 1,
  },
  { name: 'five in one write', writes: [[1, 2, 3, 4, 5].map(n => get(`/p${n}`)).join('')], answers: 5, inKernel: 0 },
  { name: 'two writes without waiting', writes: [get('/slowly/10x20'), get('/second')], answers: 2, inKernel: 0 },
  { name: 'a second one behind a body', writes: [`${post('/a', 'hello')}${get('/b')}`], answers: 2, inKernel: 0 },
  {
    name: 'a second one with the end of a body',
    writes: [post('/a', 'hello').slice(0, -2), `lo${get('/b')}`],
    answers: 2,
    inKernel: 1,
  },
  {
    name: 'a chunked request',
    writes: ['POST /a HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'],
    inKernel: 0,
  },
  ...Object.entries(chunkedBodies).flatMap(([name, chunked]) => {
    const text = `${'POST /a HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n'}${chunked}`
    return [
      { name: `a chunked request, ${name}`, writes: [text], inKernel: 0 },
      { name: `a chunked request, ${name}, byte by byte`, writes: text.split(''), inKernel: 0 },
      { name: `a chunked request, ${name}, then a small one`, writes: [text, 1, small], answers: 2, inKernel: 0 },
      { name: `a small request, then a chunked one, ${name}`, writes: [small, 1, text], answers: 2, inKernel: 1 },
    ]
  }),
  { name: 'a request that wants to close', writes: [get('/a', 'Connection: close\r\n')], inKernel: 0 },
  { name: 'HTTP/1.0', writes: ['GET /a HTTP/1.0\r\nHost: shop\r\n\r\n'], inKernel: 0 },
  { name: 'Expect', writes: [post('/a', 'hello', 'Expect: 100-continue\r\n')], answers: 1, inKernel: 0 },
  { name: 'a path to be normalised', writes: [get('/a/../b')], inKernel: 0 },
  { name: 'an encoded path', writes: [get('/%61')], inKernel: 0 },
  { name: 'two slashes', writes: [get('//a')], inKernel: 0 },
  { name: 'a path of 239 bytes', writes: [get(`/${'p'.repeat(238)}`)], inKernel: 1 },
  { name: 'a path of 300 bytes', writes: [get(`/${'p'.repeat(299)}`)], inKernel: 0 },
  { name: 'an absolute target', writes: [get('http://shop/a')], inKernel: 0 },
  { name: 'OPTIONS *', writes: [get('*').replace('GET', 'OPTIONS')], inKernel: 0 },
  { name: 'OPTIONS that counts', writes: [get('/a', 'MAX-forwards: 3\r\n').replace('GET', 'OPTIONS')], inKernel: 0 },
  { name: 'no host', writes: ['GET /a HTTP/1.1\r\n\r\n'], inKernel: 0 },
  { name: 'two hosts', writes: ['GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'], inKernel: 0 },
  { name: 'length and chunks', writes: [post('/a', 'hello', 'Transfer-Encoding: chunked\r\n')], inKernel: 0 },
  { name: 'two lengths', writes: [post('/a', 'hello', 'Content-Length: 5\r\n')], inKernel: 0 },
  { name: 'two lengths that differ', writes: [post('/a', 'hello', 'Content-Length: 6\r\n')], inKernel: 0 },
  ...['+5', '5, 5', '0x5', '5 ', '-5', '5;'].map(length => ({
    name: `the length ${JSON.stringify(length)}`,
    writes: [`POST /a HTTP/1.1\r\nHost: shop\r\nContent-Length: ${length}\r\n\r\nhello`],
    inKernel: 0,
  })),
  { name: 'a space before the colon', writes: [get('/a', 'Content-Length : 5\r\n')], inKernel: 0 },
  { name: 'a folded field', writes: [get('/a', 'x-a: b\r\n c\r\n')], inKernel: 0 },
  { name: 'a bare line feed', writes: [get('/a', 'x-a: b\n')], inKernel: 0 },
  { name: 'a NUL', writes: [get('/a', 'x-a: b\0c\r\n')], inKernel: 0 },
  { name: 'a control byte in the target', writes: [get('/a\u0001')], inKernel: 0 },
  { name: 'no HTTP at all', writes: ['hello world, how are you?\r\n\r\n'], inKernel: 0 },
  { name: 'a client that ends after its request', writes: [small], inKernel: 1, ends: true },
  { name: 'a client that ends after a request for much', writes: [get('/length/200000')], inKernel: 0, ends: true },
]

function cut(text: string, bytes: number): readonly string[] {
  return Array.from({ length: Math.ceil(text.length / bytes) }, (_, index) =>
    text.slice(index * bytes, (index + 1) * bytes),
  )
}

/** What a client sees, without the fields that differ between the ways. */
type Seen = readonly (readonly [status: number, body: string] | 'closed')[]

function take(client: RawClient, isHead: boolean): Answer | undefined {
  for (;;) {
    const answer = parseAnswer(client.received, { isHead, isClosed: client.hasEnded || client.isClosed })
    if (answer === undefined) return undefined
    client.received = answer.rest
    if (answer.status >= 200) return answer
  }
}

/** @param afterFirst  called when the first write has left */
async function run(
  port: number,
  { writes, answers = 1, isHead = false, ends = false }: Exchange,
  afterFirst: () => void = () => {},
): Promise<Seen> {
  await using client = await RawClient.open(port, { allowHalfOpen: true })
  const seen: (readonly [number, string] | 'closed')[] = []
  const collect = async (count: number): Promise<void> => {
    while (seen.length < count && seen.at(-1) !== 'closed') {
      await until(
        () => {
          const answer = take(client, isHead)
          // What a proxy says by itself it may say in its own words.
          if (answer !== undefined) seen.push([answer.status, answer.status === 502 ? '' : answer.body])
          else if (client.hasEnded || client.isClosed) seen.push('closed')
          return answer !== undefined || seen.at(-1) === 'closed'
        },
        {
          intervalMs: 1,
          explain: () => `${seen.length} of ${count} answers, then ${JSON.stringify(client.received.slice(0, 200))}`,
        },
      )
    }
  }
  for (const [at, write] of writes.entries()) {
    if (typeof write === 'number') await collect(write)
    else client.write(write)
    if (at === 0) afterFirst()
  }
  if (ends) client.socket.end()
  await collect(answers)
  return seen
}

let cgroup: MeshCgroup
let backend: Backend
let world: World

const skip = inCgroup(async (own, stack) => {
  cgroup = own
  backend = stack.use(await Backend.open())
  world = stack.use(await World.open(cgroup, { backendPort: backend.port }))
})

/** What an exchange before has used up of the pool is there again. */
async function filled(): Promise<void> {
  await until(() => world.agent.sizes.pooled === 4 && [...world.kernel.map('kh_backends').entries()].length === 4)
}

for (const exchange of exchanges) {
  test(`the path answers as the proxy does: ${exchange.name}`, { skip }, async () => {
    await filled()
    const before = world.served
    const seen = await run(world.port, exchange)
    const reasons = [...world.kernel.reasons()].join(' ')
    if (exchange.inKernel !== 'some')
      assert.equal(world.served - before, exchange.inKernel, `in the kernel; ${reasons}`)
    assert.deepEqual(seen, await run(world.proxy.port, exchange))
    await world.settle()
  })

  test(`the path is switched off in mid-connection: ${exchange.name}`, { skip }, async t => {
    t.after(() => {
      world.kernel.isOn = true
    })
    const seen = await run(world.port, exchange, () => {
      world.kernel.isOn = false
    })
    const { served } = world
    assert.deepEqual(seen, await run(world.proxy.port, exchange))
    assert.ok(world.served - served === 0, 'one more was answered in the kernel')
    await world.settle()
  })
}

const kernelAnswers = new Set([
  'head and body apart',
  'body in many pieces',
  'an interim response before it',
  'no reason',
])

describe('a response of which node:http knows nothing', { skip }, () => {
  let pieces: readonly string[] = []
  let server: RawServer
  let own: World

  before(async () => {
    server = await RawServer.open((socket, received) => {
      if (!received.endsWith('\r\n\r\n')) return
      const next = (at: number): void => {
        if (at < pieces.length) socket.write(Buffer.from(pieces[at] ?? '', 'latin1'), () => setImmediate(next, at + 1))
      }
      next(0)
    })
    own = await World.open(cgroup, { backendPort: server.port, pooled: 1 })
  })

  after(async () => {
    await own[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
  })

  for (const [name, said] of Object.entries(rawAnswers)) {
    for (const isSwitched of [false, true]) {
      test(`${name}${isSwitched ? ', the path switched off in mid-connection' : ''}`, async () => {
        pieces = said
        own.kernel.isOn = true
        await until(() => own.agent.sizes.pooled === 1 && [...own.kernel.map('kh_backends').entries()].length === 1)
        const exchange: Exchange = { name, writes: [get('/a')], inKernel: kernelAnswers.has(name) ? 1 : 0 }
        const { served } = own
        const seen = await run(own.port, exchange, () => {
          if (isSwitched) own.kernel.isOn = false
        })
        assert.deepEqual(seen, await run(own.proxy.port, exchange))
        if (!isSwitched) assert.equal(own.served - served, exchange.inKernel)
        await own.settle()
      })
    }
  }
})
