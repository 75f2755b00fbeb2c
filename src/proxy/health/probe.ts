import { get } from 'node:http'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { messageOf } from '../../core/index.ts'
import type { Clock } from '../../core/index.ts'
import type { HealthCheck } from '../../model/index.ts'

export interface ProbeResult {
  readonly healthy: boolean
  /** For people: `HTTP 503`, `connect ECONNREFUSED 127.0.0.1:9080`, `no answer within 1000 ms`. */
  readonly detail: string
}

/** Where the probe goes. */
export interface ProbeTarget {
  readonly address: string
  readonly port: number
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
    connection = check.kind === 'HTTP' ? askHttp(check, target, end) : askTcp(target, end)
  } catch (error) {
    // A path that can't be written into a request line; reported as any failure.
    queueMicrotask(() => end({ healthy: false, detail: messageOf(error) }))
  }
  return { [Symbol.dispose]: () => end(undefined) }
}

interface Closeable {
  destroy(): void
}

type End = (result: ProbeResult) => void

function askTcp(target: ProbeTarget, end: End): Socket {
  const socket = connect({ host: target.address, port: target.port })
  socket.on('connect', () => end({ healthy: true, detail: 'connected' }))
  socket.on('error', error => end({ healthy: false, detail: messageOf(error) }))
  return socket
}

function askHttp(check: Extract<HealthCheck, { kind: 'HTTP' }>, target: ProbeTarget, end: End): ClientRequest {
  const request = get({
    host: target.address,
    port: target.port,
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
  request.on('error', error => end({ healthy: false, detail: messageOf(error) }))
  return request
}

function judgeResponse(check: Extract<HealthCheck, { kind: 'HTTP' }>, response: IncomingMessage): ProbeResult {
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
