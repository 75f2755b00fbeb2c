import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { malformedRequests, wellFormedRequests } from '../../src/codec/testing.ts'
import { startProxy } from '../support/proxy.ts'
import type { TestProxy } from '../support/proxy.ts'
import { parseAnswer, RawClient, RawServer } from '../support/raw.ts'

/** Every class of request smuggling, over a real socket: refused, closed, and nothing of it reaches an endpoint. */
describe('proxy refuses malformed requests', () => {
  let proxy: TestProxy
  let server: RawServer
  let seen: string[] = []

  before(async () => {
    server = await RawServer.open((socket, received) => {
      seen.push(received)
      // Answers every head at once: what the endpoint takes for a second request would be answered, too.
      const heads = received.split('\r\n\r\n').length - 1
      for (let at = 0; at < heads; at++) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    })
    proxy = await startProxy({ rules: [{ backends: ['raw:80'] }], backends: { 'raw:80': { ports: [server.port] } } })
  })

  after(async () => {
    await proxy[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
  })

  it('has a table worth its name', () => {
    assert.ok(malformedRequests.length >= 150, `only ${malformedRequests.length} cases`)
  })

  for (const { name, input, status, problem, part } of malformedRequests) {
    // By which a client says that it speaks HTTP/2, as the proxy does.
    if (name === 'the preface of HTTP/2') continue
    it(`${name}: ${status} ${problem}`, async () => {
      seen = []
      await using client = await RawClient.open(proxy.port)
      client.write(input)
      const text = await client.receiveAll()
      if (part === 'head') {
        const answer = parseAnswer(text, { isClosed: true })
        assert.equal(answer?.status, status, JSON.stringify(text))
        assert.equal(answer.headers.get('connection'), 'close')
        assert.equal(answer.rest, '', 'the connection carries nothing behind the refusal')
        assert.deepEqual(seen, [], 'the endpoint saw nothing')
        return
      }
      // The head was forwarded before its body went wrong: the endpoint may have answered it, but the connection ends there.
      assert.ok(
        seen.every(received => !received.includes('/admin')),
        `a second request reached the endpoint: ${JSON.stringify(seen)}`,
      )
      assert.ok((text.match(/HTTP\/1\.1/g) ?? []).length <= 1, JSON.stringify(text))
    })
  }

  for (const { name, input } of wellFormedRequests) {
    it(`accepts ${name}`, async () => {
      await using client = await RawClient.open(proxy.port)
      client.write(input)
      const text = await client.receive(received => /HTTP\/1\.1 \d{3}/.test(received))
      assert.ok(!/HTTP\/1\.1 (400|431|414|505)/.test(text), JSON.stringify(text))
    })
  }
})
