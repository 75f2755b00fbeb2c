import { getDefaultHighWaterMark } from 'node:stream'
import { defaultChunkLimits, defaultHeadLimits, EntryCache, HeaderList, HeadParser } from '../codec/index.ts'
import type { ChunkLimits, HeadLimits } from '../codec/index.ts'
import type { Clock, Logger, Meter } from '../core/index.ts'
import type { AccessLog, Certificate } from '../model/index.ts'
import { Http1Request } from './pipeline/http1-request.ts'
import { Http2Request } from './pipeline/http2-request.ts'
import { httpDate } from './pipeline/local-reply-text.ts'
import { RequestIds } from './pipeline/request-id.ts'
import { RequestLists } from './pipeline/request-list.ts'
import type { ProxyLimits } from './limits.ts'
import type { AccessGate } from './access/access-gate.ts'
import type { CallerSource } from './listeners/caller-source.ts'
import { TicketKeys } from './listeners/ticket-keys.ts'
import { TimerWheel } from './resilience/timer-wheel.ts'
import type { StreamPlugins } from './plugins/plugin-lists.ts'
import { Output } from './transport/output.ts'
import type { Transport } from './transport/connection.ts'
import { NodeTls } from './transport/node-tls.ts'
import type { KeptSockets } from './transport/kept-sockets.ts'
import { NodeTransport } from './transport/node-transport.ts'
import type { TlsLibrary } from './transport/tls-library.ts'
import { AnswerHead } from './upstream/answer-head.ts'

/** One read takes at most this much: large bodies move in few system calls, and the buffer still fits the cache. */
const readBufferBytes = 64 * 1024
/** Holds the largest head with our additions beside a whole read. */
const outputBytes = 192 * 1024

/** How long a clock that was set may be told wrongly. */
const wallPeriodMs = 1000

/** Has gathered what it will write at the end of the turn. */
export interface Flushable {
  flush(): void
}

export interface RuntimeOptions {
  readonly meter: Meter
  readonly accessLog: AccessLog
  readonly logger: Logger
  readonly clock: Clock
  readonly limits: ProxyLimits
  /** Zone of this node, for locality preference. */
  readonly zone: string
  /** Worker threads of the agent: circuit breaker limits are divided by it. */
  readonly workers: number
  /** Tells who calls where that decides something. @default nobody is known */
  readonly callers?: CallerSource
  /** Enforces NetworkPolicies on what is forwarded. @default they are not enforced */
  readonly gate?: AccessGate
  /** Plain connections. @default those of node:net */
  readonly transport?: Transport
  /** @default Node's, on sockets of its own */
  readonly tls?: TlsLibrary
  /** Sockets that listen already. @default none */
  readonly kept?: KeptSockets
}

/**
 * What all connections of one worker share: ports, limits, buffers, parsers and
 * timers. Single-threaded, so a shared buffer or parser is
 * safe as long as it is used within one turn.
 */
export class ProxyRuntime {
  readonly meter: Meter
  readonly accessLog: AccessLog
  readonly logger: Logger
  readonly clock: Clock
  readonly limits: ProxyLimits
  readonly zone: string
  readonly workers: number
  readonly callers: CallerSource | undefined
  /** Where NetworkPolicies are enforced; undefined where they are not. */
  readonly gate: AccessGate | undefined
  readonly headLimits: HeadLimits = defaultHeadLimits
  readonly chunkLimits: ChunkLimits = defaultChunkLimits
  readonly transport: Transport
  readonly tls: TlsLibrary
  readonly kept: KeptSockets | undefined
  readonly ticketKeys: TicketKeys = new TicketKeys()
  /** As in the newest snapshot. */
  streamPlugins: StreamPlugins = { hosts: new Map(), plugins: new Map(), runner: undefined }
  /** Whether a rule has ever compressed: what clients say of that is kept for it then. */
  compresses = false
  /** What Gateways show to backends, by name; as in the newest snapshot. */
  readonly clientCertificates: Map<string, Certificate> = new Map<string, Certificate>()
  readonly out: Output = new Output(outputBytes)
  readonly requestParser: HeadParser
  readonly responseParser: HeadParser
  readonly answerHead: AnswerHead = new AnswerHead()
  /** Of all connections by HTTP/2, and of what is translated for them. */
  readonly entries: EntryCache = new EntryCache()
  readonly requestLists: RequestLists = new RequestLists(this.entries)
  readonly http1Request: Http1Request = new Http1Request()
  readonly http2Request: Http2Request = new Http2Request()
  /** For the fields of an answer on their way to a client by HTTP/2. */
  readonly answerList: HeaderList = new HeaderList()
  readonly requestIds: RequestIds = new RequestIds()
  readonly timers: TimerWheel
  /**
   * The clock's milliseconds at the start of this turn (a read, a timer, a change of a socket): asking the clock once a
   * turn instead of at each step is cheaper, and a turn takes microseconds.
   */
  turnMs: number
  /**
   * Milliseconds to add to the clock's monotonic time to get wall time. Asked for once a second, so that a request costs
   * one clock call, and again and again, since clocks are set and machines sleep.
   */
  wallOffsetMs: number = 0
  #wallDueMs = 0
  #dateLine = ''
  #dateSecond = -1
  #unflushed: Flushable[] = []
  /** The last list, to be used again. */
  #flushed: Flushable[] = []
  readonly #flushAll: () => void = () => this.#flushNow()

  constructor(options: RuntimeOptions) {
    this.meter = options.meter
    this.accessLog = options.accessLog
    this.logger = options.logger
    this.clock = options.clock
    this.limits = {
      ...options.limits,
      backlogBytes: Math.max(options.limits.backlogBytes, getDefaultHighWaterMark(false)),
    }
    this.zone = options.zone
    this.workers = options.workers
    this.callers = options.callers
    this.gate = options.gate
    this.transport = options.transport ?? new NodeTransport(readBufferBytes)
    this.tls = options.tls ?? new NodeTls(readBufferBytes)
    this.kept = options.kept
    this.requestParser = new HeadParser('request', this.headLimits)
    this.responseParser = new HeadParser('response', this.headLimits)
    this.timers = new TimerWheel(options.clock)
    this.turnMs = options.clock.nowMs()
    this.#readWall()
  }

  #readWall(): void {
    this.wallOffsetMs = this.clock.wallMs() - this.turnMs
    this.#wallDueMs = this.turnMs + wallPeriodMs
  }

  /** The Date field of an answer in this turn, with its CRLF. */
  get dateLine(): string {
    const wallMs = this.turnMs + this.wallOffsetMs
    const second = Math.floor(wallMs / 1000)
    if (second !== this.#dateSecond) {
      this.#dateSecond = second
      this.#dateLine = `date: ${httpDate(wallMs)}\r\n`
    }
    return this.#dateLine
  }

  /**
   * Has `target` flushed when all that happens at this moment has happened: the frames of many streams, and of many
   * reads, leave in one write. Asked for once until it is flushed.
   */
  flushLater(target: Flushable): void {
    if (this.#unflushed.push(target) === 1) process.nextTick(this.#flushAll)
  }

  #flushNow(): void {
    const targets = this.#unflushed
    this.#unflushed = this.#flushed
    this.#flushed = targets
    for (const target of targets) target.flush()
    targets.length = 0
  }

  /** Begins a turn. */
  tick(): void {
    this.turnMs = this.clock.nowMs()
    if (this.turnMs >= this.#wallDueMs) this.#readWall()
  }
}
