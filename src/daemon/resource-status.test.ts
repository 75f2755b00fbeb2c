import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ResourceStatus } from '../model/index.ts'
import { findResources } from './resource-status.ts'

const status = (kind: string, namespace: string, name: string): ResourceStatus => ({
  apiVersion: 'v1',
  kind,
  namespace,
  name,
  generation: 1,
  conditions: [],
  addresses: [],
  listeners: [],
  parents: [],
})
const statuses = [
  status('HTTPRoute', 'shop', 'cart'),
  status('HTTPRoute', 'bank', 'cart'),
  status('Gateway', 'shop', 'cart'),
  status('GatewayClass', '', 'heddle'),
]
const problems = ['HTTPRoute shop/cart', 'HTTPRoute shop/broken', 'Gateway shop/cart', 'GatewayClass heddle'].map(
  resource => ({ severity: 'error' as const, resource, path: '', message: 'wrong' }),
)

const cases = [
  ['httproute', 'cart', undefined, ['shop/cart', 'bank/cart'], 1, 0],
  ['HTTPRoute', 'cart', 'shop', ['shop/cart'], 1, 0],
  ['HTTPRoute', 'broken', undefined, [], 1, 2],
  ['GatewayClass', 'heddle', undefined, ['/heddle'], 1, 0],
  ['Gateway', 'nosuch', undefined, [], 0, 1],
] as const
for (const [kind, name, namespace, found, problemCount, nameCount] of cases) {
  test(`findResources() finds ${kind} ${namespace ?? '*'}/${name}`, () => {
    const document = findResources({ kind, name, namespace }, statuses, problems)
    assert.deepEqual(
      document.resources.map(each => `${each.namespace}/${each.name}`),
      found,
    )
    assert.deepEqual([document.problems.length, document.names.length], [problemCount, nameCount])
  })
}
