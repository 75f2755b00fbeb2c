import { silentLogger, systemClock } from '../../src/core/index.ts'
import type { AccessRecord, Backend, Plugin } from '../../src/model/index.ts'
import { PluginCallouts } from '../../src/daemon/plugins/plugin-callouts.ts'
import { WorkerPlugins } from '../../src/daemon/plugins/worker-plugins.ts'
import { offlineServices } from '../../src/wasm/index.ts'
import { guest } from '../guests/probe.ts'
import { keepRecords } from './kept-records.ts'
import { freePort } from './ports.ts'
import { buildSnapshot, ProxyUnderTest } from './proxy.ts'
import type { MeshSketch } from './proxy.ts'

/** A plugin in few words; `guest` is a module of test/guests. */
export type PluginSketch = Partial<Plugin> & { readonly guest: string }

export interface PluggedSketch extends MeshSketch {
  readonly plugins: Readonly<Record<string, PluginSketch>>
}

/** A proxy in this process that runs plugins, joined as a worker joins them. */
export class PluggedProxy implements AsyncDisposable {
  readonly log: AccessRecord[] = []
  readonly lines: string[] = []
  readonly plugins: WorkerPlugins
  readonly proxy: ProxyUnderTest
  readonly port: number
  #backends: ReadonlyMap<string, Backend> = new Map()
  #version = 0

  private constructor(port: number) {
    this.port = port
    const callouts = new PluginCallouts({
      clock: systemClock,
      sender: () => this.proxy,
      backends: () => this.#backends,
    })
    const services = offlineServices({
      callouts,
      log: (level, plugin, text) => this.lines.push(`${level} ${plugin}: ${text}`),
    })
    this.plugins = new WorkerPlugins(services, silentLogger)
    this.proxy = new ProxyUnderTest({
      accessLog: keepRecords(this.log),
      plugins: this.plugins,
    })
  }

  static async start(sketch: PluggedSketch): Promise<PluggedProxy> {
    const proxy = new PluggedProxy(await freePort())
    await proxy.apply(sketch)
    return proxy
  }

  async apply(sketch: PluggedSketch): Promise<void> {
    const plugins = new Map<string, Plugin>()
    const bytes = new Map<string, Uint8Array>()
    for (const [key, { guest: name, ...rest }] of Object.entries(sketch.plugins)) {
      const isKnown = name !== ''
      plugins.set(key, pluginOf(key, isKnown ? name : undefined, rest))
      if (isKnown) bytes.set(name, await guest(name))
    }
    const snapshot = { ...buildSnapshot(sketch, this.port, ++this.#version), plugins }
    await this.plugins.update(plugins, bytes)
    this.#backends = snapshot.backends
    const failures = await this.proxy.apply(snapshot)
    for (const [listener, reason] of failures) throw new Error(`${listener}: ${reason}`)
    this.plugins.prune(plugins)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.proxy[Symbol.asyncDispose]()
    this.plugins[Symbol.dispose]()
  }
}

/** @param module  as the runner knows it; undefined where there is none */
export function pluginOf(key: string, module: string | undefined, rest: Partial<Plugin>): Plugin {
  return {
    key,
    name: key,
    kind: 'http',
    rootId: '',
    vmId: '',
    vmConfiguration: new Uint8Array(0),
    configuration: new Uint8Array(0),
    environment: {},
    failStrategy: 'fail-closed',
    source: { url: '', sha256: undefined, pull: 'if-not-present', pullSecret: undefined },
    module,
    problem: undefined,
    ...rest,
  }
}
