import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import { main } from './main.ts'

const guests = fileURLToPath(new URL('../../test/guests/', import.meta.url))

async function heddle(...words: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  let out = ''
  let err = ''
  const io = { env: {}, isTerminal: false, columns: undefined }
  const code = await main(words, { ...io, out: text => void (out += text), err: text => void (err += text) })
  return { code, out, err }
}

const gate = ['plugins', 'test', `${guests}assembly-gate.wasm`, '--root-id', 'gate']

test('heddle plugins test gives properties in the bytes of their types, and those that every request has', async () => {
  const property = ['plugins', 'test', `${guests}property.wasm`, '--config'] as const
  assert.match((await heddle(...property, 'source.port', '--property', 'source.port=80')).out, /x-property: 50{15}\n/)
  assert.match((await heddle(...property, 'mine', '--property', 'mine:bool=true')).out, /x-property: 01\n/)
  assert.match((await heddle(...property, 'request.time')).out, /x-property: [\da-f]{16}\n/)
  assert.match((await heddle(...property, 'mine')).out, /x-property: none\n/)
})

test('heddle plugins test tells a plugin of the items in its queues, before the request', async () => {
  const { code, out } = await heddle('plugins', 'test', `${guests}queue.wasm`)
  assert.equal(code, 0)
  const ready = ['proxy_on_queue_ready(1, 1)', '  proxy_dequeue_shared_queue(1) = ok "an item"', '  info: an item']
  assert.ok(out.includes(`${ready.join('\n')}\nproxy_on_context_create(2, 1)\n`), out)
})

// The SDK of this plugin aborts when its root context ends.
test('heddle plugins test prints each callback, host call and the answer', async () => {
  const { code, out } = await heddle(
    ...gate,
    '--config',
    'a gate',
    '--request',
    'GET /admin',
    '--upstream',
    'gate=401 no',
  )
  assert.equal(code, 0)
  assert.equal(
    out,
    `proxy_on_context_create(1, 0)
proxy_on_vm_start(1, 0) = 1
proxy_on_configure(1, 6) = 1
  proxy_get_buffer_bytes("plugin-configuration", 0, 6) = ok "a gate"
  info: [INFO]: configured as a gate
proxy_on_context_create(2, 1)
proxy_on_request_headers(2, 4, 1) = 1
  proxy_get_header_map_value("http-request-headers", ":path") = ok "/admin"
  proxy_http_call("gate", [":method: GET",":path: /admin",":authority: gate"], "", [], 1000) = ok 4
proxy_on_http_call_response(1, 4, 1, 2, 0)
  proxy_set_effective_context(2) = ok
  proxy_get_header_map_value("http-call-response-headers", ":status") = ok "401"
  proxy_get_buffer_bytes("http-call-response-body", 0, 2) = ok "no"
  proxy_set_effective_context(2) = ok
  proxy_send_local_response(403, "gate_said_no", "the gate says no", ["x-gate: 401"], -1) = ok
proxy_on_response_headers(2, 2, 0) = 0
proxy_on_response_body(2, 16, 1) = 0
proxy_on_done(2) = 1
proxy_on_log(2)
  info: [INFO]: over
proxy_on_delete(2)
proxy_on_done(1)
  error: abort: Key does not exist in ~lib/map.ts(105:17)
  warn: an instance did not end well: it called proc_exit(255)

answered 403 (gate_said_no):
  x-gate: 401

  the gate says no
`,
  )
})

test('heddle plugins test tells programs the same', async () => {
  const { code, out } = await heddle(
    ...gate,
    '--upstream',
    'gate=200 welcome',
    '--body',
    'text',
    '-H',
    'x-a: 1',
    '-o',
    'json',
  )
  assert.equal(code, 0)
  const run = JSON.parse(out) as {
    steps: { callback: string }[]
    outcome: { kind: string; request: { headers: unknown; body: string } }
  }
  assert.equal(run.outcome.kind, 'passed')
  assert.equal(run.outcome.request.body, 'text')
  assert.deepEqual(run.outcome.request.headers, [
    [':method', 'GET'],
    [':path', '/'],
    [':scheme', 'http'],
    [':authority', 'example.com'],
    ['x-a', '1'],
    ['x-gate', 'welcome'],
  ])
  assert.ok(run.steps.some(({ callback }) => callback === 'proxy_on_http_call_response'))
})

test('heddle plugins test ends with 1 when the plugin fails or does not start', async () => {
  const failing = await heddle('plugins', 'test', `${guests}hostile.wasm`, '-H', 'x-do: request_headers:trap')
  assert.equal(failing.code, 1)
  assert.match(failing.out, /failed: unreachable\n {2}at .*\n[^]*answered 503 \(wasm_fail_stream\)/)
  const refusing = await heddle(...gate, '--config', 'refuse')
  assert.equal(refusing.code, 1)
  assert.match(refusing.out, /plugin test does not start: proxy_on_configure returned false/)
  const held = await heddle('plugins', 'test', `${guests}hostile.wasm`, '-H', 'x-do: request_headers:pause')
  assert.match(held.out, /the request is held by the plugin/)
})

test('heddle plugins test runs a service, its ticks, and answers of services from files', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-answer-'))
  const file = join(folder, 'answer')
  const service = ['plugins', 'test', `${guests}service.wasm`, '--kind', 'service', '--ticks', '2']
  try {
    for (const answer of [
      'HTTP/1.1 200 OK\r\nx-time: noon\r\n\r\nbody\r\n',
      '200\nx-time: noon\n',
      '200\nx-time: noon',
    ]) {
      writeFileSync(file, answer)
      const { code, out } = await heddle(...service, '--upstream', `clock=@${file}`)
      assert.equal(code, 0)
      assert.equal(out.match(/info: noon/g)?.length, 2)
      assert.equal(
        out.match(/info: a tick$/gm)?.length,
        2,
        'a line written in pieces is one line, also without its end',
      )
      assert.match(out, /the plugin is a service and sees no request\nmetrics:\n {2}answers 2/)
      const size = /proxy_on_http_call_response\(1, 4, 2, (\d+), 0\)/.exec(out)?.[1]
      assert.equal(size, answer.includes('body') ? '6' : '0')
    }
    writeFileSync(file, 'welcome')
    const wrong = await heddle(...service, '--upstream', `clock=@${file}`)
    assert.match(wrong.err, /answer is no answer: status, fields, an empty line and the body/)
    assert.equal(wrong.code, 2)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('heddle plugins test says whose answer is missing', async () => {
  const { out } = await heddle(...gate)
  assert.match(out, /hint: --upstream 'gate=200 …' is what gate answers/)
  const streams = await heddle('plugins', 'test', `${guests}service.wasm`)
  assert.equal(streams.code, 1)
  assert.match(streams.out, /hint: --kind service runs a plugin that serves no requests/)
})

test('heddle plugins test lets the timer come due while a request or a connection is held', async () => {
  const postpone = ['plugins', 'test', `${guests}postpone.wasm`, '--response-body', 'hi']
  assert.match((await heddle(...postpone)).out, /the request is held by the plugin/)
  const { out } = await heddle(...postpone, '--ticks', '2')
  assert.match(
    out,
    /proxy_on_request_headers\(2, 4, 1\) = 1\nproxy_on_tick\(1\)\n[^]*response to the client:[^]* {2}hi\n/,
  )
  assert.equal(out.match(/proxy_on_tick/g)?.length, 3, 'it is held no longer after the third')
  const waiting = [...stream, '--config', 'wait', '--data', 'hello', '--ticks', '1']
  assert.match((await heddle(...waiting)).out, /proxy_on_tick\(1\)[^]*to the endpoint:\n {2}HELLO\n/)
})

test('heddle plugins test sends and shows trailers', async () => {
  const trailers = ['--trailer', 'x-sum: 1', '--response-trailer', 'x-end: 2']
  const { out } = await heddle(...gate, '--upstream', 'gate=200 ok', '--body', 'b', ...trailers)
  assert.match(out, /proxy_on_request_trailers\(2, 1\) = 0[^]*proxy_on_response_trailers\(2, 1\)/)
  assert.match(out, /\n {2}b\n\n {2}x-sum: 1\n[^]*\n {2}x-end: 2\n/)
})

const stream = ['plugins', 'test', `${guests}stream.wasm`]

test('heddle plugins test sends a connection through a plugin, piece by piece', async () => {
  const pieces = ['hello', 'hold it', ', go'].flatMap(text => ['--data', text])
  const { code, out } = await heddle(...stream, ...pieces, '--response-data', 'hi\nthere')
  assert.equal(code, 0)
  assert.equal(
    out,
    `proxy_on_context_create(1, 0)
proxy_on_configure(1, 0) = 1
proxy_on_context_create(2, 1)
proxy_on_new_connection(2) = 0
proxy_on_downstream_data(2, 5, 0) = 0
  proxy_get_buffer_bytes("downstream-data", 0, 5) = ok "hello"
  proxy_set_buffer_bytes("downstream-data", 0, 5, "HELLO") = ok
proxy_on_downstream_data(2, 7, 0) = 1
  proxy_get_buffer_bytes("downstream-data", 0, 7) = ok "hold it"
proxy_on_downstream_data(2, 11, 0) = 0
  proxy_get_buffer_bytes("downstream-data", 0, 11) = ok "hold it, go"
proxy_on_upstream_data(2, 8, 0) = 0
  proxy_set_buffer_bytes("upstream-data", 0, 0, "!") = ok
proxy_on_downstream_data(2, 0, 1) = 0
proxy_on_downstream_connection_close(2, 2)
proxy_on_upstream_data(2, 0, 1) = 0
proxy_on_upstream_connection_close(2, 2)
proxy_on_done(2) = 1
proxy_on_log(2)
proxy_on_delete(2)
proxy_on_done(1) = 1
proxy_on_delete(1)

to the endpoint:
  HELLOhold it, go
to the client:
  !hi
  there
`,
  )
})

for (const [data, code, end] of [
  ['deny', 0, /to the endpoint:\nto the client:\nthe plugin closed the side of the client\n$/],
  ['bye', 0, /to the endpoint:\n {2}BYE\nto the client:\nthe plugin closed the side of the endpoint\n$/],
  [
    'hold',
    0,
    /to the client:\n {2}!hi\nwhat the client sent is held by the plugin, and nothing came that would let it go\n$/,
  ],
  ['trap', 1, /failed: unreachable\n[^]*the stream was reset\n$/],
] as const) {
  test(`heddle plugins test says what a plugin makes of a connection that begins with ${data}`, async () => {
    const run = await heddle(...stream, '--data', data, '--response-data', 'hi')
    assert.equal(run.code, code)
    assert.match(run.out, end)
  })
}

test('heddle plugins test tells programs what became of a connection', async () => {
  const open = await heddle(...stream, '--kind', 'tcp', '--fail', 'open', '--data', 'trap', '-o', 'json')
  assert.equal(open.code, 1)
  const { outcome, steps } = JSON.parse(open.out) as { outcome: unknown; steps: { callback: string }[] }
  assert.deepEqual(outcome, { kind: 'transferred', toEndpoint: 'trap', toClient: '', held: [] })
  assert.ok(steps.some(({ callback }) => callback === 'proxy_on_new_connection'))
})

for (const [words, message] of [
  [['tset'], /plugins takes test/],
  [['test'], /needs the file of a plugin/],
  [['test', `${guests}none.wasm`], /none\.wasm can't be read: ENOENT/],
  [['test', `${guests}noop.cc`], /not a module that can run/],
  [['test', `${guests}noop.wasm`, '--request', 'GET'], /--request is METHOD TARGET/],
  [['test', `${guests}noop.wasm`, '--response', '99'], /--response is a status/],
  [['test', `${guests}noop.wasm`, '-H', 'none'], /--header is 'name: value'/],
  [['test', `${guests}noop.wasm`, '--upstream', 'a=b'], /--upstream is NAME=STATUS BODY, NAME=@FILE/],
  [['test', `${guests}noop.wasm`, '--upstream', 'a=@/none'], /none can't be read/],
  [['test', `${guests}noop.wasm`, '--property', 'source.port=http'], /--property source\.port is of the type int/],
  [['test', `${guests}noop.wasm`, '--ticks', 'often'], /--ticks is a number/],
  [['test', `${guests}noop.wasm`, '--trailer', 'x'], /--trailer is 'name: value'/],
  [['test', `${guests}noop.wasm`, '--env', 'a'], /--env is NAME=VALUE/],
  [['test', `${guests}noop.wasm`, '--kind', 'http', '--data', 'a'], /--data and --response-data are for --kind tcp/],
  [['test', `${guests}noop.wasm`, '--data', '@/none'], /none can't be read/],
] as const) {
  test(`heddle plugins ${words.slice(0, 1).join('')} ${words.slice(2).join(' ')} says what is wrong: ${message.source}`, async () => {
    const { code, err } = await heddle('plugins', ...words)
    assert.notEqual(code, 0)
    assert.match(err, message)
  })
}
