import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

/** So many bytes that tell where they are. */
export function pattern(bytes: number): string {
  return 'abcdefghijklmnopqrstuvwxyz'.repeat(Math.ceil(bytes / 26)).slice(0, bytes)
}

type Answer = (response: ServerResponse, argument: string, body: string) => void

const ok = 'HTTP/1.1 200 OK\r\n'
const withLength = (body: string): string => `${ok}Content-Length: ${body.length}\r\n\r\n`

/** By the first part of the path; the second is their argument. */
const answers: Readonly<Record<string, Answer>> = {
  length: (response, argument) => response.end(pattern(Number(argument))),
  status: (response, argument) => {
    response.statusCode = Number(argument)
    response.end(argument === '204' || argument === '304' ? undefined : 'status')
  },
  chunked: (response, argument) => {
    response.write(pattern(Number(argument)))
    response.end()
  },
  slowly: (response, argument) => {
    const [chunk = '0', count = '0'] = argument.split('x')
    const next = (left: number): void => {
      if (left === 0) response.end()
      else response.write(pattern(Number(chunk)), () => setImmediate(next, left - 1))
    }
    next(Number(count))
  },
  'until-close': (response, argument) => {
    response.shouldKeepAlive = false
    response.removeHeader('transfer-encoding')
    response.useChunkedEncodingByDefault = false
    response.write(pattern(Number(argument)))
    response.end()
  },
  close: (response, argument) => {
    response.setHeader('connection', 'close')
    response.end(pattern(Number(argument)))
  },
  early: response => {
    response.writeEarlyHints({ link: '</style.css>; rel=preload' }, () => response.end('after hints'))
  },
  reset: response => response.socket?.resetAndDestroy(),
  end: response => response.socket?.destroy(),
}

function answer(request: IncomingMessage, response: ServerResponse, body: string): void {
  const [, kind = '', argument = ''] = (request.url ?? '').split('/')
  const special = answers[kind]
  if (special === undefined)
    response.end(`${request.method} ${request.url} ${String(request.headers['x-tag'] ?? '-')} ${body}`)
  else special(response, argument, body)
}

/** Real node:http; it says what it was asked, or answers in the way that the path names. */
export class Backend implements AsyncDisposable {
  readonly port: number
  readonly #server: Server

  private constructor(server: Server, port: number) {
    this.#server = server
    this.port = port
  }

  static async open(): Promise<Backend> {
    const server = createServer((request, response) => {
      if (request.url?.startsWith('/unread')) {
        response.end('did not read')
        return
      }
      void buffer(request).then(
        body => answer(request, response, body.toString('latin1')),
        () => {},
      )
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    return new Backend(server, (server.address() as AddressInfo).port)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise(resolve => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }
}

/** Answers that node:http would not write, one for each request head that comes. */
export const rawAnswers: Readonly<Record<string, readonly string[]>> = {
  'head in pieces': ['HTTP/1.1 2', '00 OK\r\nContent-Le', 'ngth: 5\r\n\r\nhello'],
  'head and body apart': [withLength('hello'), 'hello'],
  'body in many pieces': [withLength(pattern(300)), ...pattern(300).split('')],
  'chunked in one piece': [`${ok}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`],
  'chunked, byte by byte': `${ok}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`.split(''),
  'chunked, with an end in its data': [`${ok}Transfer-Encoding: chunked\r\n\r\n7\r\n`, '0\r\n\r\nab\r\n0\r\n\r\n'],
  'chunked, with extension and trailer': [
    `${ok}Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n`,
  ],
  'chunked, empty': [`${ok}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  'chunked, with capitals and zeros': [`${ok}Transfer-Encoding: chunked\r\n\r\n00A\r\n0123456789\r\n000\r\n\r\n`],
  'chunked, cut in its line ends': [
    `${ok}Transfer-Encoding: chunked\r\n\r`,
    '\n5\r',
    '\nhello\r',
    '\n0\r',
    '\n\r',
    '\n',
  ],
  'chunked, its end apart': [`${ok}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`, '0\r\n\r\n'],
  'an interim response before it': ['HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n', `${withLength('hello')}hello`],
  'an interim response in the same piece': [`HTTP/1.1 103 Early Hints\r\n\r\n${withLength('hello')}hello`],
  'a field that is folded': [`${ok}x-long: a\r\n b\r\nContent-Length: 5\r\n\r\nhello`],
  'no reason': ['HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhello'],
  'a tab in a field': [`${ok}x-tab: a\tb\r\nContent-Length: 5\r\n\r\nhello`],
  'bytes above 127 in a field': [`${ok}x-high: \u00e4\r\nContent-Length: 5\r\n\r\nhello`],
  'the length twice': [`${ok}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`],
  'spaces around the length': [`${ok}Content-Length:   5  \r\n\r\nhello`],
}
