import { lstat, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { PluginSource } from '../../model/index.ts'
import { sha256Of } from './oci-image.ts'

/**
 * Modules on disk, by the hash of their bytes, and which module a source had
 * when it was fetched last. What is read is verified; whatever can't be read or
 * is not what its name says is as good as not there.
 */
export class ModuleCache {
  readonly #directory: string

  constructor(directory: string) {
    this.#directory = directory
  }

  async read(sha256: string): Promise<Uint8Array | undefined> {
    const path = this.#modulePath(sha256)
    const bytes = await readFile(path).catch(() => undefined)
    if (bytes === undefined || sha256Of(bytes) === sha256) return bytes
    await rm(path, { force: true }).catch(() => {})
    return undefined
  }

  /** Of the last time that it was fetched. */
  async readSource(source: PluginSource): Promise<Uint8Array | undefined> {
    // Whoever else owned the folder could say what a name stands for.
    const owner = await lstat(this.#directory).catch(() => undefined)
    if (owner === undefined || !owner.isDirectory() || owner.uid !== process.getuid?.()) return undefined
    const sha256 = await readFile(this.#sourcePath(source), 'utf8').catch(() => '')
    return /^[0-9a-f]{64}$/.test(sha256) ? this.read(sha256) : undefined
  }

  /** @throws Error of the file system, for example when the disk is full */
  async write(source: PluginSource, sha256: string, bytes: Uint8Array): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 })
    await replaceFile(this.#modulePath(sha256), bytes)
    await replaceFile(this.#sourcePath(source), sha256)
  }

  #modulePath(sha256: string): string {
    return join(this.#directory, `${sha256}.wasm`)
  }

  /** Who may pull is part of it: another secret has to fetch for itself. */
  #sourcePath({ url, sha256 = '', pullSecret = '' }: PluginSource): string {
    return join(this.#directory, `${sha256Of(Buffer.from(JSON.stringify([url, sha256, pullSecret])))}.source`)
  }
}

async function replaceFile(path: string, content: Uint8Array | string): Promise<void> {
  const partial = `${path}.${process.pid}.part`
  await writeFile(partial, content, { mode: 0o600 })
  await rename(partial, path)
}
