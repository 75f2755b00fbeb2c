import type { Problem } from '../core/index.ts'
import type { ResourceStatus } from '../model/index.ts'

/** One resource, or several of one name in different namespaces. */
export interface ResourceQuery {
  /** In any case of letters. */
  readonly kind: string
  readonly name: string
  /** Undefined for any. */
  readonly namespace: string | undefined
}

/** The answer to `heddle status KIND/NAME`. */
export interface ResourceDocument {
  readonly resources: readonly ResourceStatus[]
  /** Of these resources and of those that are not in force. */
  readonly problems: readonly Problem[]
  /** Names of that kind, for a question that found nothing. */
  readonly names: readonly string[]
}

export function findResources(
  query: ResourceQuery,
  statuses: readonly ResourceStatus[],
  problems: readonly Problem[],
): ResourceDocument {
  const kind = query.kind.toLowerCase()
  const ofKind = statuses.filter(status => status.kind.toLowerCase() === kind)
  const isAsked = (namespace: string, name: string) =>
    name === query.name && (query.namespace === undefined || namespace === query.namespace)
  const resources = ofKind.filter(({ namespace, name }) => isAsked(namespace, name))
  const found = resources.length > 0
  return {
    resources,
    problems: problems.filter(({ resource }) => {
      const [itsKind = '', fullName = ''] = (resource ?? '').split(' ')
      const slash = fullName.indexOf('/')
      return itsKind.toLowerCase() === kind && isAsked(fullName.slice(0, Math.max(0, slash)), fullName.slice(slash + 1))
    }),
    names: found ? [] : ofKind.map(({ namespace, name }) => (namespace === '' ? name : `${namespace}/${name}`)),
  }
}
