import { CelFault } from './values.ts'
import type { CelValue } from './values.ts'

/**
 * What one evaluation may cost: a unit is a step, or 64 characters that are read or made. All of it takes some
 * milliseconds; expressions that decide on a request take dozens of units.
 */
const maxUnits = 50_000

export class Cost {
  #left = maxUnits

  /** @throws CelFault when there is nothing left, past every `||` */
  spend(units: number): void {
    this.#left -= units
    if (this.#left < 0) throw new CelFault(`it costs more than ${maxUnits} steps`)
  }

  spendLength(...lengths: readonly number[]): void {
    let units = 1
    for (const length of lengths) units += length / 64
    this.spend(units)
  }
}

/** A function or an operator. @returns undefined where there is none for these values */
export type CelFunction = (parameters: readonly CelValue[], cost: Cost) => CelValue | undefined
