import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createEntry, errorCodes, HeaderList, Http2Session } from '../../codec/index.ts'
import type { Http2Handler, Http2Settings, Http2Stream } from '../../codec/index.ts'
import { ManualClock, silentLogger, silentMeter } from '../../core/index.ts'
import { EndpointState } from '../balancing/endpoint-state.ts'
import { defaultLimits } from '../limits.ts'
import { ProxyRuntime } from '../runtime.ts'
import { unhandled } from '../transport/connection.ts'
import type { Connection, ConnectionHandler } from '../transport/connection.ts'
import { Http2Upstream } from './http2-upstream.ts'
import type { Http2UpstreamStream } from './http2-stream.ts'
import { OutgoingRequest } from './outgoing-request.ts'
import type { UpstreamOwner } from './upstream-stream.ts'

/** A connection whose other end is a session of our own, in the same turn. */
class Wire implements Connection {
  handler: ConnectionHandler = unhandled
  isPaused = false
  isClosed = false
  isOpen = true
  backlog = 0
  readonly remoteAddress = ''
  readonly remotePort = 0
  readonly localAddress = ''
  readonly localPort = 0
  readonly alpn = ''
  readonly tls = undefined
  /** Takes what is written, unless the peer is dead. */
  onWrite: ((bytes: Buffer) => void) | undefined = undefined
  hasEnded = false

  write(bytes: Buffer, length: number): boolean {
    this.onWrite?.(Buffer.from(bytes.subarray(0, length)))
    return false
  }
  end(): void {
    this.hasEnded = true
  }
  destroy(): void {
    this.isOpen = false
    this.isClosed = true
  }
  reset(): void {
    this.destroy()
  }
  pause(): void {}
  resume(): void {}
}

class Server implements Http2Handler<unknown> {
  readonly session: Http2Session
  readonly streams: Http2Stream[] = []
  readonly resets: number[] = []
  goAway: number | undefined = undefined
  pings = 0
  constructor(settings: Partial<Http2Settings> = {}) {
    this.session = new Http2Session('server', this, { settings })
  }
  onHead(stream: Http2Stream): void {
    this.streams.push(stream)
  }
  onReset(_stream: Http2Stream, code: number): void {
    this.resets.push(code)
  }
  onGoAway(_last: number, code: number): void {
    this.goAway = code
  }
  onData(): void {}
  onTrailers(): void {}
  onTooLarge(): void {}
  onUnprocessed(): void {}
  onStreamProblem(): void {}
  onWritable(): void {}
  onSettings(): void {}
  onPong(): void {}
}

class Owner implements UpstreamOwner {
  readonly events: string[] = []
  onUpstreamOpening(): void {}
  onUpstreamQueued(): void {
    this.events.push('queued')
  }
  onUpstreamReady(stream: Http2UpstreamStream): void {
    this.events.push('ready')
    stream.begin(this, get())
  }
  onUpstreamFailed(_stream: unknown, failure: string): void {
    this.events.push(failure)
  }
  onInterim(): void {}
  onUpgraded(): void {}
  onResponseHead(): void {
    this.events.push('head')
  }
  onResponseBody(): void {}
  onResponseEnd(): void {
    this.events.push('end')
  }
  onUpstreamTurn(): void {}
  onUpstreamWritable(): void {}
}

/** Its body does not end. */
class Uploader extends Owner {
  override onUpstreamReady(stream: Http2UpstreamStream): void {
    const request = get()
    request.hasBody = true
    stream.begin(this, request)
  }
}

function get(): OutgoingRequest {
  const request = new OutgoingRequest()
  request.isHttp2 = true
  for (const [name, value] of Object.entries({
    ':method': 'GET',
    ':scheme': 'http',
    ':path': '/',
    ':authority': 'a',
  })) {
    request.list.add(createEntry(name, value))
  }
  return request
}

interface Bed {
  readonly clock: ManualClock
  readonly wire: Wire
  readonly server: Server
  readonly upstream: Http2Upstream
  readonly notes: string[]
  readonly connect: () => void
  /** Lets everything that was written arrive, in both directions. */
  readonly settle: () => Promise<void>
  readonly answer: (index: number) => void
}

function bed(settings: Partial<Http2Settings> = {}): Bed {
  const clock = new ManualClock()
  const runtime = new ProxyRuntime({
    meter: silentMeter,
    accessLog: { write() {} },
    logger: silentLogger,
    clock,
    limits: defaultLimits,
    zone: '',
    workers: 1,
  })
  const wire = new Wire()
  const server = new Server(settings)
  const notes: string[] = []
  let handler = unhandled
  let connect = (): void => {}
  const keeper = {
    connect: (_endpoint: EndpointState, socketSide: ConnectionHandler, onConnect: () => void) => {
      handler = socketSide
      wire.handler = socketSide
      connect = onConnect
      return wire
    },
    onConnected: () => notes.push('connected'),
    onRoom: () => {},
    onLeaving: () => notes.push('leaving'),
    placeAnew: (stream: Http2UpstreamStream) => {
      notes.push('placed anew')
      stream.owner?.onUpstreamQueued()
    },
    onClosed: () => notes.push('closed'),
  }
  const endpoint = new EndpointState(
    { id: 'e', address: '', port: 1, weight: 1, zone: '', workload: '', healthy: true, draining: false },
    0,
  )
  const upstream = new Http2Upstream(runtime, keeper, endpoint)
  wire.onWrite = bytes => server.session.receive(bytes, 0, bytes.length, clock.nowMs())
  const settle = async (): Promise<void> => {
    for (let round = 0; round < 4; round++) {
      await new Promise(resolve => setImmediate(resolve))
      const bytes = Buffer.from(server.session.output.view())
      server.session.output.clear()
      if (bytes.length > 0 && wire.isOpen) handler.onBytes(bytes, bytes.length)
    }
  }
  const answer = (index: number): void => {
    const list = new HeaderList()
    list.add(createEntry(':status', '204'))
    const stream = server.streams[index]
    if (stream !== undefined) server.session.sendHeaders(stream, list, true)
  }
  return { clock, wire, server, upstream, notes, connect: () => connect(), settle, answer }
}

suite('a connection by HTTP/2 to an endpoint', () => {
  test('that takes bytes again after a backlog tells its streams in turn, so that none starves', async () => {
    const { upstream, connect, settle, wire } = bed({ maxConcurrentStreams: 10 })
    const order: number[] = []
    const owners = Array.from({ length: 5 }, () => new Uploader())
    for (const [index, owner] of owners.entries()) {
      owner.onUpstreamWritable = () => {
        order.push(index)
        // Each fills the connection again, two of three times.
        if (order.length % 3 !== 0) wire.backlog = defaultLimits.backlogBytes * 100
      }
      upstream.open(owner)
    }
    connect()
    await settle()
    for (let round = 0; round < 10; round++) {
      wire.backlog = 0
      wire.handler.onWritable()
    }
    assert.deepEqual(order.slice(0, 10), [0, 1, 2, 3, 4, 0, 1, 2, 3, 4])
    const counts = owners.map((_, index) => order.filter(told => told === index).length)
    assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, counts.join(' '))
  })

  test('begins no request before the endpoint has said how many it takes; the others go elsewhere', async () => {
    const { upstream, connect, settle, notes, server } = bed({ maxConcurrentStreams: 2 })
    const owners = [new Owner(), new Owner(), new Owner()]
    for (const owner of owners) upstream.open(owner)
    connect()
    assert.deepEqual(owners[0]?.events, [])
    assert.equal(upstream.isConnecting, true)
    await settle()
    assert.deepEqual(
      owners.map(({ events }) => events),
      [['ready'], ['ready'], ['queued']],
    )
    assert.deepEqual(notes, ['connected', 'placed anew'])
    assert.equal(server.streams.length, 2)
    assert.equal(upstream.hasRoom, false)
  })

  test('closes with GOAWAY when it was unused for long, not before', async () => {
    const { upstream, connect, settle, clock, answer, server, wire, notes } = bed()
    const owner = new Owner()
    upstream.open(owner)
    connect()
    await settle()
    answer(0)
    await settle()
    assert.deepEqual(owner.events, ['ready', 'head', 'end'])
    clock.advance(59_000)
    upstream.sweep(clock.nowMs(), 60_000)
    assert.equal(wire.hasEnded, false)
    clock.advance(1_000)
    upstream.sweep(clock.nowMs(), 60_000)
    assert.equal(wire.hasEnded, true)
    assert.equal(upstream.hasRoom, false)
    assert.equal(server.goAway, errorCodes.NO_ERROR)
    assert.ok(notes.includes('leaving'))
    // A peer that does not close is cut.
    clock.advance(3_000)
    upstream.sweep(clock.nowMs(), 60_000)
    assert.equal(wire.isOpen, false)
  })

  test('goes on with what it has when it is retired, and closes then', async () => {
    const { upstream, connect, settle, answer, wire } = bed()
    const owner = new Owner()
    upstream.open(owner)
    connect()
    await settle()
    upstream.retire()
    assert.equal(upstream.hasRoom, false)
    assert.equal(wire.hasEnded, false)
    answer(0)
    await settle()
    assert.deepEqual(owner.events, ['ready', 'head', 'end'])
    assert.equal(wire.hasEnded, true)
  })

  test('takes no more requests before the endpoint would count those given up as an attack', async () => {
    const { upstream, connect, settle, clock, server, answer, notes } = bed()
    connect()
    await settle()
    const patient = new Owner()
    upstream.open(patient).begin(patient, get())
    let givenUp = 0
    while (upstream.hasRoom && givenUp < 1_000) {
      const impatient = new Owner()
      const stream = upstream.open(impatient)
      stream.begin(impatient, get())
      stream.discard()
      givenUp++
      await settle()
    }
    assert.equal(givenUp, 101)
    assert.equal(server.resets.length, 101)
    assert.deepEqual(notes, ['connected', 'leaving'])
    // What is under way is not lost by it.
    answer(0)
    await settle()
    assert.deepEqual(patient.events, ['head', 'end'])
    clock.advance(1_000)
    assert.equal(upstream.hasRoom, false)
  })

  test('that the endpoint gives up since we ask too much counts as closed, before an answer', async () => {
    const { upstream, connect, settle, server } = bed()
    const owner = new Owner()
    upstream.open(owner)
    connect()
    await settle()
    const [stream] = server.streams
    assert.ok(stream)
    server.session.reset(stream, errorCodes.ENHANCE_YOUR_CALM)
    await settle()
    assert.deepEqual(owner.events, ['ready', 'closed-before-answer'])
  })

  test('is asked for a sign of life in a silence, and stays if it gives one', async () => {
    const { upstream, connect, settle, clock, wire } = bed()
    const owner = new Owner()
    upstream.open(owner)
    connect()
    await settle()
    clock.advance(31_000)
    upstream.sweep(clock.nowMs(), 60_000)
    assert.ok(upstream.session.unansweredPingMs >= 0)
    await settle()
    assert.equal(upstream.session.unansweredPingMs, -1)
    // Servers of gRPC take pings that come often for abuse: the next is due after five minutes.
    clock.advance(120_000)
    upstream.sweep(clock.nowMs(), 60_000)
    assert.equal(upstream.session.unansweredPingMs, -1)
    clock.advance(190_000)
    upstream.sweep(clock.nowMs(), 60_000)
    assert.ok(upstream.session.unansweredPingMs >= 0)
    assert.deepEqual(owner.events, ['ready'])
    assert.equal(wire.hasEnded, false)
  })

  test('counts as lost when it gives none', async () => {
    const { upstream, connect, settle, clock, wire } = bed()
    const owner = new Owner()
    upstream.open(owner)
    connect()
    await settle()
    wire.onWrite = undefined
    clock.advance(31_000)
    upstream.sweep(clock.nowMs(), 60_000)
    await settle()
    assert.equal(upstream.hasRoom, true)
    clock.advance(9_000)
    upstream.sweep(clock.nowMs(), 60_000)
    assert.deepEqual(owner.events, ['ready'])
    assert.equal(upstream.hasRoom, false)
    clock.advance(2_000)
    upstream.sweep(clock.nowMs(), 60_000)
    assert.deepEqual(owner.events, ['ready', 'closed-before-answer'])
    assert.equal(upstream.hasRoom, false)
  })

  test('is asked at once when a request got no answer in its time', async () => {
    const { upstream, connect, settle, server } = bed()
    const stream = upstream.open(new Owner())
    connect()
    await settle()
    stream.abandon()
    assert.ok(upstream.session.unansweredPingMs >= 0)
    await settle()
    assert.deepEqual(server.resets, [errorCodes.CANCEL])
    assert.equal(upstream.session.unansweredPingMs, -1)
  })
})
