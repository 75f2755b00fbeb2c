import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TestMesh } from './agent-process.ts'
import { answering, gateway, route, service, workload } from './resources.ts'
import { freePort } from '../support/ports.ts'

const consumer = `
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: reviews, namespace: shop}
spec:
  parentRefs: [{group: "", kind: Service, name: reviews}]
  rules:
  - name: beta
    matches: [{path: {type: PathPrefix, value: /x}, headers: [{name: x-user, value: anna}]}]
    backendRefs: [{name: b, port: 9080}]
  - name: rest
    backendRefs: [{name: reviews, port: 9080}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: posts, namespace: shop}
spec:
  parentRefs: [{name: web}]
  rules:
  - matches: [{path: {type: PathPrefix, value: /x}, method: POST}]
    backendRefs: [{name: b, port: 9080}]
`

test('explain shows the rules in the order in which they are tried, at the Gateway and in the mesh', async t => {
  const mesh = await TestMesh.create(t)
  mesh.write(
    'mesh.yaml',
    gateway(mesh.gatewayPort) +
      service('reviews') +
      service('b') +
      consumer +
      route([['reviews', 1]]) +
      route([['b', 1]], 'y', '/y'),
  )
  await mesh.up()
  const rules = async (...words: string[]) => {
    const { code, stdout } = await mesh.run('explain', ...words)
    const lines = stdout.split('\n').flatMap(line => /(?:[✓✗] HTTPRoute|… ).*/.exec(line)?.[0] ?? [])
    return [code, ...lines]
  }
  assert.deepEqual(await rules('GET', `http://x:${mesh.gatewayPort}/x`), [
    0,
    '✗ HTTPRoute shop/posts rule 0: POST /x/*: method is not POST',
    '✓ HTTPRoute shop/all rule 0: /*',
    '… 1 rule of other paths',
  ])
  assert.deepEqual(await rules('POST', `http://x:${mesh.gatewayPort}/x`), [
    0,
    '✓ HTTPRoute shop/posts rule 0: POST /x/*',
    '… 1 further rule of lower precedence, 1 rule of other paths',
  ])

  const tried = [
    0,
    '✗ HTTPRoute shop/reviews beta: /x/* with header x-user: anna: header x-user is missing',
    '✓ HTTPRoute shop/reviews rest: /*',
  ]
  const address = (await mesh.status()).services.find(each => each.name === 'reviews')?.address ?? ''
  assert.deepEqual(await rules('GET', 'http://reviews:9080/x', '--from', 'shop/storefront'), tried)
  assert.deepEqual(await rules('GET', 'http://reviews.shop.svc.cluster.local:9080/x', '--from', 'other/web'), tried)
  assert.deepEqual(await rules('GET', `http://${address}/x`, '--from', 'shop/storefront'), tried)
  assert.deepEqual(await rules('GET', `http://${address}/x`), tried)
  const { stdout } = await mesh.run('explain', 'GET', 'http://reviews:9080/x', '--from', 'shop/web', '--output', 'json')
  const document = JSON.parse(stdout) as {
    listener: { role: string }
    explanation: { candidates: { verdict: string; rule: { name: string } }[] }
  }
  assert.deepEqual(
    [document.listener.role, ...document.explanation.candidates.map(({ verdict, rule }) => `${rule.name} ${verdict}`)],
    ['service', 'beta mismatch', 'rest chosen'],
  )
})

test('top --once shows the traffic of just now', async t => {
  const mesh = await TestMesh.create(t)
  mesh.write(
    'mesh.yaml',
    gateway(mesh.gatewayPort) + service('a') + workload('a-1', 'a', await freePort()) + route([['a', 1]]),
  )
  await mesh.up()
  await answering(mesh, '/', /^a-1/)
  // Whatever the start had in its rates is over: they cover five seconds.
  for (let at = 0; at < 200; at++) await mesh.get('/')
  const { stdout } = await mesh.run('top', '--once')
  const rate = Number(/^([\d.]+) req\/s/m.exec(stdout)?.[1])
  assert.ok(rate >= 200 / 7, stdout)
  assert.match(stdout, /^HTTPRoute shop\/all +[1-9]/m)
})

test('status shows one resource with its conditions, or what belongs to one service', async t => {
  const mesh = await TestMesh.create(t)
  const broken = route([['nosuch', 1]], 'broken', '/broken')
  mesh.write('mesh.yaml', gateway(mesh.gatewayPort) + service('a') + service('b') + route([['a', 1]]) + broken)
  await mesh.up()
  const lost = await mesh.run('status', 'httproute/broken', '-n', 'shop')
  assert.equal(lost.code, 1)
  assert.match(lost.stdout, /^HTTPRoute shop\/broken {2}generation 1\n\n {2}on Gateway shop\/web\n/)
  assert.match(lost.stdout, /^ {4}ResolvedRefs +False +BackendNotFound +.*nosuch/m)
  const fine = await mesh.run('status', 'HTTPRoute/shop/all')
  assert.deepEqual([fine.code, /^ {4}ResolvedRefs +True/m.test(fine.stdout)], [0, true])
  const mistyped = await mesh.run('status', 'httproute/brocken')
  assert.deepEqual([mistyped.code, mistyped.stderr.includes('did you mean broken?')], [1, true])
  const of = await mesh.run('status', 'service/a', '-n', 'shop')
  assert.deepEqual(
    [of.code, /HTTPRoute shop\/all/.test(of.stdout), /broken|shop\/b:/.test(of.stdout)],
    [0, true, false],
    of.stdout,
  )
  const routes = await mesh.run('routes', '-n', 'shop', '--route', 'broken')
  assert.deepEqual([routes.stdout.includes('shop/broken'), routes.stdout.includes('shop/all')], [true, false])
  assert.equal((await mesh.run('routes', '-n', 'elsewhere')).stderr, 'there are no such routes\n')
})
