import { get } from 'node:http'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { messageOf } from '../../core/index.ts'
import type { Clock } from '../../core/index.ts'
import type { BackendTls, Certificate, HealthCheck } from '../../model/index.ts'
import type { TlsClients } from '../transport/tls-client.ts'
import { explainTlsError } from '../transport/tls-problem.ts'

export interface ProbeResult {
  readonly healthy: boolean
  /** For people: `HTTP 503`, `connect ECONNREFUSED 127.0.0.1:9080`, `no answer within 1000 ms`. */
  readonly detail: string
}

/** Where the probe goes. */
export interface ProbeTarget {
  readonly address: string
  readonly port: number
  /** How the endpoint is reached by TLS; undefined for plain text. */
  readonly tls: ProbeTls | undefined
}

export interface ProbeTls {
  readonly clients: TlsClients
  readonly policy: BackendTls
  readonly certificate: Certificate | undefined
}

/**
 * Asks an endpoint once, over a connection of its own, since a pooled one says
 * nothing about whether the endpoint still accepts. `done` is called exactly
 * once, when the socket is closed or about to be; disposing gives up without
 * calling it. HTTP: the head of the answer decides, the body is not awaited.
 */
export function startProbe(
  check: HealthCheck,
  target: ProbeTarget,
  clock: Clock,
  done: (result: ProbeResult) => void,
): Disposable {
  let connection: Closeable | undefined
  let isOver = false
  const end = (result: ProbeResult | undefined): void => {
    if (isOver) return
    isOver = true
    timer[Symbol.dispose]()
    connection?.destroy()
    if (result !== undefined) done(result)
  }
  const timer = clock
    .after(check.timeoutMs, () => end({ healthy: false, detail: `no answer within ${check.timeoutMs} ms` }))
    .unref()
  try {
    connection = ask(check, target, end)
  } catch (error) {
    // A path that can't be written into a request line; reported as any failure.
    queueMicrotask(() => end({ healthy: false, detail: messageOf(error) }))
  }
  return { [Symbol.dispose]: () => end(undefined) }
}

function ask(check: HealthCheck, target: ProbeTarget, end: End): Closeable {
  if (check.kind === 'TCP') return askTcp(target, end)
  return target.tls === undefined ? askHttp(check, target, end) : askHttps(check, target, target.tls, end)
}

interface Closeable {
  destroy(): void
}

type End = (result: ProbeResult) => void

function askTcp(target: ProbeTarget, end: End): Socket {
  const { address, port, tls } = target
  const socket =
    tls === undefined
      ? connect({ host: address, port }, () => end({ healthy: true, detail: 'connected' }))
      : connectTls(target, tls, () => end({ healthy: true, detail: 'TLS agreed' }))
  socket.on('error', error => end({ healthy: false, detail: describe(error) }))
  return socket
}

function connectTls(
  { address, port }: ProbeTarget,
  { clients, policy, certificate }: ProbeTls,
  onReady: () => void,
): Socket {
  return clients.connect({ address, port, policy, certificate, alpn: http1Only }, onReady)
}

const http1Only: readonly string[] = ['http/1.1']

function describe(error: Error): string {
  return explainTlsError(error) ?? messageOf(error)
}

/** The request is made once the endpoint has shown who it is. */
function askHttps(check: HttpCheck, target: ProbeTarget, tls: ProbeTls, end: End): Socket {
  const socket = connectTls(target, tls, () => void askHttp(check, target, end, socket))
  socket.on('error', error => end({ healthy: false, detail: describe(error) }))
  return socket
}

type HttpCheck = Extract<HealthCheck, { kind: 'HTTP' }>

function askHttp(check: HttpCheck, target: ProbeTarget, end: End, socket?: Socket): ClientRequest {
  const request = get({
    host: target.address,
    port: target.port,
    ...(socket === undefined ? {} : { createConnection: () => socket }),
    path: check.path,
    headers: {
      host: check.host === '' ? authority(target) : check.host,
      'user-agent': 'heddle-health-check',
      connection: 'close',
    },
    agent: false,
  })
  request.on('response', response => end(judgeResponse(check, response)))
  request.on('upgrade', (response, socket) => {
    socket.destroy()
    end(judgeResponse(check, response))
  })
  request.on('error', error => end({ healthy: false, detail: describe(error) }))
  return request
}

function judgeResponse(check: HttpCheck, response: IncomingMessage): ProbeResult {
  const status = response.statusCode ?? 0
  // The connection is cut below a body that nobody reads.
  response.on('error', () => {})
  return {
    healthy: check.expected.some(([from, to]) => status >= from && status <= to),
    detail: `HTTP ${status}`,
  }
}

function authority(target: ProbeTarget): string {
  return target.address.includes(':') ? `[${target.address}]:${target.port}` : `${target.address}:${target.port}`
}
