import type { TimeLimits } from '../../kernel-http/index.ts'

/** What is counted at one place: answers of an endpoint to a rule. */
export interface CountedTarget {
  readonly virtualHost: string
  readonly route: string
  /** Name or index. */
  readonly rule: string
  readonly backend: string
  readonly endpoint: string
  readonly limits: TimeLimits
}

/** What is counted where. */
export interface CountedPlaces {
  at(number: number): CountedTarget | undefined
  entries(): Iterable<readonly [number, CountedTarget]>
}

/** As many as there are in the kernel; 0 is nobody's. */
const mostPlaces = 4095

/** Where in the kernel answers are counted. A place is given to another target only when it was free for the longest time. */
export class CountPlaces implements CountedPlaces {
  readonly #numbers = new Map<string, number>()
  readonly #targets = new Map<number, CountedTarget>()
  readonly #free: number[] = Array.from({ length: mostPlaces }, (_, at) => at + 1)

  /** @returns undefined when there is no room for more */
  of(target: CountedTarget): number | undefined {
    const key = keyOf(target)
    const number = this.#numbers.get(key) ?? this.#free.shift()
    if (number === undefined) return undefined
    this.#numbers.set(key, number)
    this.#targets.set(number, target)
    return number
  }

  /** The places of all others are free. The caller has counted them, and leads nothing there any more. */
  keep(numbers: ReadonlySet<number>): void {
    for (const [key, number] of this.#numbers) {
      if (numbers.has(number)) continue
      this.#numbers.delete(key)
      this.#targets.delete(number)
      this.#free.push(number)
    }
  }

  at(number: number): CountedTarget | undefined {
    return this.#targets.get(number)
  }

  entries(): Iterable<readonly [number, CountedTarget]> {
    return this.#targets
  }
}

/** How late a time limit may be noticed: a tenth of it, between these. */
const [leastLookMs, mostLookMs] = [50, 5_000]

export function limitLookMs(places: CountedPlaces): number {
  let shortestMs = Infinity
  for (const [, { limits }] of places.entries()) {
    shortestMs = Math.min(shortestMs, limits.requestMs, limits.beginMs)
  }
  return Math.min(mostLookMs, Math.max(leastLookMs, shortestMs / 10))
}

function keyOf({ virtualHost, route, rule, backend, endpoint }: CountedTarget): string {
  return [virtualHost, route, rule, backend, endpoint].join('\0')
}
