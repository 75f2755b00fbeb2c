import type { Problem } from '../../core/index.ts'
import { resourceIdOf, type AnyResource } from '../schema/resource.ts'

/** Something wrong with a resource, before its place is looked up. */
export interface Finding {
  readonly resource: AnyResource
  readonly severity: Problem['severity']
  readonly path: string
  readonly message: string
}

/**
 * Turns findings into problems with a file and a line. Looking up a line reads
 * the text again, and an edit elsewhere in the file moves lines under findings
 * that stand; so a place is kept exactly as long as its resource has not moved.
 */
export class ProblemList {
  readonly #located = new WeakMap<Finding, { readonly originLine: number; readonly problem: Problem }>()
  #last: readonly Problem[] = []

  /** The same array while nothing changes. */
  locate(findings: Iterable<Finding>): readonly Problem[] {
    const problems: Problem[] = []
    for (const finding of findings) problems.push(this.#locate(finding))
    const isSame = problems.length === this.#last.length && problems.every((problem, at) => problem === this.#last[at])
    if (!isSame) this.#last = problems
    return this.#last
  }

  #locate(finding: Finding): Problem {
    const { resource, severity, path, message } = finding
    const { file, line: originLine } = resource.origin
    const known = this.#located.get(finding)
    if (known !== undefined && known.originLine === originLine) return known.problem
    const { line, column } = resource.origin.locate(path)
    const problem = { severity, resource: resourceIdOf(resource), path, message, file, line, column }
    this.#located.set(finding, { originLine, problem })
    return problem
  }
}
