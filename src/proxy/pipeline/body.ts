import { ChunkedScanner, finished, framings, invalid } from '../../codec/index.ts'
import type { ChunkLimits } from '../../codec/index.ts'

/** How far a message body has come. */
export const bodyDone = 1
export const bodyOpen = 0
export const bodyInvalid = 2

/**
 * Follows one body through whatever pieces it arrives in and tells where it
 * ends. It never copies: the caller forwards the bytes it consumed as they are.
 */
export class BodyReader {
  framing: number = framings.none
  remaining = 0
  /** Payload bytes so far, without chunk framing. */
  payloadBytes = 0
  problem: string | undefined = undefined
  #chunked: ChunkedScanner | undefined = undefined
  readonly #limits: ChunkLimits

  constructor(limits: ChunkLimits) {
    this.#limits = limits
  }

  /** @returns bodyDone at once for a message without a body */
  start(framing: number, contentLength: number): number {
    this.framing = framing
    this.remaining = contentLength
    this.payloadBytes = 0
    this.problem = undefined
    if (framing === framings.chunked) {
      if (this.#chunked === undefined) this.#chunked = new ChunkedScanner(this.#limits)
      else this.#chunked.reset()
      return bodyOpen
    }
    return framing === framings.none || (framing === framings.length && contentLength === 0) ? bodyDone : bodyOpen
  }

  /** Where the consumed part of the last `read` ended. */
  position = 0

  /** Consumes from `bytes[start, end)` up to the end of the body; `position` tells how far. */
  read(bytes: Buffer, start: number, end: number): number {
    if (this.framing === framings.length) {
      const length = Math.min(end - start, this.remaining)
      this.remaining -= length
      this.payloadBytes += length
      this.position = start + length
      return this.remaining === 0 ? bodyDone : bodyOpen
    }
    if (this.framing === framings.untilClose) {
      this.payloadBytes += end - start
      this.position = end
      return bodyOpen
    }
    const chunked = this.#chunked
    if (chunked === undefined) return bodyDone
    let at = start
    while (at < end) {
      const next = chunked.next(bytes, at, end)
      if (chunked.state === finished) {
        at = next
        break
      }
      if (chunked.state === invalid) {
        this.problem = chunked.problem
        return bodyInvalid
      }
      if (next === at) break
      at = next
    }
    this.payloadBytes = chunked.bodyBytes
    this.position = at
    return chunked.state === finished ? bodyDone : bodyOpen
  }
}
