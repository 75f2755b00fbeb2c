import assert from 'node:assert/strict'
import { relative } from 'node:path'
import { test } from 'node:test'
import { formatProblem } from '../core/index.ts'
import { readOnce } from './file-source.ts'

const directory = new URL('../../test/fixtures/mistakes', import.meta.url).pathname

/** Every kind of mistake, as the operator reads it; the order is that of the files. */
const expected: readonly (readonly [RegExp, 'error' | 'warning'])[] = [
  [/^aliases\.yaml:\d+: YAML: follows aliases/, 'error'],
  [/^bad-duration\.yaml:12: HTTPRoute shop\/bad-duration: spec\.rules\[0\]\.timeouts\.request: /, 'error'],
  [
    /^conflicting-listeners\.yaml:10: Gateway shop\/conflict: spec\.listeners\[0\]: .* clashes with listener tcp/,
    'error',
  ],
  [
    /^conflicting-listeners\.yaml:13: Gateway shop\/conflict: spec\.listeners\[1\]: .* clashes with listener http/,
    'error',
  ],
  [/^conflicting-listeners\.yaml:29: Gateway shop\/same-listeners: /, 'error'],
  [/^conflicting-listeners\.yaml:45: Gateway shop\/tls-mistakes: /, 'error'],
  [/^cross-field\.yaml:13: HTTPRoute shop\/cross-field: .*backendRefs/, 'error'],
  [
    /^cross-namespace\.yaml:13: HTTPRoute shop\/cross-namespace: spec\.rules\[0\]\.backendRefs\[0\]: .*ReferenceGrant/,
    'error',
  ],
  [
    /^dangling-reference\.yaml:10: HTTPRoute shop\/dangling: spec\.parentRefs\[1\]: no Gateway shop\/wed, did you mean shop\/web\?$/,
    'warning',
  ],
  [
    /^dangling-reference\.yaml:14: HTTPRoute shop\/dangling: spec\.rules\[0\]\.backendRefs\[0\]: no Service shop\/chart, did you mean shop\/cart\?$/,
    'error',
  ],
  [
    /^dangling-reference\.yaml:25: BackendPolicy shop\/dangling: spec\.targetRefs\[0\]: no Service shop\/chart/,
    'error',
  ],
  [/^duplicate-key\.yaml:10: YAML: the key ports stands twice/, 'error'],
  [/^names\.json:15: Service shop\/Upper_Case: metadata\.name: /, 'error'],
  [
    /^regex\.yaml:15: HTTPRoute shop\/regex: spec\.rules\[0\]\.matches\[0\]\.path\.value: .*regular expression/,
    'error',
  ],
  [/^syntax\.yaml:14: YAML: /, 'error'],
  [/^unknown-field\.yaml:11: HTTPRoute shop\/unknown-field: .*did you mean backendRefs\?$/, 'error'],
  [/^unknown-kind\.yaml:3: .*did you mean HTTPRoute\?$/, 'error'],
  [/^unknown-kind\.yaml:16: ServiceAccount shop\/not-yet: not used by Heddle yet$/, 'warning'],
  [/^wrong-type\.yaml:10: HTTPRoute shop\/wrong-type: spec\.hostnames: expected a list/, 'error'],
  [/^zz-duplicate\.yaml:\d+: Service shop\/cart: is defined already at .*good\.yaml:\d+/, 'error'],
]

test('a directory with every kind of mistake gives one report, sorted by file and line', async () => {
  const { problems } = await readOnce([directory])
  const lines = problems.map(problem => {
    const { file } = problem
    assert.ok(file !== undefined && problem.line !== undefined)
    return { text: formatProblem({ ...problem, file: relative(directory, file) }), severity: problem.severity }
  })
  let at = 0
  for (const [pattern, severity] of expected) {
    const found = lines.findIndex((line, index) => index >= at && pattern.test(line.text))
    assert.ok(
      found >= 0,
      `not told, or not in its place: ${pattern.source}\n${lines.map(line => line.text).join('\n')}`,
    )
    assert.equal(lines[found]?.severity, severity, pattern.source)
    at = found + 1
  }
  assert.deepEqual(
    lines.filter(line => line.text.startsWith('good.yaml')),
    [],
  )
})

test('beside all mistakes everything that is right is in force', async () => {
  const { snapshot, statuses } = await readOnce([directory])
  const route = snapshot.routes.get('HTTPRoute shop/cart')
  assert.deepEqual(route?.attachments, [
    { virtualHost: 'Gateway shop/web/http', hostnames: ['cart.example'], clientNamespace: undefined },
  ])
  assert.deepEqual(route?.rules[0]?.backends[0]?.target, { kind: 'backend', key: 'shop/cart:80' })
  const backend = snapshot.backends.get('shop/cart:80')
  assert.deepEqual(
    backend?.endpoints.map(endpoint => endpoint.id),
    ['127.0.0.1:9080'],
  )
  assert.equal(backend?.settings.loadBalancing.kind, 'RoundRobin')
  const gateways = [...snapshot.listeners.values()].filter(listener => listener.kind === 'gateway')
  assert.deepEqual(
    gateways.map(listener => listener.id),
    ['127.0.0.1:8080'],
  )
  const web = statuses.find(status => status.kind === 'Gateway' && status.name === 'web')
  assert.deepEqual(
    web?.conditions.map(condition => condition.status),
    ['True', 'True', 'True'],
  )
  // A reference that is not permitted answers for its share; it is not left out.
  const [share] = snapshot.routes.get('HTTPRoute shop/cross-namespace')?.rules[0]?.backends ?? []
  assert.equal(share?.target.kind, 'invalid')
})
