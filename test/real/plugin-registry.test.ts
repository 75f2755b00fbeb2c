import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { hostname, tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { guest } from '../guests/probe.ts'
import { TestMesh } from '../mesh/agent-process.ts'
import { TestAuthority } from '../support/certificates.ts'
import { openOrderEndpoint } from '../support/order-endpoint.ts'
import { TestRegistry } from '../support/registry.ts'

// Modules of a whole agent, from the registry that Docker made and from a server with a certificate of one's own.

const moduleLayer = 'application/vnd.module.wasm.content.layer.v1+wasm'
const archiveLayer = 'application/vnd.oci.image.layer.v1.tar+gzip'

/** As `docker build` of a Dockerfile with `COPY plugin.wasm ./` makes it, by the tar program. */
function archiveOf(module: Uint8Array): Uint8Array {
  const directory = mkdtempSync(path.join(tmpdir(), 'heddle-layer-'))
  try {
    writeFileSync(path.join(directory, 'plugin.wasm'), module)
    execFileSync('tar', ['-czf', path.join(directory, 'layer.tar.gz'), '-C', directory, './plugin.wasm'])
    return readFileSync(path.join(directory, 'layer.tar.gz'))
  } finally {
    rmSync(directory, { recursive: true })
  }
}

function pullSecret(name: string, auths: Record<string, unknown>): string {
  return `---
apiVersion: v1
kind: Secret
metadata: {name: ${name}, namespace: shop}
type: kubernetes.io/dockerconfigjson
stringData: {.dockerconfigjson: '${JSON.stringify({ auths })}'}
`
}

function wasmPlugin(name: string, spec: string): string {
  return `---
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: {name: ${name}, namespace: shop}
spec: {targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: web}], ${spec}}
`
}

function policy(name: string, code: string, config: string): string {
  return `---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyExtensionPolicy
metadata: {name: ${name}, namespace: shop}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: web}]
  wasm: [{name: ${name}, config: ${config}, code: ${code}}]
`
}

/** An agent with an endpoint that says in which order plugins saw its request. */
async function openMesh(t: TestContext, more: string): Promise<TestMesh> {
  const mesh = await TestMesh.create(t)
  mesh.write(
    'mesh.yaml',
    `${await openOrderEndpoint(t)}---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web, namespace: shop}
spec: {gatewayClassName: heddle, listeners: [{name: http, port: ${mesh.gatewayPort}, protocol: HTTP}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: back, namespace: shop}
spec: {parentRefs: [{name: web}], rules: [{backendRefs: [{name: back, port: 80}]}]}
${more}`,
  )
  await mesh.up()
  return mesh
}

test('both layouts of images come from a registry with a pull secret, and without one nothing passes', async t => {
  const module = await guest('mark')
  await using registry = await TestRegistry.start()
  await registry.push('plugins/module', '1.0', [{ mediaType: moduleLayer, bytes: module }])
  await registry.push('plugins/archive', '1.0', [{ mediaType: archiveLayer, bytes: archiveOf(module) }])
  const host = `127.0.0.1:${registry.port}`
  const images =
    wasmPlugin(
      'a',
      `phase: AUTHN, url: 'oci://${host}/plugins/module:1.0', imagePullSecret: pull, pluginConfig: {a: 1}`,
    ) + policy('b', `{type: Image, image: {url: '${host}/plugins/archive:1.0', pullSecretRef: {name: pull}}}`, '{b: 1}')
  const mesh = await openMesh(t, pullSecret('pull', { [host]: registry.login }) + images)
  const answer = await mesh.get('/')
  assert.deepEqual([answer.status, answer.body], [200, 'a, b'])
  mesh.write('c.yaml', wasmPlugin('c', `url: 'oci://${host}/plugins/archive:1.0'`))
  await mesh.until(async () => (await mesh.get('/')).status === 503)
  await mesh.until(async () => /name a pull secret/.test((await mesh.run('plugins')).stdout))
})

test('a registry and a server by TLS are those whose authority the policy names', async t => {
  const module = await guest('mark')
  using authority = new TestAuthority()
  using other = new TestAuthority('another authority')
  // Registries on this machine's own addresses are asked without TLS: the name of the machine is none of these.
  const name = hostname()
  const files = authority.issueFiles({ names: [name] })
  await using registry = await TestRegistry.start(files)
  await registry.push('plugins/module', '1.0', [{ mediaType: moduleLayer, bytes: module }])
  const server = https.createServer(
    { cert: readFileSync(files.chain), key: readFileSync(files.key) },
    (_request, response) => response.end(module),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const host = `${name}:${registry.port}`
  const url = `https://${name}:${(server.address() as AddressInfo).port}/mark.wasm`
  const authorities = `---
apiVersion: v1
kind: Secret
metadata: {name: ca, namespace: shop}
stringData: {ca.crt: ${JSON.stringify(authority.certificate)}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: ca, namespace: shop}
data: {ca.crt: ${JSON.stringify(authority.certificate)}}
---
apiVersion: v1
kind: Secret
metadata: {name: other, namespace: shop}
stringData: {ca.crt: ${JSON.stringify(other.certificate)}}
`
  const image = (ca: string): string =>
    policy(
      'a',
      `{type: Image, pullPolicy: Always, image: {url: '${host}/plugins/module:1.0', pullSecretRef: {name: pull}, tls: {caCertificateRef: ${ca}}}}`,
      '{m: 1}',
    )
  const file = (ca: string): string =>
    policy('a', `{type: HTTP, pullPolicy: Always, http: {url: '${url}', tls: {caCertificateRef: ${ca}}}}`, '{m: 1}')
  const mesh = await openMesh(t, authorities + pullSecret('pull', { [host]: registry.login }))
  for (const source of [image, file]) {
    mesh.write('plugin.yaml', source('{name: other}'))
    await mesh.until(async () => /certificate/.test((await mesh.run('plugins')).stdout))
    assert.equal((await mesh.get('/')).status, 503)
    for (const ca of ['{name: ca}', '{kind: ConfigMap, name: ca}']) {
      mesh.write('plugin.yaml', source(ca))
      await mesh.until(async () => (await mesh.get('/')).body === 'm')
      mesh.write('plugin.yaml', '')
      await mesh.until(async () => (await mesh.get('/')).body === 'undefined')
    }
  }
})
