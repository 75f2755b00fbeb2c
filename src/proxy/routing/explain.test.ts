import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { HttpRoute } from '../../model/index.ts'
import { explainRoute } from './explain.ts'
import type { RouteExplanation } from './explain.ts'
import { hostId, listenerId, sketchListener, sketchRequest, sketchRoute, sketchSnapshot } from './fixtures.ts'
import { RouteTable } from './route-table.ts'

const compileRule = (route: HttpRoute, rule: { readonly index: number }): string => `${route.name}#${rule.index}`
const listener = sketchListener({ [hostId]: '*.example.com', other: 'other.test', wide: undefined })
const cart = sketchRoute({
  name: 'cart',
  hostnames: ['shop.example.com'],
  rules: [
    [{ path: { kind: 'prefix', value: '/cart' }, method: 'POST' }],
    [{ path: { kind: 'prefix', value: '/cart' }, headers: [{ kind: 'exact', name: 'x-version', value: '2' }] }],
    [{ path: { kind: 'regex', value: '/c.*' }, query: [{ kind: 'regex', name: 'q', value: '[0-9]' }] }],
    [{ path: { kind: 'exact', value: '/other' } }],
    [{ path: { kind: 'prefix', value: '/cart' } }],
  ],
})
const home = sketchRoute({ name: 'home', hostnames: ['*.example.com'], rules: [[{}]] })
const table = (RouteTable.empty as RouteTable<string>).update(sketchSnapshot([cart, home], [listener]), compileRule)

/** One line per candidate, for reading. */
function lines(explained: RouteExplanation<string>): readonly string[] {
  assert.ok(explained.kind === 'routed' || explained.kind === 'no-match')
  return explained.candidates.map(({ route, rule, verdict, mismatches }) => {
    const reasons = mismatches.map(({ part, name, expected, actual }) => `${part} ${name}: ${actual} ≠ ${expected}`)
    return [`${route.name}#${rule.index} ${verdict}`, ...reasons].join(', ')
  })
}

describe('explainRoute()', () => {
  it('lists the candidates in order, each with all that does not fit', () => {
    const request = sketchRequest('GET shop.example.com/cart/1?q=x', { 'x-version': '1' })
    const explained = explainRoute(table, listenerId, request, undefined)
    assert.ok(explained.kind === 'routed')
    assert.deepEqual(lines(explained), [
      'cart#2 mismatch, query q: x ≠ [0-9]',
      'cart#0 mismatch, method : GET ≠ POST',
      'cart#1 mismatch, header x-version: 1 ≠ 2',
      'cart#4 chosen',
      'home#0 outranked',
      'cart#3 mismatch, path : /cart/1 ≠ /other',
    ])
    assert.deepEqual(explained.hostnames, ['shop.example.com', '*.example.com'])
    const rule = cart.rules[4]
    const match = rule?.matches[0]
    assert.deepEqual(explained.decision, { target: 'cart#4', route: cart, rule, match, matchedPrefix: '/cart' })
    assert.equal(explained.omitted, 0)
  })

  it('says which virtual host was chosen and why the others were not', () => {
    const explained = explainRoute(table, listenerId, sketchRequest('GET shop.example.com/'), undefined)
    assert.ok(explained.kind === 'routed')
    assert.deepEqual(
      explained.virtualHosts.map(host => host.verdict),
      ['chosen', 'host-differs', 'less-specific'],
    )
    assert.equal(explained.virtualHost, hostId)
  })

  it('leaves out candidates of other paths beyond the limit, never one of this path', () => {
    const request = sketchRequest('GET shop.example.com/cart/1', {})
    const explained = explainRoute(table, listenerId, request, undefined, { limit: 1 })
    assert.equal(lines(explained).length, 5)
    assert.equal(explained.kind === 'routed' && explained.omitted, 1)
  })

  it('has a value for each way to find nothing', () => {
    const strict = (RouteTable.empty as RouteTable<string>).update(
      sketchSnapshot([cart], [sketchListener({ [hostId]: 'shop.example.com' })]),
      compileRule,
    )
    assert.equal(explainRoute(strict, 'nowhere', sketchRequest('GET h/'), undefined).kind, 'no-listener')
    assert.equal(explainRoute(strict, listenerId, sketchRequest('GET h/'), undefined).kind, 'no-virtual-host')
    const unmatched = explainRoute(strict, listenerId, sketchRequest('GET shop.example.com/x'), undefined)
    assert.equal(unmatched.kind, 'no-match')
    assert.ok(lines(unmatched).every(line => line.includes('mismatch')))
  })

  it('names the namespace whose consumer routes decide', () => {
    const attachments = [{ virtualHost: hostId, hostnames: [], clientNamespace: 'web' }]
    const consumer = sketchRoute({ name: 'consumer', attachments, rules: [[{}]] })
    const mesh = (RouteTable.empty as RouteTable<string>).update(sketchSnapshot([home, consumer]), compileRule)
    const request = sketchRequest('GET x.example.com/')
    const own = explainRoute(mesh, listenerId, request, 'web')
    const others = explainRoute(mesh, listenerId, request, 'shop')
    assert.deepEqual(
      [own, others].map(
        explained => explained.kind === 'routed' && [explained.consumerNamespace, explained.decision?.target],
      ),
      [
        ['web', 'consumer#0'],
        [undefined, 'home#0'],
      ],
    )
  })
})
