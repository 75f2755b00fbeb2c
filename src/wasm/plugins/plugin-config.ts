import type { HostFunction } from '../engine/engine.ts'
import type { GuestMemory } from '../engine/guest-memory.ts'
import { defaultPluginLimits } from './limits.ts'
import type { PluginLimits } from './limits.ts'

/** How a plugin is to run; made by `pluginConfig`. */
export interface PluginConfig {
  /** For logs, metrics and the property `plugin_name`. */
  readonly name: string
  /** Which of the module's root contexts; the C++ and AssemblyScript SDKs register theirs by it. */
  readonly rootId: string
  /** Who shares data and queues. */
  readonly vmId: string
  readonly vmConfiguration: Uint8Array
  readonly configuration: Uint8Array
  /** All that the plugin sees of an environment. */
  readonly environment: Readonly<Record<string, string>>
  /** `service`: no streams. */
  readonly kind: 'http' | 'tcp' | 'service'
  /**
   * What becomes of streams when the plugin cannot say: `open` lets them pass, the others answer 503. They differ in
   * requests of which a failed instance had let a part pass: `closed` ends them, by `reload` the next instance has the rest.
   */
  readonly failurePolicy: 'open' | 'closed' | 'reload'
  /** `body`: after a pause in the headers' callback the body's callbacks come all the same; Envoy's `allow_on_headers_stop_iteration`. */
  readonly headersPause: 'all' | 'headers'
  /** Host functions, WASI functions and callbacks that the plugin may use. Undefined: all. */
  readonly capabilities: ReadonlySet<string> | undefined
  /** Host functions beyond the ABI, by their name in the module `env`. */
  readonly hostFunctions: (guest: { readonly memory: GuestMemory }) => Readonly<Record<string, HostFunction>>
  readonly limits: PluginLimits
}

/** Texts instead of bytes, and a default for everything but the name. */
export type PluginOptions = Pick<PluginConfig, 'name'> &
  Partial<Omit<PluginConfig, 'vmConfiguration' | 'configuration' | 'limits'>> & {
    readonly vmConfiguration?: string | Uint8Array
    readonly configuration?: string | Uint8Array
    readonly limits?: Partial<PluginLimits>
  }

export function pluginConfig(options: PluginOptions): PluginConfig {
  return {
    rootId: '',
    vmId: '',
    environment: {},
    kind: 'http',
    failurePolicy: 'closed',
    headersPause: 'all',
    capabilities: undefined,
    hostFunctions: () => ({}),
    ...options,
    vmConfiguration: bytesOf(options.vmConfiguration),
    configuration: bytesOf(options.configuration),
    limits: { ...defaultPluginLimits, ...options.limits },
  }
}

function bytesOf(text: string | Uint8Array | undefined): Uint8Array {
  return typeof text === 'string' ? Buffer.from(text, 'utf8') : (text ?? new Uint8Array(0))
}

export function isAllowed(config: PluginConfig, name: string): boolean {
  return config.capabilities === undefined || config.capabilities.has(name)
}
