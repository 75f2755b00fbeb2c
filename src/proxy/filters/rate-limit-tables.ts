import type { RateLimit } from '../../model/index.ts'
import { BucketTable, createBucketMemory } from '../../policy/index.ts'

/**
 * The buckets of one worker's rate limits, in memory that the main thread hands
 * to all workers. Without such memory the worker makes its own: then a limit
 * counts the requests of this worker alone.
 */
export class RateLimitTables {
  readonly #memories = new Map<string, SharedArrayBuffer>()

  /** @param tableKey of the limit that the memory is for */
  share(tableKey: string, memory: SharedArrayBuffer): void {
    this.#memories.set(tableKey, memory)
  }

  forget(tableKey: string): void {
    this.#memories.delete(tableKey)
  }

  of(limit: RateLimit): BucketTable {
    let memory = this.#memories.get(limit.tableKey)
    if (memory === undefined) {
      memory = createBucketMemory(limit)
      this.#memories.set(limit.tableKey, memory)
    }
    return new BucketTable(limit, memory)
  }
}
