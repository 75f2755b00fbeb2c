import { readdirSync, readFileSync } from 'node:fs'

export interface Footprint {
  /** Resident memory. */
  readonly megabytes: number
  readonly descriptors: number
}

/** What a process takes at the moment (proc_pid_status(5)). */
export function footprintOf(pid: number): Footprint {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return {
    megabytes: Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? Number.NaN) / 1024,
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
  }
}

/**
 * Whether something stays flat: the last quarter of its samples against the
 * second one, the first being the time in which caches and pools fill.
 */
export function growth(samples: readonly number[]): { readonly before: number; readonly after: number } {
  const quarter = Math.floor(samples.length / 4)
  return { before: median(samples.slice(quarter, 2 * quarter)), after: median(samples.slice(-quarter)) }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN
}
