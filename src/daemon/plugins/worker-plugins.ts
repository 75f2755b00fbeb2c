import { messageOf } from '../../core/index.ts'
import type { Logger } from '../../core/index.ts'
import type { Plugin as PluginResource, PluginKey } from '../../model/index.ts'
import type { HttpPluginChain, PluginRunner, StreamPluginChain } from '../../proxy/index.ts'
import { compilePlugin, Engine, LocalMetrics, Plugin, pluginConfig } from '../../wasm/index.ts'
import type { PluginModule, PluginServices, PluginState } from '../../wasm/index.ts'
import type { PluginStatus } from './plugin-status.ts'
import { PluginChain } from './plugin-chain.ts'
import { RunningPlugins } from './running-plugins.ts'
import type { PluginSlot, PluginSlots } from './running-plugins.ts'
import { StreamChain } from './stream-chain.ts'
import type { PluginMetricsReport } from './plugin-metrics.ts'

interface Slot extends PluginSlot {
  /** All instances of the plugin count on. */
  readonly metrics: LocalMetrics
  resource: PluginResource
  plugin: Plugin | undefined
  isOpen: boolean
  module: string | undefined
  problem: string | undefined
}

const missing: PluginSlot = { plugin: undefined, isOpen: false }

/**
 * The plugins of one worker. Modules are compiled once for all plugins that have
 * the same. A plugin whose module or configuration changed takes over for new
 * streams when it has started; one that does not start replaces nothing.
 */
export class WorkerPlugins implements PluginRunner, PluginSlots, Disposable {
  version = 0
  readonly #services: PluginServices
  readonly #logger: Logger
  readonly #engine = new Engine()
  readonly #slots = new Map<PluginKey, Slot>()
  readonly #modules = new Map<string, Promise<PluginModule>>()

  readonly #areInspected: boolean

  /** @param options.areInspected  modules run as they are, so that debuggers find their lines, and without limits. @default false */
  constructor(services: PluginServices, logger: Logger, { areInspected = false }: { areInspected?: boolean } = {}) {
    this.#services = services
    this.#logger = logger
    this.#areInspected = areInspected
  }

  /**
   * Before the snapshot that uses them comes into force.
   *
   * @param bytes  of modules that this worker has not had, by their hash
   */
  async update(
    resources: ReadonlyMap<PluginKey, PluginResource>,
    bytes: ReadonlyMap<string, Uint8Array>,
  ): Promise<void> {
    for (const [hash, module] of bytes)
      if (!this.#modules.has(hash)) this.#modules.set(hash, compile(module, this.#areInspected))
    for (const resource of resources.values()) {
      if (this.#slots.get(resource.key)?.resource !== resource) await this.#put(resource)
    }
    this.#forgetModules(resources)
  }

  /** After the snapshot that does not use them any more has come into force: their streams finish. */
  prune(resources: ReadonlyMap<PluginKey, PluginResource>): void {
    for (const [key, { plugin }] of this.#slots) {
      if (resources.has(key)) continue
      plugin?.close()
      this.#slots.delete(key)
      this.version++
    }
  }

  async #put(resource: PluginResource): Promise<void> {
    const slot = this.#slots.get(resource.key) ?? {
      metrics: new LocalMetrics(),
      resource,
      plugin: undefined,
      isOpen: false,
      module: undefined,
      problem: undefined,
    }
    slot.resource = resource
    slot.isOpen = resource.failStrategy === 'fail-open'
    this.#slots.set(resource.key, slot)
    this.version++
    if (resource.module === undefined && resource.problem === undefined) {
      // Whoever fetches it tells what goes wrong there.
      slot.problem = 'its module has not come yet'
      this.#logger.info('a plugin waits for its module', { plugin: resource.key })
      return
    }
    try {
      const module = await this.#moduleOf(resource)
      if (module === undefined) throw new Error(resource.problem ?? 'there is no module')
      this.#start(slot, module)
      this.version++
      slot.module = resource.module
      slot.problem = undefined
    } catch (error) {
      slot.problem = messageOf(error)
      const running = slot.plugin === undefined ? 'nothing' : 'the one before'
      this.#logger.error('a plugin does not start', { plugin: resource.key, problem: slot.problem, running })
    }
  }

  #start(slot: Slot, module: PluginModule): void {
    const config = configOf(slot.resource)
    if (slot.plugin !== undefined) slot.plugin.replace(module, config)
    else {
      const services = { ...this.#services, metrics: slot.metrics }
      slot.plugin = new Plugin(module, config, { engine: this.#engine, services })
    }
  }

  async #moduleOf({ module }: PluginResource): Promise<PluginModule | undefined> {
    return module === undefined ? undefined : await this.#modules.get(module)
  }

  #forgetModules(resources: ReadonlyMap<PluginKey, PluginResource>): void {
    const used = new Set([...resources.values()].map(({ module }) => module))
    for (const hash of this.#modules.keys()) if (!used.has(hash)) this.#modules.delete(hash)
  }

  chain(plugins: readonly PluginKey[]): HttpPluginChain {
    return new PluginChain(new RunningPlugins(this, plugins))
  }

  streamChain(plugins: readonly PluginKey[]): StreamPluginChain {
    return new StreamChain(new RunningPlugins(this, plugins))
  }

  slot(key: PluginKey): PluginSlot {
    return this.#slots.get(key) ?? missing
  }

  status(): readonly PluginStatus[] {
    return [...this.#slots.values()].map(statusOf)
  }

  /** Writes what is to be known to metrics. */
  report(to: PluginMetricsReport): void {
    for (const slot of this.#slots.values()) to.record(statusOf(slot), slot.metrics)
  }

  [Symbol.dispose](): void {
    for (const { plugin } of this.#slots.values()) plugin?.[Symbol.dispose]()
    this.#slots.clear()
    this.version++
  }
}

function statusOf({ plugin, resource, module, problem }: Slot): PluginStatus {
  return { ...(plugin?.state ?? noState(resource.name)), key: resource.key, module, problem }
}

/** Whoever waits for it hears why it failed; nobody may wait. */
function compile(bytes: Uint8Array, isInspected: boolean): Promise<PluginModule> {
  const module = compilePlugin(bytes, { isInspected })
  module.catch(() => {})
  return module
}

const failurePolicies = { 'fail-open': 'open', 'fail-closed': 'closed', reload: 'reload' } as const

function configOf(resource: PluginResource): ReturnType<typeof pluginConfig> {
  const { name, rootId, vmId, vmConfiguration, configuration, environment, kind, failStrategy } = resource
  return pluginConfig({
    name,
    rootId,
    vmId,
    vmConfiguration,
    configuration,
    environment,
    kind,
    failurePolicy: failurePolicies[failStrategy],
  })
}

function noState(name: string): PluginState {
  const failures = { trap: 0, cpu: 0, exit: 0, start: 0 }
  return { name, status: 'failed', instances: 0, memoryBytes: 0, streams: 0, failures, detail: undefined }
}
