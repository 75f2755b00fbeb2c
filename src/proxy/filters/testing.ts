import { request as httpRequest } from 'node:http'
import { connect } from 'node:http2'
import { ManualClock } from '../../core/index.ts'
import type { Filter } from '../../model/index.ts'
import { TimerWheel } from '../resilience/timer-wheel.ts'
import type {
  AuthCall,
  AuthCallOutcome,
  AuthTransport,
  FilterHost,
  FilterReply,
  FilterRequest,
  PendingCall,
} from './filter-exchange.ts'
import { FilterPlan } from './filter-plan.ts'
import type { FilterRun } from './filter-run.ts'
import { RateLimitTables } from './rate-limit-tables.ts'

/** A request with nothing behind it; `headers` have lower case names. */
export function fakeRequest(
  changes: Partial<Omit<FilterRequest, 'headers' | 'header'>> & { fields?: Readonly<Record<string, string>> } = {},
): FilterRequest {
  const { fields = {}, ...rest } = changes
  return {
    method: 'GET',
    scheme: 'http',
    host: 'shop.example',
    target: '/cart?a=1',
    protocol: 'HTTP/1.1',
    clientAddress: '10.0.0.9',
    clientPort: 40_000,
    localAddress: '10.0.0.1',
    localPort: 80,
    callerNamespace: '',
    callerService: '',
    requestId: 'id-1',
    startWallMs: 0,
    contentLength: 0,
    header: name => fields[name],
    headers: () => new Map(Object.entries(fields)),
    ...rest,
  }
}

/** Authorizers by the name of their backend, asked by Node's own clients. */
export class NodeAuthTransport implements AuthTransport {
  readonly calls: AuthCall[] = []
  cancelled = 0
  readonly #ports: Readonly<Record<string, number>>

  constructor(ports: Readonly<Record<string, number>> = {}) {
    this.#ports = ports
  }

  call(call: AuthCall, done: (outcome: AuthCallOutcome) => void): PendingCall {
    this.calls.push(call)
    let isOver = false
    const finish = (outcome: AuthCallOutcome): void => {
      if (isOver) return
      isOver = true
      done(outcome)
    }
    const port = this.#ports[call.backend] ?? 0
    const stop = call.protocol === 'grpc' ? askByHttp2(call, port, finish) : askByHttp1(call, port, finish)
    return {
      cancel: () => {
        if (isOver) return
        isOver = true
        this.cancelled++
        stop()
      },
    }
  }
}

function askByHttp1(call: AuthCall, port: number, finish: (outcome: AuthCallOutcome) => void): () => void {
  const request = httpRequest({
    port,
    host: '127.0.0.1',
    method: call.method,
    path: call.target,
    agent: false,
    headers: {
      ...Object.fromEntries(call.headers.map(({ name, value }) => [name, value])),
      host: call.host,
      'content-length': call.body.length,
    },
  })
  request.on('response', response => {
    const body: Buffer[] = []
    response.on('data', (piece: Buffer) => body.push(piece))
    response.on('end', () => {
      const headers: { name: string; value: string }[] = []
      for (let i = 0; i < response.rawHeaders.length; i += 2) {
        headers.push({ name: response.rawHeaders[i]?.toLowerCase() ?? '', value: response.rawHeaders[i + 1] ?? '' })
      }
      finish({ kind: 'answer', status: response.statusCode ?? 0, headers, body: Buffer.concat(body) })
    })
  })
  request.on('error', error => finish({ kind: 'failed', detail: error.message }))
  request.end(call.body)
  return () => void request.destroy()
}

function askByHttp2(call: AuthCall, port: number, finish: (outcome: AuthCallOutcome) => void): () => void {
  const session = connect(`http://127.0.0.1:${port}`)
  const fail = (error: Error): void => {
    finish({ kind: 'failed', detail: error.message })
    session.destroy()
  }
  session.on('error', fail)
  const stream = session.request({
    ':method': call.method,
    ':path': call.target,
    ':authority': call.host,
    'content-type': 'application/grpc',
    te: 'trailers',
  })
  const fields: Record<string, unknown> = {}
  const body: Buffer[] = []
  stream.on('response', headers => Object.assign(fields, headers))
  stream.on('trailers', trailers => Object.assign(fields, trailers))
  stream.on('data', (piece: Buffer) => body.push(piece))
  stream.on('error', fail)
  stream.on('end', () => {
    const headers = Object.entries(fields)
      .filter(([name]) => !name.startsWith(':'))
      .map(([name, value]) => ({ name, value: String(value) }))
    finish({ kind: 'answer', status: Number(fields[':status']), headers, body: Buffer.concat(body) })
    session.close()
  })
  stream.end(call.body)
  return () => session.destroy()
}

/** An exchange that does nothing but note what becomes of its request. */
export class FakeExchange implements FilterHost, Disposable {
  readonly clock: ManualClock = new ManualClock()
  readonly timers: TimerWheel = new TimerWheel(this.clock)
  readonly auth: NodeAuthTransport
  readonly rateLimits: RateLimitTables
  random = 0
  #events: string[] = []
  #wake: (() => void) | undefined = undefined
  reply: FilterReply | undefined = undefined
  readonly #heldLimitBytes: number

  constructor(options: { auth?: NodeAuthTransport; rateLimits?: RateLimitTables; heldLimitBytes?: number } = {}) {
    this.auth = options.auth ?? new NodeAuthTransport()
    this.rateLimits = options.rateLimits ?? new RateLimitTables()
    this.#heldLimitBytes = options.heldLimitBytes ?? 1024
  }

  plan(filters: readonly Filter[]): FilterPlan | undefined {
    const { clock, timers, auth } = this
    const context = { timers, auth, sharedNowMs: () => clock.nowMs(), random: () => this.random }
    return FilterPlan.of(context, this.rateLimits, filters)
  }

  /** @throws TypeError without safeguards */
  run(filters: readonly Filter[], request: FilterRequest = fakeRequest()): FilterRun {
    const plan = this.plan(filters)
    if (plan === undefined) throw new TypeError('no safeguards')
    return plan.run(request, { host: this, heldLimitBytes: this.#heldLimitBytes })
  }

  onFiltersPassed(): void {
    this.#note('passed')
  }

  onFiltersAnswered(reply: FilterReply): void {
    this.reply = reply
    this.#note('answered')
  }

  onFiltersWantBody(): void {}

  #note(event: string): void {
    this.#events.push(event)
    this.#wake?.()
  }

  /** What the suspended run came to, once it has come to something. */
  async outcome(): Promise<string> {
    while (this.#events.length === 0) await new Promise<void>(resolve => (this.#wake = resolve))
    return this.#events.join(' then ')
  }

  get events(): readonly string[] {
    return this.#events
  }

  [Symbol.dispose](): void {
    this.timers[Symbol.dispose]()
  }
}
