import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

export interface PemPair {
  readonly chain: string
  readonly key: string
}

export interface LeafOptions {
  readonly names?: readonly string[]
  readonly uris?: readonly string[]
  /** 0 has expired at once. @default 30 */
  readonly days?: number
  readonly type?: 'ec' | 'rsa'
  readonly subject?: string
}

/** An authority made by the openssl program, and what it signs; its files go when it is disposed. */
export class TestAuthority implements Disposable {
  readonly directory: string
  #serial = 0

  constructor(name = 'test authority') {
    this.directory = mkdtempSync(path.join(tmpdir(), 'heddle-ca-'))
    const out = ['-keyout', this.#file('ca.key'), '-out', this.#file('ca.crt')]
    openssl('req', '-x509', ...newKey('ec'), ...out, '-days', '30', '-subj', `/CN=${name}`)
  }

  /** PEM. */
  get certificate(): string {
    return readFileSync(this.#file('ca.crt'), 'utf8')
  }

  get certificateFile(): string {
    return this.#file('ca.crt')
  }

  issue(options: LeafOptions): PemPair {
    const { chain, key } = this.issueFiles(options)
    return { chain: readFileSync(chain, 'utf8'), key: readFileSync(key, 'utf8') }
  }

  /** @returns names of the files, for programs that want such */
  issueFiles(options: LeafOptions): PemPair {
    const { names = [], uris = [], days = 30, type = 'ec', subject = '/CN=test' } = options
    const id = `leaf-${++this.#serial}`
    const [key, request, chain, extensions] = ['key', 'csr', 'crt', 'ext'].map(end => this.#file(`${id}.${end}`)) as [
      string,
      string,
      string,
      string,
    ]
    const alternatives = [...names.map(nameEntry), ...uris.map(uri => `URI:${uri}`)]
    writeFileSync(extensions, alternatives.length === 0 ? '' : `subjectAltName=${alternatives.join(',')}\n`)
    openssl('req', ...newKey(type), '-keyout', key, '-out', request, '-subj', subject)
    const authority = ['-CA', this.#file('ca.crt'), '-CAkey', this.#file('ca.key'), '-CAcreateserial']
    openssl('x509', '-req', '-in', request, ...authority, '-days', `${days}`, '-extfile', extensions, '-out', chain)
    return { chain, key }
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true })
  }

  #file(name: string): string {
    return path.join(this.directory, name)
  }
}

function nameEntry(name: string): string {
  return /^[\d.]+$/.test(name) ? `IP:${name}` : `DNS:${name}`
}

function newKey(type: 'ec' | 'rsa'): string[] {
  const curve = ['-pkeyopt', 'ec_paramgen_curve:prime256v1']
  return ['-newkey', type === 'ec' ? 'ec' : 'rsa:2048', ...(type === 'ec' ? curve : []), '-nodes']
}

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}
