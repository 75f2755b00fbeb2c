/**
 * Drives the guest `probe`, which makes the host calls that a test yields:
 *
 *     const probe = await Probe.start('0.2.1', {
 *       *proxy_on_request_headers(probe) {
 *         const status = yield ['proxy_log', 2, ...probe.text('hello')]
 *         return 0
 *       },
 *     })
 */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { compilePlugin, Engine, offlineServices, Plugin, pluginConfig } from '../../src/wasm/index.ts'
import type { GuestMemory, PluginOptions, PluginServices } from '../../src/wasm/index.ts'
import type { PluginVm } from '../../src/wasm/plugins/vm.ts'

/** A host function with its parameters; the answer is its status. */
export type Step = readonly [name: string, ...parameters: (number | bigint)[]]
export type Script = Generator<Step, number | void, number>
export type Callback = (probe: Probe, parameters: readonly number[]) => Script

export const abis = { '0.1.0': 100, '0.2.0': 200, '0.2.1': 210 } as const
export type Abi = keyof typeof abis

export function guest(name: string): Promise<Buffer> {
  return readFile(new URL(`${name}.wasm`, import.meta.url))
}

export interface ProbeOptions {
  readonly config?: Partial<PluginOptions>
  readonly services?: Partial<PluginServices>
}

const parameterBytes = 16 * 8

export class Probe {
  readonly plugin: Plugin
  /** Callbacks in the order in which they were called: `proxy_on_log 2`. */
  readonly calls: string[] = []
  /** What plugin and host wrote to the log: `warn: …`. */
  readonly logs: string[] = []
  readonly callbacks: Record<string, Callback>
  #vm: PluginVm | undefined = undefined
  #names: readonly string[] = []
  #scratch = 0
  #used = 0
  #running: Script | undefined = undefined
  #result = 0
  #ignoresErrors = false

  private constructor(
    module: Awaited<ReturnType<typeof compilePlugin>>,
    callbacks: Record<string, Callback>,
    options: ProbeOptions,
  ) {
    this.callbacks = callbacks
    const config = pluginConfig({
      name: 'probe',
      ...options.config,
      hostFunctions: guestOf => ({
        test_begin: (...parameters: readonly number[]) => this.#begin(guestOf as PluginVm, parameters),
        test_next: (status: number) => this.#next(status),
        test_result: () => this.#result,
      }),
    })
    const services = offlineServices({
      log: (level, _plugin, message) => void this.logs.push(`${level}: ${message}`),
      ...options.services,
    })
    this.plugin = new Plugin(module, config, { engine: new Engine(), services })
  }

  static async start(abi: Abi, callbacks: Record<string, Callback> = {}, options: ProbeOptions = {}): Promise<Probe> {
    return new Probe(await compilePlugin(await guest(`probe-${abis[abi]}`)), callbacks, options)
  }

  /** The instance of the callback that ran last. */
  get vm(): PluginVm {
    assert.ok(this.#vm !== undefined, 'no callback has run')
    return this.#vm
  }

  get memory(): GuestMemory {
    return this.vm.memory
  }

  /** A script is to end the instance. */
  ignoreErrors(): void {
    this.#ignoresErrors = true
  }

  /** Place and length of a text in the guest, for the callback that runs. */
  text(text: string): [number, number] {
    return this.bytes(Buffer.from(text, 'utf8'))
  }

  bytes(bytes: Uint8Array): [number, number] {
    const at = this.#take(bytes.length)
    this.memory.slice(at, bytes.length).set(bytes)
    return [at, bytes.length]
  }

  /** Room for a result, full of ones. */
  room(length = 4): number {
    const at = this.#take(length)
    this.memory.slice(at, length).fill(0xff)
    return at
  }

  #take(length: number): number {
    const at = this.#scratch + parameterBytes + this.#used
    this.#used += (length + 7) & ~7
    assert.ok(this.#used <= 65_536, 'the room of the guest is used up')
    return at
  }

  /** Calls a function that gives bytes by two out-parameters, which come last. @returns the status, or the text */
  *get(name: string, ...parameters: readonly (number | bigint)[]): Generator<Step, string | number, number> {
    const [pointer, length] = [this.room(), this.room()]
    const status = yield [name, ...parameters, pointer, length]
    if (status !== 0) return status
    return Buffer.from(this.memory.slice(this.memory.u32(pointer), this.memory.u32(length))).toString('latin1')
  }

  #begin(vm: PluginVm, [name, length, scratch, names, ...parameters]: readonly number[]): number {
    this.#vm = vm
    const { memory } = vm
    this.#scratch = scratch ?? 0
    this.#used = 0
    const end = memory.bytes.indexOf(0, names)
    this.#names = memory
      .text(names ?? 0, end - (names ?? 0))
      .trim()
      .split(' ')
    const callback = memory.text(name ?? 0, length ?? 0)
    this.calls.push(`${callback} ${parameters[0]}`)
    this.#running = this.callbacks[callback]?.(this, parameters)
    this.#result = callback === 'proxy_on_done' || callback.endsWith('start') || callback.endsWith('configure') ? 1 : 0
    return this.#advance(0)
  }

  #next(status: number): number {
    return this.#advance(status)
  }

  /** What a script asserts is the test's failure, not only a trap of the guest. */
  #advance(status: number): number {
    try {
      return this.#step(this.#running?.next(status))
    } catch (error) {
      if (!this.#ignoresErrors)
        queueMicrotask(() => {
          throw error
        })
      throw error
    }
  }

  #step(next: IteratorResult<Step, number | void> | undefined): number {
    if (next === undefined) return -1
    if (next.done === true) {
      if (next.value !== undefined) this.#result = next.value
      return -1
    }
    const [name, ...parameters] = next.value
    const index = this.#names.indexOf(name)
    assert.notEqual(index, -1, `the guest does not import ${name}`)
    for (const [slot, value] of parameters.entries())
      this.memory.view.setBigInt64(this.#scratch + slot * 8, BigInt(value), true)
    return index
  }
}
