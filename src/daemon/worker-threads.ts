import { Worker } from 'node:worker_threads'

/** A thread's heap: pools and compiled tables of 100,000 endpoints fit, a leak does not take the node with it. */
const maxHeapMb = 2_048

/** A thread that waits for its `WorkerStart`, its first message. */
export interface StartedThread {
  /** Unique, from 1. */
  readonly id: number
  readonly worker: Worker
}

/**
 * Starts threads ahead of what they are to do: a thread takes as long to read its modules as an agent to find out what
 * its configuration means, and both go on at the same time.
 */
export class WorkerThreads {
  readonly #script: URL
  readonly #spare: StartedThread[]
  #nextId = 1

  /** @param ahead  how many are started at once */
  constructor(script: URL, ahead: number) {
    this.#script = script
    this.#spare = Array.from({ length: ahead }, () => this.#start())
  }

  /** The caller owns it. */
  take(): StartedThread {
    for (;;) {
      const thread = this.#spare.shift()
      if (thread === undefined) return this.#start()
      thread.worker.removeAllListeners('error')
      // One that has ended is -1.
      if (thread.worker.threadId >= 0) return thread
    }
  }

  /** Ends those that nobody took. */
  async close(): Promise<void> {
    await Promise.all(this.#spare.splice(0).map(({ worker }) => worker.terminate()))
  }

  #start(): StartedThread {
    const id = this.#nextId++
    const worker = new Worker(this.#script, {
      name: `heddle worker ${id}`,
      resourceLimits: { maxOldGenerationSizeMb: maxHeapMb, maxYoungGenerationSizeMb: 64 },
    })
    // Whoever takes it starts another one, which fails as this has, and tells why.
    worker.on('error', () => {})
    return { id, worker }
  }
}
