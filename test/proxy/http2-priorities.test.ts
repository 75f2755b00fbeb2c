/** Priorities of clients (RFC 9113 section 5.3, RFC 9218): taken, and nothing comes of them. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { http2Frames as frames } from '../../src/codec/testing.ts'
import { RawHttp2Client } from '../support/http2-client.ts'
import { startProxy } from '../support/proxy.ts'
import { RawServer } from '../support/raw.ts'

const headersType = 1
const endHeaders = 4
const endStream = 1
const withPriority = 0x20
/** RFC 9218 section 7.1. */
const priorityUpdate = 16

const kinds: readonly (readonly [what: string, request: () => readonly Buffer[]])[] = [
  [
    'in HEADERS, of a stream that there is not',
    () => {
      const dependency = Buffer.from([0x80, 0, 0, 99, 255])
      const payload = Buffer.concat([dependency, frames.block(frames.get)])
      return [frames.frame(headersType, endHeaders | endStream | withPriority, 1, payload)]
    },
  ],
  [
    'by PRIORITY, before and after',
    () => [
      frames.priority(1, 3),
      frames.priority(7, 0),
      frames.headers(1, frames.get, { endStream: true }),
      frames.priority(1, 5),
    ],
  ],
  [
    'by PRIORITY_UPDATE',
    () => [
      frames.frame(priorityUpdate, 0, 0, Buffer.concat([frames.uint32(1), Buffer.from('u=1, i')])),
      frames.headers(1, frames.get, { endStream: true }),
    ],
  ],
  ['as a field', () => [frames.headers(1, [...frames.get, ['priority', 'u=0, i']], { endStream: true })]],
]

describe('priorities of a client by HTTP/2', { timeout: 20_000 }, () => {
  for (const [what, request] of kinds) {
    it(`${what}: the request is answered as any other`, async () => {
      let head = ''
      await using server = await RawServer.open((socket, received) => {
        if (!received.endsWith('\r\n\r\n')) return
        head = received
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine')
      })
      await using proxy = await startProxy({
        rules: [{ backends: ['a:80'] }],
        backends: { 'a:80': { ports: [server.port] } },
      })
      await using client = await RawHttp2Client.open(proxy.port)
      client.write(...request())
      await client.until(() =>
        client.frames.some(({ type, flags, streamId }) => type === 0 && streamId === 1 && (flags & 1) === 1),
      )
      assert.equal(client.goAway, undefined)
      assert.equal(proxy.log[0]?.status, 200)
      // Of the four only the field is for the endpoint.
      assert.equal(/^priority: u=0, i\r$/m.test(head), what === 'as a field')
    })
  }
})
