import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../src/core/index.ts'
import type { Clock } from '../../src/core/index.ts'
import { startProxy } from '../support/proxy.ts'
import { parseAnswer, RawClient, RawServer } from '../support/raw.ts'

/** The machine's clock, which can be set. */
class SettableClock implements Clock {
  wallStartMs = Date.UTC(2031, 4, 6, 7, 8, 9)
  offsetMs = 0

  nowMs(): number {
    return systemClock.nowMs() + this.offsetMs
  }

  wallMs(): number {
    return this.wallStartMs + this.offsetMs
  }

  after: Clock['after'] = (ms, action) => systemClock.after(ms, action)
  every: Clock['every'] = (ms, action) => systemClock.every(ms, action)
}

async function answerTo(head: string, clock: Clock = systemClock): Promise<string> {
  await using server = await RawServer.open(socket => socket.write(head))
  await using proxy = await startProxy(sketchOf(server.port), { clock })
  await using client = await RawClient.open(proxy.port)
  return await ask(client)
}

function sketchOf(port: number): Parameters<typeof startProxy>[0] {
  return { rules: [{ backends: ['raw:80'] }], backends: { 'raw:80': { ports: [port] } } }
}

async function ask(client: RawClient): Promise<string> {
  client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await client.receive(text => parseAnswer(text) !== undefined)
  return client.take()
}

test('an answer without a date gets one, RFC 9110 section 6.6.1', async () => {
  const answer = await answerTo('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', new SettableClock())
  assert.match(answer, /\r\ndate: Tue, 06 May 2031 07:08:09 GMT\r\n/)
})

test('the date of an endpoint stays as it is', async () => {
  const answer = await answerTo('HTTP/1.1 200 OK\r\nDATE: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 2\r\n\r\nok')
  assert.deepEqual(answer.match(/^date:.*$/gim), ['DATE: Sun, 06 Nov 1994 08:49:37 GMT'])
})

test('a clock that is set while the proxy runs is followed, by dates and by the access log', async () => {
  const clock = new SettableClock()
  await using server = await RawServer.open(socket => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'))
  await using proxy = await startProxy(sketchOf(server.port), { clock })
  await using client = await RawClient.open(proxy.port)
  await ask(client)
  // A machine that slept: its monotonic clock stood still, the other did not.
  clock.wallStartMs += 3_600_000
  clock.offsetMs += 1_000
  assert.match(await ask(client), /\r\ndate: Tue, 06 May 2031 08:08:10 GMT\r\n/)
  const [first, second] = proxy.log
  assert.equal(Math.round(((second?.startMs ?? 0) - (first?.startMs ?? 0)) / 60_000), 60)
})
