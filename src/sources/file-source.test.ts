import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { formatProblem } from '../core/index.ts'
import { FileSource, readOnce, type SourceState } from './file-source.ts'

const shop = `apiVersion: v1
kind: Service
metadata: { name: cart, namespace: shop }
spec: { ports: [{ port: 80 }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: web, namespace: shop }
spec: { gatewayClassName: heddle, listeners: [{ name: http, port: 8080, protocol: HTTP }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: cart, namespace: shop }
spec:
  parentRefs: [{ name: web }]
  rules:
    - backendRefs:
        - { name: carts, port: 80 }
`

async function directoryWith(t: TestContext, files: Readonly<Record<string, string>>): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'heddle-source-'))
  t.after(() => rm(directory, { recursive: true }))
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text)
  return directory
}

test('readOnce() decides and tells problems of syntax and meaning in the order of the files', async t => {
  const directory = await directoryWith(t, {
    'b.yaml': shop,
    'a.yaml':
      'apiVersion: v1\nkind: Service\nmetadata: { name: pay, namespace: shop }\nspec: { ports: [{ port: eighty }] }\n',
  })
  const state = await readOnce([directory])
  assert.deepEqual(
    [...state.snapshot.listeners.keys()].filter(id => id.endsWith(':8080')),
    ['127.0.0.1:8080'],
  )
  const [first, second] = state.problems.map(problem => formatProblem(problem).replace(`${directory}/`, ''))
  assert.equal(state.problems.length, 2)
  assert.match(first ?? '', /^a\.yaml:4: Service shop\/pay: spec\.ports\[0\]\.port: /)
  assert.equal(
    second,
    'b.yaml:18: HTTPRoute shop/cart: spec.rules[0].backendRefs[0]: no Service shop/carts, did you mean shop/cart?',
  )
})

test('a FileSource tells every change of state once, and nothing when nothing changes', async t => {
  const directory = await directoryWith(t, { 'shop.yaml': shop })
  const states: SourceState[] = []
  await using source = await FileSource.open({ paths: [directory], onChange: state => void states.push(state) })
  const first = source.current
  assert.deepEqual(states, [])
  assert.equal(first.problems.length, 1)

  const workload = `apiVersion: heddle.dev/v1alpha1
kind: Workload
metadata: { name: cart-1, namespace: shop }
spec: { service: cart, port: 9001 }
`
  const second = source.put('run/cart-1', workload)
  assert.deepEqual(states, [second])
  assert.deepEqual(
    second.snapshot.backends.get('shop/cart:80')?.endpoints.map(endpoint => endpoint.id),
    ['127.0.0.1:9001'],
  )
  assert.equal(second.snapshot.routes, first.snapshot.routes)
  assert.equal(source.put('run/cart-1', workload), second)
  assert.equal(states.length, 1)

  source.setListenFailures(new Map([['127.0.0.1:8080', 'address in use']]))
  assert.equal(states.length, 2)
  const gateway = source.current.statuses.find(status => status.kind === 'Gateway')
  assert.equal(gateway?.listeners[0]?.conditions[1]?.reason, 'PortUnavailable')
  assert.equal(source.current.snapshot, second.snapshot)
  source.setListenFailures(new Map([['127.0.0.1:8080', 'address in use']]))
  assert.equal(states.length, 2)

  const third = source.remove('run/cart-1')
  assert.deepEqual(third.snapshot.backends.get('shop/cart:80')?.endpoints, [])
})

test('a broken document is told and what it held stays in force', async t => {
  const directory = await directoryWith(t, {})
  await using source = await FileSource.open({ paths: [directory] })
  const good = source.put('x', shop.replace('carts', 'cart'))
  assert.deepEqual(good.problems, [])
  const bad = source.put('x', shop.replace('name: carts, port: 80', 'name: cart, port: [80'))
  assert.ok(bad.problems.length > 0)
  assert.equal(bad.snapshot, good.snapshot)
})

test('a FileSource sees an edited file', async t => {
  const directory = await directoryWith(t, { 'shop.yaml': shop })
  const changed = Promise.withResolvers<SourceState>()
  await using source = await FileSource.open({ paths: [directory], onChange: changed.resolve })
  assert.equal(source.current.problems.length, 1)
  await writeFile(join(directory, 'shop.yaml'), shop.replace('carts', 'cart'))
  assert.deepEqual((await changed.promise).problems, [])
})

test('FileSource tells paths without any resource, though not those with a wrong one', async t => {
  const directory = await directoryWith(t, { 'a.yaml': shop, 'b.yaml': '# later\n', 'c.yaml': 'kind: Servic\n' })
  const empty = await directoryWith(t, { 'notes.txt': 'x' })
  const paths = [directory, `${directory}/b.yaml`, `${directory}/../${basename(directory)}/c.yaml`, empty, `${empty}/`]
  await using source = await FileSource.open({ paths })
  assert.deepEqual(source.emptyPaths(), [`${directory}/b.yaml`, empty, `${empty}/`])
})
