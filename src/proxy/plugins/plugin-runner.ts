import type { HttpPluginChain } from './http-plugins.ts'
import type { StreamPluginChain } from './stream-plugins.ts'

/** Whoever runs plugins. `proxy` knows no WebAssembly: the daemon joins the two. */
export interface PluginRunner {
  /** @param plugins  keys, at least one, of the snapshot that comes into force next */
  chain(plugins: readonly string[]): HttpPluginChain
  /** Likewise, for connections that are forwarded as bytes. */
  streamChain(plugins: readonly string[]): StreamPluginChain
}
