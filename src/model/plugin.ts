/** `WasmPlugin shop/auth`, `TrafficExtension shop/auth`, `EnvoyExtensionPolicy shop/stamp/0` (by its place in the list). */
export type PluginKey = string

/**
 * A Proxy-Wasm plugin as a resource configures it. Where it runs is told by the
 * lists of virtual hosts, attachments and rules, each in the order in which
 * requests pass them.
 */
export interface Plugin {
  readonly key: PluginKey
  /** For logs, metrics and the property `plugin_name`. */
  readonly name: string
  /** `http` for lists of HTTP routes and their hosts, `tcp` for those of streams. */
  readonly kind: 'http' | 'tcp'
  readonly rootId: string
  readonly vmId: string
  readonly vmConfiguration: Uint8Array
  readonly configuration: Uint8Array
  /** All that the plugin sees of an environment. */
  readonly environment: Readonly<Record<string, string>>
  /**
   * What becomes of streams when the plugin can't decide, also for want of a module: 503 (a close for TCP), or on
   * as they are. `reload` is closed for what the failure hit, and a new instance for the next.
   */
  readonly failStrategy: 'fail-closed' | 'fail-open' | 'reload'
  readonly source: PluginSource
  /**
   * SHA-256 of the module in lower-case hex; workers get the bytes by it, once for all plugins that have the same.
   * Undefined: there is none (yet), and `failStrategy` decides.
   */
  readonly module: string | undefined
  /** Why there is no module, or why a newer one could not take its place; for people. */
  readonly problem: string | undefined
}

/** Where a module comes from. */
export interface PluginSource {
  /** `file:///srv/auth.wasm`, `https://…` or `oci://registry/repository:tag`; empty in a resource that can't be read. */
  readonly url: string
  /** Lower-case hex: of the module for files and HTTP, of the image's manifest or of its module for OCI. */
  readonly sha256: string | undefined
  /** Whether a name that may change is looked up again with every new version of the resource. */
  readonly pull: 'if-not-present' | 'always'
  /** The text of a `kubernetes.io/dockerconfigjson` Secret. */
  readonly pullSecret: string | undefined
  /** PEM of the authorities of `https:` and registries. @default those of the system */
  readonly authorities?: string
}
