/**
 * The service that a soak's requests end at; `NAME`, `PORT`, `PID_FILE` and `SPEAKS` (`http1` or `h2c`) come by
 * environment. SIGTERM ends it once what is under way has ended.
 */
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import type { Http2ServerRequest, Http2ServerResponse, ServerHttp2Session } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocketServer } from 'ws'
import { block } from './pattern.ts'

type Answer = ServerResponse | Http2ServerResponse

const name = process.env['NAME'] ?? ''

/** `length` bytes of the pattern, as fast as the client takes them. */
async function sendPattern(response: Answer, length: number): Promise<void> {
  for (let sent = 0; sent < length && !response.destroyed; sent += block.length) {
    const piece = sent + block.length <= length ? block : block.subarray(0, length - sent)
    if (!(response as ServerResponse).write(piece))
      await new Promise(resolve => response.once('drain', resolve).once('close', resolve))
  }
  response.end()
}

function answer(request: IncomingMessage | Http2ServerRequest, response: Answer): void {
  const [, kind = '', argument = ''] = (request.url ?? '').split('/')
  switch (kind) {
    case 'small':
      response.end(`${argument} ${name}`)
      return
    case 'slow':
      void sleep(Number(argument)).then(() => response.end(name))
      return
    case 'big':
      void sendPattern(response, Number(argument))
      return
    case 'digest': {
      const hash = createHash('sha256')
      request.on('data', (piece: Buffer) => hash.update(piece))
      request.on('end', () => response.end(hash.digest('hex')))
      return
    }
    default:
      response.statusCode = 404
      response.end()
  }
}

function serveHttp1(): () => void {
  const server = createServer(answer)
  server.keepAliveTimeout = 60_000
  const sockets = new WebSocketServer({ server, perMessageDeflate: false })
  sockets.on('connection', socket => socket.on('message', (text: Buffer) => socket.send(text.toString())))
  server.listen(port, '127.0.0.1', listening)
  return () => {
    for (const socket of sockets.clients) socket.close(1001)
    server.close(() => process.exit(0))
  }
}

function serveHttp2(): () => void {
  const server = createHttp2Server(answer)
  const sessions = new Set<ServerHttp2Session>()
  server.on('session', session => {
    sessions.add(session)
    session.on('close', () => sessions.delete(session))
  })
  server.listen(port, '127.0.0.1', listening)
  return () => {
    server.close(() => process.exit(0))
    for (const session of sessions) session.close()
  }
}

function listening(): void {
  writeFileSync(process.env['PID_FILE'] ?? '', String(process.pid))
}

const port = Number(process.env['PORT'])
process.on('SIGTERM', process.env['SPEAKS'] === 'h2c' ? serveHttp2() : serveHttp1())
