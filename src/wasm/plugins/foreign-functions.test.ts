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
function declaration(name: string, isReadOnly: boolean): Uint8Array {
  const writer = new ProtobufWriter()
  writer.string(1, name)
  if (isReadOnly) writer.bool(2, true)
  writer.varint(3, 1)
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

test('set_envoy_filter_state knows no key, and says so', async () => {
  const log = await inRequest(function* (probe) {
    const argument = message({ 1: 'envoy.tcp_proxy.cluster', 2: 'orders' })
    assert.equal(yield call(probe, 'set_envoy_filter_state', argument), notFound)
    assert.equal(yield call(probe, 'set_envoy_filter_state', bytes('\xff')), badArgument)
    return 0
  })
  assert.match(log, /envoy\.tcp_proxy\.cluster means nothing here/)
})
