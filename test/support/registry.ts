import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import https from 'node:https'
import http from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { PemPair } from './certificates.ts'
import { freePort } from './ports.ts'
import { until } from './until.ts'

/** Of the only user, `me`, whose password is `secret`: bcrypt, which is all that registries take. */
const userFile = 'me:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n'

/** A `docker-registry` of the test's own that asks for a name and password; ends when disposed. */
export class TestRegistry implements AsyncDisposable {
  readonly port: number
  /** What it says of itself in `auths` of a pull secret. */
  readonly login: { readonly auth: string } = { auth: btoa('me:secret') }
  readonly #directory: string
  readonly #process: ChildProcess
  readonly #hasTls: boolean
  #errors = ''

  private constructor(directory: string, port: number, hasTls: boolean) {
    this.#directory = directory
    this.port = port
    this.#hasTls = hasTls
    this.#process = spawn('docker-registry', ['serve', path.join(directory, 'config.yml')], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#errors += text))
  }

  /** @param files  certificate and key of the registry, which speaks TLS then */
  static async start(files?: PemPair): Promise<TestRegistry> {
    const directory = mkdtempSync(path.join(tmpdir(), 'heddle-registry-'))
    const port = await freePort()
    const tls = files === undefined ? '' : `tls: { certificate: ${files.chain}, key: ${files.key} }, `
    writeFileSync(path.join(directory, 'users'), userFile)
    writeFileSync(
      path.join(directory, 'config.yml'),
      `version: 0.1
log: { level: error }
storage: { filesystem: { rootdirectory: ${directory}/data } }
http: { addr: '127.0.0.1:${port}', ${tls}secret: of this test }
auth: { htpasswd: { realm: test, path: ${directory}/users } }
`,
    )
    const registry = new TestRegistry(directory, port, files !== undefined)
    await until(async () => (await registry.#send('GET', '/v2/')).status === 200, {
      explain: () => `the registry to answer; it said:\n${registry.#errors}`,
    })
    return registry
  }

  /** @param layers  from the lowest on, each with its media type */
  async push(
    repository: string,
    tag: string,
    layers: readonly { readonly mediaType: string; readonly bytes: Uint8Array }[],
  ): Promise<void> {
    const config = { mediaType: 'application/vnd.oci.image.config.v1+json', bytes: Buffer.from('{}') }
    for (const { bytes } of [config, ...layers]) await this.#pushBlob(repository, bytes)
    const manifest = {
      schemaVersion: 2,
      mediaType: manifestType,
      config: descriptor(config),
      layers: layers.map(descriptor),
    }
    const target = `/v2/${repository}/manifests/${tag}`
    const { status, text } = await this.#send('PUT', target, Buffer.from(JSON.stringify(manifest)), manifestType)
    if (status !== 201) throw new Error(`${target} answers ${status}: ${text}`)
  }

  async #pushBlob(repository: string, bytes: Uint8Array): Promise<void> {
    const { headers } = await this.#send('POST', `/v2/${repository}/blobs/uploads/`)
    const { pathname, searchParams } = new URL(headers.location ?? '', 'http://registry')
    searchParams.set('digest', digestOf(bytes))
    const target = `${pathname}?${searchParams.toString()}`
    const { status, text } = await this.#send('PUT', target, bytes, 'application/octet-stream')
    if (status !== 201) throw new Error(`${target} answers ${status}: ${text}`)
  }

  #send(method: string, target: string, body?: Uint8Array, type?: string): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    const headers = {
      authorization: `Basic ${this.login.auth}`,
      'content-length': body?.length ?? 0,
      ...(type === undefined ? {} : { 'content-type': type }),
    }
    const options = { host: '127.0.0.1', port: this.port, method, path: target, headers, agent: false as const }
    // The test is about the puller; who pushes trusts whoever is there.
    const request = this.#hasTls ? https.request({ ...options, rejectUnauthorized: false }) : http.request(options)
    request.on('error', reject)
    request.on('response', response => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }))
    })
    request.end(body)
    return promise
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null) {
      const ended = once(this.#process, 'exit')
      this.#process.kill('SIGKILL')
      await ended
    }
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly text: string
}

const manifestType = 'application/vnd.oci.image.manifest.v1+json'

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

function descriptor({ mediaType, bytes }: { readonly mediaType: string; readonly bytes: Uint8Array }): unknown {
  return { mediaType, digest: digestOf(bytes), size: bytes.length }
}
