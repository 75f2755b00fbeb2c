import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeDnsHeader, decodeDnsMessage } from './decode.ts'
import { encodeDnsMessage } from './encode.ts'
import { malformedDns } from './malformed.ts'
import type { DnsMessage } from './message.ts'
import { isDnsName, labelsOf, readName } from './name.ts'
import { DnsTcpFrames, frameDnsMessage } from './tcp-frames.ts'
import { sampleDnsMessage } from './sample-message.ts'

function decoded(bytes: Uint8Array): DnsMessage {
  const outcome = decodeDnsMessage(bytes)
  assert.equal(outcome.kind, 'message', JSON.stringify(outcome))
  return outcome.kind === 'message' ? outcome.message : assert.fail()
}

test('a message comes back as it was', () => {
  assert.deepEqual(decoded(encodeDnsMessage(sampleDnsMessage)), sampleDnsMessage)
})

test('a response code beyond 15 is kept in OPT', () => {
  const message = { ...sampleDnsMessage, responseCode: 16 }
  assert.equal(decoded(encodeDnsMessage(message)).responseCode, 16)
  assert.equal(decodeDnsHeader(encodeDnsMessage(message))?.responseCode, 0)
})

test('decodeDnsMessage() follows the pointers of the example of RFC 1035 section 4.1.4', () => {
  // Padding up to offset 20, where the example begins.
  const name = `00${'00'.repeat(7)}`
  const bytes = Uint8Array.fromHex(
    `${'00'.repeat(12)}${name}014603495349044152504100${'00'.repeat(8)}03464f4fc014${'00'.repeat(18)}c01a${'00'.repeat(26)}00`,
  )
  assert.deepEqual(readName(bytes, 20), { kind: 'name', name: 'F.ISI.ARPA', end: 32 })
  assert.deepEqual(readName(bytes, 40), { kind: 'name', name: 'FOO.F.ISI.ARPA', end: 46 })
  assert.deepEqual(readName(bytes, 64), { kind: 'name', name: 'ARPA', end: 66 })
  assert.deepEqual(readName(bytes, 92), { kind: 'name', name: '', end: 93 })
})

for (const { name, bytes, problem } of malformedDns) {
  test(`decodeDnsMessage() refuses ${name}`, () => {
    assert.deepEqual(decodeDnsMessage(bytes), { kind: 'invalid', problem })
  })
}

test('decodeDnsMessage() refuses every message that is cut short', () => {
  const whole = encodeDnsMessage(sampleDnsMessage)
  for (let length = 0; length < whole.length; length++) {
    assert.equal(decodeDnsMessage(whole.subarray(0, length)).kind, 'invalid', `${length} bytes`)
  }
})

test('decodeDnsMessage() ends whatever single byte is changed, and what it took is written again', () => {
  const whole = encodeDnsMessage(sampleDnsMessage)
  for (let at = 0; at < whole.length; at++) {
    for (const value of [0, 1, 0x3f, 0x40, 0x80, 0xc0, 0xff, (whole[at] ?? 0) ^ 1]) {
      const changed = whole.slice()
      changed[at] = value
      const outcome = decodeDnsMessage(changed)
      if (outcome.kind === 'message') assert.deepEqual(decoded(encodeDnsMessage(outcome.message)), outcome.message)
    }
  }
})

test('decodeDnsMessage() reads a name of 255 bytes and 127 labels', () => {
  const name = Array.from({ length: 127 }, () => 'a').join('.')
  const message = {
    ...sampleDnsMessage,
    questions: [{ name, type: 1, class: 1 }],
    answers: [],
    authorities: [],
    additionals: [],
  }
  assert.equal(decoded(encodeDnsMessage(message)).questions[0]?.name, name)
})

test('encodeDnsMessage() writes a name once', () => {
  const records = Array.from({ length: 10 }, (_, at) => ({
    name: 'web.shop.svc.cluster.local',
    class: 1,
    ttl: 5,
    data: { kind: 'A', address: `127.0.0.${at}` } as const,
  }))
  const question = { name: 'web.shop.svc.cluster.local', type: 1, class: 1 }
  const message = {
    ...sampleDnsMessage,
    questions: [question],
    answers: records,
    authorities: [],
    additionals: [],
    edns: undefined,
  }
  assert.equal(encodeDnsMessage(message).length, 12 + 28 + 4 + 10 * 16)
})

test('encodeDnsMessage() leaves out what does not fit and says so', () => {
  const whole = encodeDnsMessage(sampleDnsMessage)
  for (let limitBytes = 80; limitBytes <= whole.length; limitBytes++) {
    const bytes = encodeDnsMessage(sampleDnsMessage, { limitBytes })
    assert.ok(bytes.length <= limitBytes, `${bytes.length} of ${limitBytes}`)
    const { flags, questions, answers, authorities, edns } = decoded(bytes)
    const isWhole = answers.length === sampleDnsMessage.answers.length && authorities.length === 2
    assert.equal(flags.isTruncated, !isWhole)
    assert.deepEqual([questions, edns], [sampleDnsMessage.questions, sampleDnsMessage.edns])
    assert.deepEqual(answers, sampleDnsMessage.answers.slice(0, answers.length))
  }
})

test('names with dots, backslashes and bytes beyond ASCII within labels stay different from others', () => {
  for (const name of ['', 'a', 'a\\.b.c', 'a\\\\.b', '\\000\\255x', 'A.b']) {
    const question = { name, type: 1, class: 1 }
    const message = { ...sampleDnsMessage, questions: [question, { ...question, name: 'a.b.c' }] }
    assert.deepEqual(decoded(encodeDnsMessage(message)).questions, message.questions, name)
  }
})

test('isDnsName() refuses what cannot be written', () => {
  for (const name of [
    '.',
    'a.',
    '.a',
    'a..b',
    'a'.repeat(64),
    `${'a.'.repeat(127)}a`,
    'ü\u0100',
    '\\',
    '\\256',
    'a\\1',
  ]) {
    assert.equal(isDnsName(name), false, name)
  }
  assert.deepEqual(labelsOf('a\\.b.c'), ['a.b', 'c'])
  assert.throws(() => encodeDnsMessage({ ...sampleDnsMessage, questions: [{ name: 'a..b', type: 1, class: 1 }] }), {
    code: 'MESH_DNS_NAME',
  })
})

test('DnsTcpFrames reads messages however they are cut', () => {
  const first = encodeDnsMessage(sampleDnsMessage)
  const stream = Buffer.concat([frameDnsMessage(first), frameDnsMessage(new Uint8Array(0)), frameDnsMessage(first)])
  for (let cut = 0; cut <= stream.length; cut++) {
    const frames = new DnsTcpFrames()
    const messages = [...frames.read(stream.subarray(0, cut)), ...frames.read(stream.subarray(cut))]
    assert.deepEqual(messages, [first, new Uint8Array(0), first], `cut at ${cut}`)
    assert.equal(frames.isWithin, false)
  }
  const frames = new DnsTcpFrames()
  const messages = [...stream].flatMap(byte => frames.read(Uint8Array.of(byte)))
  assert.equal(messages.length, 3)
  frames.read(Uint8Array.of(0))
  assert.equal(frames.isWithin, true)
})

test('decodeDnsMessage() copies data, so that a buffer may be used again', () => {
  const bytes = Buffer.from(encodeDnsMessage(sampleDnsMessage))
  const message = decoded(bytes)
  bytes.fill(0)
  assert.deepEqual(message, sampleDnsMessage)
})
