import { readFile, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { messageOf, type Clock, type Logger, type Timer } from '../../core/index.ts'
import type { MeshSnapshot, Plugin, PluginKey, PluginSource } from '../../model/index.ts'
import { download, fetchError } from './download.ts'
import { ModuleCache } from './module-cache.ts'
import { pullModule, sha256Of } from './oci-image.ts'

/** Larger ones are no plugins: those of Go have 8 MB with their runtime. A registry could fill memory and disk otherwise. */
const maxModuleBytes = 64 * 1024 * 1024

/** Istio's bound of one fetch; a registry that is slower is as good as down. */
const fetchTimeoutMs = 15_000

const firstPauseMs = 1000
const maxPauseMs = 60_000

/** How soon a new file takes over. Looking costs one stat(2) per file. */
const filePeriodMs = 1000

export interface PluginModulesOptions {
  readonly directory: string
  readonly clock: Clock
  readonly logger: Logger
  /** Throws for what is no module that could run; it is never handed on then. */
  readonly validate: (bytes: Uint8Array) => Promise<unknown>
  /** What workers get in place of a module that has been verified. @default the module */
  readonly prepare?: (bytes: Uint8Array, url: string) => Promise<Uint8Array>
  /** A module came, or why there is none changed. */
  readonly onChange: () => void
}

/** Beside the agent's socket: only the agent's user has a say there. */
export function moduleDirectory(socketPath: string): string {
  return join(dirname(socketPath), 'plugins')
}

interface Entry {
  source: PluginSource
  /** Of this source or an earlier one: nothing replaces what works but what works. */
  module: string | undefined
  problem: string | undefined
  /** Of the file that was read last. */
  fileStamp: string
  timer: Timer | undefined
  abort: AbortController
  overlaid: { readonly plugin: Plugin; readonly result: Plugin } | undefined
}

/**
 * The modules of plugins, fetched from where their resources say, and kept as
 * long as one of them is in use. Fetches that fail are tried again after pauses
 * that double.
 */
export class PluginModules implements Disposable {
  readonly #options: PluginModulesOptions
  readonly #cache: ModuleCache
  readonly #entries = new Map<PluginKey, Entry>()
  readonly #bytes = new Map<string, Uint8Array>()
  #changed: PromiseWithResolvers<void> | undefined
  #isClosed = false

  constructor(options: PluginModulesOptions) {
    this.#options = options
    this.#cache = new ModuleCache(options.directory)
  }

  update(plugins: ReadonlyMap<PluginKey, Plugin>): void {
    for (const [key, entry] of this.#entries) {
      if (plugins.has(key)) continue
      stop(entry)
      this.#entries.delete(key)
    }
    for (const [key, plugin] of plugins) this.#follow(key, plugin)
    this.#forgetUnused()
    this.#changed?.resolve()
    this.#changed = undefined
  }

  /** Fills in `module` and `problem`; plugins without a change stay the same objects. */
  apply(snapshot: MeshSnapshot): MeshSnapshot {
    if (snapshot.plugins.size === 0) return snapshot
    const plugins = new Map<PluginKey, Plugin>()
    for (const [key, plugin] of snapshot.plugins) {
      const entry = this.#entries.get(key)
      plugins.set(key, entry === undefined ? plugin : overlay(plugin, entry))
    }
    return { ...snapshot, plugins }
  }

  /** Of a module that a plugin of the last `apply` names. */
  bytes(sha256: string): Uint8Array | undefined {
    return this.#bytes.get(sha256)
  }

  /** Resolves when each plugin has a module, or a reason why not; a fetch that takes too long is one. */
  async settled(): Promise<void> {
    while (!this.#isClosed && [...this.#entries.values()].some(isPending)) {
      this.#changed ??= Promise.withResolvers()
      await this.#changed.promise
    }
  }

  [Symbol.dispose](): void {
    this.#isClosed = true
    this.#tell()
    for (const entry of this.#entries.values()) stop(entry)
    this.#entries.clear()
    this.#bytes.clear()
  }

  #follow(key: PluginKey, plugin: Plugin): void {
    const known = this.#entries.get(key)
    if (known !== undefined && isDeepStrictEqual(known.source, plugin.source)) return
    if (known !== undefined) stop(known)
    const entry: Entry = {
      source: plugin.source,
      module: known?.module,
      problem: plugin.problem,
      fileStamp: '',
      timer: undefined,
      abort: new AbortController(),
      overlaid: undefined,
    }
    this.#entries.set(key, entry)
    // A reference of the resource that can't be followed: not the module but the resource is wrong.
    if (plugin.problem === undefined) void this.#fetch(key, entry, firstPauseMs)
  }

  async #fetch(key: PluginKey, entry: Entry, pauseMs: number): Promise<void> {
    const { clock } = this.#options
    const isFile = entry.source.url.startsWith('file:')
    const { signal } = entry.abort
    let next = isFile ? filePeriodMs : undefined
    try {
      const bytes = isFile ? await this.#readFile(entry) : await this.#obtain(entry.source, signal)
      if (bytes !== undefined && !signal.aborted) await this.#take(key, entry, bytes)
    } catch (error) {
      if (signal.aborted) return
      this.#fail(key, entry, messageOf(error))
      next = isFile ? filePeriodMs : pauseMs
    }
    if (signal.aborted || next === undefined) return
    const nextPauseMs = isFile ? firstPauseMs : Math.min(maxPauseMs, pauseMs * 2)
    entry.timer = clock.after(next, () => void this.#fetch(key, entry, nextPauseMs))
  }

  async #take(key: PluginKey, entry: Entry, bytes: Uint8Array): Promise<void> {
    const sha256 = sha256Of(bytes)
    const { validate, prepare } = this.#options
    if (!this.#bytes.has(sha256)) await validate(bytes)
    const prepared = prepare === undefined ? bytes : await prepare(bytes, entry.source.url)
    if (entry.abort.signal.aborted) return
    if (entry.module === sha256 && entry.problem === undefined) return
    this.#bytes.set(sha256, prepared)
    entry.module = sha256
    entry.problem = undefined
    this.#options.logger.info('a module of a plugin came', { plugin: key, url: entry.source.url, sha256 })
    this.#tell()
    this.#forgetUnused()
  }

  #fail(key: PluginKey, entry: Entry, message: string): void {
    if (entry.problem === message) return
    entry.problem = message
    this.#options.logger.warn('a module of a plugin could not be had', { plugin: key, error: message })
    this.#tell()
  }

  #tell(): void {
    this.#changed?.resolve()
    this.#changed = undefined
    if (!this.#isClosed) this.#options.onChange()
  }

  /** @returns undefined while the file is the one that was read already */
  async #readFile(entry: Entry): Promise<Uint8Array | undefined> {
    const path = entry.source.url.slice('file://'.length)
    const found = await stat(path, { bigint: true }).catch((error: unknown) => {
      throw fetchError(`${path} can't be read`, error)
    })
    const stamp = `${found.ino} ${found.size} ${found.mtimeNs}`
    if (stamp === entry.fileStamp) return undefined
    if (found.size > maxModuleBytes) throw fetchError(`${path} has more than ${maxModuleBytes} bytes`)
    const bytes = await readFile(path).catch((error: unknown) => {
      throw fetchError(`${path} can't be read`, error)
    })
    entry.fileStamp = stamp
    return verified(entry.source, bytes)
  }

  async #obtain(source: PluginSource, signal: AbortSignal): Promise<Uint8Array> {
    if (source.pull === 'if-not-present') {
      const kept = await this.#cache.readSource(source)
      if (kept !== undefined) return kept
    }
    const limits = { maxBytes: maxModuleBytes, signal: AbortSignal.any([signal, AbortSignal.timeout(fetchTimeoutMs)]) }
    const bytes = source.url.startsWith('oci:') ? await pullModule(source, limits) : await getModule(source, limits)
    await this.#cache.write(source, sha256Of(bytes), bytes).catch((error: unknown) => {
      this.#options.logger.warn('a module could not be kept on disk', { error: messageOf(error) })
    })
    return bytes
  }

  #forgetUnused(): void {
    const used = new Set([...this.#entries.values()].map(({ module }) => module))
    for (const sha256 of this.#bytes.keys()) if (!used.has(sha256)) this.#bytes.delete(sha256)
  }
}

async function getModule(
  source: PluginSource,
  limits: { readonly maxBytes: number; readonly signal: AbortSignal },
): Promise<Uint8Array> {
  const { status, body } = await download(source.url, { authorities: source.authorities, ...limits })
  if (status !== 200) throw fetchError(`${source.url} answers ${status}`)
  return verified(source, body)
}

function verified({ url, sha256 }: PluginSource, bytes: Uint8Array): Uint8Array {
  if (sha256 === undefined || sha256 === sha256Of(bytes)) return bytes
  throw fetchError(`${url} has the SHA-256 ${sha256Of(bytes)}, not ${sha256}`)
}

function isPending({ module, problem }: Entry): boolean {
  return module === undefined && problem === undefined
}

function stop(entry: Entry): void {
  entry.abort.abort()
  entry.timer?.[Symbol.dispose]()
}

function overlay(plugin: Plugin, entry: Entry): Plugin {
  const problem = plugin.problem ?? entry.problem
  const last = entry.overlaid
  if (last?.plugin === plugin && last.result.module === entry.module && last.result.problem === problem) {
    return last.result
  }
  const result = { ...plugin, module: entry.module, problem }
  entry.overlaid = { plugin, result }
  return result
}
