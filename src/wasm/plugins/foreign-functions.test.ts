import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto'
import { test } from 'node:test'
import { Probe } from '../../../test/guests/probe.ts'
import type { Script, Step } from '../../../test/guests/probe.ts'
import { ProtobufReader, ProtobufWriter } from '../../codec/index.ts'
import { bytes, RecordingHost, request } from './testing.ts'

const ok = 0
const notFound = 1
const badArgument = 2
const serializationFailure = 3
const internalFailure = 10

/** Runs a script for a request. @returns what was written to the log */
async function inRequest(script: (probe: Probe) => Script, host: RecordingHost = new RecordingHost()): Promise<string> {
  const probe = await Probe.start('0.2.1', { proxy_on_request_headers: script })
  probe.plugin.http(host).request.headers(request(), 'more')
  assert.equal(probe.plugin.state.failures.trap, 0, probe.logs.join('\n'))
  return probe.logs.join('\n')
}

function call(probe: Probe, name: string, argument: Uint8Array): Step {
  return ['proxy_call_foreign_function', ...probe.text(name), ...probe.bytes(argument), 0, 0]
}

function set(probe: Probe, name: string, value: [number, number]): Step {
  return ['proxy_set_property', ...probe.text(name), ...value]
}

/** A message of texts and bytes by their field numbers. */
function message(fields: Readonly<Record<number, string | Uint8Array>>): Uint8Array {
  const writer = new ProtobufWriter()
  for (const [field, value] of Object.entries(fields)) {
    if (typeof value === 'string') writer.string(Number(field), value)
    else writer.bytes(Number(field), value)
  }
  return writer.finish()
}

interface Answer {
  readonly result: boolean
  readonly signature?: Uint8Array
  readonly error?: string
}

/** `VerifySignatureResult`, or `SignResult`. */
function readAnswer(bytes: Uint8Array, name: 'verify_signature' | 'sign'): Answer {
  const reader = new ProtobufReader(bytes)
  let answer: Answer = { result: false }
  while (reader.next()) {
    if (reader.field === 1) answer = { ...answer, result: reader.bool() }
    else if (reader.field === 2 && name === 'sign') answer = { ...answer, signature: reader.bytes() }
    else answer = { ...answer, error: reader.string() }
  }
  assert.equal(reader.problem, undefined)
  return answer
}

/** What a plugin gets from a function that answers with a message; the status where there is no answer. */
async function ask(name: 'verify_signature' | 'sign', argument: Uint8Array): Promise<Answer | number> {
  let answer: Answer | number = -1
  await inRequest(function* (probe) {
    const given = yield* probe.get('proxy_call_foreign_function', ...probe.text(name), ...probe.bytes(argument))
    answer = typeof given === 'number' ? given : readAnswer(Buffer.from(given, 'latin1'), name)
    return 0
  })
  return answer
}

const text = bytes('a text')
const pairs = {
  RSA: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ECDSA: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
}

for (const [kind, { publicKey, privateKey }] of Object.entries(pairs)) {
  test(`verify_signature says whether a signature by ${kind} is of this key and text`, async () => {
    const der = publicKey.export({ format: 'der', type: 'spki' })
    const pem = publicKey.export({ format: 'pem', type: 'spki' }).toString()
    for (const hash of ['sha256', 'sha512']) {
      const signature = sign(hash, text, privateKey)
      assert.deepEqual(await ask('verify_signature', message({ 1: hash, 2: der, 3: signature, 4: text })), {
        result: true,
      })
      assert.deepEqual(await ask('verify_signature', message({ 1: hash, 3: signature, 4: text, 5: pem })), {
        result: true,
      })
      const other = await ask('verify_signature', message({ 1: hash, 2: der, 3: signature, 4: bytes('another') }))
      assert.deepEqual(other, { result: false, error: 'the signature is not of this key and text' })
    }
    const unknown = await ask('verify_signature', message({ 1: 'md4', 2: der, 3: text, 4: text }))
    assert.deepEqual(unknown, { result: false, error: 'md4 is not supported' })
  })

  test(`sign signs by ${kind}`, async () => {
    const der = privateKey.export({ format: 'der', type: 'pkcs8' })
    const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
    for (const key of [{ 2: der }, { 4: pem }]) {
      const answer = await ask('sign', message({ 1: 'sha256', 3: text, ...key }))
      assert.ok(typeof answer === 'object' && answer.result)
      assert.ok(verify('sha256', text, createPublicKey(privateKey), answer.signature ?? bytes('')))
    }
    assert.deepEqual(await ask('sign', message({ 1: '', 2: der, 3: text })), {
      result: false,
      error: ' is not supported',
    })
  })
}

test('verify_signature and sign take one key, in one form, and no malformed argument', async () => {
  const { publicKey, privateKey } = pairs.RSA
  const der = publicKey.export({ format: 'der', type: 'spki' })
  const pem = publicKey.export({ format: 'pem', type: 'spki' }).toString()
  const secret = privateKey.export({ format: 'der', type: 'pkcs8' })
  const asPrivatePem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
  for (const argument of [
    message({ 1: 'sha256', 3: text, 4: text }),
    message({ 1: 'sha256', 2: der, 3: text, 4: text, 5: pem }),
    message({ 1: 'sha256', 2: bytes('no key'), 3: text, 4: text }),
    message({ 1: 'sha256', 3: text, 4: text, 5: asPrivatePem }),
    bytes('\xff'),
  ]) {
    assert.equal(await ask('verify_signature', argument), badArgument)
  }
  for (const argument of [
    message({ 1: 'sha256', 3: text }),
    message({ 1: 'sha256', 2: secret, 3: text, 4: asPrivatePem }),
    message({ 1: 'sha256', 3: text, 4: pem }),
    bytes('\x0a'),
  ]) {
    assert.equal(await ask('sign', argument), badArgument)
  }
})

test('verify_signature refuses keys whose length costs more time than a call may take', async () => {
  // A modulus of 8,192 bits, of which nobody has the factors.
  const n = Buffer.alloc(1024, 0xff).toString('base64url')
  const key = createPublicKey({ key: { kty: 'RSA', n, e: 'AQAB' }, format: 'jwk' })
  const der = key.export({ format: 'der', type: 'spki' })
  assert.deepEqual(await ask('verify_signature', message({ 1: 'sha256', 2: der, 3: text, 4: text })), {
    result: false,
    error: 'the key has 8192 bits, more than 4096',
  })
})

/** `DeclarePropertyArguments`. */
function declaration(name: string, isReadOnly: boolean, span = 0): Uint8Array {
  const writer = new ProtobufWriter()
  writer.string(1, name)
  if (isReadOnly) writer.bool(2, true)
  writer.varint(3, 1)
  writer.varint(5, span)
  return writer.finish()
}

test('a property that the plugin has declared read-only stays as it was set first', async () => {
  const log = await inRequest(function* (probe) {
    assert.equal(yield call(probe, 'declare_property', declaration('fixed', true)), ok)
    assert.equal(yield call(probe, 'declare_property', declaration('fixed', false)), badArgument)
    assert.equal(yield call(probe, 'declare_property', declaration('free', false)), ok)
    assert.equal(yield call(probe, 'declare_property', bytes('\x0a')), badArgument)
    for (const name of ['fixed', 'free', 'other']) assert.equal(yield set(probe, name, probe.text('first')), ok)
    assert.equal(yield set(probe, 'fixed', probe.text('second')), badArgument)
    for (const name of ['free', 'other']) assert.equal(yield set(probe, name, probe.text('second')), ok)
    assert.equal(yield* probe.get('proxy_get_property', ...probe.text('fixed')), 'first')
    assert.equal(yield* probe.get('proxy_get_property', ...probe.text('free')), 'second')
    return 0
  })
  assert.match(log, /the property fixed is not set: it stays as it was set first/)
})

test('properties beyond the room of a stream are refused, and those that take the place of others are not', async () => {
  const log = await inRequest(function* (probe) {
    const large = probe.text('x'.repeat(60_000))
    for (const name of ['a', 'b', 'c', 'd']) assert.equal(yield set(probe, name, large), ok)
    assert.equal(yield set(probe, 'e', large), badArgument)
    assert.equal(yield set(probe, 'a', large), ok)
    return 0
  })
  assert.match(log, /the property e is not set: the stream has too many/)
})

test('what one plugin of a stream sets another reads', async () => {
  const host = new RecordingHost()
  await inRequest(function* (probe) {
    assert.equal(yield set(probe, 'found\0user', probe.text('ann')), ok)
    return 0
  }, host)
  await inRequest(function* (probe) {
    assert.equal(yield* probe.get('proxy_get_property', ...probe.text('found\0user')), 'ann')
    return 0
  }, host)
})

/** `SetEnvoyFilterStateArguments`. */
function filterState(path: string, value: string, span: number): Uint8Array {
  const writer = new ProtobufWriter()
  writer.string(1, path)
  writer.string(2, value)
  writer.varint(3, span)
  return writer.finish()
}

test('set_envoy_filter_state keeps a value for the plugins of a request, or of all of its connection', async () => {
  const connection = {}
  const host = new RecordingHost(connection)
  const log = await inRequest(function* (probe) {
    const set = (key: string, value: string, span: number): Step =>
      call(probe, 'set_envoy_filter_state', filterState(key, value, span))
    assert.equal(yield set('chain', 'a', 0), ok)
    assert.equal(yield set('request', 'b', 1), ok)
    assert.equal(yield set('connection', 'c', 2), ok)
    assert.equal(yield set('envoy.tcp_proxy.cluster', 'orders', 1), ok)
    assert.equal(yield set('', 'x', 1), badArgument)
    assert.equal(yield call(probe, 'set_envoy_filter_state', bytes('\xff')), badArgument)
    assert.equal(yield set('connection', 'x'.repeat(30_000), 2), ok)
    assert.equal(yield set('connection', 'c', 2), ok)
    return 0
  }, host)
  assert.match(log, /envoy\.tcp_proxy\.cluster steers a filter of Envoy/)
  const found = async (of: RecordingHost): Promise<readonly (string | number)[]> => {
    const values: (string | number)[] = []
    await inRequest(function* (probe) {
      for (const key of ['chain', 'request', 'connection', 'envoy.tcp_proxy.cluster'])
        values.push(yield* probe.get('proxy_get_property', ...probe.text(`filter_state\0${key}`)))
      return 0
    }, of)
    return values
  }
  assert.deepEqual(await found(host), ['a', 'b', 'c', 'orders'])
  assert.deepEqual(await found(new RecordingHost(connection)), [notFound, notFound, 'c', notFound])
  assert.deepEqual(await found(new RecordingHost({})), [notFound, notFound, notFound, notFound])
})

test('set_envoy_filter_state needs a stream, and refuses what is too much for it', async () => {
  const statuses: number[] = []
  const log: string[] = []
  await Probe.start('0.2.1', {
    *proxy_on_configure(probe) {
      statuses.push(yield call(probe, 'set_envoy_filter_state', filterState('key', 'value', 0)))
      return 1
    },
  })
  const host = new RecordingHost()
  for (const key of ['a', 'b', 'c', 'd', 'e', 'f'])
    log.push(
      await inRequest(function* (probe) {
        statuses.push(yield call(probe, 'set_envoy_filter_state', filterState(key, 'x'.repeat(50_000), 0)))
        return 0
      }, host),
    )
  assert.deepEqual(statuses, [notFound, ok, ok, ok, ok, ok, badArgument])
  assert.match(log.at(-1) ?? '', /the filter state f is not set: the stream has too many/)
})

test('a property is state of filters, too, and one declared for the connection lasts as long', async () => {
  const connection = {}
  await inRequest(function* (probe) {
    assert.equal(yield call(probe, 'declare_property', declaration('lasting', false, 2)), ok)
    for (const name of ['lasting', 'passing']) assert.equal(yield set(probe, name, probe.text(name)), ok)
    assert.equal(yield* probe.get('proxy_get_property', ...probe.text('filter_state\0wasm.passing')), 'passing')
    return 0
  }, new RecordingHost(connection))
  await inRequest(function* (probe) {
    assert.equal(yield* probe.get('proxy_get_property', ...probe.text('filter_state\0wasm.lasting')), 'lasting')
    assert.equal(yield* probe.get('proxy_get_property', ...probe.text('lasting')), 'lasting')
    assert.equal(yield* probe.get('proxy_get_property', ...probe.text('passing')), notFound)
    return 0
  }, new RecordingHost(connection))
})

/** What `expr_evaluate` gives for an expression about a request; a status where there is nothing. */
function* evaluated(probe: Probe, expression: string): Generator<Step, string | number, number> {
  const token = yield* probe.get('proxy_call_foreign_function', ...probe.text('expr_create'), ...probe.text(expression))
  if (typeof token === 'number') return token
  const name = probe.text('expr_evaluate')
  return yield* probe.get('proxy_call_foreign_function', ...name, ...probe.bytes(bytes(token)))
}

function int(value: number | bigint): string {
  const encoded = Buffer.alloc(8)
  encoded.writeBigInt64LE(BigInt(value))
  return encoded.toString('latin1')
}

test('expr_evaluate answers in the bytes of a property, with what a request is', async () => {
  const host = new RecordingHost()
  host.attributes.set('source.address', '10.0.0.1:4567')
  host.attributes.set('connection.id', 7n)
  host.attributes.set('request.time', 1_700_000_000_000_000_000n)
  host.attributes.set('nothing', null)
  host.attributes.set('xds.node', { fields: new Map([['id', 'node-1']]) })
  await inRequest(function* (probe) {
    assert.equal(yield set(probe, 'mine', probe.text('kept')), ok)
    for (const [expression, value] of [
      ["request.method == 'GET' && request.path.startsWith('/items')", '\x01'],
      ["request.headers['none'] == 'x'", internalFailure],
      ["'none' in request.headers || has(request.headers.none)", '\0'],
      ["request.host + '!'", 'shop!'],
      ['source.address', '10.0.0.1:4567'],
      ['connection.id + 1u', int(8)],
      ['request.time + duration("1s")', int(1_700_000_001_000_000_000n)],
      ['request.time.getFullYear()', int(2023)],
      ['xds.node.id', 'node-1'],
      ["string(mine) + string(filter_state['wasm.mine'])", 'keptkept'],
      ["{'a': ['b']}", '\x01\0\0\0\x01\0\0\0\x0f\0\0\0a\0\x01\0\0\0\x01\0\0\0\0\0\0\0b\0\0\0'],
      ['1.5', Buffer.from(Float64Array.of(1.5).buffer).toString('latin1')],
      ['', badArgument],
      ['1 +', badArgument],
      ['null', serializationFailure],
      ['nothing', serializationFailure],
      ['{1: 2}', serializationFailure],
      ['[null, type(1)]', serializationFailure],
      ['none', internalFailure],
      ['1 / 0', internalFailure],
    ] as const)
      assert.equal(yield* evaluated(probe, expression), value, expression)
    return 0
  }, host)
})

test('an expression is there until it is deleted, for its instance alone', async () => {
  const log = await inRequest(function* (probe) {
    const create = (text: string): Generator<Step, string | number, number> =>
      probe.get('proxy_call_foreign_function', ...probe.text('expr_create'), ...probe.text(text))
    const [first, second] = [yield* create('1'), yield* create('2')]
    assert.deepEqual([first, second], ['\0\0\0\0', '\x01\0\0\0'])
    assert.equal(yield call(probe, 'expr_evaluate', bytes('\x01\0\0\0')), ok)
    assert.equal(yield call(probe, 'expr_delete', bytes('\x01\0\0\0')), ok)
    assert.equal(yield call(probe, 'expr_evaluate', bytes('\x01\0\0\0')), notFound)
    assert.equal(yield call(probe, 'expr_delete', bytes('\x01\0\0\0')), ok)
    for (const name of ['expr_evaluate', 'expr_delete'])
      assert.equal(yield call(probe, name, bytes('\0\0\0')), badArgument)
    const large = probe.bytes(bytes(`'${'x'.repeat(50_000)}'`))
    const created: number[] = []
    for (let count = 0; count < 6; count++)
      created.push(yield ['proxy_call_foreign_function', ...probe.text('expr_create'), ...large, 0, 0])
    assert.deepEqual(created, [ok, ok, ok, ok, ok, badArgument])
    // What is deleted leaves its room.
    assert.equal(yield call(probe, 'expr_delete', bytes('\x02\0\0\0')), ok)
    assert.equal(yield ['proxy_call_foreign_function', ...probe.text('expr_create'), ...large, 0, 0], ok)
    return 0
  })
  assert.match(log, /expr_create: all expressions together are longer than/)
  await inRequest(function* (probe) {
    assert.equal(yield call(probe, 'expr_evaluate', bytes('\0\0\0\0')), notFound)
    return 0
  })
})
