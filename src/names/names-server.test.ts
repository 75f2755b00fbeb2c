import assert from 'node:assert/strict'
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer, type Server } from 'node:net'
import { test, type TestContext } from 'node:test'
import { silentMeter, systemClock, type Meter } from '../core/index.ts'
import {
  decodeDnsMessage,
  DnsTcpFrames,
  encodeDnsMessage,
  frameDnsMessage,
  recordTypes,
  responseCodes,
  type DnsMessage,
  type SocketAddress,
} from '../codec/index.ts'
import { malformedDns } from '../codec/testing.ts'
import { defaultNamesLimits, type NamesLimits } from './limits.ts'
import { NamesServer, type NamesServerOptions } from './names-server.ts'
import type { NameResolved } from './resolver.ts'
import { backend, endpoint, sampleView } from './testing.ts'

const loopback = '127.0.0.1'

interface ServerOptions extends Partial<Omit<NamesServerOptions, 'limits'>> {
  readonly limits?: Partial<NamesLimits>
  readonly upstreams?: readonly SocketAddress[]
}

async function open(t: TestContext, options: ServerOptions = {}): Promise<NamesServer> {
  const { limits, upstreams = [], ...rest } = options
  const server = await NamesServer.open({
    address: { address: loopback, port: 0 },
    clock: systemClock,
    meter: silentMeter,
    serviceCidr: '127.77.0.0/16',
    servers: () => upstreams,
    ...rest,
    limits: { ...defaultNamesLimits, ...limits },
  })
  t.after(() => server[Symbol.asyncDispose]())
  server.update(sampleView())
  return server
}

function query(name: string, type: number, changes: Partial<DnsMessage> = {}): DnsMessage {
  return {
    id: 4711,
    flags: {
      isResponse: false,
      opcode: 0,
      isAuthoritative: false,
      isTruncated: false,
      isRecursionDesired: true,
      isRecursionAvailable: false,
      isAuthenticData: false,
      isCheckingDisabled: false,
    },
    responseCode: 0,
    questions: [{ name, type, class: 1 }],
    answers: [],
    authorities: [],
    additionals: [],
    edns: undefined,
    ...changes,
  }
}

const edns = (udpBytes: number, version = 0) => ({ udpBytes, version, isDnssecOk: true, options: new Uint8Array() })

function decoded(bytes: Uint8Array): DnsMessage {
  const outcome = decodeDnsMessage(bytes)
  return outcome.kind === 'message' ? outcome.message : assert.fail(outcome.problem)
}

async function udpSocket(t: TestContext): Promise<Socket> {
  const socket = createSocket('udp4')
  socket.bind(0, loopback)
  await once(socket, 'listening')
  t.after(() => new Promise<void>(resolve => socket.close(() => resolve())))
  return socket
}

async function askBytes(t: TestContext, server: NamesServer, bytes: Uint8Array): Promise<Buffer> {
  const socket = await udpSocket(t)
  socket.send(bytes, server.address.port, loopback)
  const [reply] = (await once(socket, 'message')) as [Buffer]
  return reply
}

async function ask(t: TestContext, server: NamesServer, message: DnsMessage): Promise<DnsMessage> {
  return decoded(await askBytes(t, server, encodeDnsMessage(message)))
}

/** Asks several things on one connection, all at once; replies in the order in which they come. */
async function askByTcp(server: NamesServer, messages: readonly DnsMessage[]): Promise<DnsMessage[]> {
  const socket = connect(server.address.port, loopback)
  socket.end(Buffer.concat(messages.map(message => frameDnsMessage(encodeDnsMessage(message)))))
  const frames = new DnsTcpFrames()
  const replies: DnsMessage[] = []
  socket.on('data', (chunk: Buffer) => replies.push(...frames.read(chunk).map(decoded)))
  await once(socket, 'close')
  return replies
}

/** A resolver of which the test says what it answers. */
async function upstream(
  t: TestContext,
  answer: (bytes: Buffer, from: RemoteInfo, socket: Socket) => void,
): Promise<SocketAddress> {
  const socket = await udpSocket(t)
  socket.on('message', (bytes, from) => answer(bytes, from, socket))
  return { address: loopback, port: socket.address().port }
}

/** A UDP socket of the port on which the server will listen: one that is free for both. */
async function pairOf(server: Server): Promise<Socket> {
  const socket = createSocket('udp4').bind(0, loopback)
  await once(socket, 'listening')
  try {
    server.listen(socket.address().port, loopback)
    await once(server, 'listening')
    return socket
  } catch {
    socket.close()
    return pairOf(server)
  }
}

/** An address where nobody listens. */
async function nobody(): Promise<SocketAddress> {
  const socket = createSocket('udp4').bind(0, loopback)
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  await once(socket, 'close')
  return { address: loopback, port }
}

function replyBytes(bytes: Uint8Array, changes: Partial<DnsMessage> = {}): Uint8Array {
  const message = decoded(bytes)
  return encodeDnsMessage({ ...message, flags: { ...message.flags, isResponse: true }, ...changes })
}

const address = (name: string, ip: string) => ({ name, class: 1, ttl: 60, data: { kind: 'A', address: ip } }) as const

const answering =
  (ip: string) =>
  (bytes: Buffer, from: RemoteInfo, socket: Socket): void => {
    const name = decoded(bytes).questions[0]?.name ?? ''
    socket.send(replyBytes(bytes, { answers: [address(name, ip)] }), from.port, from.address)
  }

test('an answer of the mesh is authoritative, keeps id, question and letters, and has a short TTL', async t => {
  const server = await open(t)
  const reply = await ask(t, server, query('Reviews.default.SVC', recordTypes.A))
  assert.equal(reply.id, 4711)
  assert.deepEqual(reply.questions, [{ name: 'Reviews.default.SVC', type: 1, class: 1 }])
  assert.deepEqual(reply.answers, [{ ...address('Reviews.default.SVC', '127.77.1.2'), ttl: 5 }])
  const { isResponse, isAuthoritative, isRecursionAvailable, isRecursionDesired } = reply.flags
  assert.deepEqual([isResponse, isAuthoritative, isRecursionAvailable, isRecursionDesired], [true, true, true, true])
})

test('what is not there is told with the authority of its zone', async t => {
  const server = await open(t)
  const rows = [
    ['nobody.default.svc.cluster.local', responseCodes.NXDOMAIN, 'cluster.local', 0],
    ['reviews.default.svc.cluster.local', responseCodes.NOERROR, 'cluster.local', 0],
    ['reviews', responseCodes.NOERROR, 'reviews', 0],
  ] as const
  for (const [name, code, zone] of rows) {
    const reply = await ask(t, server, query(name, recordTypes.TXT))
    assert.equal(reply.responseCode, code, name)
    assert.deepEqual([reply.answers.length, reply.authorities.length], [0, 1])
    const [soa] = reply.authorities
    assert.equal(soa?.name, zone)
    assert.ok(soa?.data.kind === 'SOA' && soa.data.minimum === 5)
  }
  const apex = await ask(t, server, query('cluster.local', recordTypes.SOA))
  assert.deepEqual([apex.answers.length, apex.authorities.length], [1, 0])
})

for (const { name, bytes } of malformedDns.filter(each => each.bytes.length >= 12)) {
  test(`${name} is answered with FORMERR`, async t => {
    const server = await open(t)
    const reply = decoded(await askBytes(t, server, bytes))
    assert.deepEqual([reply.id, reply.responseCode, reply.questions.length], [1, responseCodes.FORMERR, 0])
  })
}

test('queries of other kinds are refused for what they are', async t => {
  const server = await open(t)
  const base = query('reviews', recordTypes.A)
  const rows: [string, DnsMessage, number][] = [
    ['another operation', { ...base, flags: { ...base.flags, opcode: 4 } }, responseCodes.NOTIMP],
    ['two questions', { ...base, questions: [...base.questions, ...base.questions] }, responseCodes.FORMERR],
    ['no question', { ...base, questions: [] }, responseCodes.FORMERR],
    ['another class', query('version.bind', 16, { questions: [{ name: 'version.bind', type: 16, class: 3 }] }), 5],
    ['a zone transfer', query('cluster.local', recordTypes.AXFR), responseCodes.REFUSED],
    ['a later EDNS', { ...base, edns: edns(1232, 1) }, responseCodes.BADVERS],
  ]
  for (const [what, message, code] of rows) assert.equal((await ask(t, server, message)).responseCode, code, what)
})

test('answers and scraps are dropped, and the next query is answered', async t => {
  const server = await open(t)
  const socket = await udpSocket(t)
  const answer = encodeDnsMessage(
    query('reviews', recordTypes.A, { flags: { ...query('', 1).flags, isResponse: true } }),
  )
  for (const bytes of [answer, new Uint8Array(11), new Uint8Array(0)]) socket.send(bytes, server.address.port, loopback)
  socket.send(encodeDnsMessage(query('reviews', recordTypes.A, { id: 9 })), server.address.port, loopback)
  const [reply] = (await once(socket, 'message')) as [Buffer]
  assert.equal(decoded(reply).id, 9)
})

test('an answer by UDP ends where its client wants, and is whole by TCP', async t => {
  const server = await open(t)
  const endpoints = Array.from({ length: 400 }, (_, at) => endpoint(`10.0.${at >> 8}.${at & 255}`, 1))
  server.update({ ...sampleView(), backends: new Map([['shop/db:5432', backend('', endpoints)]]) })
  const sizes: [DnsMessage['edns'], number][] = [
    [undefined, 512],
    [edns(100), 512],
    [edns(1232), 1232],
    [edns(65_535), 4096],
  ]
  for (const [wants, most] of sizes) {
    const bytes = await askBytes(t, server, encodeDnsMessage(query('db.shop', recordTypes.A, { edns: wants })))
    assert.ok(bytes.length <= most && bytes.length > most - 40, `${bytes.length} of ${most}`)
    const reply = decoded(bytes)
    assert.ok(reply.flags.isTruncated)
    assert.equal(reply.edns?.udpBytes, wants === undefined ? undefined : 4096)
  }
  const [whole] = await askByTcp(server, [query('db.shop', recordTypes.A)])
  assert.deepEqual([whole?.flags.isTruncated, whole?.answers.length], [false, 400])
})

test('a TCP connection carries many queries, however they are cut and whoever has stopped to send', async t => {
  const server = await open(t, { limits: { maxPerConnection: 3 } })
  const messages = Array.from({ length: 100 }, (_, id) => query('reviews', recordTypes.A, { id }))
  const ids = (await askByTcp(server, messages)).map(({ id }) => id)
  assert.deepEqual(
    ids,
    messages.map(({ id }) => id),
  )
  const socket = connect(server.address.port, loopback)
  const framed = frameDnsMessage(encodeDnsMessage(query('reviews', recordTypes.A)))
  socket.setNoDelay()
  for (const byte of framed) await new Promise<void>(resolve => socket.write(Uint8Array.of(byte), () => resolve()))
  const [reply] = (await once(socket, 'data')) as [Buffer]
  assert.equal(decoded(reply.subarray(2)).answers.length, 1)
  socket.destroy()
})

test('a TCP connection that is idle, one too many, or one that speaks something else is closed', async t => {
  const server = await open(t, { limits: { maxConnections: 1, connectionIdleMs: 50 } })
  const first = connect(server.address.port, loopback)
  await once(first, 'connect')
  const second = connect(server.address.port, loopback)
  await once(second, 'close')
  await once(first, 'close')
  const third = connect(server.address.port, loopback)
  third.write(Uint8Array.of(0, 1, 7))
  await once(third.resume(), 'close')
})

test('a name of elsewhere goes to the resolver unchanged but for its id, and so does the answer come back', async t => {
  const seen: Buffer[] = []
  const ports = new Set<number>()
  const server = await open(t, {
    upstreams: [
      await upstream(t, (bytes, from, socket) => {
        seen.push(bytes)
        ports.add(from.port)
        answering('192.0.2.1')(bytes, from, socket)
      }),
    ],
  })
  const sent = encodeDnsMessage(query('WWW.example.com', recordTypes.A, { edns: edns(1400) }))
  const ids = new Set<string>()
  for (let round = 0; round < 8; round++) {
    const reply = await askBytes(t, server, sent)
    assert.equal(decoded(reply).id, 4711)
    assert.deepEqual(decoded(reply).answers, [address('WWW.example.com', '192.0.2.1')])
    assert.deepEqual(seen[round]?.subarray(2), Buffer.from(sent.subarray(2)))
    ids.add(seen[round]?.subarray(0, 2).toString('hex') ?? '')
  }
  assert.ok(ids.size > 6 && ports.size > 4, `${ids.size} ids, ${ports.size} ports`)
})

test('a forged answer is passed over', async t => {
  const server = await open(t, {
    upstreams: [
      await upstream(t, (bytes, from, socket) => {
        const name = decoded(bytes).questions[0]?.name ?? ''
        const forged = { answers: [address(name, '198.51.100.6')] }
        const send = (reply: Uint8Array): void => socket.send(reply, from.port, from.address)
        send(replyBytes(bytes, { ...forged, id: decoded(bytes).id ^ 1 }))
        send(replyBytes(bytes, { ...forged, questions: [{ name: 'www.example.org', type: 1, class: 1 }] }))
        send(replyBytes(bytes, { ...forged, questions: [{ name, type: 28, class: 1 }] }))
        send(replyBytes(bytes, { ...forged, questions: [] }))
        send(encodeDnsMessage({ ...decoded(bytes), ...forged }))
        send(bytes.subarray(0, 5))
        send(replyBytes(bytes, { answers: [address(name, '192.0.2.1')] }))
      }),
    ],
  })
  const reply = await ask(t, server, query('www.example.com', recordTypes.A))
  assert.deepEqual(reply.answers, [address('www.example.com', '192.0.2.1')])
})

test('an answer from another address is passed over', async t => {
  const other = await udpSocket(t)
  const server = await open(t, {
    upstreams: [
      await upstream(t, (bytes, from, socket) => {
        const forged = replyBytes(bytes, { answers: [address('www.example.com', '198.51.100.6')] })
        other.send(forged, from.port, from.address, () => answering('192.0.2.1')(bytes, from, socket))
      }),
    ],
  })
  const reply = await ask(t, server, query('www.example.com', recordTypes.A))
  assert.deepEqual(reply.answers, [address('www.example.com', '192.0.2.1')])
})

test('a resolver that is away, silent or unable leaves the answer to the next', async t => {
  const failing = (responseCode: number) => (bytes: Buffer, from: RemoteInfo, socket: Socket) =>
    socket.send(replyBytes(bytes, { responseCode }), from.port, from.address)
  const rows: [string, SocketAddress][] = [
    ['away', await nobody()],
    ['silent', await upstream(t, () => {})],
    ['SERVFAIL', await upstream(t, failing(responseCodes.SERVFAIL))],
    ['REFUSED', await upstream(t, failing(responseCodes.REFUSED))],
  ]
  for (const [what, first] of rows) {
    const second = await upstream(t, answering('192.0.2.2'))
    const server = await open(t, { upstreams: [first, second], limits: { tryNextMs: 20 } })
    const reply = await ask(t, server, query('www.example.com', recordTypes.A))
    assert.deepEqual(reply.answers, [address('www.example.com', '192.0.2.2')], what)
  }
})

test('a resolver that did not answer is asked last for a while', async t => {
  let asked = 0
  const silent = await upstream(t, () => asked++)
  const server = await open(t, {
    upstreams: [silent, await upstream(t, answering('192.0.2.2'))],
    limits: { tryNextMs: 20 },
  })
  for (let round = 0; round < 3; round++) await ask(t, server, query('www.example.com', recordTypes.A))
  assert.equal(asked, 1)
})

test('a datagram that was lost is sent again', async t => {
  let asked = 0
  const server = await open(t, {
    upstreams: [
      await upstream(t, (bytes, from, socket) => {
        if (asked++ > 0) answering('192.0.2.3')(bytes, from, socket)
      }),
    ],
    limits: { tryNextMs: 20 },
  })
  const reply = await ask(t, server, query('www.example.com', recordTypes.A))
  assert.equal(reply.answers.length, 1)
})

test('when no resolver answers, the client is told within the bound; an error of theirs is passed on', async t => {
  const limits = { forwardTimeoutMs: 60, tryNextMs: 20 }
  const refusing = await upstream(t, (bytes, from, socket) =>
    socket.send(replyBytes(bytes, { responseCode: responseCodes.REFUSED }), from.port, from.address),
  )
  const rows: [string, readonly SocketAddress[], number][] = [
    ['silent', [await upstream(t, () => {})], responseCodes.SERVFAIL],
    ['away', [await nobody(), await nobody()], responseCodes.SERVFAIL],
    ['none', [], responseCodes.SERVFAIL],
    ['refusing', [await nobody(), refusing], responseCodes.REFUSED],
  ]
  for (const [what, upstreams, code] of rows) {
    const server = await open(t, { upstreams, limits })
    const reply = await ask(t, server, query('www.example.com', recordTypes.A))
    assert.deepEqual([reply.responseCode, reply.questions[0]?.name], [code, 'www.example.com'], what)
  }
})

test('a client by TCP gets what a resolver cuts off by UDP; one by UDP is told to ask by TCP', async t => {
  const whole = createServer(socket => {
    const frames = new DnsTcpFrames()
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      for (const bytes of frames.read(chunk)) {
        const answers = Array.from({ length: 900 }, (_, at) =>
          address('www.example.com', `10.1.${at >> 8}.${at & 255}`),
        )
        socket.end(frameDnsMessage(replyBytes(bytes, { answers })))
      }
    })
  })
  t.after(() => whole.close())
  const truncating = await pairOf(whole)
  t.after(() => truncating.close())
  truncating.on('message', (bytes, from) => {
    const { flags } = decoded(bytes)
    const cut = replyBytes(bytes, { flags: { ...flags, isResponse: true, isTruncated: true } })
    truncating.send(cut, from.port, from.address)
  })
  const server = await open(t, { upstreams: [{ address: loopback, port: truncating.address().port }] })
  const cut = await ask(t, server, query('www.example.com', recordTypes.A))
  assert.deepEqual([cut.flags.isTruncated, cut.answers.length], [true, 0])
  const [reply] = await askByTcp(server, [query('www.example.com', recordTypes.A)])
  assert.deepEqual([reply?.flags.isTruncated, reply?.answers.length, reply?.id], [false, 900, 4711])
})

test('an answer of a resolver that is larger than the client takes is cut off', async t => {
  const server = await open(t, {
    upstreams: [
      await upstream(t, (bytes, from, socket) => {
        const answers = Array.from({ length: 60 }, (_, at) => address('www.example.com', `10.1.0.${at}`))
        socket.send(replyBytes(bytes, { answers }), from.port, from.address)
      }),
    ],
  })
  const cut = await ask(t, server, query('www.example.com', recordTypes.A))
  assert.deepEqual([cut.flags.isTruncated, cut.answers.length, cut.id], [true, 0, 4711])
  const fits = await ask(t, server, query('www.example.com', recordTypes.A, { edns: edns(4096) }))
  assert.deepEqual([fits.flags.isTruncated, fits.answers.length], [false, 60])
})

test('queries under way are bounded, and names of the mesh are answered all the same', async t => {
  const held: (() => void)[] = []
  const arrived = Promise.withResolvers<void>()
  const slow = await upstream(t, (bytes, from, socket) => {
    held.push(() => answering('192.0.2.1')(bytes, from, socket))
    if (held.length === 2) arrived.resolve()
  })
  const server = await open(t, { upstreams: [slow], limits: { maxForwarded: 2 } })
  const waiting = [1, 2].map(() => ask(t, server, query('www.example.com', recordTypes.A)))
  await arrived.promise
  const refused = await ask(t, server, query('www.example.com', recordTypes.A))
  assert.equal(refused.responseCode, responseCodes.SERVFAIL)
  assert.equal((await ask(t, server, query('reviews', recordTypes.A))).answers.length, 1)
  for (const release of held) release()
  for (const reply of await Promise.all(waiting)) assert.equal(reply.answers.length, 1)
})

test('a resolver whose address leads back here is no loop', async t => {
  let upstreams: readonly SocketAddress[] = []
  let loops = 0
  const server = await open(t, { servers: () => upstreams, limits: { forwardTimeoutMs: 500 } })
  // Its own address is left out…
  upstreams = [server.address]
  assert.equal((await ask(t, server, query('www.example.com', recordTypes.A))).responseCode, responseCodes.SERVFAIL)
  // …and its own queries are refused, should the network turn them round. The sender stays the same there.
  const back = createSocket('udp4')
  t.after(() => new Promise<void>(resolve => back.close(() => resolve())))
  const turning = await upstream(t, (bytes, from, socket) => {
    loops++
    back.send(bytes, server.address.port, loopback)
    back.once('message', reply => socket.send(reply, from.port, from.address))
  })
  upstreams = [turning]
  const reply = await ask(t, server, query('www.example.com', recordTypes.A))
  assert.equal(reply.responseCode, responseCodes.SERVFAIL)
  assert.ok(loops < 1_100, `${loops} rounds`)
})

test('an alias comes with what is behind it, of elsewhere or of the mesh', async t => {
  const server = await open(t, { upstreams: [await upstream(t, answering('192.0.2.9'))] })
  const far = await ask(t, server, query('far.shop', recordTypes.A))
  assert.deepEqual(far.answers, [
    { name: 'far.shop', class: 1, ttl: 5, data: { kind: 'CNAME', target: 'db.example.com' } },
    address('db.example.com', '192.0.2.9'),
  ])
  const near = await ask(t, server, query('near.shop', recordTypes.A))
  assert.deepEqual(
    near.answers.map(({ data }) => data),
    [
      { kind: 'CNAME', target: 'cart.shop.svc.cluster.local' },
      { kind: 'A', address: '127.77.1.3' },
    ],
  )
  const loop = await ask(t, server, query('loop.shop', recordTypes.A))
  assert.deepEqual(
    loop.answers.map(({ data }) => data.kind),
    ['CNAME'],
  )
  const other = await ask(t, server, query('far.shop', 15))
  assert.deepEqual(
    other.answers.map(({ data }) => data.kind),
    ['CNAME'],
  )
})

test('short names are those of the caller where it is known; names are told and counted', async t => {
  const events: NameResolved[] = []
  const counted = new Map<string, { value: number }>()
  const meter: Meter = {
    ...silentMeter,
    counter: (_name, labels) => {
      const counter = { value: 0 }
      counted.set(Object.values(labels).join(' '), counter)
      return counter
    },
  }
  const server = await open(t, {
    meter,
    upstreams: [await upstream(t, answering('192.0.2.1'))],
    askerOf: ({ transport }) =>
      transport === 'udp' ? { workload: 'shop/web', namespace: 'shop', mayForward: true } : undefined,
    onResolved: event => events.push(event),
  })
  assert.equal((await ask(t, server, query('cart', recordTypes.A))).answers.length, 1)
  await askByTcp(server, [query('reviews', recordTypes.A)])
  await ask(t, server, query('www.example.com', recordTypes.A))
  await ask(t, server, query('cart', recordTypes.TXT))
  await ask(t, server, query('nobody.shop.svc', recordTypes.SRV))
  assert.deepEqual(
    events.map(({ name, source, responseCode, addresses, client }) => [
      client.transport,
      name,
      source,
      responseCode,
      addresses.join(),
    ]),
    [
      ['udp', 'cart', 'mesh', 0, '127.77.1.3'],
      ['tcp', 'reviews', 'mesh', 0, '127.77.1.2'],
      ['udp', 'www.example.com', 'forward', 0, '192.0.2.1'],
      ['udp', 'cart', 'mesh', 0, ''],
      ['udp', 'nobody.shop.svc', 'mesh', 3, ''],
    ],
  )
  const counts = Object.fromEntries([...counted].map(([labels, { value }]) => [labels, value]))
  assert.deepEqual(counts, {
    'mesh A answered': 2,
    'forward A answered': 1,
    'mesh TXT no-data': 1,
    'mesh SRV no-name': 1,
  })
})

test('an address that is taken is told with its setting, and nothing stays open', async t => {
  const first = await open(t)
  const options = { clock: systemClock, meter: silentMeter, serviceCidr: '127.77.0.0/16', servers: () => [] }
  await assert.rejects(NamesServer.open({ ...options, address: first.address }), { code: 'MESH_DNS_PORT' })
})

test('a server that closes leaves queries under way alone', async t => {
  const arrived = Promise.withResolvers<void>()
  const silent = await upstream(t, () => arrived.resolve())
  const server = await open(t, { upstreams: [silent] })
  const socket = connect(server.address.port, loopback)
  socket.write(frameDnsMessage(encodeDnsMessage(query('www.example.com', recordTypes.A))))
  await arrived.promise
  const closed = once(socket.resume(), 'close')
  await server[Symbol.asyncDispose]()
  await closed
})
