/** Requests of all kinds, pipelined, through plugins that do all kinds of things and past them: each gets its own answer. */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import type { RequestListener } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import { Dice } from '../fuzz/http1-generate.ts'
import { Probe } from '../guests/probe.ts'
import type { Callback, Script } from '../guests/probe.ts'
import { openPlugged } from '../support/plugged.ts'
import { parseAnswer, RawClient } from '../support/raw.ts'

const rounds = 150
const [requestStream, responseStream] = [0, 1]
const [goOn, pause, goOnAndEnd] = [0, 1, 2]

/** What each endpoint does with what it answers: method, path and content of the request. */
const endpoints: Readonly<Record<string, (text: string, response: Parameters<RequestListener>[1]) => void>> = {
  unchanged: (_, response) => response.writeHead(304).end(),
  empty: (_, response) => response.writeHead(204).end(),
  length: (text, response) => response.writeHead(200, { 'content-length': text.length }).end(text),
  chunked: (text, response) => {
    response.write(text.slice(0, 4))
    response.end(text.slice(4))
  },
  slow: (text, response) => {
    response.write(text.slice(0, 3))
    setTimeout(() => response.end(text.slice(3)), 3)
  },
  close: (text, response) => response.writeHead(200, { connection: 'close' }).end(text),
}

const answerOf: RequestListener = (request, response) => {
  let content = ''
  request.setEncoding('latin1').on('data', (piece: string) => (content += piece))
  request.on('end', () => {
    const [, , endpoint = ''] = request.url?.split('/') ?? []
    endpoints[endpoint]?.(`${request.method} ${request.url} ${content}`, response)
  })
}

/** What the plugin does, as field `x-do` of a request says. */
const actions = [
  'pass',
  'answer',
  'answer-body',
  'answer-response',
  'end-request',
  'end-response',
  'hold',
  'hold-body',
  'hold-response',
  'hold-response-body',
  'replace-body',
  'replace-response',
  'status-204',
  'status-200',
  'short-length',
] as const
type Action = (typeof actions)[number]

/** Messages that are held go on soon. */
function callbacks(): Record<string, Callback> {
  const doing = new Map<number, string>()
  const held: (readonly [id: number, stream: number])[] = []
  const answer = function* (probe: Probe): Script {
    yield ['proxy_send_local_response', 299, ...probe.text('local'), ...probe.text('local'), 0, 0, -1]
  }
  const replace = function* (probe: Probe, name: string, value: string): Script {
    yield ['proxy_replace_header_map_value', 2, ...probe.text(name), ...probe.text(value)]
  }
  return {
    *proxy_on_configure() {
      yield ['proxy_set_tick_period_milliseconds', 2]
      return 1
    },
    *proxy_on_tick() {
      for (const [id, stream] of held.splice(0)) {
        const isThere = (yield ['proxy_set_effective_context', id]) === 0
        if (isThere) yield ['proxy_continue_stream', stream]
      }
    },
    *proxy_on_request_headers(probe, [id = 0]) {
      const action = String(yield* probe.get('proxy_get_header_map_value', 0, ...probe.text('x-do')))
      doing.set(id, action)
      if (action === 'answer') yield* answer(probe)
      if (action === 'end-request') return goOnAndEnd
      if (action !== 'hold') return goOn
      held.push([id, requestStream])
      return pause
    },
    *proxy_on_request_body(probe, [id = 0, size = 0, end]) {
      const action = doing.get(id)
      if (action === 'answer-body') {
        yield* answer(probe)
        return pause
      }
      if ((action === 'hold-body' || action === 'replace-body') && end !== 1) return pause
      if (action === 'replace-body') yield ['proxy_set_buffer_bytes', requestStream, 0, size, ...probe.text('other')]
      return goOn
    },
    *proxy_on_response_headers(probe, [id = 0]) {
      const action = doing.get(id)
      if (action === 'answer-response') yield* answer(probe)
      if (action === 'status-204') yield* replace(probe, ':status', '204')
      if (action === 'status-200') yield* replace(probe, ':status', '200')
      if (action === 'short-length') yield* replace(probe, 'content-length', '3')
      if (action === 'end-response') return goOnAndEnd
      if (action !== 'hold-response') return goOn
      held.push([id, responseStream])
      return pause
    },
    *proxy_on_response_body(probe, [id = 0, size = 0, end]) {
      const action = doing.get(id)
      if ((action === 'hold-response-body' || action === 'replace-response') && end !== 1) return pause
      if (action === 'replace-response')
        yield ['proxy_set_buffer_bytes', responseStream, 0, size, ...probe.text('replaced')]
      return goOn
    },
  }
}

interface Asked {
  readonly bytes: string
  readonly isHead: boolean
  readonly answer: string
}

function ask(dice: Dice, number: number): Asked {
  const action = dice.roll(4) > 0 ? dice.pick(actions) : undefined
  const endpoint = dice.pick(Object.keys(endpoints))
  const method = dice.pick(['GET', 'POST', 'POST', 'HEAD'])
  const path = `/${action === undefined ? 'plain' : 'plugged'}/${endpoint}/${number}`
  const content = method === 'POST' ? `content ${number}` : ''
  const head = `${method} ${path} HTTP/1.1\r\nhost: a\r\nx-do: ${action}\r\n`
  const answer = answerTo({ action, endpoint, method, path, content })
  return { bytes: head + framed(dice, content), isHead: method === 'HEAD', answer }
}

function framed(dice: Dice, content: string): string {
  if (content === '') return '\r\n'
  if (dice.roll(2) === 0) return `content-length: ${content.length}\r\n\r\n${content}`
  const rest = content.slice(2)
  const chunks = `2\r\n${content.slice(0, 2)}\r\n${rest.length.toString(16)}\r\n${rest}\r\n0\r\n\r\n`
  return `transfer-encoding: chunked\r\n\r\n${chunks}`
}

/** Status and content that have to come. */
function answerTo(request: {
  readonly action: Action | undefined
  readonly endpoint: string
  readonly method: string
  readonly path: string
  readonly content: string
}): string {
  const { action, endpoint, method, path, content } = request
  const isHead = method === 'HEAD'
  if (action === 'answer' || action === 'answer-response' || (action === 'answer-body' && content !== ''))
    return `299 ${isHead ? '' : 'local'}`
  if (action === 'status-204') return '204 '
  const status = { unchanged: 304, empty: 204 }[endpoint] ?? 200
  const hasContent = status === 200 && !isHead
  const shown = action === 'status-200' ? 200 : status
  if (!hasContent || action === 'end-response') return `${shown} `
  if (action === 'replace-response') return `${shown} replaced`
  return `${shown} ${method} ${path} ${contentAfter(action, content)}`
}

function contentAfter(action: Action | undefined, content: string): string {
  if (action === 'end-request' || content === '') return ''
  return action === 'replace-body' ? 'other' : content
}

/** In one piece or in small ones. */
async function send(client: RawClient, dice: Dice, bytes: string): Promise<void> {
  const isWhole = dice.roll(2) === 0
  for (let at = 0; at < bytes.length;) {
    const size = isWhole ? bytes.length : 1 + dice.roll(60)
    client.write(bytes.slice(at, at + size))
    at += size
    if (dice.roll(3) === 0) await sleep(1)
  }
}

/** All answers that are complete, until the connection is closed or there is one for each. */
async function answersTo(client: RawClient, asked: readonly Asked[]): Promise<readonly string[]> {
  let text = ''
  const read = (): readonly string[] => {
    const answers: string[] = []
    text = client.received
    for (const { isHead } of asked) {
      const answer = parseAnswer(text, { isHead, isClosed: client.hasEnded })
      if (answer === undefined) break
      answers.push(`${answer.status} ${answer.body}`)
      text = answer.rest
    }
    return answers
  }
  // The connection may be closed before.
  await client.receive(() => read().length === asked.length || client.hasEnded).catch(() => {})
  const answers = read()
  assert.equal(text, '', 'bytes behind the answers')
  return answers
}

test('each of many random requests gets its own answer, whatever plugins do to it and to others', async () => {
  const seed = Number(process.env['HEDDLE_FUZZ_SEED'] ?? randomInt(2 ** 31))
  const dice = new Dice(seed)
  await using bed = await openPlugged((await Probe.start('0.2.1', callbacks())).plugin, answerOf)
  for (let round = 0; round < rounds; round++) {
    const asked = Array.from({ length: 1 + dice.roll(6) }, (_, number) => ask(dice, number))
    await using client = await RawClient.open(bed.port)
    await send(client, dice, asked.map(({ bytes }) => bytes).join(''))
    const answers = await answersTo(client, asked)
    const place = `seed ${seed}, round ${round}: ${asked.map(({ bytes }) => bytes.replace(/\r\n[^]*?x-do: (\S+)[^]*/, ' $1')).join(', ')}`
    const expected = asked.map(({ answer }) => answer)
    // A request that was answered before it had come whole may be the last of its connection.
    if (answers.length < expected.length)
      assert.ok(client.received.includes('connection: close'), `${place}: ${answers.join(', ')}`)
    assert.deepEqual(answers, expected.slice(0, answers.length), place)
  }
})
