import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ResponseEnd } from './response-end.ts'

type Row = readonly [name: string, bytes: string, end: number | 'open' | 'unknown' | 'until-close', keeps?: boolean]

const head = 'HTTP/1.1 200 OK\r\n'
const chunked = `${head}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`
const rows: readonly Row[] = [
  ['a length', `${head}Content-Length: 3\r\n\r\nabcHTTP`, `${head}Content-Length: 3\r\n\r\nabc`.length, true],
  ['no body', `${head}Content-Length: 0\r\n\r\n`, `${head}Content-Length: 0\r\n\r\n`.length, true],
  ['chunks', `${chunked}X`, chunked.length, true],
  ['chunks that are not over', chunked.slice(0, -2), 'open'],
  ['a connection that is closed after it', `${head}Connection: close\r\nContent-Length: 1\r\n\r\na`, 58, false],
  ['an interim response before it', `HTTP/1.1 103 Early Hints\r\n\r\n${chunked}`, 28 + chunked.length, true],
  ['until close', `${head}\r\nabc`, 'until-close'],
  ['another protocol', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n', 'unknown'],
  ['no HTTP', 'hello\r\n\r\n', 'unknown'],
]

for (const [name, text, end, keepsConnection] of rows) {
  test(`read() finds the end of a response with ${name}, in one piece and byte by byte`, () => {
    const bytes = Buffer.from(text)
    for (const size of [bytes.length, 1]) {
      const response = new ResponseEnd({ isToHead: false })
      let found: unknown = 'open'
      for (let at = 0; at < bytes.length && found === 'open'; at += size) {
        const progress = response.read(bytes.subarray(at, at + size))
        if (progress.kind === 'unknown') found = 'unknown'
        if (progress.kind === 'ended') {
          found = at + progress.end
          assert.equal(progress.keepsConnection, keepsConnection)
        }
      }
      assert.equal(response.isUntilClose ? 'until-close' : found, end)
    }
  })
}

test('an answer to HEAD ends with its head', () => {
  const bytes = Buffer.from(`${head}Content-Length: 3\r\n\r\n`)
  assert.deepEqual(new ResponseEnd({ isToHead: true }).read(bytes), {
    kind: 'ended',
    end: bytes.length,
    keepsConnection: true,
  })
})
