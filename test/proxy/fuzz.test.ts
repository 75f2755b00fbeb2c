import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { describe, it } from 'node:test'
import { defaultBackendSettings } from '../../src/model/index.ts'
import { cut, Dice } from '../fuzz/http1-generate.ts'
import { fuzzEndpoint, fuzzScript } from '../support/clients-fuzz.ts'
import type { FuzzRequest, FuzzScript } from '../support/clients-fuzz.ts'
import { BookMeter } from '../support/clients-meter.ts'
import { startProxy } from '../support/proxy.ts'
import { parseAnswer, RawClient } from '../support/raw.ts'
import type { Answer } from '../support/raw.ts'

// `HEDDLE_FUZZ_ITERATIONS` sets the effort (a connection is worth several messages), `HEDDLE_FUZZ_SEED` repeats a run.
const connections = Math.ceil(Number(process.env.HEDDLE_FUZZ_ITERATIONS ?? 2_000) / 4)
const seed = Number(process.env.HEDDLE_FUZZ_SEED ?? randomInt(2 ** 31))
const lanes = 16
const maxRequests = 60

const turn = async (): Promise<void> => new Promise(resolve => setImmediate(resolve))

/** Writes the script's bytes in pieces, with turns of the event loop between them. */
async function write(client: RawClient, script: FuzzScript, dice: Dice): Promise<void> {
  const bytes = Buffer.from(script.requests.map(request => request.bytes).join(''), 'latin1')
  const wanted = bytes.subarray(0, script.writtenBytes)
  const pieces = dice.roll(3) === 0 ? [wanted] : cut(dice, wanted)
  for (const piece of pieces) {
    if (client.isClosed) return
    if (piece.length > 0) client.write(Buffer.from(piece))
    for (let pause = dice.roll(3); pause > 0; pause--) await turn()
  }
  if (script.leave === 'half-close') client.socket.end()
}

/** Takes the final answers off the front of what came. */
function takeAnswers(client: RawClient, script: FuzzScript, answers: Answer[]): void {
  for (;;) {
    const request = script.requests[answers.length]
    if (request === undefined) return
    const isClosed = client.hasEnded && client.error === undefined
    const answer = parseAnswer(client.received, { isHead: request.method === 'HEAD', isClosed })
    if (answer === undefined) return
    client.received = answer.rest
    if (answer.status >= 200) answers.push(answer)
  }
}

/** The reason why an answer is not one that its request may have; undefined when it is. */
function wrong(request: FuzzRequest, answer: Answer): string | undefined {
  const { status, body } = answer
  if (status === 502) {
    const mayFail = request.fault === 'before' || request.fault === 'middle'
    return mayFail && answer.headers.get('x-heddle-reason') === 'upstream-reset' ? undefined : `502 ${body}`
  }
  if (status !== (request.fault === 'early' ? 413 : 200)) return `${status} ${body.slice(0, 200)}`
  return body === request.answer ? undefined : `another body: ${body.slice(0, 200)}`
}

async function run(port: number, script: FuzzScript, dice: Dice): Promise<void> {
  const { requests, leave } = script
  await using client = await RawClient.open(port, { allowHalfOpen: leave === 'half-close' })
  const writing = write(client, script, dice)
  const answers: Answer[] = []
  if (leave === 'close' || leave === 'reset') {
    await writing
    for (let pause = dice.roll(10); pause > 0; pause--) await turn()
    takeAnswers(client, script, answers)
    if (leave === 'reset') client.socket.resetAndDestroy()
  } else {
    while (answers.length < requests.length && !client.isClosed && !client.hasEnded) {
      takeAnswers(client, script, answers)
      await turn()
    }
    await writing
    takeAnswers(client, script, answers)
  }
  for (const [index, answer] of answers.entries()) {
    const request = requests[index]
    assert.ok(request !== undefined)
    const problem = wrong(request, answer)
    assert.equal(problem, undefined, `${request.bytes.slice(0, 200)} (${leave})`)
  }
  if (leave === 'close' || leave === 'reset') return
  // Whoever stays gets every answer, up to the one that ends the connection.
  const next = requests[answers.length]
  if (next === undefined) {
    assert.equal(client.received, '', 'bytes behind the last answer')
    return
  }
  const last = answers.at(-1)
  const isEnd = last?.headers.get('connection') === 'close'
  assert.ok(
    isEnd || next.fault === 'middle',
    `no answer to ${next.bytes.slice(0, 200)} (${leave}), ${client.error ?? 'closed'}, got ${client.received.slice(0, 200)}`,
  )
  if (isEnd) {
    // Only an early answer, in the middle of a body, may end a connection that was to go on.
    const ending = requests[answers.length - 1]
    assert.ok(ending?.fault === 'early' && ending.hasBody, `closed after ${ending?.bytes.slice(0, 200)}`)
  }
}

describe('proxy under random traffic', { timeout: 120_000 }, () => {
  it(`gives every request its own answer, and keeps nothing (seed ${seed})`, async t => {
    await using first = await fuzzEndpoint()
    await using second = await fuzzEndpoint()
    const meter = new BookMeter()
    const descriptorsBefore = readdirSync('/proc/self/fd').length
    const settings = {
      circuitBreaker: { ...defaultBackendSettings.circuitBreaker, maxRequests, maxConnections: maxRequests },
      outlierDetection: {
        ...defaultBackendSettings.outlierDetection,
        consecutiveFailures: 0,
        consecutiveGatewayFailures: 0,
      },
    }
    await using proxy = await startProxy(
      {
        rules: [
          { backends: ['a:80'] },
          {
            prefix: '/mirrored',
            backends: ['a:80'],
            filters: [{ kind: 'mirror', target: { kind: 'backend', key: 'a:80' }, fraction: 0.5 }],
          },
        ],
        backends: { 'a:80': { ports: [first.port, second.port], settings } },
      },
      { meter },
    )
    let started = 0
    const lane = async (): Promise<void> => {
      while (started < connections) {
        // Each connection has dice of its own, so that the order of events changes none of them.
        const dice = new Dice(seed + started)
        const script = fuzzScript(dice, String(started++))
        await run(proxy.port, script, dice)
      }
    }
    await Promise.all(Array.from({ length: lanes }, lane))
    t.diagnostic(`${connections} connections, ${proxy.log.length} requests`)

    const gauge = (name: string): number => meter.gauges().get(name) ?? 0
    while (gauge('heddle_downstream_connections') > 0) await turn()
    while (proxy.proxy.endpointStates().some(state => state.activeRequests > 0)) await turn()
    assert.ok(proxy.proxy.endpointStates().every(state => state.activeRequests === 0))
    assert.equal(gauge('http_server_active_requests'), 0)

    // The breaker counts nothing any more: exactly as many requests as it allows go through.
    const held: RawClient[] = []
    for (let count = 0; count < maxRequests; count++) {
      const client = await RawClient.open(proxy.port)
      held.push(client)
      client.write('GET /hold HTTP/1.1\r\nHost: a\r\n\r\n')
    }
    while (first.held + second.held < maxRequests) {
      for (const client of held) assert.equal(client.received, '')
      await turn()
    }
    await using refused = await RawClient.open(proxy.port)
    refused.write('GET /hold HTTP/1.1\r\nHost: a\r\n\r\n')
    await refused.receive(text => parseAnswer(text) !== undefined)
    assert.equal(parseAnswer(refused.received)?.headers.get('x-heddle-reason'), 'overloaded')
    for (const client of held) client.socket.resetAndDestroy()
    await refused[Symbol.asyncDispose]()

    await proxy[Symbol.asyncDispose]()
    while (gauge('heddle_upstream_connections') + gauge('heddle_downstream_connections') > 0) await turn()
    while (readdirSync('/proc/self/fd').length > descriptorsBefore) await turn()
  })
})
