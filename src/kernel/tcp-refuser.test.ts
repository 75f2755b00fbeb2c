import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { kernelSkip } from './ebpf/testing.ts'
import { TcpRefuser } from './tcp-refuser.ts'

/** Of documentation: no machine has them. */
const elsewhere = [
  Uint8Array.of(192, 0, 2, 1),
  Uint8Array.of(0x20, 1, 0xd, 0xb8, ...Array.from({ length: 12 }, () => 1)),
]

for (const address of elsewhere) {
  test(`TcpRefuser.refuse() says nothing in another’s name (${address.length} bytes)`, { skip: kernelSkip() }, () => {
    using refuser = new TcpRefuser()
    const before = readdirSync('/proc/self/fd').length
    assert.equal(refuser.refuse({ address, port: 80 }, { address, port: 9999 }, 1), false)
    assert.equal(readdirSync('/proc/self/fd').length, before)
  })
}
