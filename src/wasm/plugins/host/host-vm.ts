import type { IdTable } from '../../../core/index.ts'
import type { Output } from './output.ts'
import type { GuestMemory } from '../../engine/guest-memory.ts'
import type { HostFunction } from '../../engine/engine.ts'
import type { Status } from '../abi.ts'
import type { Context, Root } from '../context.ts'
import type { DataBuffer } from '../data-buffer.ts'
import type { PluginConfig } from '../plugin-config.ts'
import type { PluginModule } from '../plugin-module.ts'
import type { PluginServices } from '../ports.ts'

/** An instance as host functions see it; `PluginVm` is the one there is. */
export interface HostVm {
  readonly memory: GuestMemory
  readonly config: PluginConfig
  readonly module: PluginModule
  readonly services: PluginServices
  readonly contexts: Pick<IdTable<Context>, 'get'>
  readonly root: Root
  readonly output: Output
  /** Whether `proxy_on_vm_start` runs. */
  readonly isStartingVm: boolean
  /** Whom the plugin chose instead of the context whose callback runs; 0 for nobody. */
  effectiveId: number
  /** The context on which a host function acts; where there is none, or the time is over, this ends the instance. */
  target(): Context
  /** For host functions that are allowed at any moment: ends the instance when its time is over. */
  countCall(): void
  /** Gives bytes to the module: memory of its own, whose place and length are written where it asked. */
  give(bytes: Uint8Array, start: number, length: number, outPointer: number, outLength: number): Status
  /** Memory from the module. @returns 0 when it has none, or says nonsense */
  allocate(length: number): number
  /** Arguments of a foreign function, while it calls the module back. */
  readonly foreignArguments: DataBuffer | undefined
  /** Calls `proxy_on_foreign_function` of a context, when no callback runs. */
  callBack(context: Context, id: number, argument: Uint8Array): void
  /** Ends the instance. */
  stop(kind: 'trap' | 'exit', detail: string): never
  /** Says why something was refused. */
  log(level: 'warn' | 'error', message: string): void
}

/** Functions by name, for one instance. */
export type HostFunctions = (vm: HostVm) => Readonly<Record<string, HostFunction>>
