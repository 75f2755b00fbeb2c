import { running } from './codes.ts'
import type { ChunkLimits } from './limits.ts'
import type { Http1Problem } from './problems.ts'

/** Skeleton of the interface; the body follows. */
export class ChunkedScanner {
  readonly limits: ChunkLimits
  state: number = running
  dataStart: number = 0
  dataEnd: number = 0
  /** Bytes of the trailer section consumed in this step, the final empty line included; equal when none. */
  trailersStart: number = 0
  trailersEnd: number = 0
  problem: Http1Problem | undefined = undefined
  problemStatus: number = 0
  bodyBytes: number = 0
  constructor(limits: ChunkLimits) {
    this.limits = limits
  }
  reset(): void {}
  next(_bytes: Buffer, pos: number, _end: number): number {
    return pos
  }
}
