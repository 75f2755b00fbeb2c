import type { Flow, HeaderMap } from '../../codec/index.ts'

/**
 * A head and what the plugins were shown of it. Most heads leave the plugins as
 * they came, in the same call: those go on in their first form, which costs
 * nothing.
 */
export class Given<T> {
  readonly head: T
  readonly #map: HeaderMap
  readonly #edits: number
  readonly #hasBody: boolean

  constructor(head: T, map: HeaderMap, hasBody: boolean) {
    this.head = head
    this.#map = map
    this.#edits = map.edits
    this.#hasBody = hasBody
  }

  isAsItCame(map: HeaderMap, flow: Flow): boolean {
    return map === this.#map && map.edits === this.#edits && (flow === 'more') === this.#hasBody
  }
}

/**
 * Copies of heads, many in one block, which stays as long as one of its maps: a
 * Buffer for each would cost more than to copy it.
 */
export class HeadCopies {
  block: Buffer = noBlock
  #end = 0

  /** @returns where the copy begins in `block`, as that is after the call */
  add(bytes: Buffer, start: number, end: number): number {
    const length = end - start
    if (this.#end + length > this.block.length) {
      this.block = Buffer.allocUnsafeSlow(Math.max(blockBytes, length))
      this.#end = 0
    }
    const at = this.#end
    this.#end += bytes.copy(this.block, at, start, end)
    return at
  }
}

const blockBytes = 32 * 1024
const noBlock: Buffer = Buffer.alloc(0)

export const nothing: Uint8Array = new Uint8Array(0)
