import type { Sample } from '../result.ts'

export interface SuiteOptions {
  /** Length of one measurement. */
  readonly seconds: number
  /** Of the first case; the others have about half as many. */
  readonly rounds: number
  /** Only cases whose name holds this text; empty for all. */
  readonly only: string
  /** Requests per second of the latency measurement. */
  readonly rate: number
  /** Fresh, and removed afterwards. */
  readonly folder: string
  /** Aborted when the benchmark shall end; asked before each measurement. */
  readonly signal: AbortSignal
  readonly progress: (text: string) => void
  /** What the reader of the table must know; told once each. */
  readonly note: (text: string) => void
  /** Requests that failed: the figures stand, but the run does not count as a success. */
  readonly failure: (text: string) => void
}

export interface Suite {
  readonly name: string
  /** What the figures do not show. */
  readonly limits: readonly string[]
  /** Whether it runs without nginx, haproxy and load generators. @default false */
  readonly isSelfContained?: boolean
  run(options: SuiteOptions): Promise<readonly Sample[]>
}

/** Each round in another order, so that drift of the machine hits all alike. */
export function rotated<T>(items: readonly T[], round: number): readonly T[] {
  const shift = round % items.length
  return [...items.slice(shift), ...items.slice(0, shift)]
}
