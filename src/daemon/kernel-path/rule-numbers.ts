/** As many as are counted; 0 is nobody's. */
const mostRules = 4095

/** Where each rule is counted in the kernel. A number stays with its rule, and is never given to another. */
export class RuleNumbers {
  readonly #numbers = new Map<string, number>()

  /** @returns undefined when there is no room for more */
  of(rule: string): number | undefined {
    const known = this.#numbers.get(rule)
    if (known !== undefined || this.#numbers.size >= mostRules) return known
    const number = this.#numbers.size + 1
    this.#numbers.set(rule, number)
    return number
  }

  all(): readonly number[] {
    return [...this.#numbers.values()]
  }
}
