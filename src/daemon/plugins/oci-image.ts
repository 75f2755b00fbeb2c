import { createHash } from 'node:crypto'
import { gunzipSync } from 'node:zlib'
import type { PluginSource } from '../../model/index.ts'
import { download, fetchError, type Download } from './download.ts'

// Images by the distribution specification of OCI, and the two layouts in which they hold modules: a layer that is the
// module, and one that is an archive with plugin.wasm.

export interface ImageReference {
  readonly registry: string
  readonly repository: string
  /** A tag, or `sha256:…`. */
  readonly version: string
}

/** As `docker pull` reads names: without a registry it is Docker's own. */
export function parseImage(url: string): ImageReference {
  const text = url.replace(/^oci:\/\//, '')
  const [, name = '', tag, digest] = /^([^@]+?)(?::([\w][\w.-]{0,127}))?(?:@(sha256:[0-9a-f]{64}))?$/.exec(text) ?? []
  if (name === '') throw fetchError(`${url} is no name of an image`)
  const [first = '', ...rest] = name.split('/')
  const hasRegistry = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost')
  const version = digest ?? tag ?? 'latest'
  if (hasRegistry) {
    const registry = first === 'docker.io' ? dockerRegistry : first
    return { registry, repository: rest.join('/'), version }
  }
  return { registry: dockerRegistry, repository: rest.length === 0 ? `library/${name}` : name, version }
}

const dockerRegistry = 'registry-1.docker.io'

const manifestTypes: readonly string[] = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
]

/** Layers that are modules themselves. */
const moduleTypes: ReadonlySet<string> = new Set([
  'application/vnd.module.wasm.content.layer.v1+wasm',
  'application/vnd.wasm.content.layer.v1+wasm',
  'application/wasm',
])

const maxManifestBytes = 4 * 1024 * 1024

export interface PullOptions {
  readonly maxBytes: number
  readonly signal: AbortSignal
}

/**
 * The module of an image, every byte of it verified by digests from the manifest on; the manifest by the reference or
 * the source's `sha256`, where they have one.
 *
 * @throws MeshError MESH_PLUGIN_FETCH
 */
export async function pullModule(source: PluginSource, options: PullOptions): Promise<Uint8Array> {
  const reference = parseImage(source.url)
  const registry = new Registry(reference, source, options)
  const { manifest, digest } = await registry.manifest(reference.version)
  const layers = listOf(manifest['layers']).map(layerOf)
  const module = layers.find(({ mediaType }) => moduleTypes.has(mediaType))
  const bytes =
    module === undefined ? await fromArchive(registry, layers, source, options) : await registry.blob(module)
  const { sha256 } = source
  if (sha256 === undefined || sha256 === digest || sha256 === sha256Of(bytes)) return bytes
  throw fetchError(`${source.url} has the digest ${digest} and its module ${sha256Of(bytes)}, not ${sha256}`)
}

async function fromArchive(
  registry: Registry,
  layers: readonly Layer[],
  source: PluginSource,
  { maxBytes }: PullOptions,
): Promise<Uint8Array> {
  // What is in a later layer covers the same file in those below.
  for (const layer of layers.toReversed()) {
    const found = fileInTar(unzipped(await registry.blob(layer), maxBytes), 'plugin.wasm')
    if (found !== undefined) return found
  }
  throw fetchError(`${source.url} has neither a layer that is a module nor one with a file plugin.wasm`)
}

function unzipped(bytes: Buffer, maxBytes: number): Buffer {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes
  try {
    return gunzipSync(bytes, { maxOutputLength: maxBytes })
  } catch (error) {
    throw fetchError(`a layer can't be unpacked, or to more than ${maxBytes} bytes`, error)
  }
}

const block = 512

/** One regular file of a ustar archive (POSIX.1-1988), by its path without `./`. */
export function fileInTar(archive: Buffer, path: string): Buffer | undefined {
  for (let at = 0; at + block <= archive.length;) {
    const header = archive.subarray(at, at + block)
    const size = Number.parseInt(textOf(header, 124, 12), 8)
    if (header[0] === 0 || !Number.isSafeInteger(size) || size < 0) return undefined
    const name = textOf(header, 0, 100).replace(/^(?:\.?\/)+/, '')
    const isFile = header[156] === 0x30 || header[156] === 0
    const start = at + block
    if (isFile && name === path && start + size <= archive.length) return archive.subarray(start, start + size)
    at = start + Math.ceil(size / block) * block
  }
  return undefined
}

function textOf(header: Buffer, at: number, length: number): string {
  const [text = ''] = header.toString('latin1', at, at + length).split('\0')
  return text.trim()
}

interface Layer {
  readonly mediaType: string
  readonly digest: string
}

type Json = Readonly<Record<string, unknown>>

function layerOf(value: Json): Layer {
  return { mediaType: String(value['mediaType']), digest: String(value['digest']) }
}

function listOf(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.filter((each): each is Json => typeof each === 'object' && each !== null) : []
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

class Registry {
  readonly #reference: ImageReference
  readonly #source: PluginSource
  readonly #options: PullOptions
  readonly #base: string
  #authorization: string | undefined

  constructor(reference: ImageReference, source: PluginSource, options: PullOptions) {
    this.#reference = reference
    this.#source = source
    this.#options = options
    // As Docker: what is on this machine need not have a certificate.
    const isLocal = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?$/.test(reference.registry)
    this.#base = `${isLocal ? 'http' : 'https'}://${reference.registry}/v2/${reference.repository}`
  }

  async manifest(version: string): Promise<{ readonly manifest: Json; readonly digest: string }> {
    const url = `${this.#base}/manifests/${version}`
    const { body } = await this.#get(url, { accept: manifestTypes.join(', ') }, maxManifestBytes)
    const digest = sha256Of(body)
    if (version.startsWith('sha256:') && version !== `sha256:${digest}`) {
      throw fetchError(`${url} is not what its digest says`)
    }
    const manifest = jsonOf(body, url)
    const [first] = listOf(manifest['manifests'])
    if (first === undefined) return { manifest, digest }
    // Modules are for no processor: the first that says so, or simply the first.
    const wasm = listOf(manifest['manifests']).find(({ platform }) => JSON.stringify(platform ?? {}).includes('wasm'))
    const chosen = await this.manifest(String((wasm ?? first)['digest']))
    return this.#source.sha256 === digest ? { ...chosen, digest } : chosen
  }

  async blob({ digest }: Layer): Promise<Buffer> {
    if (!/^sha256:[0-9a-f]{64}$/.test(digest)) throw fetchError(`a layer of ${this.#source.url} has no SHA-256`)
    const url = `${this.#base}/blobs/${digest}`
    const { body } = await this.#get(url, {}, this.#options.maxBytes)
    if (`sha256:${sha256Of(body)}` !== digest) throw fetchError(`${url} is not what its digest says`)
    return body
  }

  async #get(url: string, headers: Readonly<Record<string, string>>, maxBytes: number): Promise<Download> {
    const { signal } = this.#options
    const { authorities } = this.#source
    const send = (): Promise<Download> => {
      const authorization = this.#authorization === undefined ? {} : { authorization: this.#authorization }
      return download(url, { headers: { ...headers, ...authorization }, authorities, maxBytes, signal })
    }
    let answer = await send()
    if (answer.status === 401) {
      this.#authorization = await this.#authorize(String(answer.headers['www-authenticate'] ?? ''))
      answer = await send()
    }
    if (answer.status === 200) return answer
    throw fetchError(`${url} answers ${answer.status}`)
  }

  /** The token flow of registries: https://distribution.github.io/distribution/spec/auth/token/ */
  async #authorize(challenge: string): Promise<string> {
    const basic = credentialsFor(this.#reference.registry, this.#source.pullSecret)
    if (/^basic/i.test(challenge)) {
      if (basic !== undefined) return basic
      throw fetchError(`${this.#reference.registry} asks for a name and password; name a pull secret`)
    }
    const parameters = new Map(
      [...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, key = '', value = '']) => [key, value]),
    )
    const realm = parameters.get('realm')
    if (!/^bearer/i.test(challenge) || realm === undefined || !URL.canParse(realm)) {
      throw fetchError(`${this.#reference.registry} refuses, and does not say whom to ask`)
    }
    const url = new URL(realm)
    const service = parameters.get('service')
    if (service !== undefined) url.searchParams.set('service', service)
    url.searchParams.set('scope', parameters.get('scope') ?? `repository:${this.#reference.repository}:pull`)
    const { authorities } = this.#source
    const headers: Record<string, string> = basic === undefined ? {} : { authorization: basic }
    const { signal } = this.#options
    const answer = await download(url.href, { headers, authorities, maxBytes: maxManifestBytes, signal })
    if (answer.status !== 200) throw fetchError(`${url.origin} answers ${answer.status} when asked for a token`)
    const { token, access_token: accessToken } = jsonOf(answer.body, url.origin)
    const given = token ?? accessToken
    if (typeof given !== 'string') throw fetchError(`${url.origin} gives no token`)
    return `Bearer ${given}`
  }
}

function jsonOf(body: Buffer, url: string): Json {
  try {
    const value: unknown = JSON.parse(body.toString())
    if (typeof value === 'object' && value !== null) return value as Json
  } catch {
    // Told below: it is as good as no answer.
  }
  throw fetchError(`${url} gives no JSON`)
}

/** `Basic …` for a registry, of the text of a `.dockerconfigjson`. */
export function credentialsFor(registry: string, dockerConfig: string | undefined): string | undefined {
  if (dockerConfig === undefined) return undefined
  const { auths } = jsonOf(Buffer.from(dockerConfig), 'the pull secret')
  if (typeof auths !== 'object' || auths === null) return undefined
  for (const [key, value] of Object.entries(auths as Record<string, Json>)) {
    const host = key.replace(/^https?:\/\//, '').replace(/\/.*$/, '')
    const isDocker = registry === dockerRegistry && /^(?:index\.)?docker\.io$/.test(host)
    if (host !== registry && !isDocker) continue
    const { auth, username, password } = value
    if (typeof auth === 'string' && auth !== '') return `Basic ${auth}`
    if (typeof username !== 'string' || typeof password !== 'string') continue
    return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
  }
  return undefined
}
