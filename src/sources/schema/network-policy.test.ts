import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readResource } from './read-resource.ts'
import type { ReadOutcome } from './read-resource.ts'
import type { NetworkPolicyResource, Origin } from './resource.ts'

const origin: Origin = { file: '', line: 1, locate: () => ({ line: 1, column: 1 }) }

function read(spec: unknown, metadata: unknown = { name: 'p', namespace: 'shop' }): ReadOutcome {
  const value = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata, spec }
  return readResource(value, origin)
}

function told(spec: unknown): string[] {
  return read(spec).findings.map(({ severity, path, message }) => `${severity} ${path}: ${message}`)
}

function policy(outcome: ReadOutcome): NetworkPolicyResource {
  const found =
    outcome.kind === 'resource' ? outcome.resource : outcome.kind === 'invalid' ? outcome.standIn : undefined
  assert.ok(found?.kind === 'NetworkPolicy', JSON.stringify(outcome))
  return found
}

const peer = (one: unknown) => ({ ingress: [{ from: [one] }] })
const port = (one: unknown) => ({ ingress: [{ ports: [one] }] })
const block = (cidr: unknown, ...except: unknown[]) => peer({ ipBlock: { cidr, except } })

describe('NetworkPolicy defaults', () => {
  const cases: readonly (readonly [string, unknown, object])[] = [
    ['no spec', undefined, { podSelector: {}, policyTypes: ['Ingress'], ingress: [], egress: [] }],
    ['an empty spec', {}, { podSelector: {}, policyTypes: ['Ingress'], ingress: [], egress: [] }],
    [
      'null everywhere',
      { podSelector: null, policyTypes: null, ingress: null, egress: null },
      { policyTypes: ['Ingress'] },
    ],
    ['null in a selector', { podSelector: { matchLabels: null, matchExpressions: null } }, { podSelector: {} }],
    ['egress rules', { egress: [{}] }, { policyTypes: ['Ingress', 'Egress'], egress: [{ peers: [], ports: [] }] }],
    ['an empty list of egress rules', { egress: [] }, { policyTypes: ['Ingress'] }],
    ['a type twice', { policyTypes: ['Egress', 'Egress'] }, { policyTypes: ['Egress'] }],
    ['no protocol', port({ port: 80 }), { ingress: [{ peers: [], ports: [{ protocol: 'TCP', port: 80 }] }] }],
  ]
  for (const [name, spec, expected] of cases) {
    test(`of ${name}`, () => {
      const found = policy(read(spec))
      assert.equal(found.isStandIn, undefined)
      assert.partialDeepStrictEqual(found.spec, expected)
    })
  }

  test('networks are written without bits beyond their prefix', () => {
    const outcome = read(block('10.1.2.3/8', '10.1.0.1/16'))
    assert.deepEqual(policy(outcome).spec.ingress[0]?.peers, [
      { ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } },
    ])
    assert.deepEqual(told(block('10.1.2.3/8')), [
      'warning spec.ingress[0].from[0].ipBlock.cidr: has bits beyond its prefix and means 10.0.0.0/8',
    ])
  })
})

describe('NetworkPolicy mistakes', () => {
  const from = 'error spec.ingress[0].from[0]'
  const ports = 'error spec.ingress[0].ports[0]'
  const network = 'a network like "10.0.0.0/8" or "fd00::/8"'
  const cases: readonly (readonly [string, unknown, string])[] = [
    [
      'an empty peer',
      peer({}),
      `${from}: needs one of podSelector, namespaceSelector, ipBlock; write {} for a selector that selects all`,
    ],
    ['a peer with a null selector', peer({ podSelector: null }), `${from}: needs one of podSelector`],
    ['a null peer', peer(null), `${from}: is null`],
    ['a null rule', { ingress: [null] }, 'error spec.ingress[0]: is null'],
    [
      'a network beside a selector',
      peer({ ipBlock: { cidr: '10.0.0.0/8' }, podSelector: {} }),
      `${from}.ipBlock: does not go with a selector`,
    ],
    ['no network', peer({ ipBlock: {} }), `${from}.ipBlock.cidr: is required: expected ${network}`],
    ['an address for a network', block('10.0.0.1'), `${from}.ipBlock.cidr: expected ${network}, found text "10.0.0.1"`],
    ['a prefix too long', block('10.0.0.0/33'), `${from}.ipBlock.cidr: expected ${network}`],
    ['leading zeros', block('010.0.0.0/8'), `${from}.ipBlock.cidr: expected ${network}`],
    [
      'an IPv4-mapped network',
      block('::ffff:10.0.0.0/104'),
      `${from}.ipBlock.cidr: is an IPv4 network written as IPv6`,
    ],
    [
      'an IPv4-mapped network in hexadecimal',
      block('::ffff:a00:0/104'),
      `${from}.ipBlock.cidr: is an IPv4 network written as IPv6`,
    ],
    [
      'an exception outside',
      block('10.0.0.0/8', '11.0.0.0/16'),
      `${from}.ipBlock.except[0]: must lie within 10.0.0.0/8`,
    ],
    [
      'an exception that is all',
      block('10.0.0.0/8', '10.0.0.0/8'),
      `${from}.ipBlock.except[0]: must lie within 10.0.0.0/8 and be smaller than it`,
    ],
    ['an exception that is larger', block('10.0.0.0/8', '0.0.0.0/0'), `${from}.ipBlock.except[0]: must lie within`],
    [
      'an exception of the other family',
      block('10.0.0.0/8', 'fd00::/9'),
      `${from}.ipBlock.except[0]: is of another address family`,
    ],
    [
      'an exception beside an odd boundary',
      block('10.64.0.0/10', '10.128.0.0/16'),
      `${from}.ipBlock.except[0]: must lie within`,
    ],
    [
      'a selector without values',
      peer({ podSelector: { matchExpressions: [{ key: 'a', operator: 'In' }] } }),
      `${from}.podSelector.matchExpressions[0].values: is required`,
    ],
    [
      'an unknown operator',
      peer({ podSelector: { matchExpressions: [{ key: 'a', operator: 'in', values: ['b'] }] } }),
      `${from}.podSelector.matchExpressions[0].operator: expected one of`,
    ],
    [
      'a bad label',
      peer({ podSelector: { matchLabels: { a: 'b c' } } }),
      `${from}.podSelector.matchLabels.a: expected a label value`,
    ],
    ['port 0', port({ port: 0 }), `${ports}.port: expected`],
    ['a port in quotes', port({ port: '80' }), `${ports}.port: expected`],
    ['a long name', port({ port: 'a-very-long-name' }), `${ports}.port: expected`],
    ['an unknown protocol', port({ protocol: 'ICMP' }), `${ports}.protocol: expected one of TCP, UDP, SCTP`],
    ['an end without a beginning', port({ endPort: 90 }), `${ports}.port: is required with endPort`],
    ['an end of a name', port({ port: 'http', endPort: 90 }), `${ports}.endPort: does not go with a named port`],
    ['an end before the beginning', port({ port: 90, endPort: 80 }), `${ports}.endPort: is smaller than port 90`],
    ['an end beyond all ports', port({ port: 90, endPort: 65_536 }), `${ports}.endPort: expected`],
    ['an unknown type', { policyTypes: ['ingress'] }, 'error spec.policyTypes[0]: expected one of Ingress, Egress'],
    ['a mistyped field', { egres: [] }, 'error spec.egres: unknown field "egres", did you mean egress?'],
    ['from in an egress rule', { egress: [{ from: [] }] }, 'error spec.egress[0].from: unknown field "from"'],
    [
      'ingress rules without the type',
      { policyTypes: ['Egress'], ingress: [{}] },
      'warning spec.ingress: has no effect, since policyTypes lacks Ingress',
    ],
  ]
  for (const [name, spec, expected] of cases) {
    test(`${name} is told with its path`, () => {
      const findings = told(spec)
      assert.equal(findings.length, 1, findings.join('\n'))
      assert.equal(findings[0]?.slice(0, expected.length), expected)
    })
  }

  test('all are told at once', () => {
    assert.equal(
      told({ ...peer({}), egress: [{ to: [{ ipBlock: { cidr: 'x' } }], ports: [{ port: 0 }] }], more: 1 }).length,
      4,
    )
  })
})

describe('NetworkPolicy with mistakes', () => {
  const bad = [{ from: [{}] }]
  const cases: readonly (readonly [string, unknown, object])[] = [
    [
      'as it says itself',
      { podSelector: { matchLabels: { a: 'b' } }, policyTypes: ['Egress'], egress: 5 },
      { podSelector: { matchLabels: { a: 'b' } }, policyTypes: ['Egress'] },
    ],
    ['for ingress where it speaks of that only', { podSelector: {}, ingress: bad }, { policyTypes: ['Ingress'] }],
    ['both ways where it has egress rules', { ingress: bad, egress: [{}] }, { policyTypes: ['Ingress', 'Egress'] }],
    ['both ways where its egress is no list', { egress: {} }, { policyTypes: ['Ingress', 'Egress'] }],
    ['both ways where a field is unknown', { egres: [] }, { policyTypes: ['Ingress', 'Egress'] }],
    ['both ways where its types are unknown', { policyTypes: ['Out'] }, { policyTypes: ['Ingress', 'Egress'] }],
  ]
  for (const [name, spec, expected] of cases) {
    test(`has a stand-in that closes ${name}`, () => {
      const outcome = read(spec)
      assert.equal(outcome.kind, 'invalid')
      const found = policy(outcome)
      assert.equal(found.isStandIn, true)
      assert.partialDeepStrictEqual(found.spec, { ...expected, ingress: [], egress: [] })
    })
  }

  test('has a stand-in in a version that is not served, too', () => {
    const value = { apiVersion: 'extensions/v1beta1', kind: 'NetworkPolicy', metadata: { name: 'p' }, spec: {} }
    assert.equal(policy(readResource(value, origin)).isStandIn, true)
    const foreign = readResource({ ...value, apiVersion: 'crd.projectcalico.org/v1' }, origin)
    assert.equal(foreign.kind, 'unused')
  })

  for (const [name, outcome] of [
    ['its podSelector', read({ podSelector: { matchLabels: { a: 5 } } })],
    ['its spec', read([])],
    ['its name', read({ ingress: 5 }, { namespace: 'shop' })],
    ['its namespace', read({ ingress: 5 }, { name: 'p', namespace: 'No Namespace' })],
  ] as const) {
    test(`has no stand-in where ${name} cannot be read`, () => {
      assert.equal(outcome.kind, 'invalid')
      assert.equal(outcome.kind === 'invalid' ? outcome.standIn : outcome, undefined)
    })
  }
})
