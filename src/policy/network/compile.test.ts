import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type {
  CompiledNetworkPolicy,
  NetworkIdentity,
  NetworkMember,
  NetworkPolicy,
  NetworkPolicySet,
  NetworkRule,
} from '../../model/index.ts'
import { sizeOf } from './class-table.ts'
import { compileNetworkPolicies } from './compile.ts'
import { evaluateNetworkPolicy } from './evaluate.ts'
import { findPlace } from './places.ts'

function identity(id: number, ports: NetworkIdentity['ports'] = []): NetworkIdentity {
  return { id, name: `n/i${id}`, key: `i${id}`, namespace: 'n', service: '', labels: {}, ports }
}

function member(identityId: number, address: readonly number[], port = 80): NetworkMember {
  return {
    key: `n/${address.join('-')}-${port}`,
    identity: identityId,
    address: Uint8Array.from(address),
    ports: [{ protocol: 'TCP', port }],
  }
}

function policy(key: string, subjects: readonly number[], ingress: readonly NetworkRule[]): NetworkPolicy {
  return { key, subjects, ingress, egress: undefined, isStandIn: false }
}

function set(policies: readonly NetworkPolicy[], members: readonly NetworkMember[] = []): NetworkPolicySet {
  const identities = new Map([16, 17, 18].map(id => [id, identity(id)]))
  return { identities, members, policies }
}

const from = (...ids: readonly number[]): NetworkRule => ({ peers: [{ kind: 'identities', ids }], ports: undefined })
const anybody: NetworkRule = { peers: undefined, ports: undefined }

function classOf(compiled: CompiledNetworkPolicy, id: number) {
  const found = compiled.classes.get(compiled.subjects.get(id)?.ingress ?? 0)
  assert.ok(found !== undefined)
  return found
}

describe('compileNetworkPolicies()', () => {
  test('puts subjects with the same policies into one class', () => {
    const compiled = compileNetworkPolicies(set([policy('n/a', [16, 17], [from(18)]), policy('n/b', [17], [])]))
    assert.equal(compiled.classes.size, 2)
    assert.deepEqual(classOf(compiled, 16).policies, ['n/a'])
    assert.deepEqual(classOf(compiled, 17).policies, ['n/a', 'n/b'])
    assert.equal(compiled.subjects.has(18), false)
  })

  test('splits a class where a named port resolves differently', () => {
    const rule: NetworkRule = { peers: undefined, ports: [{ kind: 'named', protocol: 'TCP', name: 'http' }] }
    const other = { ...rule, ports: [{ kind: 'range', protocol: 'TCP', from: 1, to: 2 }] } as const
    const identities = new Map([
      [16, identity(16, [{ name: 'http', protocol: 'TCP', port: 80 }])],
      [17, identity(17, [{ name: 'http', protocol: 'TCP', port: 81 }])],
      [18, identity(18, [{ name: 'unused', protocol: 'TCP', port: 80 }])],
      [19, identity(19)],
    ])
    const all = [16, 17, 18, 19]
    const named = compileNetworkPolicies({ identities, members: [], policies: [policy('n/a', all, [rule])] })
    assert.equal(named.classes.size, 3)
    assert.equal(classOf(named, 18), classOf(named, 19))
    assert.equal(
      compileNetworkPolicies({ identities, members: [], policies: [policy('n/a', all, [other])] }).classes.size,
      1,
    )
  })

  test('keeps what did not change, and gives what did a number of its own', () => {
    const a = policy('n/a', [16], [from(17), anybody])
    const first = compileNetworkPolicies(set([a, policy('n/b', [17], [from(16)])]))
    const second = compileNetworkPolicies(set([a, policy('n/b', [17], [from(18)])]), first)
    assert.equal(classOf(second, 16), classOf(first, 16))
    assert.notEqual(classOf(second, 17).id, classOf(first, 17).id)
    assert.deepEqual(
      [...second.rules.values()].map(({ id, policy: of, index }) => [id, of, index]),
      [...first.rules.values()].map(({ id, policy: of, index }) => [id, of, index]),
    )
    const third = compileNetworkPolicies(set([a]), second)
    const fourth = compileNetworkPolicies(set([a, policy('n/b', [17], [from(18)])]), third)
    assert.ok(classOf(fourth, 17).id > classOf(second, 17).id, 'a number is never given again')
    assert.ok([...fourth.rules.keys()].every(id => id < fourth.next.ruleId))
  })

  test('denies everything in a class for which there is no room, and says so', () => {
    const small = policy('n/a', [16], [from(17)])
    const large = policy('n/b', [17], [from(16, 17, 18)])
    const compiled = compileNetworkPolicies(set([small, large]), undefined, {
      limits: { peers: 2, blocks: 0, ports: 9 },
    })
    assert.deepEqual(compiled.overfull, ['n/b'])
    assert.equal(classOf(compiled, 16).isOverfull, false)
    const party = (id: number) => ({ identity: id, member: `n/${id}`, address: undefined })
    const verdict = evaluateNetworkPolicy(compiled, { from: party(16), to: party(17), protocol: 6, port: 1 })
    assert.deepEqual(verdict.ingress, { kind: 'denied', policies: ['n/b'], isOverfull: true })
    const roomy = compileNetworkPolicies(set([small, large]), compiled)
    assert.deepEqual(roomy.overfull, [])
    assert.deepEqual(sizeOf(classOf(roomy, 17)), { peers: 3, blocks: 0, ports: 1 })
  })

  test('denies where there is no room for networks', () => {
    const block = { bytes: Uint8Array.of(10, 0, 0, 0), prefixLength: 8 }
    const rule: NetworkRule = {
      peers: [{ kind: 'block', block, except: [{ ...block, prefixLength: 16 }] }],
      ports: undefined,
    }
    const policies = [policy('n/a', [16], [rule])]
    assert.deepEqual(
      compileNetworkPolicies(set(policies), undefined, { limits: { peers: 9, blocks: 1, ports: 9 } }).overfull,
      ['n/a'],
    )
    const compiled = compileNetworkPolicies(set(policies), undefined, { limits: { peers: 9, blocks: 2, ports: 9 } })
    assert.deepEqual(sizeOf(classOf(compiled, 16)), { peers: 0, blocks: 2, ports: 1 })
  })

  test('gives up on rules that would take more room than there is, before it has made them', () => {
    const whole = { bytes: new Uint8Array(4), prefixLength: 0 }
    const rules = Array.from({ length: 4000 }, (_, at): NetworkRule => {
      const part = { bytes: Uint8Array.of(10, at >> 8, at & 255, 0), prefixLength: 24 }
      return {
        peers: [{ kind: 'block', block: whole, except: [part] }],
        ports: [{ kind: 'range', protocol: 'TCP', from: at + 1, to: at + 1 }],
      }
    })
    const compiled = compileNetworkPolicies(set([policy('n/a', [16], rules)]))
    assert.deepEqual(compiled.overfull, ['n/a'])
    assert.deepEqual(sizeOf(classOf(compiled, 16)), { peers: 0, blocks: 0, ports: 0 })
  })

  test('gives up on classes for which there is no time left', () => {
    const policies = [policy('n/a', [16], [from(17)]), policy('n/b', [17], [from(16, 17, 18), from(16, 17, 18)])]
    assert.deepEqual(compileNetworkPolicies(set(policies), undefined, { pairs: 7 }).overfull, ['n/b'])
    assert.deepEqual(compileNetworkPolicies(set(policies), undefined, { pairs: 100 }).overfull, [])
  })

  test('takes an entry for all members, not one for each', () => {
    const compiled = compileNetworkPolicies(
      set([policy('n/a', [16], [{ peers: [{ kind: 'members' }], ports: undefined }])]),
    )
    assert.deepEqual(sizeOf(classOf(compiled, 16)), { peers: 0, blocks: 0, ports: 1 })
  })
})

describe('findPlace()', () => {
  const members = [member(16, [127, 0, 0, 1], 80), member(17, [127, 0, 0, 1], 81), member(18, [10, 0, 0, 1], 80)]
  const { places } = compileNetworkPolicies(set([], members))
  const cases: readonly (readonly [string, readonly number[], number, number | undefined])[] = [
    ['a workload on loopback by its port', [127, 0, 0, 1], 81, 17],
    ['nobody on another port of loopback', [127, 0, 0, 1], 82, undefined],
    ['a workload with an address of its own on every port', [10, 0, 0, 1], 9999, 18],
    ['nobody at another address', [10, 0, 0, 2], 80, undefined],
  ]
  for (const [name, address, port, expected] of cases) {
    test(`finds ${name}`, () => {
      assert.equal(findPlace(places, Uint8Array.from(address), 6, port)?.identity, expected)
    })
  }

  test('knows a lone workload on loopback by its port only', () => {
    const lone = compileNetworkPolicies(set([], [member(16, [127, 0, 0, 1], 80)])).places
    assert.equal(findPlace(lone, Uint8Array.of(127, 0, 0, 1), 6, 80)?.identity, 16)
    assert.equal(findPlace(lone, Uint8Array.of(127, 0, 0, 1), 17, 80), undefined)
    assert.equal(findPlace(lone, Uint8Array.of(127, 0, 0, 1), 6, 81), undefined)
  })
})
