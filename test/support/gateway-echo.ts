import { createHash } from 'node:crypto'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'

/** What an echo pod saw of a request, which is also its answer. */
export interface Seen {
  readonly namespace: string
  readonly service: string
  readonly pod: string
  readonly method: string
  /** With its query. */
  readonly path: string
  readonly host: string
  /** Several fields of one name joined by `, `. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** The pods of one Service and everything that they saw. */
export interface Echo extends AsyncDisposable {
  readonly pods: readonly { readonly pod: string; readonly port: number }[]
  readonly seen: Seen[]
  /** Resolves once what was seen fits. */
  until(fits: (seen: readonly Seen[]) => boolean): Promise<void>
}

/**
 * Echo pods. Query parameters tell them to be otherwise: `delay=MS` answers
 * late, `status=N` answers with it, `fail=N&code=C&key=K` fails the first N
 * requests of a key with a status (`code=0`: with a reset), `slow=N&key=K`
 * never answers the first N, `set=NAME:VALUE` sets a field of the answer. `/ws` echoes WebSocket messages.
 */
export async function openEcho(namespace: string, service: string, pods: number): Promise<Echo> {
  const seen: Seen[] = []
  const waiting = new Set<() => void>()
  const servers: http.Server[] = []
  const sockets = new Set<Duplex>()
  const places: { pod: string; port: number }[] = []
  const onSeen = (one: Seen): void => {
    seen.push(one)
    for (const wake of waiting) wake()
  }
  for (let index = 0; index < pods; index++) {
    const pod = `${service}-pod-${index}`
    const identity = { namespace, service, pod }
    const failures = new Map<string, number>()
    const server = http.createServer((request, response) => {
      void answer({ identity, request, response, failures, onSeen })
    })
    server.on('upgrade', (request: http.IncomingMessage, socket: Duplex) => {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
      echoMessages(request, socket, pod)
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    servers.push(server)
    places.push({ pod, port: (server.address() as AddressInfo).port })
  }
  return {
    pods: places,
    seen,
    async until(fits) {
      while (!fits(seen)) {
        await new Promise<void>(resolve => {
          const wake = (): void => {
            waiting.delete(wake)
            resolve()
          }
          waiting.add(wake)
        })
      }
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      for (const server of servers) {
        const closed = new Promise<void>(resolve => server.close(() => resolve()))
        server.closeAllConnections()
        await closed
      }
    },
  }
}

interface Turn {
  readonly identity: Pick<Seen, 'namespace' | 'service' | 'pod'>
  readonly request: http.IncomingMessage
  readonly response: http.ServerResponse
  /** Requests failed so far by key. */
  readonly failures: Map<string, number>
  readonly onSeen: (seen: Seen) => void
}

async function answer({ identity, request, response, failures, onSeen }: Turn): Promise<void> {
  let body = ''
  request.setEncoding('utf8')
  try {
    for await (const chunk of request) body += String(chunk)
  } catch {
    // The client has gone; nobody waits for an answer.
    return
  }
  const { method = '', url = '' } = request
  const headers = Object.fromEntries(
    Object.entries(request.headersDistinct).map(([name, values]) => [name, values?.join(', ') ?? '']),
  )
  const seen: Seen = { ...identity, method, path: url, host: request.headers.host ?? '', headers, body }
  onSeen(seen)
  const { searchParams } = new URL(url, 'http://echo')
  const delayMs = Number(searchParams.get('delay') ?? 0)
  if (delayMs > 0) await new Promise<void>(resolve => setTimeout(resolve, delayMs).unref())
  let status = Number(searchParams.get('status') ?? 200)
  const key = searchParams.get('key') ?? ''
  const failed = failures.get(key) ?? 0
  if (failed < Number(searchParams.get('fail') ?? 0)) {
    failures.set(key, failed + 1)
    status = Number(searchParams.get('code'))
    if (status === 0) {
      request.socket.resetAndDestroy()
      return
    }
  }
  if (failed < Number(searchParams.get('slow') ?? 0)) {
    failures.set(key, failed + 1)
    return
  }
  for (const field of searchParams.getAll('set')) {
    const colon = field.indexOf(':')
    response.appendHeader(field.slice(0, colon), field.slice(colon + 1))
  }
  response.writeHead(status, { 'content-type': 'application/json', 'x-echo': identity.pod })
  response.end(JSON.stringify(seen))
}

/** RFC 6455, as much as an echo of short text messages needs. */
function echoMessages(request: http.IncomingMessage, socket: Duplex, pod: string): void {
  const key = `${request.headers['sec-websocket-key'] ?? ''}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`
  const accept = createHash('sha1').update(key).digest('base64')
  socket.on('error', () => socket.destroy())
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: ${accept}\r\n\r\n`,
  )
  let pending = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk])
    for (;;) {
      const length = (pending[1] ?? 0) & 0x7f
      if (pending.length < 6 + length) return
      const frame = pending.subarray(0, 6 + length)
      pending = pending.subarray(6 + length)
      const opcode = (frame[0] ?? 0) & 0x0f
      const payload = Buffer.from(frame.subarray(6).map((byte, at) => byte ^ (frame[2 + (at % 4)] ?? 0)))
      if (opcode === 8) {
        socket.end(Buffer.concat([Buffer.from([0x88, payload.length]), payload]))
        return
      }
      const text = Buffer.from(`${pod}${request.url ?? ''} ${payload.toString()}`)
      socket.write(Buffer.concat([Buffer.from([0x81, text.length]), text]))
    }
  })
}
