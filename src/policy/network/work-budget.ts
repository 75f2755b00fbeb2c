/**
 * Pairs of a peer and a rule that one compilation goes through: some seconds.
 * Without a limit, a policy of a megabyte (each of its rules with the same
 * network and another exception) would keep the agent busy for an hour.
 */
const mostPairs = 8_388_608

/** What is left of the time for a compilation, shared by all its classes. */
export class WorkBudget {
  #left: number

  constructor(pairs: number = mostPairs) {
    this.#left = pairs
  }

  get isSpent(): boolean {
    return this.#left < 0
  }

  spend(pairs: number): void {
    this.#left -= pairs
  }
}
