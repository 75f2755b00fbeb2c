import { getDefaultHighWaterMark } from 'node:stream'
import { defaultChunkLimits, defaultHeadLimits, HeadParser } from '../codec/index.ts'
import type { ChunkLimits, HeadLimits } from '../codec/index.ts'
import type { Clock, Logger, Meter } from '../core/index.ts'
import type { AccessLog, AccessRecord, Certificate } from '../model/index.ts'
import { RequestIds } from './pipeline/request-id.ts'
import { RequestView } from './pipeline/request-view.ts'
import type { ProxyLimits } from './limits.ts'
import type { CallerSource } from './listeners/caller-source.ts'
import { TicketKeys } from './listeners/ticket-keys.ts'
import { TimerWheel } from './resilience/timer-wheel.ts'
import { Output } from './transport/output.ts'
import type { Transport } from './transport/connection.ts'
import { NodeTransport } from './transport/node-transport.ts'
import { TlsClients } from './transport/tls-client.ts'

/** One read takes at most this much: large bodies move in few system calls, and the buffer still fits the cache. */
const readBufferBytes = 64 * 1024
/** Holds the largest head with our additions beside a whole read. */
const outputBytes = 192 * 1024

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
  /** Plain connections. @default those of node:net */
  readonly transport?: Transport
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
  readonly headLimits: HeadLimits = defaultHeadLimits
  readonly chunkLimits: ChunkLimits = defaultChunkLimits
  readonly transport: Transport
  readonly tlsClients: TlsClients = new TlsClients()
  readonly ticketKeys: TicketKeys = new TicketKeys()
  /** What Gateways show to backends, by name; as in the newest snapshot. */
  readonly clientCertificates: Map<string, Certificate> = new Map<string, Certificate>()
  readonly out: Output = new Output(outputBytes)
  readonly requestParser: HeadParser
  readonly responseParser: HeadParser
  readonly view: RequestView = new RequestView()
  readonly requestIds: RequestIds = new RequestIds()
  readonly timers: TimerWheel
  readonly record: AccessRecord = newAccessRecord()
  /**
   * The clock's milliseconds at the start of this turn (a read, a timer, a change of a socket): asking the clock once a
   * turn instead of at each step is cheaper, and a turn takes microseconds.
   */
  turnMs: number
  /** Milliseconds to add to the clock's monotonic time to get wall time; fixed at start so that a request costs one clock call. */
  readonly wallOffsetMs: number

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
    this.transport = options.transport ?? new NodeTransport(readBufferBytes)
    this.requestParser = new HeadParser('request', this.headLimits)
    this.responseParser = new HeadParser('response', this.headLimits)
    this.timers = new TimerWheel(options.clock)
    this.turnMs = options.clock.nowMs()
    this.wallOffsetMs = options.clock.wallMs() - this.turnMs
  }

  /** Begins a turn. */
  tick(): void {
    this.turnMs = this.clock.nowMs()
  }
}

function newAccessRecord(): AccessRecord {
  return {
    startMs: 0,
    durationMs: 0,
    upstreamMs: -1,
    method: '',
    authority: '',
    target: '',
    version: 11,
    status: 0,
    requestBytes: 0,
    responseBytes: 0,
    client: '',
    clientService: '',
    virtualHost: '',
    route: '',
    rule: '',
    backend: '',
    endpoint: '',
    retries: 0,
    requestId: '',
    traceId: '',
    userAgent: '',
    reason: undefined,
    flags: '-',
  }
}
