import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sampleStatus } from './sample-status.ts'
import { isMissing, select, selectRoutes } from './selection.ts'
import type { Selection } from './selection.ts'

const none: Selection = { namespace: undefined, service: undefined, route: undefined }
const other = {
  ...sampleStatus,
  routes: [
    ...sampleStatus.routes,
    { ...sampleStatus.routes[0], key: 'HTTPRoute bank/pay', rules: [] } as (typeof sampleStatus.routes)[number],
  ],
  services: [
    ...sampleStatus.services,
    {
      ...sampleStatus.services[0],
      key: 'bank/pay:80',
      namespace: 'bank',
      name: 'pay',
    } as (typeof sampleStatus.services)[number],
  ],
}

const cases: readonly (readonly [Partial<Selection>, readonly string[], readonly string[], number, number])[] = [
  [
    {},
    ['HTTPRoute shop/reviews', 'Service shop/reviews:9080', 'HTTPRoute bank/pay'],
    ['shop/reviews:9080', 'shop/empty:80', 'bank/pay:80'],
    2,
    2,
  ],
  [{ namespace: 'bank' }, ['HTTPRoute bank/pay'], ['bank/pay:80'], 0, 1],
  [
    { namespace: 'shop' },
    ['HTTPRoute shop/reviews', 'Service shop/reviews:9080'],
    ['shop/reviews:9080', 'shop/empty:80'],
    2,
    2,
  ],
  [{ service: 'reviews' }, ['HTTPRoute shop/reviews'], ['shop/reviews:9080'], 0, 2],
  [{ service: 'shop/reviews' }, ['HTTPRoute shop/reviews'], ['shop/reviews:9080'], 0, 2],
  [{ service: 'empty:80' }, [], ['shop/empty:80'], 0, 1],
  [{ service: 'reviews', namespace: 'bank' }, [], [], 0, 1],
  [{ route: 'shop/reviews' }, ['HTTPRoute shop/reviews'], ['shop/reviews:9080'], 0, 2],
  [{ route: 'pay' }, ['HTTPRoute bank/pay'], [], 0, 1],
]
for (const [selection, routes, services, gateways, problems] of cases) {
  test(`select() with ${JSON.stringify(selection)}`, () => {
    const selected = select(other, { ...none, ...selection })
    assert.deepEqual(
      [selected.routes.map(({ key }) => key), selected.services.map(({ key }) => key)],
      [routes, services],
    )
    assert.deepEqual([selected.gateways.length, selected.problems.length], [gateways, problems])
  })
}

test('isMissing() tells a name that nothing has', () => {
  const of = (selection: Partial<Selection>) =>
    isMissing(select(other, { ...none, ...selection }), { ...none, ...selection })
  assert.deepEqual(
    [of({ service: 'nosuch' }), of({ route: 'nosuch' }), of({ service: 'empty' }), of({ namespace: 'nosuch' })],
    [true, true, false, false],
  )
})

test('selectRoutes() takes routes that lead to a service', () => {
  const keys = selectRoutes(other.routes, { ...none, service: 'reviews' }).map(({ key }) => key)
  assert.deepEqual(keys, ['HTTPRoute shop/reviews'])
})

test('select() keeps the NetworkPolicies of a namespace, and none for a service or a route', () => {
  const names = (selection: Partial<Selection>) =>
    select(sampleStatus, { ...none, ...selection }).networkPolicies.map(({ name }) => name)
  assert.deepEqual(names({}), ['shop/closed', 'shop/reviews'])
  assert.deepEqual(names({ namespace: 'shop' }), ['shop/closed', 'shop/reviews'])
  assert.deepEqual(names({ namespace: 'bank' }), [])
  assert.deepEqual(names({ service: 'reviews' }), [])
})
