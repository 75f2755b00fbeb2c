import type { KernelHttp, KhCounts } from '../../kernel-http/index.ts'
import type { CountedTarget } from './count-places.ts'

/** Of a map's value. A target whose names take more is not remembered. */
const mostBytes = 2040

/** What an agent before this one knew of a place. */
export interface RememberedPlace {
  readonly target: CountedTarget
  /** As it was counted the last time. */
  readonly told: KhCounts
}

/** What is counted at each place and what was told of it, in a map of the path: there for the agent after this one. */
export class CountMemory {
  readonly #map: ReturnType<typeof mapOf>
  /** By place. */
  readonly #texts = new Map<number, string>()
  readonly #bytes = new Uint8Array(mostBytes)

  constructor(kernel: KernelHttp) {
    this.#map = mapOf(kernel)
  }

  /** @param told  undefined for what nobody has counted yet */
  note(place: number, target: CountedTarget, told: KhCounts | undefined): void {
    const text = JSON.stringify(target, withInfinity)
    if (this.#texts.get(place) === text) return
    this.#texts.set(place, text)
    this.#write(place, text, told ?? nothing)
  }

  tell(place: number, told: KhCounts): void {
    const text = this.#texts.get(place)
    if (text !== undefined) this.#write(place, text, told)
  }

  /** Nobody counts there any more but those whose place it is. */
  keep(isKept: (place: number) => boolean): void {
    for (const place of this.#texts.keys()) if (!isKept(place)) this.#forget(place)
  }

  /** What the agent before this one has noted, from now on this one's. */
  adopt(): ReadonlyMap<number, RememberedPlace> {
    const found = new Map<number, RememberedPlace>()
    for (const [place, { told, length, target }] of this.#map.entries().toArray()) {
      const text = Buffer.from(target).toString('utf8', 0, Number(length))
      this.#texts.set(place, text)
      found.set(place, { target: JSON.parse(text, fromInfinity) as CountedTarget, told })
    }
    return found
  }

  #write(place: number, text: string, told: KhCounts): void {
    const { read, written } = new TextEncoder().encodeInto(text, this.#bytes)
    if (read < text.length) return this.#forget(place)
    this.#map.set(place, { told, length: BigInt(written), target: this.#bytes })
  }

  #forget(place: number): void {
    this.#texts.delete(place)
    this.#map.delete(place)
  }
}

function mapOf(kernel: KernelHttp) {
  return kernel.map('kh_counted')
}

const nothing: KhCounts = {
  classes: Array.from({ length: 8 }, () => 0n),
  requestBytes: 0n,
  responseBytes: 0n,
  nanoseconds: 0n,
  waitedUs: 0n,
  buckets: Array.from({ length: 18 }, () => 0n),
  waits: Array.from({ length: 18 }, () => 0n),
}

/** JSON has no number for what has no limit. */
function withInfinity(_: string, value: unknown): unknown {
  return value === Infinity ? 'Infinity' : value
}

function fromInfinity(_: string, value: unknown): unknown {
  return value === 'Infinity' ? Infinity : value
}
