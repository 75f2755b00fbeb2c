import type { PluginKey } from '../../model/index.ts'
import type { PluginState } from '../../wasm/index.ts'

/** What operators see of a plugin on one worker. */
export interface PluginStatus extends PluginState {
  readonly key: PluginKey
  /** Of the module that runs; undefined where none does. */
  readonly module: string | undefined
  /** Why what is configured does not run; what ran before goes on. */
  readonly problem: string | undefined
}
