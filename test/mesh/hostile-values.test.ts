import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TestMesh } from './agent-process.ts'
import { answering, gateway, route, service, workload } from './resources.ts'
import { freePort } from '../support/ports.ts'

const pattern = `
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: pattern, namespace: shop}
spec:
  parentRefs: [{name: web}]
  rules:
  - matches: [{headers: [{type: RegularExpression, name: x-tenant, value: (a+)+b}]}]
    filters: [{type: RequestRedirect, requestRedirect: {hostname: pattern.example}}]
`

// A worker that is stuck answers nothing any more: not this request, and none of those after it.
test('a value that makes a pattern backtrack holds no worker up', { timeout: 60_000 }, async t => {
  const mesh = await TestMesh.create(t)
  mesh.write(
    'mesh.yaml',
    gateway(mesh.gatewayPort) + service('a') + workload('a-1', 'a', await freePort()) + route([['a', 1]]) + pattern,
  )
  await mesh.up()
  await answering(mesh, '/', /^a-1/)
  assert.equal((await mesh.get('/', false, { 'x-tenant': 'aab' })).status, 302)
  const hostile = { 'x-tenant': 'a'.repeat(40) }
  const answers = await Promise.all(Array.from({ length: 8 }, () => mesh.get('/', false, hostile)))
  for (let at = 0; at < 8; at++) answers.push(await mesh.get('/'))
  assert.deepEqual([...new Set(answers.map(({ status, body }) => `${status} ${body.split(' ')[0]}`))], ['200 a-1'])
  assert.equal((await mesh.status()).agent.workers, 2)
  assert.doesNotMatch(mesh.output, /a worker ended/)
  const explained = await mesh.run(
    'explain',
    'GET',
    `http://x:${mesh.gatewayPort}/`,
    '-H',
    `x-tenant: ${hostile['x-tenant']}`,
  )
  assert.match(explained.stdout, /HTTPRoute shop\/all rule 0/)
})
