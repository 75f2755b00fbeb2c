import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressBytes, endpointOf, isIpv4, swapPort } from './address.ts'

const rows: readonly (readonly [text: string, hex: string | undefined])[] = [
  ['127.0.0.1', '00000000000000000000ffff7f000001'],
  ['::ffff:127.0.0.1', '00000000000000000000ffff7f000001'],
  ['::', '00000000000000000000000000000000'],
  ['::1', '00000000000000000000000000000001'],
  ['fd68:6564:646c::7f4d:9e35', 'fd686564646c000000000000' + '7f4d9e35'],
  ['FD00:0:0:1::', 'fd000000000000010000000000000000'],
  ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
  ['fe80::1%lo', undefined],
  ['localhost', undefined],
  ['', undefined],
]

for (const [text, hex] of rows) {
  test(`addressBytes() of ${JSON.stringify(text)}`, () => {
    const bytes = addressBytes(text)
    assert.equal(bytes === undefined ? undefined : Buffer.from(bytes).toString('hex'), hex)
    if (bytes !== undefined) assert.equal(isIpv4(bytes), text.includes('127.'))
  })
}

test('ports are turned to network order and back', () => {
  assert.equal(swapPort(0x1234), 0x3412)
  assert.equal(swapPort(swapPort(5432)), 5432)
  assert.equal(endpointOf(new Uint8Array(16), 80, 6).portBe, 0x5000)
})
