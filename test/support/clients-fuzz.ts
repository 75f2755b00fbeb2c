import { createHash } from 'node:crypto'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Dice } from '../fuzz/http1-generate.ts'

/** What the endpoint does with a request; told in its query. */
export type Fault = 'none' | 'before' | 'middle' | 'early'
export type Framing = 'length' | 'chunked' | 'close'

export interface FuzzRequest {
  readonly bytes: string
  readonly method: string
  readonly fault: Fault
  /** The whole body of the right answer, empty for HEAD. */
  readonly answer: string
  readonly hasBody: boolean
}

export interface FuzzScript {
  readonly requests: readonly FuzzRequest[]
  /** How the client leaves once it has written `writtenBytes`; `stay` waits for every answer. */
  readonly leave: 'stay' | 'half-close' | 'close' | 'reset'
  readonly writtenBytes: number
}

const methods = ['GET', 'GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH', 'PURGE'] as const
const framings: readonly Framing[] = ['length', 'length', 'chunked', 'chunked', 'close']

function letters(dice: Dice, length: number): string {
  const letter = String.fromCharCode(97 + dice.roll(26))
  return letter.repeat(length)
}

function sizeOf(dice: Dice): number {
  const [small, medium, large] = [dice.roll(20), dice.roll(3_000), dice.roll(200_000)]
  return dice.pick([0, small, small, medium, medium, large])
}

function bodyAnswer(method: string, target: string, body: string, padding: number): string {
  const digest = createHash('sha256').update(body, 'latin1').digest('hex')
  return `${method} ${target} ${digest}\n${'.'.repeat(padding)}`
}

/** A request as it may legally be written, whose right answer is known. */
export function fuzzRequest(dice: Dice, id: string, isLast: boolean): FuzzRequest {
  const method = dice.pick(methods)
  const drawn: Fault = dice.pick(['none', 'none', 'none', 'none', 'none', 'none', 'before', 'middle', 'early'])
  // An answer to HEAD has no middle: it is whole, and the end of its connection would hit another request.
  const fault = method === 'HEAD' && drawn === 'middle' ? 'none' : drawn
  const framing = dice.pick(framings)
  const padding = sizeOf(dice)
  const prefix = dice.pick(['/fuzz', '/fuzz', '/mirrored'])
  const target = `${prefix}/${id}?fault=${fault}&framing=${framing}&padding=${padding}`
  const isOld = isLast && dice.roll(6) === 0
  const hasBody = !isOld && method !== 'HEAD' && method !== 'GET' && dice.roll(3) > 0
  const body = hasBody ? letters(dice, sizeOf(dice)) : ''
  const lines = [`${method} ${target} HTTP/1.${isOld ? 0 : 1}`, 'Host: fuzz.example']
  if (dice.roll(3) === 0) lines.push(`X-Filler: ${letters(dice, dice.roll(2_000))}`)
  if (isOld && dice.roll(2) === 0) lines.push('Connection: keep-alive')
  else if (isLast && dice.roll(3) === 0) lines.push('Connection: close')
  if (hasBody && dice.roll(5) === 0) lines.push('Expect: 100-continue')
  let written = body
  if (hasBody && dice.roll(2) === 0) {
    lines.push('Transfer-Encoding: chunked')
    written = chunked(dice, body)
  } else if (hasBody || (!isOld && method === 'POST')) {
    lines.push(`Content-Length: ${body.length}`)
  }
  return {
    bytes: `${lines.join('\r\n')}\r\n\r\n${written}`,
    method,
    fault,
    answer: method === 'HEAD' ? '' : fault === 'early' ? 'early' : bodyAnswer(method, target, body, padding),
    hasBody,
  }
}

function chunked(dice: Dice, body: string): string {
  const pieces: string[] = []
  for (let at = 0; at < body.length;) {
    const size = Math.min(body.length - at, 1 + dice.roll(dice.pick([10, 1_000, 70_000])))
    const extension = dice.roll(4) === 0 ? ';name=value' : ''
    pieces.push(`${size.toString(16)}${extension}\r\n${body.slice(at, at + size)}\r\n`)
    at += size
    // Hundreds of tiny chunks say no more than a few.
    if (pieces.length === 50) {
      pieces.push(`${(body.length - at).toString(16)}\r\n${body.slice(at)}\r\n`)
      if (at === body.length) pieces.pop()
      break
    }
  }
  const trailer = dice.roll(3) === 0 ? 'X-Sum: 1\r\n' : ''
  return `${pieces.join('')}0\r\n${trailer}\r\n`
}

/** The requests of one connection and how it ends. */
export function fuzzScript(dice: Dice, name: string): FuzzScript {
  const count = 1 + dice.roll(8)
  const requests = Array.from({ length: count }, (_, index) =>
    fuzzRequest(dice, `${name}-${index}`, index === count - 1),
  )
  const total = requests.reduce((sum, request) => sum + request.bytes.length, 0)
  const leave = dice.pick(['stay', 'stay', 'stay', 'half-close', 'close', 'reset'] as const)
  return { requests, leave, writtenBytes: leave === 'close' || leave === 'reset' ? dice.roll(total + 1) : total }
}

export interface FuzzEndpoint extends AsyncDisposable {
  readonly port: number
  /** Requests for `/hold` that wait for an answer that never comes. */
  readonly held: number
}

/** Answers with what it was asked for, framed and broken as the query says. */
export async function fuzzEndpoint(): Promise<FuzzEndpoint> {
  let held = 0
  const server = http.createServer({ keepAliveTimeout: 0 }, (request, response) => {
    const url = new URL(request.url ?? '', 'http://fuzz.example')
    if (url.pathname === '/hold') {
      held++
      return
    }
    const fault = url.searchParams.get('fault')
    if (fault === 'early') {
      response.writeHead(413, { 'content-length': 5 })
      response.end('early')
      return
    }
    const hash = createHash('sha256')
    request.on('data', (chunk: Buffer) => hash.update(chunk))
    request.on('error', () => {
      // The proxy gives up requests whose clients have left.
    })
    request.on('end', () => {
      if (fault === 'before') {
        request.socket.destroy()
        return
      }
      const padding = '.'.repeat(Number(url.searchParams.get('padding')))
      const body = `${request.method} ${request.url} ${hash.digest('hex')}\n${padding}`
      answer(response, body, url.searchParams.get('framing') ?? '', fault === 'middle')
    })
  })
  await new Promise<void>(resolve => server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, resolve))
  return {
    port: (server.address() as AddressInfo).port,
    get held() {
      return held
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
  }
}

function answer(response: http.ServerResponse, body: string, framing: string, breaksOff: boolean): void {
  const { socket } = response
  if (socket === null) return
  const isHead = response.req.method === 'HEAD'
  const sent = isHead ? '' : breaksOff ? body.slice(0, body.length / 2) : body
  if (framing === 'close') {
    socket.write(`HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n${sent}`, 'latin1', () => {
      // Only a reset says that such an answer is not whole.
      if (breaksOff) socket.resetAndDestroy()
      else socket.end()
    })
    return
  }
  if (framing === 'length') response.setHeader('content-length', body.length)
  if (!breaksOff) {
    response.end(isHead ? undefined : body)
    return
  }
  response.flushHeaders()
  if (sent === '') socket.destroy()
  else response.write(sent, () => socket.destroy())
}
