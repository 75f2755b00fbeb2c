import assert from 'node:assert/strict'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { gzipSync } from 'node:zlib'
import { silentLogger, systemClock } from '../../core/index.ts'
import { emptySnapshot, type Plugin, type PluginSource } from '../../model/index.ts'
import { credentialsFor, fileInTar, parseImage, sha256Of } from './oci-image.ts'
import { PluginModules } from './plugin-modules.ts'

const moduleA = Buffer.from('module a')
const moduleB = Buffer.from('module b')

function plugin(url: string, source: Partial<PluginSource> = {}): Plugin {
  return {
    key: 'WasmPlugin shop/p',
    name: 'shop.p',
    kind: 'http',
    rootId: '',
    vmId: '',
    vmConfiguration: new Uint8Array(0),
    configuration: new Uint8Array(0),
    environment: {},
    failStrategy: 'fail-closed',
    source: { url, sha256: undefined, pull: 'if-not-present', pullSecret: undefined, ...source },
    module: undefined,
    problem: undefined,
  }
}

async function directory(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'heddle-modules-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}

async function serve(t: TestContext, listener: RequestListener): Promise<string> {
  const server: Server = createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Modules that begin with `bad` do not compile. */
class Rig {
  readonly modules: PluginModules
  #plugin: Plugin | undefined
  #changed: (() => void) | undefined

  constructor(t: TestContext, path: string) {
    this.modules = new PluginModules({
      directory: path,
      clock: systemClock,
      logger: silentLogger,
      validate: bytes =>
        Buffer.from(bytes).toString().startsWith('bad')
          ? Promise.reject(new TypeError('it does not compile'))
          : Promise.resolve(),
      onChange: () => this.#changed?.(),
    })
    t.after(() => {
      this.modules[Symbol.dispose]()
    })
  }

  get now(): Plugin {
    assert.ok(this.#plugin !== undefined)
    const plugins = new Map([[this.#plugin.key, this.#plugin]])
    return this.modules.apply({ ...emptySnapshot, plugins }).plugins.get(this.#plugin.key) ?? this.#plugin
  }

  get bytes(): string {
    return Buffer.from(this.modules.bytes(this.now.module ?? '') ?? []).toString()
  }

  set(next: Plugin): void {
    this.#plugin = next
    this.modules.update(new Map([[next.key, next]]))
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      await new Promise<void>(resolve => {
        this.#changed = resolve
      })
    }
  }
}

test('a file is watched, and what does not compile never replaces what does', async t => {
  const path = await directory(t)
  const file = join(path, 'a.wasm')
  await writeFile(file, moduleA)
  const rig = new Rig(t, join(path, 'cache'))
  rig.set(plugin(`file://${file}`))
  await rig.until(() => rig.bytes === 'module a')
  await writeFile(file, 'bad module')
  await rig.until(() => rig.now.problem !== undefined)
  assert.equal(rig.now.problem, 'it does not compile')
  assert.equal(rig.bytes, 'module a')
  await writeFile(file, moduleB)
  await rig.until(() => rig.bytes === 'module b')
  assert.equal(rig.now.problem, undefined)
  assert.equal(rig.now, rig.now)
})

test('what a server gives is pinned by its hash, kept on disk, and verified when it is read', async t => {
  const path = await directory(t)
  let requests = 0
  const host = await serve(t, (_request, response) => {
    requests++
    response.end(moduleA)
  })
  const first = new Rig(t, path)
  first.set(plugin(`http://${host}/a.wasm`, { sha256: sha256Of(moduleA) }))
  await first.until(() => first.bytes === 'module a')
  const second = new Rig(t, path)
  second.set(plugin(`http://${host}/a.wasm`, { sha256: sha256Of(moduleA) }))
  await second.until(() => second.bytes === 'module a')
  assert.equal(requests, 1)
  const [name = ''] = (await readdir(path)).filter(each => each.endsWith('.wasm'))
  await writeFile(join(path, name), 'spoilt')
  const third = new Rig(t, path)
  third.set(plugin(`http://${host}/a.wasm`, { sha256: sha256Of(moduleA) }))
  await third.until(() => third.bytes === 'module a')
  assert.equal(requests, 2)
  assert.deepEqual(await readFile(join(path, name)), moduleA)
})

test('a wrong hash, a server that refuses: told, and what ran before stays', async t => {
  const path = await directory(t)
  const host = await serve(t, (request, response) => {
    if (request.url === '/gone') response.statusCode = 404
    response.end(moduleA)
  })
  const rig = new Rig(t, path)
  rig.set(plugin(`http://${host}/a`, { sha256: sha256Of(moduleB) }))
  await rig.until(() => rig.now.problem !== undefined)
  assert.equal(rig.now.module, undefined)
  assert.match(rig.now.problem ?? '', /has the SHA-256 .*, not /)
  rig.set(plugin(`http://${host}/a`))
  await rig.until(() => rig.bytes === 'module a')
  rig.set(plugin(`http://${host}/gone`))
  await rig.until(() => rig.now.problem !== undefined)
  assert.match(rig.now.problem ?? '', /answers 404/)
  assert.equal(rig.bytes, 'module a')
})

test('a fetch that failed is made again', async t => {
  let requests = 0
  const host = await serve(t, (_request, response) => {
    if (++requests === 1) response.statusCode = 503
    response.end(moduleA)
  })
  const rig = new Rig(t, await directory(t))
  rig.set(plugin(`http://${host}/a`))
  await rig.until(() => rig.bytes === 'module a')
  assert.equal(requests, 2)
})

/** A ustar archive of one file. */
function tar(name: string, content: Buffer): Buffer {
  const header = Buffer.alloc(512)
  header.write(name)
  header.write(content.length.toString(8).padStart(11, '0'), 124)
  header.write('0', 156)
  return Buffer.concat([header, content, Buffer.alloc(512 - (content.length % 512)), Buffer.alloc(1024)])
}

interface Shelf {
  readonly mediaType: string
  readonly layer: Buffer
}

/** As the distribution specification of OCI has it: a token first, then manifest and blob, which is elsewhere. */
function registry({ mediaType, layer }: Shelf, seen: string[]): RequestListener {
  const digest = `sha256:${sha256Of(layer)}`
  const manifest = Buffer.from(
    JSON.stringify({ schemaVersion: 2, layers: [{ mediaType, digest, size: layer.length }] }),
  )
  return (request, response) => {
    const { host = '', authorization = '' } = request.headers
    const url = request.url ?? ''
    seen.push(`${url} ${authorization}`.trim())
    if (url.startsWith('/token')) {
      response.statusCode = authorization === `Basic ${btoa('me:secret')}` ? 200 : 403
      response.end(JSON.stringify({ token: 'T' }))
    } else if (url === '/storage') {
      response.end(layer)
    } else if (authorization !== 'Bearer T') {
      response.setHeader(
        'www-authenticate',
        `Bearer realm="http://${host}/token",service="reg",scope="repository:p/a:pull"`,
      )
      response.statusCode = 401
      response.end()
    } else if (url === '/v2/p/a/manifests/1.0' || url === `/v2/p/a/manifests/sha256:${sha256Of(manifest)}`) {
      response.end(manifest)
    } else if (url === `/v2/p/a/blobs/${digest}`) {
      response.writeHead(307, { location: '/storage' }).end()
    } else {
      response.statusCode = 404
      response.end()
    }
  }
}

const layouts: readonly Shelf[] = [
  { mediaType: 'application/vnd.module.wasm.content.layer.v1+wasm', layer: moduleA },
  { mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip', layer: gzipSync(tar('./plugin.wasm', moduleA)) },
  { mediaType: 'application/vnd.oci.image.layer.v1.tar', layer: tar('plugin.wasm', moduleA) },
]

for (const shelf of layouts) {
  test(`an image is pulled with its secret: ${shelf.mediaType}`, async t => {
    const seen: string[] = []
    const host = await serve(t, registry(shelf, seen))
    const pullSecret = JSON.stringify({ auths: { [host]: { auth: btoa('me:secret') } } })
    const rig = new Rig(t, await directory(t))
    rig.set(plugin(`oci://${host}/p/a:1.0`, { pullSecret }))
    await rig.until(() => rig.now.module !== undefined || rig.now.problem !== undefined)
    assert.equal(rig.now.problem, undefined)
    assert.equal(rig.bytes, 'module a')
    assert.equal(seen[1], `/token?service=reg&scope=repository%3Ap%2Fa%3Apull Basic ${btoa('me:secret')}`)
  })
}

test('without the secret, with another hash, or without a module an image is refused', async t => {
  const host = await serve(t, registry({ mediaType: 'application/x-tar', layer: tar('README', moduleA) }, []))
  const pullSecret = JSON.stringify({ auths: { [`https://${host}/v1/`]: { username: 'me', password: 'secret' } } })
  const cases: readonly (readonly [Partial<PluginSource>, RegExp])[] = [
    [{}, /answers 403 when asked for a token/],
    [{ pullSecret }, /neither a layer that is a module nor one with a file plugin\.wasm/],
  ]
  for (const [source, problem] of cases) {
    const rig = new Rig(t, await directory(t))
    rig.set(plugin(`oci://${host}/p/a:1.0`, source))
    await rig.until(() => rig.now.problem !== undefined)
    assert.match(rig.now.problem ?? '', problem)
  }
  const [artifact] = layouts
  assert.ok(artifact !== undefined)
  const other = await serve(t, registry(artifact, []))
  const rig = new Rig(t, await directory(t))
  const secret = JSON.stringify({ auths: { [other]: { auth: btoa('me:secret') } } })
  rig.set(plugin(`oci://${other}/p/a:1.0`, { pullSecret: secret, sha256: sha256Of(moduleB) }))
  await rig.until(() => rig.now.problem !== undefined)
  assert.match(rig.now.problem ?? '', /has the digest .* and its module .*, not /)
})

test('names of images', () => {
  const digest = `sha256:${'a'.repeat(64)}`
  const cases: readonly (readonly [string, string])[] = [
    ['oci://auth', 'registry-1.docker.io library/auth latest'],
    ['oci://me/auth:1', 'registry-1.docker.io me/auth 1'],
    ['oci://docker.io/me/auth', 'registry-1.docker.io me/auth latest'],
    ['oci://localhost:5000/a/b/c:v2', 'localhost:5000 a/b/c v2'],
    [`oci://r.example/a:1@${digest}`, `r.example a ${digest}`],
  ]
  for (const [url, expected] of cases) {
    const { registry: host, repository, version } = parseImage(url)
    assert.equal(`${host} ${repository} ${version}`, expected)
  }
  assert.throws(() => parseImage('oci://r.example/a@sha256:short'), { code: 'MESH_PLUGIN_FETCH' })
  assert.equal(credentialsFor('r.example', '{"auths":{"s.example":{"auth":"x"}}}'), undefined)
  assert.equal(fileInTar(Buffer.alloc(100), 'plugin.wasm'), undefined)
})
