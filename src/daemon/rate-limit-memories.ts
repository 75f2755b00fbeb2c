import type { Changes, HttpRoute } from '../model/index.ts'
import { createBucketMemory } from '../policy/index.ts'
import type { RateLimitChanges } from './worker-messages.ts'

/**
 * The memory of rate limits, one piece for each limit that some route names.
 * The main thread makes it and hands it to every worker, so that a limit counts
 * the requests of all of them; a worker that is replaced gets the same and goes
 * on where the last one was. A limit that changes gets a new piece.
 */
export class RateLimitMemories {
  readonly #memories = new Map<string, SharedArrayBuffer>()
  readonly #routes = new Map<string, ReadonlySet<string>>()
  readonly #users = new Map<string, number>()

  /** What a worker that starts needs, by `RateLimit.tableKey`. */
  get all(): ReadonlyMap<string, SharedArrayBuffer> {
    return this.#memories
  }

  /** @returns what the other workers need beside this change of routes, and what they can forget */
  update(routes: Changes<HttpRoute>): RateLimitChanges {
    const added = new Map<string, SharedArrayBuffer>()
    const before = new Set<string>()
    for (const key of routes.removed) this.#drop(key, before)
    for (const [key, route] of routes.set) {
      const used = new Set<string>()
      for (const { filters } of route.rules) {
        for (const filter of filters) {
          if (filter.kind !== 'rate-limit') continue
          const { tableKey } = filter
          if (!this.#memories.has(tableKey)) {
            const memory = createBucketMemory(filter)
            this.#memories.set(tableKey, memory)
            added.set(tableKey, memory)
          }
          if (used.has(tableKey)) continue
          used.add(tableKey)
          this.#users.set(tableKey, (this.#users.get(tableKey) ?? 0) + 1)
        }
      }
      this.#drop(key, before)
      if (used.size > 0) this.#routes.set(key, used)
    }
    const removed = [...before].filter(tableKey => (this.#users.get(tableKey) ?? 0) === 0)
    for (const tableKey of removed) {
      this.#memories.delete(tableKey)
      this.#users.delete(tableKey)
    }
    return { added, removed }
  }

  #drop(route: string, into: Set<string>): void {
    for (const tableKey of this.#routes.get(route) ?? []) {
      this.#users.set(tableKey, (this.#users.get(tableKey) ?? 1) - 1)
      into.add(tableKey)
    }
    this.#routes.delete(route)
  }
}
