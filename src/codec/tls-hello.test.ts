import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { describe, test } from 'node:test'
import tls from 'node:tls'
import { HelloReader, maxHelloBytes } from './tls-hello.ts'

interface Sketch {
  readonly names?: readonly string[]
  readonly nameType?: number
  readonly protocols?: readonly string[]
  readonly padding?: number
  readonly extensions?: readonly Buffer[]
  /** Ends after the compression methods, as before TLS 1.2 had extensions. */
  readonly bare?: boolean
  readonly messageType?: number
}

const u8 = (value: number): Buffer => Buffer.from([value])
const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff])
const u24 = (value: number): Buffer => Buffer.from([value >> 16, (value >> 8) & 0xff, value & 0xff])
const vector8 = (body: Buffer): Buffer => Buffer.concat([u8(body.length), body])
const vector16 = (body: Buffer): Buffer => Buffer.concat([u16(body.length), body])
const extension = (type: number, body: Buffer): Buffer => Buffer.concat([u16(type), vector16(body)])

function serverName({ names = [], nameType = 0 }: Sketch): Buffer[] {
  if (names.length === 0) return []
  const entries = names.map(name => Buffer.concat([u8(nameType), vector16(Buffer.from(name, 'latin1'))]))
  return [extension(0, vector16(Buffer.concat(entries)))]
}

/** The handshake message, without records. */
function message(sketch: Sketch): Buffer {
  const extensions = [
    ...serverName(sketch),
    ...(sketch.protocols === undefined
      ? []
      : [extension(16, vector16(Buffer.concat(sketch.protocols.map(one => vector8(Buffer.from(one))))))]),
    ...(sketch.padding === undefined ? [] : [extension(21, Buffer.alloc(sketch.padding))]),
    ...(sketch.extensions ?? []),
  ]
  const body = Buffer.concat([
    u16(0x0303),
    Buffer.alloc(32, 7),
    vector8(Buffer.alloc(32, 8)),
    vector16(Buffer.from([0x13, 0x01, 0x13, 0x02])),
    vector8(u8(0)),
    ...(sketch.bare === true ? [] : [vector16(Buffer.concat(extensions))]),
  ])
  return Buffer.concat([u8(sketch.messageType ?? 1), u24(body.length), body])
}

/** In records of `size` bytes. */
function records(bytes: Buffer, size = 16_384, type = 22): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; at < bytes.length; at += size) {
    parts.push(u8(type), u16(0x0301), vector16(bytes.subarray(at, at + size)))
  }
  return Buffer.concat(parts)
}

function readWhole(bytes: Buffer, step = bytes.length): HelloReader & { readonly outcome: string } {
  const reader = new HelloReader()
  let outcome = 'need-more'
  for (let at = 0; at < bytes.length; at += step) {
    outcome = reader.read(bytes, at, Math.min(at + step, bytes.length))
    if (outcome !== 'need-more') break
  }
  return Object.assign(reader, { outcome })
}

const sample: Sketch = { names: ['Shop.Example'], protocols: ['h2', 'http/1.1'] }

describe('HelloReader', () => {
  test('finds the name, in lower case, and the protocols', () => {
    const { outcome, serverName: name, protocols } = readWhole(records(message(sample)))
    assert.deepEqual([outcome, name, protocols], ['complete', 'shop.example', ['h2', 'http/1.1']])
  })

  test('takes hellos without name, without extensions, with a final dot', () => {
    assert.equal(readWhole(records(message({ protocols: ['h2'] }))).serverName, undefined)
    const bare = readWhole(records(message({ bare: true })))
    assert.deepEqual([bare.outcome, bare.serverName, bare.protocols], ['complete', undefined, []])
    assert.equal(readWhole(records(message({ names: ['a.example.'] }))).serverName, 'a.example')
  })

  test('reads the same when the bytes are split at every place', () => {
    const bytes = records(message(sample), 40)
    for (let cut = 1; cut < bytes.length; cut++) {
      const reader = new HelloReader()
      assert.equal(reader.read(bytes, 0, cut), 'need-more', `cut at ${cut}`)
      assert.equal(reader.read(bytes, cut, bytes.length), 'complete', `cut at ${cut}`)
      assert.deepEqual([reader.serverName, reader.protocols], ['shop.example', ['h2', 'http/1.1']])
    }
    assert.equal(readWhole(bytes, 1).serverName, 'shop.example')
  })

  test('reads a message that is spread over records of any size', () => {
    for (const size of [4, 5, 17, 100]) {
      assert.equal(readWhole(records(message(sample), size), 3).serverName, 'shop.example', `records of ${size}`)
    }
  })

  test('leaves what follows alone', () => {
    const bytes = Buffer.concat([records(message(sample)), Buffer.from('anything')])
    assert.equal(readWhole(bytes).outcome, 'complete')
    assert.equal(readWhole(records(Buffer.concat([message(sample), Buffer.alloc(50)]))).outcome, 'complete')
  })

  const broken: readonly [what: string, bytes: Buffer, problem: RegExp][] = [
    ['plain HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n'), /not a TLS handshake/],
    ['an alert', records(message(sample), 16_384, 21), /not a TLS handshake/],
    ['SSL 2', Buffer.from([0x80, 0x2e, 0x01, 0x00, 0x02]), /not a TLS handshake/],
    ['a version that is not 3.x', Buffer.from([22, 2, 0, 0, 5]), /unknown version/],
    ['an empty record (RFC 8446 section 5.1)', Buffer.from([22, 3, 1, 0, 0]), /impossible length/],
    ['a record above 2^14 (RFC 8446 section 5.1)', Buffer.from([22, 3, 1, 0x40, 0x01]), /impossible length/],
    ['another message first', records(message({ ...sample, messageType: 2 })), /does not begin with a ClientHello/],
    ['a message above the limit', records(message({ padding: maxHelloBytes })), /too long/],
    ['a record for every byte', records(message({ padding: 100 }), 1), /too many records/],
    ['two names', records(message({ names: ['a.example', 'b.example'] })), /malformed/],
    ['a name of an unknown type', records(message({ names: ['a.example'], nameType: 1 })), /malformed/],
    ['an empty name', records(message({ names: [''] })), /malformed/],
    ['a name with a zero byte', records(message({ names: ['a\0.example'] })), /malformed/],
    ['a name with a space', records(message({ names: ['a b'] })), /malformed/],
    [
      'the same extension twice (RFC 8446 section 4.2)',
      records(message({ ...sample, extensions: serverName(sample) })),
      /malformed/,
    ],
    ['an empty protocol (RFC 7301)', records(message({ protocols: ['', 'h2'] })), /malformed/],
    [
      'an extension longer than its list',
      records(message({ extensions: [Buffer.from([0, 9, 0, 9, 1])] })),
      /malformed/,
    ],
    ['bytes behind the extensions', records(withTail()), /malformed/],
  ]
  for (const [what, bytes, problem] of broken) {
    test(`refuses ${what}, in one piece or byte by byte`, () => {
      for (const step of [bytes.length, 1]) {
        const reader = readWhole(bytes, step)
        assert.equal(reader.outcome, 'invalid')
        assert.match(reader.problem, problem)
      }
    })
  }

  test('waits for more at every prefix of a hello', () => {
    const bytes = records(message(sample))
    for (let length = 0; length < bytes.length; length++) {
      assert.equal(new HelloReader().read(bytes, 0, length), 'need-more', `${length} bytes`)
    }
  })

  test('never throws and never reads on, whatever comes', () => {
    const original = records(message(sample), 60)
    const random = randomFrom(1234)
    for (let round = 0; round < 20_000; round++) {
      const bytes = Buffer.from(original)
      for (let edits = 1 + random(4); edits > 0; edits--) bytes[random(bytes.length)] = random(256)
      const whole = readWhole(bytes)
      const stepped = readWhole(bytes, 1 + random(20))
      assert.equal(stepped.outcome, whole.outcome, bytes.toString('hex'))
      assert.equal(stepped.serverName, whole.serverName, bytes.toString('hex'))
    }
  })

  test('reads the hello of a real client', async () => {
    const server = net.createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as net.AddressInfo
    const client = tls.connect({ port, host: '127.0.0.1', servername: 'real.example', ALPNProtocols: ['x/1', 'h2'] })
    client.on('error', () => {})
    const [socket] = (await once(server, 'connection')) as [net.Socket]
    const [bytes] = (await once(socket, 'data')) as [Buffer]
    const reader = readWhole(bytes)
    assert.deepEqual([reader.outcome, reader.serverName, reader.protocols], ['complete', 'real.example', ['x/1', 'h2']])
    client.destroy()
    socket.destroy()
    server.close()
    await once(server, 'close')
  })
})

function withTail(): Buffer {
  const whole = message(sample)
  const body = Buffer.concat([whole.subarray(4), Buffer.from([0])])
  return Buffer.concat([u8(1), u24(body.length), body])
}

/** A linear congruential generator: the same run every time. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}
