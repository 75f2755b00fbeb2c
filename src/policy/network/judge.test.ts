import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NetworkMember, NetworkPolicySet } from '../../model/index.ts'
import { compileNetworkPolicies } from './compile.ts'
import { NetworkJudge } from './judge.ts'

const members: readonly NetworkMember[] = [
  { key: 'shop/web', identity: 16, address: Uint8Array.of(127, 0, 0, 1), ports: [{ protocol: 'TCP', port: 80 }] },
  { key: 'shop/db', identity: 17, address: Uint8Array.of(127, 0, 0, 1), ports: [{ protocol: 'TCP', port: 5432 }] },
  { key: 'shop/pod', identity: 18, address: Uint8Array.of(10, 0, 0, 7), ports: [] },
]
const set: NetworkPolicySet = {
  identities: new Map(
    members.map(({ key, identity }) => [
      identity,
      { id: identity, name: key, key, namespace: 'shop', service: '', labels: {}, ports: [] },
    ]),
  ),
  members,
  policies: [
    {
      key: 'shop/db',
      subjects: [17],
      ingress: [{ peers: [{ kind: 'identities', ids: [16, 18] }], ports: undefined }],
      egress: undefined,
      isStandIn: false,
    },
  ],
}
const judge = new NetworkJudge(compileNetworkPolicies(set), members)
const loopback = Uint8Array.of(127, 0, 0, 1)
const database = { address: loopback, port: 5432, protocol: 6 }

test('NetworkJudge knows who listens by address and port, and who calls by name', () => {
  const web = judge.member('shop/web', loopback)
  assert.ok(web !== undefined)
  assert.equal(judge.judge(web, database).isAllowed, true)
  const outside = judge.stranger(loopback)
  assert.deepEqual([outside.identity, outside.member], [0, ''])
  assert.equal(judge.judge(outside, database).isAllowed, false)
  assert.equal(judge.judge(outside, { ...database, port: 80 }).isAllowed, true)
  assert.equal(judge.member('shop/nobody', loopback), undefined)
})

test('NetworkJudge.stranger() is who has the address for himself', () => {
  const pod = judge.stranger(Uint8Array.of(10, 0, 0, 7))
  assert.deepEqual([pod.identity, pod.member], [18, 'shop/pod'])
  assert.equal(judge.judge(pod, database).isAllowed, true)
  assert.equal(judge.stranger(undefined).identity, 0)
})
