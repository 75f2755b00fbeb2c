import type { Random } from './operation.ts'
import type { Shared } from './shared.ts'

/** A Service on the path, and what can happen to it. */
export interface Fuzzed extends AsyncDisposable {
  readonly host: string
  readonly port: number
  /** Answers in the kernel. */
  readonly served: number
  /** Why messages or connections went to the proxy. */
  readonly reasons: string
  /** @returns what happened */
  disturb(): Promise<string>
  /** All that has to be there is, and nothing else. */
  settle(): Promise<void>
}

export interface FuzzOptions {
  readonly random: Random
  readonly shared: Shared
  readonly seed: number
}

export type Disturbance = readonly [name: string, weight: number, act: () => Promise<void>]
