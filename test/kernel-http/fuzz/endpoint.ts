/** `endpoint.ts NAME PORT SEED`: a server of HTTP/1.1 that does what the path says, byte for byte; ends with its parent. */
import { createServer } from 'node:net'
import type { Socket } from 'node:net'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { resetSocket } from '../../../src/core/index.ts'
import { seededRandom } from '../../../src/proxy/routing/fixtures.ts'
import { parseRequest } from './parse-request.ts'
import type { Request } from './parse-request.ts'
import { answerBody, below, digest } from './operation.ts'
import type { Kind } from './operation.ts'

const [name = '', port = '0', seed = '0'] = process.argv.slice(2)
const random = seededRandom(Number(seed))
const seen = new Map<string, number>()

const write = async (socket: Socket, text: string): Promise<void> => {
  if (socket.destroyed || text === '') return
  await new Promise<void>(resolve => socket.write(Buffer.from(text, 'latin1'), () => resolve()))
}

async function writePieces(socket: Socket, text: string): Promise<void> {
  for (let at = 0; at < text.length;) {
    const bytes = 1 + below(random, Math.max(8, text.length / 3))
    await write(socket, text.slice(at, at + bytes))
    at += bytes
    if (below(random, 2) === 0) await turn()
  }
}

const chunksOf = (body: string): string => {
  const half = body.length >> 1
  const parts = [body.slice(0, half), body.slice(half)].filter(part => part !== '')
  return `${parts.map(part => `${part.length.toString(16)}\r\n${part}\r\n`).join('')}0\r\n\r\n`
}

async function answer(socket: Socket, request: Request): Promise<void> {
  const { method, tag, kind, size, body } = request
  const told = { endpoint: name, times: seen.get(tag) ?? 0, bodyBytes: body.length, bodyDigest: digest(body) }
  const text = answerBody({ tag, method, kind, size }, told)
  const isToHead = method === 'HEAD'
  const shown = isToHead ? '' : text
  const ok = 'HTTP/1.1 200 OK\r\n'
  const whole = `${ok}Content-Length: ${text.length}\r\n\r\n${shown}`
  const hints = 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n'
  const chunked = `${ok}Transfer-Encoding: chunked\r\n\r\n${isToHead ? '' : chunksOf(text)}`
  switch (kind) {
    case 'pieces':
      return writePieces(socket, whole)
    case 'chunked':
      return write(socket, chunked)
    case 'chunked-pieces':
      return writePieces(socket, chunked)
    case 'status':
      if (size === 404) return write(socket, `HTTP/1.1 404 Not Found\r\nContent-Length: ${text.length}\r\n\r\n${shown}`)
      return write(socket, `HTTP/1.1 ${size} Nothing\r\n\r\n`)
    case 'hints':
      await write(socket, hints)
      return write(socket, whole)
    case 'hints-joined':
      return write(socket, hints + whole)
    case 'late':
      await sleep(below(random, 20))
      return write(socket, whole)
    case 'close':
      await write(socket, `${ok}Connection: close\r\nContent-Length: ${text.length}\r\n\r\n${shown}`)
      socket.end()
      return
    case 'until-close':
      await writePieces(socket, `${ok}Connection: close\r\n\r\n${text}`)
      socket.end()
      return
    case 'excess':
      return write(socket, `${whole}and more that nobody asked for`)
    case 'reset':
      resetSocket(socket)
      return
    case 'end':
      socket.destroy()
      return
    case 'partial':
      await write(socket, `${ok}Content-Length: ${text.length + 50}\r\n\r\n${shown}`)
      socket.destroy()
      return
    case 'length':
    case 'early':
      return write(socket, whole)
  }
}

const count = (tag: string): void => {
  seen.set(tag, (seen.get(tag) ?? 0) + 1)
}

const server = createServer({ noDelay: true, allowHalfOpen: true }, socket => {
  let received = ''
  let isAnswering = false
  let hasEnded = false
  let isAnsweredEarly = false
  const work = async (): Promise<void> => {
    if (isAnswering) return
    isAnswering = true
    for (let request = parseRequest(received); request !== undefined; request = parseRequest(received)) {
      if (request.isWhole) {
        received = received.slice(request.end)
        if (!isAnsweredEarly) {
          count(request.tag)
          await answer(socket, request)
        }
        isAnsweredEarly = false
      } else {
        if (request.kind !== ('early' satisfies Kind) || isAnsweredEarly) break
        isAnsweredEarly = true
        count(request.tag)
        await answer(socket, request)
      }
    }
    isAnswering = false
    if (hasEnded) socket.end()
  }
  socket.on('data', (bytes: Buffer) => {
    received += bytes.toString('latin1')
    void work()
  })
  socket.on('end', () => {
    hasEnded = true
    if (!isAnswering) socket.end()
  })
  socket.on('error', () => {})
})
server.listen({ port: Number(port), host: '127.0.0.1' }, () => process.send?.('listening'))
process.on('disconnect', () => process.exit())
