/** What a follower that just came, or one that does not follow, is shown. */
const keptEntries = 1_000

/** Entries in the order in which they come, for those who follow. */
export class Feed<Entry> {
  readonly #kept: Entry[] = []
  readonly #followers = new Set<(entry: Entry) => void>()
  readonly #onFollowed: (isFollowed: boolean) => void

  /** @param onFollowed  told when the first follower comes and when the last one goes */
  constructor(onFollowed: (isFollowed: boolean) => void = () => {}) {
    this.#onFollowed = onFollowed
  }

  push(entry: Entry): void {
    if (this.#kept.length === keptEntries * 2) this.#kept.splice(0, keptEntries)
    this.#kept.push(entry)
    this.tell(entry)
  }

  /** To those who follow now only: so many of them that they would leave no room for others. */
  tell(entry: Entry): void {
    for (const follower of this.#followers) follower(entry)
  }

  /** The newest entries, oldest first. */
  recent(count: number = keptEntries): readonly Entry[] {
    return count <= 0 ? [] : this.#kept.slice(-Math.min(count, keptEntries))
  }

  follow(onEntry: (entry: Entry) => void): Disposable {
    this.#followers.add(onEntry)
    if (this.#followers.size === 1) this.#onFollowed(true)
    return {
      [Symbol.dispose]: () => {
        if (this.#followers.delete(onEntry) && this.#followers.size === 0) this.#onFollowed(false)
      },
    }
  }
}
