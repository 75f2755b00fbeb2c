import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ResourceStatus } from '../model/index.ts'
import { choosePaint } from './paint.ts'
import { parseResourceName, renderResources } from './resource.ts'

const plain = choosePaint('never', { isTerminal: false, env: {} })

const names: readonly (readonly [string, string | undefined, string])[] = [
  ['httproute/cart', undefined, 'HTTPRoute ? cart'],
  ['HTTPRoute/shop/cart', 'other', 'HTTPRoute shop cart'],
  ['gtw/web', 'shop', 'Gateway shop web'],
  ['tcproute/a', 'shop', 'TCPRoute shop a'],
  ['tlsroutes/a', 'shop', 'TLSRoute shop a'],
  ['UDPRoute/shop/a', undefined, 'UDPRoute shop a'],
  ['gatewayclass/heddle', undefined, 'GatewayClass ? heddle'],
]
for (const [text, flag, expected] of names) {
  test(`parseResourceName() understands ${text}`, () => {
    const { kind, namespace, name } = parseResourceName(text, flag)
    assert.equal(`${kind} ${namespace ?? '?'} ${name}`, expected)
  })
}

for (const text of ['cart', 'pod/cart', 'httproute/', 'httproute/a/', 'httproute/a/b/c']) {
  test(`parseResourceName() refuses ${text}`, () => {
    assert.throws(() => parseResourceName(text, undefined), { code: 'MESH_USAGE' })
  })
}

test('a resource is shown with all conditions, reasons and messages', () => {
  const condition = {
    type: 'Accepted',
    status: 'True',
    reason: 'Accepted',
    message: '',
    observedGeneration: 2,
  } as const
  const broken = { ...condition, type: 'ResolvedRefs', status: 'False', reason: 'BackendNotFound' } as const
  const base = { namespace: 'shop', generation: 2, addresses: [], conditions: [], listeners: [], parents: [] }
  const route: ResourceStatus = {
    ...base,
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    name: 'cart',
    parents: [
      {
        parentRef: { group: '', kind: 'Gateway', namespace: 'shop', name: 'web', sectionName: 'http' },
        controllerName: 'heddle.dev/gateway-controller',
        conditions: [condition, { ...broken, message: 'there is no Service shop/carts' }],
      },
    ],
  }
  const listener = {
    name: 'http',
    port: 80,
    protocol: 'HTTP',
    hostname: undefined,
    attachedRoutes: 1,
    supportedKinds: [],
  }
  const gateway: ResourceStatus = {
    ...route,
    kind: 'Gateway',
    name: 'web',
    addresses: ['127.0.0.1'],
    conditions: [condition],
    listeners: [{ ...listener, conditions: [{ ...condition, type: 'Programmed' }] }],
    parents: [],
  }
  const problems = [{ severity: 'error' as const, resource: 'HTTPRoute shop/cart', path: 'spec', message: 'wrong' }]
  assert.equal(
    renderResources({ resources: [route, gateway], problems, names: [] }, { paint: plain, width: undefined }),
    `HTTPRoute shop/cart  generation 2

  on Gateway shop/web/http
    CONDITION     STATUS  REASON           MESSAGE
    Accepted      True    Accepted
    ResolvedRefs  False   BackendNotFound  there is no Service shop/carts

Gateway shop/web  generation 2
  addresses 127.0.0.1
  CONDITION  STATUS  REASON    MESSAGE
  Accepted   True    Accepted

  listener http HTTP:80 (1 route)
    CONDITION   STATUS  REASON    MESSAGE
    Programmed  True    Accepted

Problems
error HTTPRoute shop/cart: spec: wrong`,
  )
})
