import type { PluginKey } from '../../model/index.ts'
import type { Plugin } from '../../wasm/index.ts'

/** A plugin of the configuration on this worker, whatever runs of it at the moment. */
export interface PluginSlot {
  /** Undefined where there is nothing that can run. */
  readonly plugin: Plugin | undefined
  /** What becomes of requests then. */
  readonly isOpen: boolean
}

/** All plugins of a worker. */
export interface PluginSlots {
  /** Another one whenever a slot has come, gone or changed. */
  readonly version: number
  slot(key: PluginKey): PluginSlot
}

/** Those of one chain: asked by each exchange, and looked up only when there is something new to find. */
export class RunningPlugins {
  readonly #slots: PluginSlots
  readonly #keys: readonly PluginKey[]
  #version = -1
  #plugins: readonly Plugin[] | undefined = undefined

  constructor(slots: PluginSlots, keys: readonly PluginKey[]) {
    this.#slots = slots
    this.#keys = keys
  }

  /** Without those that may be missing; undefined where one is missing that may not. */
  get list(): readonly Plugin[] | undefined {
    if (this.#version !== this.#slots.version) {
      this.#version = this.#slots.version
      this.#plugins = this.#find()
    }
    return this.#plugins
  }

  #find(): readonly Plugin[] | undefined {
    const plugins: Plugin[] = []
    for (const key of this.#keys) {
      const { plugin, isOpen } = this.#slots.slot(key)
      if (plugin !== undefined) plugins.push(plugin)
      else if (!isOpen) return undefined
    }
    return plugins
  }
}
