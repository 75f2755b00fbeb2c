import { addedExports } from './confine.ts'
import { CpuBudget } from './cpu-budget.ts'
import { GuestMemory } from './guest-memory.ts'
import type { GuestModule } from './guest-module.ts'
import { webAssembly } from './web-assembly.ts'
import type { LinearMemory } from './web-assembly.ts'

/** A function of a module: numbers in, a number or nothing out. */
export type GuestFunction = (...parameters: readonly number[]) => unknown

/** What a module calls: numbers and bigints in. */
export type HostFunction = (...parameters: never[]) => number | void

/** Functions by module name and name. */
export type GuestImports = Readonly<Record<string, Readonly<Record<string, HostFunction>>>>

/** An instance: nothing of it needs closing, it goes when nobody has it any more. */
export interface Guest {
  readonly memory: GuestMemory
  /** Undefined if there is no such function. */
  function(name: string): GuestFunction | undefined
}

/**
 * `(module (import "h" "f" (func (result i32))) (export "f" (func 0)))`: tables
 * hold functions of modules only, and this makes one of a function of ours.
 */
const adapter = Uint8Array.from(
  [
    [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    [0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7f],
    [0x02, 0x07, 0x01, 0x01, 0x68, 0x01, 0x66, 0x00, 0x00],
    [0x07, 0x05, 0x01, 0x01, 0x66, 0x00, 0x00],
  ].flat(),
)

/** Makes instances for one thread, which share its budget of time. */
export class Engine {
  readonly budget: CpuBudget
  readonly #refuel: unknown

  constructor(budget: CpuBudget = new CpuBudget()) {
    this.budget = budget
    const instance = new webAssembly.Instance(new webAssembly.Module(adapter), { h: { f: budget.refuel } })
    this.#refuel = instance.exports['f']
  }

  /** @throws WebAssembly.LinkError, or what the module's own start function throws */
  instantiate({ module }: GuestModule, imports: GuestImports): Guest {
    const { exports } = new webAssembly.Instance(module, imports)
    const table = exports[addedExports.refuel]
    const fuel = exports[addedExports.fuel]
    if (table instanceof webAssembly.Table && fuel instanceof webAssembly.Global) {
      table.set(0, this.#refuel)
      fuel.value = 0
    }
    const memory = new GuestMemory(exports['memory'] as LinearMemory)
    return {
      memory,
      function: name => (typeof exports[name] === 'function' ? (exports[name] as GuestFunction) : undefined),
    }
  }
}
