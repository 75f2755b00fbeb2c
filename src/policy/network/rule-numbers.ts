import type { CompiledNetworkPolicy, PolicyClass, PolicyRule } from '../../model/index.ts'

/** A rule keeps its number as long as it is there. */
export class RuleNumbers {
  readonly all: Map<number, PolicyRule> = new Map<number, PolicyRule>()
  next: number
  readonly #known = new Map<string, PolicyRule>()

  constructor(before: CompiledNetworkPolicy) {
    this.next = before.next.ruleId
    for (const rule of before.rules.values()) this.#known.set(keyOf(rule), rule)
  }

  get(policy: string, direction: PolicyClass['direction'], index: number): number {
    const key = keyOf({ policy, direction, index })
    let rule = this.#known.get(key)
    if (rule === undefined) {
      rule = { id: this.next++, policy, direction, index }
      this.#known.set(key, rule)
    }
    this.all.set(rule.id, rule)
    return rule.id
  }
}

function keyOf({ policy, direction, index }: Omit<PolicyRule, 'id'>): string {
  return `${policy} ${direction} ${index}`
}
