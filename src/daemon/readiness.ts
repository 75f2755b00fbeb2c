/**
 * Readiness as a set of named tasks: the agent is ready when none is left, and
 * `/readyz` names those that are. A task that can begin anew (a worker that was
 * lost) is simply awaited again.
 */
export class Readiness {
  readonly #awaited = new Map<string, number>()
  #stopping = false

  /** The returned function marks the task done; calling it twice is harmless. Tasks of one name are counted. */
  await(name: string): () => void {
    this.#awaited.set(name, (this.#awaited.get(name) ?? 0) + 1)
    let isDone = false
    return () => {
      if (isDone) return
      isDone = true
      const left = (this.#awaited.get(name) ?? 1) - 1
      if (left === 0) this.#awaited.delete(name)
      else this.#awaited.set(name, left)
    }
  }

  /** From now on the agent is not ready, whatever is done. */
  stop(): void {
    this.#stopping = true
  }

  get isReady(): boolean {
    return !this.#stopping && this.#awaited.size === 0
  }

  /** What is still awaited, in the order in which it was first named. */
  get awaited(): readonly string[] {
    return this.#stopping ? ['shutdown'] : [...this.#awaited.keys()]
  }
}
