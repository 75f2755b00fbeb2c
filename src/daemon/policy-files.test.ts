import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import type { PolicyAnswer, PolicyQuestion } from './policy-answers.ts'
import { answerFromFiles } from './policy-files.ts'

const mesh = `
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec: {ports: [{name: http, port: 80}, {name: admin, port: 81}, {name: dns, port: 53, protocol: UDP}]}
---
apiVersion: v1
kind: Service
metadata: {name: lonely, namespace: shop}
spec: {clusterIP: 127.77.9.9, ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: outside, namespace: shop, labels: {kubernetes.io/service-name: lonely}}
addressType: IPv4
ports: [{name: "", port: 8080}]
endpoints: [{addresses: [192.0.2.5]}]
---
apiVersion: v1
kind: Service
metadata: {name: void, namespace: shop}
spec: {ports: [{port: 80}]}
---
apiVersion: heddle.dev/v1alpha1
kind: Workload
metadata: {name: api-1, namespace: shop, labels: {app: api, open: "yes"}}
spec: {service: api, address: 10.0.0.1, port: 8080, ports: [{name: http, port: 8080}]}
---
apiVersion: heddle.dev/v1alpha1
kind: Workload
metadata: {name: api-2, namespace: shop, labels: {app: api}}
spec: {service: api, address: 10.0.0.2, port: 8081}
---
apiVersion: heddle.dev/v1alpha1
kind: Workload
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {service: lonely, port: 7001}
---
apiVersion: heddle.dev/v1alpha1
kind: Workload
metadata: {name: web, namespace: other}
spec: {port: 7002}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: shop}
spec: {podSelector: {}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: open, namespace: shop}
spec: {podSelector: {matchLabels: {open: "yes"}}, ingress: [{ports: [{port: http}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: broken, namespace: other}
spec: {podSelector: {}, ingress: [{from: [{}]}]}
`

const folder = mkdtempSync(path.join(tmpdir(), 'heddle-policy-'))
writeFileSync(path.join(folder, 'mesh.yaml'), mesh)
after(() => rmSync(folder, { recursive: true }))

async function ask(question: PolicyQuestion): Promise<PolicyAnswer> {
  const { answers } = await answerFromFiles([folder], [question])
  const [answer] = answers
  assert.ok(answer !== undefined)
  return answer
}

/** `allow shop/web > shop/api-1 10.0.0.1:8080` of each connection. */
async function decided(question: PolicyQuestion): Promise<readonly string[]> {
  const answer = await ask(question)
  if (answer.verdict === 'error') return [answer.error]
  const lines = answer.connections.map(
    ({ verdict, from, to, address, port }) => `${verdict} ${from} > ${to} ${address}:${port}`,
  )
  return [answer.verdict, ...lines]
}

describe('answerFromFiles()', () => {
  const cases: readonly (readonly [string, PolicyQuestion, readonly string[]])[] = [
    [
      'a Workload by its port',
      { from: 'shop/web', to: 'api-1' },
      ['allow', 'allow shop/web > shop/api-1 10.0.0.1:8080'],
    ],
    [
      'a Workload by the name of its port',
      { from: 'shop/web', to: 'api-1', port: 'http' },
      ['allow', 'allow shop/web > shop/api-1 10.0.0.1:8080'],
    ],
    [
      'the endpoints of a Service at their own ports',
      { from: 'shop/web', to: 'api', port: 80 },
      ['partly', 'allow shop/web > shop/api-1 10.0.0.1:8080', 'deny shop/web > shop/api-2 10.0.0.2:8081'],
    ],
    [
      'the Workloads of a Service as sources',
      { from: 'service/shop/api', to: 'workload/shop/api-2' },
      ['partly', 'deny shop/api-1 > shop/api-2 10.0.0.2:8081', 'allow shop/api-2 > shop/api-2 10.0.0.2:8081'],
    ],
    [
      'an endpoint that is no Workload',
      { from: 'shop/web', to: 'lonely', port: 80 },
      ['allow', 'allow shop/web > 192.0.2.5 192.0.2.5:8080', 'allow shop/web > shop/web 127.0.0.1:7001'],
    ],
    [
      'the virtual address of a Service',
      { from: 'shop/web', to: '127.77.9.9', port: 80 },
      ['allow', 'allow shop/web > 192.0.2.5 192.0.2.5:8080', 'allow shop/web > shop/web 127.0.0.1:7001'],
    ],
    ['an address as source', { from: '192.0.2.1', to: 'api-2' }, ['deny', 'deny 192.0.2.1 > shop/api-2 10.0.0.2:8081']],
    [
      'an address that is a Workload',
      { from: '10.0.0.2', to: '::ffff:10.0.0.1', port: 9 },
      ['deny', 'deny shop/api-2 > shop/api-1 ::ffff:10.0.0.1:9'],
    ],
    [
      'a policy with mistakes, which closes',
      { from: 'shop/web', to: 'other/web' },
      ['deny', 'deny shop/web > other/web 127.0.0.1:7002'],
    ],
    [
      'a name that is not there',
      { from: 'shop/wbe', to: 'api-1' },
      ['from: there is no Workload and no Service "shop/wbe", did you mean shop/web?'],
    ],
    ['a name that is there twice', { from: 'web', to: 'api-1' }, ['from: web may be other/web or shop/web']],
    [
      'a Service without Workloads as source',
      { from: 'void', to: 'api-1' },
      ['from: no Workload is an endpoint of Service shop/void'],
    ],
    ['a Service without endpoints', { from: 'shop/web', to: 'void' }, ['to: Service shop/void has no endpoints']],
    [
      'a Service with several ports',
      { from: 'shop/web', to: 'api' },
      ['port: Service shop/api has several ports; it has http 80, admin 81, dns 53'],
    ],
    [
      'a port that a Service lacks',
      { from: 'shop/web', to: 'api', port: 53 },
      ['port: Service shop/api has no such port for TCP; it has http 80, admin 81, dns 53'],
    ],
    [
      'a port of UDP',
      { from: 'shop/web', to: 'api', port: 53, protocol: 'UDP' },
      ['deny', 'deny shop/web > shop/api-1 10.0.0.1:8080', 'deny shop/web > shop/api-2 10.0.0.2:8081'],
    ],
    [
      'a name that a Workload does not give its ports',
      { from: 'shop/web', to: 'api-1', port: 'htp' },
      ['port: Workload shop/api-1 has no port named htp; it has http (TCP 8080)'],
    ],
    ['an address without port', { from: 'shop/web', to: '192.0.2.1' }, ['port: an address needs the number of a port']],
  ]
  for (const [name, question, expected] of cases) {
    test(`decides on ${name}`, async () => {
      assert.deepEqual(await decided(question), expected)
    })
  }

  test('says which rule allows, and whose rules do not', async () => {
    const answer = await ask({ from: 'shop/web', to: 'api', port: 80 })
    assert.ok(answer.verdict === 'partly')
    assert.deepEqual(
      answer.connections.map(({ ingress }) => ingress),
      [
        { verdict: 'allowed', policies: ['shop/open'], rule: 'spec.ingress[0]', isOverfull: false },
        { verdict: 'denied', policies: ['shop/deny'], rule: null, isOverfull: false },
      ],
    )
    assert.equal(answer.connections[0]?.egress.verdict, 'open')
  })

  test('hands back what is wrong with the files, and refuses a path without any', async () => {
    const { problems, isEnforced } = await answerFromFiles([folder], [])
    assert.equal(isEnforced, null)
    assert.match(
      problems.find(({ resource }) => resource === 'NetworkPolicy other/broken')?.message ?? '',
      /; until it is right, what its podSelector selects is closed for ingress$/,
    )
    await assert.rejects(answerFromFiles([path.join(folder, 'none')], []), { code: 'MESH_CONFIG_PATH' })
  })
})
