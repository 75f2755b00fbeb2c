import { formatProblem } from '../core/index.ts'
import type { Logger, Problem } from '../core/index.ts'

/** A directory that was deleted by half would otherwise bury everything else in the log; `heddle status` shows all. */
const mostLines = 20

export function logProblem(logger: Logger, problem: Problem): void {
  const tell = problem.severity === 'error' ? 'error' : 'warn'
  logger[tell](formatProblem(problem))
}

/** Tells, once each, what a change of the configuration has made wrong, and when all of it is right again. */
export class ProblemLog {
  readonly #logger: Logger
  #known: ReadonlySet<string> = new Set()

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** @param problems  all that are there now @param options.isTold  somebody else tells them, as at the start */
  update(problems: readonly Problem[], { isTold }: { readonly isTold: boolean }): void {
    const before = this.#known
    this.#known = new Set(problems.map(keyOf))
    if (isTold) return
    const fresh = problems.filter(problem => !before.has(keyOf(problem)))
    for (const problem of fresh.slice(0, mostLines)) logProblem(this.#logger, problem)
    const more = fresh.length - mostLines
    if (more > 0) this.#logger.warn('more problems: heddle status shows all', { more })
    if (before.size > 0 && problems.length === 0) this.#logger.info('the configuration has no problems any more')
  }
}

/** Lines move with every edit above them: where it stands makes no new problem. */
function keyOf({ severity, file = '', resource = '', path, message }: Problem): string {
  return JSON.stringify([severity, file, resource, path, message])
}
