import type { PluginConfig } from './plugin-config.ts'
import type { PluginVm } from './vm.ts'

/** The plugin, as its streams see it. */
export interface StreamOwner {
  readonly config: PluginConfig
  /** The instance for a new stream; undefined while none can be had. */
  acquire(): PluginVm | undefined
  /** The stream has ended; an instance that is no longer wanted goes with its last one. */
  release(vm: PluginVm): void
}
