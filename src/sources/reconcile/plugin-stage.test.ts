import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Plugin } from '../../model/index.ts'
import { readResource } from '../schema/read-resource.ts'
import { shopPair } from './test-pairs.ts'
import { brief, problemsOf, put, reconciled, resourcesOf, statusOf, testReconciler } from './testing.ts'
import type { Reconciled } from './reconcile.ts'

const mesh = `
apiVersion: v1
kind: Service
metadata: { name: cart, namespace: shop }
spec: { selector: { app: cart }, ports: [{ name: http, port: 80 }, { name: db, port: 5432, appProtocol: tcp }] }
---
apiVersion: v1
kind: Service
metadata: { name: pay, namespace: shop }
spec: { selector: { app: pay }, ports: [{ port: 80 }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: web, namespace: shop }
spec:
  gatewayClassName: heddle
  listeners:
    - { name: http, port: 8080, protocol: HTTP, hostname: shop.example }
    - { name: admin, port: 8081, protocol: HTTP }
---
`

function istio(name: string, spec: string, kind = 'WasmPlugin', namespace = 'shop'): string {
  return `
apiVersion: extensions.istio.io/v1alpha1
kind: ${kind}
metadata: { name: ${name}, namespace: ${namespace}, generation: 2 }
spec: ${spec}
---
`
}

function policy(name: string, spec: string): string {
  return `
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyExtensionPolicy
metadata: { name: ${name}, namespace: shop, generation: 2 }
spec: ${spec}
---
`
}

function route(name: string, filters: string): string {
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: ${name}, namespace: shop }
spec:
  parentRefs: [{ name: web, sectionName: http }]
  rules: [{ filters: ${filters}, backendRefs: [{ name: cart, port: 80 }] }]
---
`
}

/** Names of the plugins on each virtual host that has some. */
function hosts({ snapshot }: Reconciled): Record<string, string> {
  const found: Record<string, string> = {}
  for (const { virtualHosts } of snapshot.listeners.values()) {
    for (const { id, plugins } of virtualHosts) if (plugins !== undefined) found[id] = plugins.map(nameOf).join(' ')
  }
  return found
}

function nameOf(key: string): string {
  return key.slice(key.indexOf('/') + 1)
}

function plugin(result: Reconciled, key: string): Plugin {
  const found = result.snapshot.plugins.get(key)
  assert.ok(found !== undefined, [...result.snapshot.plugins.keys()].join(' '))
  return found
}

const url = 'url: file://a.wasm'

test('a plugin holds for its namespace, for what it selects, or for its targets', () => {
  const everywhere = {
    'Gateway shop/web/http': 'p',
    'Gateway shop/web/admin': 'p',
    'Service shop/cart:80': 'p',
    'Service shop/pay:80': 'p',
  }
  const gateway = '{ group: gateway.networking.k8s.io, kind: Gateway, name: web }'
  const cases: readonly (readonly [string, Record<string, string>, string?])[] = [
    [`{ ${url} }`, everywhere],
    [`{ ${url} }`, everywhere, 'istio-system'],
    [`{ ${url} }`, {}, 'other'],
    [`{ ${url}, selector: { matchLabels: { app: cart } } }`, { 'Service shop/cart:80': 'p' }],
    [`{ ${url}, type: NETWORK }`, { 'Service shop/cart:5432': 'p' }],
    [`{ ${url}, targetRefs: [{ kind: Service, name: pay }] }`, { 'Service shop/pay:80': 'p' }],
    [`{ ${url}, targetRef: ${gateway} }`, { 'Gateway shop/web/http': 'p', 'Gateway shop/web/admin': 'p' }],
    [`{ ${url}, targetRefs: [${gateway}], match: [{ ports: [{ number: 8081 }] }] }`, { 'Gateway shop/web/admin': 'p' }],
    [
      `{ ${url}, selector: { matchLabels: { gateway.networking.k8s.io/gateway-name: web } }, match: [{ mode: SERVER }] }`,
      {},
    ],
    [`{ ${url}, match: [{ mode: SERVER }] }`, { 'Service shop/cart:80': 'p', 'Service shop/pay:80': 'p' }],
  ]
  for (const [spec, expected, namespace] of cases) {
    assert.deepEqual(hosts(reconciled(mesh + istio('p', spec, 'WasmPlugin', namespace))), expected, spec)
  }
})

test('plugins of all kinds stand in one order: phase, priority, age, policies last', () => {
  const target = 'targetRefs: [{ group: gateway.networking.k8s.io, kind: Gateway, name: web }]'
  const result = reconciled(
    mesh +
      policy('eg', `{ ${target}, wasm: [{ code: { type: HTTP, http: { url: "http://files/a" } } }] }`) +
      istio('stats', `{ ${url}, ${target}, phase: STATS }`) +
      istio('last', `{ ${url}, ${target} }`) +
      istio('authz', `{ ${url}, ${target}, phase: AUTHZ, priority: 9 }`) +
      istio('authn-low', `{ ${url}, ${target}, phase: AUTHN, priority: -1 }`) +
      istio('authn-high', `{ wasm: { ${url} }, ${target}, phase: AUTHN, priority: 7 }`, 'TrafficExtension'),
  )
  const order = 'authn-high authn-low authz stats last eg/0'
  assert.deepEqual(hosts(result), { 'Gateway shop/web/http': order, 'Gateway shop/web/admin': order })
  assert.deepEqual(problemsOf(result), [])
})

test('what the data path gets of a plugin', () => {
  const spec = `
  url: registry.example/auth
  imagePullSecret: pull
  pluginName: root
  pluginConfig: { header: x-user, deep: { a: [1, null] } }
  failStrategy: FAIL_OPEN
  vmConfig: { env: [{ name: A, value: b }, { name: GONE, valueFrom: HOST }] }`
  const secret = `
apiVersion: v1
kind: Secret
metadata: { name: pull, namespace: shop }
type: kubernetes.io/dockerconfigjson
stringData: { .dockerconfigjson: '{"auths":{}}' }
---
`
  const result = reconciled(mesh + secret + istio('p', `{${spec.trim().replaceAll('\n', ',')} }`))
  const { configuration, source, ...rest } = plugin(result, 'WasmPlugin shop/p')
  assert.equal(Buffer.from(configuration).toString(), '{"header":"x-user","deep":{"a":[1,null]}}')
  assert.deepEqual(source, {
    url: 'oci://registry.example/auth',
    sha256: undefined,
    pull: 'always',
    pullSecret: '{"auths":{}}',
  })
  assert.deepEqual(rest, {
    key: 'WasmPlugin shop/p',
    name: 'shop.p',
    kind: 'http',
    rootId: 'root',
    vmId: '',
    vmConfiguration: new Uint8Array(0),
    environment: { A: 'b' },
    failStrategy: 'fail-open',
    module: undefined,
    problem: undefined,
  })
  assert.deepEqual(problemsOf(result), [
    "warning WasmPlugin shop/p: spec.vmConfig.env[1]: the agent's environment has no GONE",
  ])
})

test('authorities of a source are in a Secret or a ConfigMap of the same namespace', () => {
  const data = `{ ca.crt: ${JSON.stringify(shopPair.chain)} }`
  const resources = `
apiVersion: v1
kind: Secret
metadata: { name: ca, namespace: shop }
stringData: ${data}
---
apiVersion: v1
kind: ConfigMap
metadata: { name: ca, namespace: shop }
data: ${data}
---
apiVersion: v1
kind: Secret
metadata: { name: empty, namespace: shop }
---
`
  const target = 'targetRefs: [{ group: gateway.networking.k8s.io, kind: Gateway, name: web }]'
  const cases: readonly (readonly [string, string | undefined])[] = [
    ['name: ca', undefined],
    ['kind: ConfigMap, name: ca', undefined],
    ['name: cb', 'no Secret shop/cb, did you mean shop/ca?'],
    ['name: empty', 'Secret shop/empty has no key ca.crt'],
    ['kind: Service, name: ca', 'authorities must be in a ConfigMap or Secret, not in Service'],
  ]
  for (const [ref, problem] of cases) {
    const tls = `tls: { caCertificateRef: { ${ref} } }`
    for (const code of [
      `type: HTTP, http: { url: "https://files/a", ${tls} }`,
      `type: Image, image: { url: "r/i:1", ${tls} }`,
    ]) {
      const result = reconciled(mesh + resources + policy('p', `{ ${target}, wasm: [{ code: { ${code} } }] }`))
      const found = plugin(result, 'EnvoyExtensionPolicy shop/p/0')
      assert.equal(found.problem, problem)
      assert.equal(found.source.authorities, problem === undefined ? shopPair.chain : undefined)
    }
  }
})

test('a rule names a plugin, which then runs only there', () => {
  const ref = '[{ type: ExtensionRef, extensionRef: { group: extensions.istio.io, kind: WasmPlugin, name: p } }]'
  const result = reconciled(mesh + istio('p', `{ ${url} }`) + route('r', ref))
  assert.deepEqual(hosts(result), {})
  assert.deepEqual(result.snapshot.routes.get('HTTPRoute shop/r')?.rules[0]?.plugins, ['WasmPlugin shop/p'])
  const without = reconciled(mesh + route('r', ref)).snapshot.routes.get('HTTPRoute shop/r')
  assert.equal(without?.rules[0]?.failure?.status, 500)
})

test('a policy of a route holds instead of that of its Gateway, one of a listener before the whole', () => {
  const wasm = (name: string): string => `wasm: [{ name: ${name}, code: { type: Image, image: { url: "r/i:1" } } }]`
  const target = (kind: string, name: string, more = ''): string =>
    `targetRefs: [{ group: gateway.networking.k8s.io, kind: ${kind}, name: ${name}${more} }]`
  const result = reconciled(
    mesh +
      istio('every', `{ ${url}, ${target('Gateway', 'web')} }`) +
      policy('all', `{ ${target('Gateway', 'web')}, ${wasm('a')} }`) +
      policy('one', `{ ${target('Gateway', 'web', ', sectionName: admin')}, ${wasm('b')} }`) +
      policy('mine', `{ ${target('HTTPRoute', 'r')}, ${wasm('c')} }`) +
      route('r', '[]'),
  )
  assert.deepEqual(hosts(result), {
    'Gateway shop/web/http': 'every all/0',
    'Gateway shop/web/admin': 'every one/0',
  })
  const [attachment] = result.snapshot.routes.get('HTTPRoute shop/r')?.attachments ?? []
  assert.deepEqual(attachment?.plugins?.map(nameOf), ['every', 'mine/0'])
  const [ancestor] = statusOf(result, 'EnvoyExtensionPolicy shop/mine').parents
  assert.equal(ancestor?.parentRef.kind, 'HTTPRoute')
  assert.equal(brief(ancestor?.conditions ?? []), 'Accepted=True/Accepted')
})

test('targets that are none, and second policies for one target, are told', () => {
  const eg = '{ group: gateway.networking.k8s.io, kind: Gateway, name: web }'
  const code = 'wasm: [{ code: { type: HTTP, http: { url: "http://files/a" } } }]'
  const result = reconciled(
    mesh +
      istio('p', `{ ${url}, targetRefs: [{ kind: Service, name: gone }, { kind: Pod, name: x }] }`) +
      policy('a', `{ targetRefs: [${eg}], ${code} }`) +
      policy('b', `{ targetRefs: [${eg}], ${code} }`),
  )
  assert.equal(brief(statusOf(result, 'WasmPlugin shop/p').conditions), 'Accepted=False/TargetNotFound')
  assert.deepEqual(problemsOf(result), [
    'error EnvoyExtensionPolicy shop/b: spec.targetRefs[0]: an older EnvoyExtensionPolicy already holds for Gateway shop/web',
    'error WasmPlugin shop/p: spec.targetRefs[0]: no Service shop/gone',
    'error WasmPlugin shop/p: spec.targetRefs[1]: a plugin is for a Gateway, a GatewayClass or a Service, not for Pod',
  ])
})

test('what Heddle does not do is refused with all mistakes at once, and something closed stands in', () => {
  const read = (kind: string, spec: unknown): ReturnType<typeof readResource> =>
    readResource(
      {
        apiVersion: kind === 'EnvoyExtensionPolicy' ? 'gateway.envoyproxy.io/v1alpha1' : 'extensions.istio.io/v1alpha1',
        kind,
        metadata: { name: 'p', namespace: 'shop' },
        spec,
      },
      { file: 'a.yaml', line: 1, locate: () => ({ line: 1, column: 1 }) },
    )
  const wasm = read('WasmPlugin', { url: 'ftp://x', verificationKey: 'k', sha256: 'x', phase: 'LATE' })
  assert.deepEqual(
    wasm.findings.map(({ path }) => path),
    ['spec.phase', 'spec.url', 'spec.sha256', 'spec.verificationKey'],
  )
  const eg = read('EnvoyExtensionPolicy', {
    targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'web' }],
    extProc: [],
    lua: [],
  })
  assert.deepEqual(
    eg.findings.map(({ path }) => path),
    ['spec.extProc', 'spec.lua'],
  )
  const standIn = eg.kind === 'invalid' ? eg.standIn : undefined
  assert.ok(standIn !== undefined)
  const resources = resourcesOf(mesh)
  resources.set('EnvoyExtensionPolicy shop/p', standIn)
  const result = testReconciler().reconcile(resources)
  assert.deepEqual(hosts(result), { 'Gateway shop/web/http': 'p/0', 'Gateway shop/web/admin': 'p/0' })
  const { failStrategy, source, problem } = plugin(result, 'EnvoyExtensionPolicy shop/p/0')
  assert.deepEqual(
    [failStrategy, source.url, problem],
    ['fail-closed', '', 'the resource has mistakes and never was right'],
  )
})

test('what did not change stays the same objects', () => {
  const reconciler = testReconciler()
  const resources = resourcesOf(mesh + istio('p', `{ ${url} }`))
  const before = reconciler.reconcile(resources).snapshot
  const next = new Map(resources)
  put(next, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x', namespace: 'shop' }, data: {} })
  assert.equal(reconciler.reconcile(next).snapshot, before)
  const without = new Map(resources)
  without.delete('WasmPlugin shop/p')
  const after = reconciler.reconcile(without)
  assert.deepEqual(hosts(after), {})
  assert.equal(after.snapshot.plugins.size, 0)
})
