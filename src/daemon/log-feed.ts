/** One line for `heddle logs`. */
export interface LogLine {
  /** Milliseconds since 1970. */
  readonly timeMs: number
  /** `access`, or the key of the workload that wrote it. */
  readonly source: string
  readonly stream: 'access' | 'stdout' | 'stderr'
  readonly text: string
}

/** What a follower that just came, or `logs` without -f, is shown. */
const keptLines = 1_000

/**
 * The lines of all workloads and of the access log, on their way to those who
 * follow. The access log is read only while somebody does: `onFollowed` says so.
 */
export class LogFeed {
  readonly #kept: LogLine[] = []
  readonly #followers = new Set<(line: LogLine) => void>()
  readonly #onFollowed: (isFollowed: boolean) => void

  constructor(onFollowed: (isFollowed: boolean) => void) {
    this.#onFollowed = onFollowed
  }

  push(line: LogLine): void {
    if (this.#kept.length === keptLines * 2) this.#kept.splice(0, keptLines)
    this.#kept.push(line)
    for (const follower of this.#followers) follower(line)
  }

  /** The newest lines, oldest first. */
  recent(count: number = keptLines): readonly LogLine[] {
    return count <= 0 ? [] : this.#kept.slice(-Math.min(count, keptLines))
  }

  follow(onLine: (line: LogLine) => void): Disposable {
    this.#followers.add(onLine)
    if (this.#followers.size === 1) this.#onFollowed(true)
    return {
      [Symbol.dispose]: () => {
        if (this.#followers.delete(onLine) && this.#followers.size === 0) this.#onFollowed(false)
      },
    }
  }
}
