import type { ClientRequest, IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { messageOf, nodeHttp } from '../../core/index.ts'
import type { Clock } from '../../core/index.ts'
import type { BackendTls, Certificate, HealthCheck } from '../../model/index.ts'
import { GrpcProbe } from './grpc-probe.ts'
import type { ProbeResult } from './probe-result.ts'
import type { NodeTlsClients } from '../transport/tls-client.ts'
import { explainTlsError } from '../transport/tls-problem.ts'

/** Where the probe goes. */
export interface ProbeTarget {
  readonly address: string
  readonly port: number
  /** How the endpoint is reached by TLS; undefined for plain text. */
  readonly tls: ProbeTls | undefined
  /** Sent before anything else: a PROXY header. */
  readonly preface: Buffer | undefined
}

export interface ProbeTls {
  readonly clients: NodeTlsClients
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
    connection = ask(check, target, clock, end)
  } catch (error) {
    // A path that can't be written into a request line; reported as any failure.
    queueMicrotask(() => end({ healthy: false, detail: messageOf(error) }))
  }
  return { [Symbol.dispose]: () => end(undefined) }
}

function ask(check: HealthCheck, target: ProbeTarget, clock: Clock, end: End): Closeable {
  if (check.kind === 'TCP') return askTcp(target, end)
  if (check.kind === 'GRPC') return askGrpc(check.service, target, clock, end)
  return target.tls === undefined ? askHttp(check, target, end) : askHttps(check, target, target.tls, end)
}

interface Closeable {
  destroy(): void
}

type End = (result: ProbeResult) => void

function askTcp(target: ProbeTarget, end: End): Socket {
  const { tls } = target
  const socket =
    tls === undefined
      ? connectPlain(target, () => end({ healthy: true, detail: 'connected' }))
      : connectTls(target, tls, http1Only, () => end({ healthy: true, detail: 'TLS agreed' }))
  socket.on('error', error => end({ healthy: false, detail: describe(error) }))
  return socket
}

function connectPlain({ address, port, preface }: ProbeTarget, onReady?: () => void): Socket {
  const socket = connect({ host: address, port }, onReady)
  if (preface !== undefined) socket.write(preface)
  return socket
}

function connectTls(
  { address, port, preface }: ProbeTarget,
  { clients, policy, certificate }: ProbeTls,
  alpn: readonly string[],
  onReady: () => void,
): Socket {
  return clients.connect({ address, port, policy, certificate, alpn, preface }, onReady)
}

const http1Only: readonly string[] = ['http/1.1']
const http2Only: readonly string[] = ['h2']

function describe(error: Error): string {
  return explainTlsError(error) ?? messageOf(error)
}

/** The request is made once the endpoint has shown who it is. */
function askHttps(check: HttpCheck, target: ProbeTarget, tls: ProbeTls, end: End): Socket {
  const socket = connectTls(target, tls, http1Only, () => void askHttp(check, target, end, socket))
  socket.on('error', error => end({ healthy: false, detail: describe(error) }))
  return socket
}

function askGrpc(service: string, target: ProbeTarget, clock: Clock, end: End): Socket {
  const { tls } = target
  const scheme = tls === undefined ? 'http' : 'https'
  const question = { service, authority: authority(target), scheme, clock } as const
  const begin = (): void => void new GrpcProbe(socket, question, end)
  const socket = tls === undefined ? connectPlain(target, begin) : connectTls(target, tls, http2Only, begin)
  socket.on('error', error => end({ healthy: false, detail: describe(error) }))
  return socket
}

type HttpCheck = Extract<HealthCheck, { kind: 'HTTP' }>

function askHttp(check: HttpCheck, target: ProbeTarget, end: End, socket?: Socket): ClientRequest {
  const request = nodeHttp.get({
    host: target.address,
    port: target.port,
    createConnection: () => socket ?? connectPlain(target),
    path: check.path,
    headers: {
      host: check.host === '' ? authority(target) : check.host,
      'user-agent': 'heddle-health-check',
      connection: 'close',
    },
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
