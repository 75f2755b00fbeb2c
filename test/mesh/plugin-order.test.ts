import assert from 'node:assert/strict'
import { copyFileSync } from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { openOrderEndpoint } from '../support/order-endpoint.ts'
import { TestMesh } from './agent-process.ts'

// Requests to a Service's own address pass its plugins by phase and priority; each adds its letter to x-order.

interface Sketch {
  readonly kind: 'WasmPlugin' | 'TrafficExtension'
  readonly phase?: string
  readonly priority?: number
}

/** By letters, which are also the plugins' names. */
type Sketches = Readonly<Record<string, Sketch>>

function resources(sketches: Sketches): string {
  return Object.entries(sketches)
    .map(([letter, { kind, phase, priority }]) => {
      const wasm = `url: file://mark.wasm, pluginConfig: {${letter}: 1}`
      const source = kind === 'WasmPlugin' ? wasm : `wasm: {${wasm}}`
      const order = `${phase === undefined ? '' : `, phase: ${phase}`}${priority === undefined ? '' : `, priority: ${priority}`}`
      return `---
apiVersion: extensions.istio.io/v1alpha1
kind: ${kind}
metadata: {name: ${letter}, namespace: shop}
spec: {targetRefs: [{group: '', kind: Service, name: back}], ${source}${order}}
`
    })
    .join('')
}

async function openMesh(t: TestContext, sketches: Sketches): Promise<TestMesh> {
  const mesh = await TestMesh.create(t)
  const mark = new URL('../guests/mark.wasm', import.meta.url).pathname
  copyFileSync(mark, path.join(mesh.directory, 'mesh', 'mark.wasm'))
  mesh.write('mesh.yaml', await openOrderEndpoint(t))
  mesh.write('plugins.yaml', resources(sketches))
  await mesh.up()
  return mesh
}

/** The letters of a request and of its answer, each in the order in which they were added. */
async function orders(mesh: TestMesh): Promise<readonly [string, string]> {
  const [host = '', port] = (await mesh.status()).services[0]?.address?.split(':') ?? []
  const { promise, resolve, reject } = Promise.withResolvers<readonly [string, string]>()
  const request = http.get({ host, port: Number(port), agent: false }, response => {
    let body = ''
    response.setEncoding('utf8').on('data', (text: string) => (body += text))
    response.on('end', () =>
      resolve([body.replaceAll(', ', ''), String(response.headers['x-order']).replaceAll(', ', '')]),
    )
  })
  request.on('error', reject)
  return promise
}

function backwards(text: string): string {
  return text.split('').toReversed().join('')
}

/** Of each phase two, whose priorities are against their names. */
function everyPhase(kinds: readonly Sketch['kind'][]): Sketches {
  const phases = { a: undefined, c: 'STATS', e: 'AUTHZ', g: 'AUTHN' }
  const sketches: Record<string, Sketch> = {}
  for (const [index, [first, phase]] of Object.entries(phases).entries()) {
    const second = String.fromCharCode(first.charCodeAt(0) + 1)
    const kind = kinds[index % kinds.length] ?? 'WasmPlugin'
    sketches[first] = { kind, ...(phase !== undefined && { phase }), priority: -5 }
    sketches[second] = { kind: kinds.at(-1) ?? kind, ...(phase !== undefined && { phase }), priority: 10 }
  }
  return sketches
}

const cases: readonly (readonly [string, readonly Sketch['kind'][]])[] = [
  ['WasmPlugins', ['WasmPlugin']],
  ['TrafficExtensions', ['TrafficExtension']],
  ['plugins of both kinds', ['WasmPlugin', 'TrafficExtension']],
]

for (const [name, kinds] of cases) {
  test(`requests pass ${name} of a Service by phase, then by priority, and responses the other way`, async t => {
    const sketches = everyPhase(kinds)
    const mesh = await openMesh(t, sketches)
    const expected = 'hgfedcba'
    assert.deepEqual(await orders(mesh), [expected, backwards(expected)])
    // An edit moves one within its phase, and one to another phase: requests of later see it so.
    mesh.write(
      'plugins.yaml',
      resources({
        ...sketches,
        g: { ...(sketches['g'] as Sketch), priority: 11 },
        a: { kind: kinds[0] ?? 'WasmPlugin', phase: 'AUTHN' },
      }),
    )
    await mesh.until(async () => (await orders(mesh))[0] === 'ghafedcb')
    assert.deepEqual(await orders(mesh), ['ghafedcb', backwards('ghafedcb')])
  })
}
