import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressBytes, endpointOf } from './address.ts'
import { cutConnection, isRepeated } from './cut-connections.ts'
import type { FlowCut } from './generated/sockets.ts'

const end = (text: string, port: number): ReturnType<typeof endpointOf> =>
  endpointOf(addressBytes(text) ?? new Uint8Array(16), port, 6)

const flow: FlowCut['flow'] = {
  timeNs: 1n,
  cgroup: 2n,
  cookie: 7n,
  asked: end('127.0.0.1', 80),
  given: end('127.0.0.1', 80),
  service: 0,
  fromIdentity: 0,
  toIdentity: 17,
  egressRule: 0,
  ingressRule: 0,
  classId: 1,
  verdict: 3,
  role: 2,
}
const cut = (kind: number, local = '127.0.0.1'): FlowCut => {
  return { flow, local: end(local, 80), remote: end('10.0.0.9', 999), nextSequence: 5, kind }
}

/** Of a machine where the only listener has that cookie. */
function cutOn(listener: bigint, each: FlowCut): readonly unknown[] {
  const calls: unknown[] = []
  cutConnection(
    {
      diag: {
        find: () => listener,
        destroy: (protocol, { cookie, local, remote }) => {
          calls.push(['destroy', protocol, cookie, local.address.length, local.port, remote.port])
          return true
        },
      },
      refuser: {
        refuse: (local, remote, sequence) => {
          calls.push(['refuse', local.address.length, local.port, remote.port, sequence])
          return true
        },
      },
    },
    each,
  )
  return calls
}

const rows: readonly (readonly [name: string, listener: bigint, cut: FlowCut, calls: readonly unknown[]])[] = [
  ['a SYN is answered', 7n, cut(1), [['refuse', 4, 80, 999, 5]]],
  ['a SYN of IPv6 is answered', 7n, cut(1, '::1'), [['refuse', 16, 80, 999, 5]]],
  ['a SYN to a listener of another network is not', 8n, cut(1), []],
  ['a connection is ended by its socket', 0n, cut(2), [['destroy', 6, 7n, 4, 80, 999]]],
  ['and again where that was in vain', 0n, cut(3), [['destroy', 6, 7n, 4, 80, 999]]],
]

for (const [name, listener, each, calls] of rows) {
  test(`cutConnection(): ${name}`, () => {
    assert.deepEqual(cutOn(listener, each), calls)
  })
}

test('isRepeated() tells whose flow was told before', () => {
  assert.deepEqual(
    [1, 2, 3].map(kind => isRepeated(cut(kind))),
    [false, false, true],
  )
})
