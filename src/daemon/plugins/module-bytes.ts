import type { Plugin, PluginKey } from '../../model/index.ts'

/** Whoever has fetched and verified modules: the bytes of one by the SHA-256 that `Plugin.module` names. */
export type ModuleSource = (hash: string) => Uint8Array | undefined

/** Which modules the workers have been given: each is posted once, and all that are used to a worker that starts. */
export class ModuleBytes {
  readonly #source: ModuleSource
  #used: ReadonlyMap<string, Uint8Array> = new Map()

  constructor(source: ModuleSource) {
    this.#source = source
  }

  get all(): ReadonlyMap<string, Uint8Array> {
    return this.#used
  }

  /** @returns what workers need that have those of before */
  update(plugins: ReadonlyMap<PluginKey, Plugin>): ReadonlyMap<string, Uint8Array> {
    const used = new Map<string, Uint8Array>()
    const added = new Map<string, Uint8Array>()
    for (const { module } of plugins.values()) {
      if (module === undefined || used.has(module)) continue
      const known = this.#used.get(module)
      const bytes = known ?? this.#source(module)
      if (bytes === undefined) continue
      used.set(module, bytes)
      if (known === undefined) added.set(module, bytes)
    }
    this.#used = used
    return added
  }
}
