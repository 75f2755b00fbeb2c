import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LabelSelector } from '../schema/resource.ts'
import { FactReader, isGranted, Names, selects } from './facts.ts'

test('selects() follows labels and expressions, and an absent selector selects nothing', () => {
  const labels = { team: 'pay', tier: 'web' }
  const expression = (key: string, operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist', values: string[] = []) => ({
    matchExpressions: [{ key, operator, values }],
  })
  const rows: [LabelSelector | undefined, boolean][] = [
    [undefined, false],
    [{}, true],
    [{ matchLabels: { team: 'pay' } }, true],
    [{ matchLabels: { team: 'pay', tier: 'db' } }, false],
    [{ matchLabels: { team: 'pay' }, ...expression('tier', 'In', ['db']) }, false],
    [expression('team', 'In', ['pay', 'shop']), true],
    [expression('team', 'In', ['shop']), false],
    [expression('none', 'In', ['pay']), false],
    [expression('team', 'NotIn', ['pay']), false],
    [expression('team', 'NotIn', ['shop']), true],
    [expression('none', 'NotIn', ['pay']), true],
    [expression('team', 'Exists'), true],
    [expression('none', 'Exists'), false],
    [expression('constructor', 'Exists'), false],
    [expression('team', 'DoesNotExist'), false],
    [expression('none', 'DoesNotExist'), true],
  ]
  for (const [selector, expected] of rows) assert.equal(selects(selector, labels), expected, JSON.stringify(selector))
})

test('isGranted() ors the entries of all grants', () => {
  const from = { group: 'g', kind: 'K', namespace: 'a' }
  const to = { group: '', kind: 'Service', namespace: 'b', name: 's' }
  const other = { group: 'g', kind: 'Other', namespace: 'a' }
  const grants = [
    { from: [other], to: [{ group: '', kind: 'Service' }] },
    {
      from: [other, from],
      to: [
        { group: '', kind: 'Secret' },
        { group: '', kind: 'Service', name: 's' },
      ],
    },
  ]
  assert.equal(isGranted(grants, from, to), true)
  assert.equal(isGranted(grants, from, { ...to, name: 't' }), false)
  assert.equal(isGranted(grants.slice(0, 1), from, to), false)
  assert.equal(isGranted([], from, to), false)
})

test('suggest() looks in the namespace, then for the name elsewhere, then for the namespace', () => {
  const names = new Names(['shop/cart', 'depot/cart', 'depot/stock', 'pay/ledger'])
  const rows: [string, string][] = [
    ['shop/carts', ', did you mean shop/cart?'],
    ['pay/cart', ', did you mean depot/cart?'],
    ['shpo/ledgers', '; there is no namespace shpo, did you mean shop?'],
    ['pay/whatever', ''],
    ['unheard/of', ''],
  ]
  for (const [key, expected] of rows) assert.equal(names.suggest(key), expected, key)
})

test('a FactReader notes what was read, also where nothing was found', () => {
  const reader = new FactReader({
    services: new Map(),
    gateways: new Map(),
    listenerSets: new Map(),
    namespaceLabels: new Map([['a', { l: '1' }]]),
    grants: new Map(),
    httpFilters: new Map(),
    WasmPlugin: new Map(),
    TrafficExtension: new Map(),
    names: {
      Service: new Names([]),
      Gateway: new Names([]),
      ListenerSet: new Names([]),
      HTTPFilter: new Names([]),
    },
  })
  assert.equal(reader.service('a/s'), undefined)
  assert.equal(reader.gateway('a/g'), undefined)
  assert.deepEqual(reader.namespaceLabels('a'), { l: '1', 'kubernetes.io/metadata.name': 'a' })
  assert.deepEqual(reader.namespaceLabels('b'), { 'kubernetes.io/metadata.name': 'b' })
  reader.isGranted({ group: '', kind: '', namespace: 'a' }, { group: '', kind: '', namespace: 'c', name: 'x' })
  reader.suggest('Service', 'a/s')
  assert.deepEqual(
    [...reader.reads],
    ['Service a/s', 'Gateway a/g', 'Namespace a', 'Namespace b', 'ReferenceGrant c', 'names Service'],
  )
})
