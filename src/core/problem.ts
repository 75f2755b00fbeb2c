/** One thing wrong with a resource or a document, told to the operator as is. */
export interface Problem {
  /** `error`: the resource is not used (or that part of it); `warning`: it is used all the same. */
  readonly severity: 'error' | 'warning'
  /** The resource, `HTTPRoute shop/cart`; absent where a document could not be read at all. */
  readonly resource?: string
  /** Where in the resource, `spec.rules[2].backendRefs[0]`; empty for the whole. */
  readonly path: string
  /** What is wrong and what would be right, one sentence without a final stop. */
  readonly message: string
  readonly file?: string
  /** Counted from 1. */
  readonly line?: number
  readonly column?: number
}

/** `shop.yaml:12: HTTPRoute shop/cart: spec.rules[2].backendRefs[0]: …` */
export function formatProblem(problem: Problem): string {
  const parts: string[] = []
  if (problem.file !== undefined) {
    parts.push(problem.line === undefined ? problem.file : `${problem.file}:${problem.line}`)
  }
  if (problem.resource !== undefined) parts.push(problem.resource)
  if (problem.path !== '') parts.push(problem.path)
  return [...parts, problem.message].join(': ')
}
