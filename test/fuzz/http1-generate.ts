import { malformedRequests, wellFormedRequests } from '../../src/codec/testing.ts'

/** Numbers in [0, below), the same for the same seed (mulberry32). */
export class Dice {
  #state: number
  constructor(seed: number) {
    this.#state = seed >>> 0
  }
  roll(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
  pick<T>(items: readonly T[]): T {
    return items[this.roll(items.length)] as T
  }
}

/** Bytes and words at which parsers have disagreed before. */
const words: readonly string[] = [
  '\r\n',
  '\n',
  '\r',
  '\0',
  ' ',
  '\t',
  '\x0b',
  '\x7f',
  '\x80',
  '\xa0',
  ':',
  ';',
  ',',
  '"',
  '\\',
  '=',
  '0',
  '5',
  'a',
  '/',
  '?',
  '#',
  '%',
  '%00',
  '*',
  '@',
  '[',
  ']',
  '\r\n\r\n',
  '\r\n ',
  '0\r\n\r\n',
  '5\r\nhello\r\n',
  '0x',
  '+',
  '-',
  'chunked',
  'CHUNKED',
  'gzip, ',
  'close',
  'keep-alive',
  'HTTP/1.1',
  'HTTP/1.0',
  'HTTP/2.0',
  'GET ',
  'HEAD ',
  'POST ',
  'Content-Length: 5\r\n',
  'Content-Length: 0\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: x\r\n',
  'Host: a.example\r\n',
  'Host: b.example\r\n',
  'Connection: close\r\n',
  'Connection: keep-alive\r\n',
  'Connection: x-a\r\n',
  'X-A: b\r\n',
  'Expect: 100-continue\r\n',
  'Trailer: x\r\n',
  'TE: trailers\r\n',
  'http://a.example',
  ';a=b',
  ';a="b"',
  'ffffffffffffffff',
]

/** Valid fields and chunks: what is accepted should also be more than the tables hold. */
function compose(dice: Dice): string {
  const lines = ['Host: a.example\r\n']
  const values = ['b', '', 'a, b', '"q"', 'caf\xe9', 'x'.repeat(1 + dice.roll(60))]
  for (let count = dice.roll(8); count > 0; count--) {
    lines.splice(
      dice.roll(lines.length + 1),
      0,
      `${dice.pick(['X-A', 'Accept', 'Cookie', 'x-b', 'Date', 'Via'])}: ${dice.pick(values)}\r\n`,
    )
  }
  const body = 'hello, world; '.repeat(dice.roll(5))
  const framing = dice.roll(3)
  let content = ''
  if (framing === 1) {
    lines.splice(dice.roll(lines.length + 1), 0, `Content-Length: ${body.length}\r\n`)
    content = body
  } else if (framing === 2) {
    lines.splice(dice.roll(lines.length + 1), 0, 'Transfer-Encoding: chunked\r\n')
    for (let at = 0; at < body.length;) {
      const size = 1 + dice.roll(body.length - at)
      content += `${size.toString(16)}${dice.pick(['', '', ';a', ';a=b;c="d e"'])}\r\n${body.slice(at, at + size)}\r\n`
      at += size
    }
    content += `0\r\n${dice.pick(['', '', 'X-T: u\r\n'])}\r\n`
  }
  const method = dice.pick(['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'HEAD'])
  const target = dice.pick(['/', '/a/b?c=d', '/%41?q=100%', 'http://a.example/x', '//x/../y'])
  return `${method} ${target} HTTP/1.${dice.roll(8) === 0 ? 0 : 1}\r\n${lines.join('')}\r\n${content}`
}

const seeds: readonly string[] = [...wellFormedRequests, ...malformedRequests]
  .map(each => each.input)
  .filter(input => input.length < 1_000)

/** One request, as it is or changed in up to four places. */
export function generateRequest(dice: Dice): string {
  let input = dice.roll(2) === 0 ? compose(dice) : dice.pick(seeds)
  for (let count = dice.roll(5); count > 0; count--) input = mutate(dice, input)
  return input
}

/** One response, made from a request by giving it a status line. */
export function generateResponse(dice: Dice): string {
  const request = generateRequest(dice)
  const status = dice.pick(['200 OK', '204 No Content', '304 x', '100 Continue', '101 x', '404 ', '599', '20x', '1000'])
  return `HTTP/1.${dice.roll(6) === 0 ? 0 : 1} ${status}${request.slice(Math.max(0, request.indexOf('\r\n')))}`
}

function mutate(dice: Dice, input: string): string {
  const at = dice.roll(input.length + 1)
  const to = Math.min(input.length, at + 1 + dice.roll(8))
  switch (dice.roll(8)) {
    case 0:
      return input.slice(0, at) + String.fromCharCode(dice.roll(256)) + input.slice(at + 1)
    case 1:
      return input.slice(0, at) + dice.pick(words) + input.slice(at)
    case 2:
      return input.slice(0, at) + input.slice(to)
    case 3:
      return input.slice(0, at) + dice.pick(words) + input.slice(to)
    case 4: {
      const lines = input.split('\r\n')
      lines.splice(dice.roll(lines.length + 1), 0, dice.pick(lines))
      return lines.join('\r\n')
    }
    case 5: {
      const lines = input.split('\r\n')
      lines.splice(1 + dice.roll(lines.length), 0, dice.pick(words).trim())
      return lines.join('\r\n')
    }
    case 6: {
      const other = dice.pick(seeds)
      return input.slice(0, at) + other.slice(dice.roll(other.length))
    }
    default:
      return input.slice(0, at) + input.slice(at, to).toUpperCase() + input.slice(to)
  }
}

/** Cuts bytes into pieces at random places; empty pieces may occur. */
export function cut(dice: Dice, bytes: Uint8Array): Uint8Array[] {
  const cuts = Array.from({ length: 1 + dice.roll(6) }, () => dice.roll(bytes.length + 1)).toSorted((a, b) => a - b)
  return [0, ...cuts].map((from, index) => bytes.subarray(from, cuts[index] ?? bytes.length))
}
