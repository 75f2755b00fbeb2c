import { parseAllDocuments } from 'yaml'
import type { Condition, ResourceStatus } from '../../model/index.ts'
import { readResource } from '../schema/read-resource.ts'
import { resourceIdOf, type AnyResource, type Origin } from '../schema/resource.ts'
import { Reconciler, type Reconciled, type ReconcileOptions } from './reconcile.ts'

/** Where resources of tests stand; paths have no places of their own. */
const origin: Origin = { file: 'test.yaml', line: 1, locate: () => ({ line: 1, column: 1 }) }

/** Resources of YAML documents, read by the schema; tests only. */
export function resourcesOf(...texts: string[]): Map<string, AnyResource> {
  const resources = new Map<string, AnyResource>()
  for (const text of texts) {
    for (const document of parseAllDocuments(text)) {
      const value: unknown = document.toJS()
      if (value !== null) put(resources, value)
    }
  }
  return resources
}

/** Adds one resource, given as the value of its document. */
export function put(resources: Map<string, AnyResource>, value: unknown): AnyResource {
  const outcome = readResource(value, origin)
  if (outcome.kind !== 'resource') throw new TypeError(JSON.stringify(outcome.findings))
  resources.set(resourceIdOf(outcome.resource), outcome.resource)
  return outcome.resource
}

/** A reconciler that takes loopback and 10.1.1.1 for addresses of the machine. */
export function testReconciler(identityNumbers: Iterable<readonly [key: string, id: number]> = []): Reconciler {
  return new Reconciler({
    isLocal: address => address.startsWith('127.') || address === '10.1.1.1',
    identityNumbers,
  })
}

export function reconciled(text: string, options: ReconcileOptions = {}): Reconciled {
  return testReconciler().reconcile(resourcesOf(text), options)
}

export function statusOf(result: Reconciled, id: string): ResourceStatus {
  const [kind, key = ''] = id.split(' ')
  const [namespace, name] = key.includes('/') ? key.split('/') : ['', key]
  const found = result.statuses.find(
    status => status.kind === kind && status.namespace === namespace && status.name === name,
  )
  if (found === undefined) throw new TypeError(`no status of ${id}`)
  return found
}

/** `Accepted=True/Accepted Programmed=False/Invalid`, in the order they stand. */
export function brief(conditions: readonly Condition[]): string {
  return conditions.map(({ type, status, reason }) => `${type}=${status}/${reason}`).join(' ')
}

/** Conditions of a Gateway's listeners by name. */
export function listenersOf(result: Reconciled, id: string): Record<string, string> {
  return Object.fromEntries(statusOf(result, id).listeners.map(({ name, conditions }) => [name, brief(conditions)]))
}

/** Conditions of a route by parent, `web/http:80`. */
export function parentsOf(result: Reconciled, id: string): Record<string, string> {
  return Object.fromEntries(
    statusOf(result, id).parents.map(({ parentRef, conditions }) => {
      const section = parentRef.sectionName === undefined ? '' : `/${parentRef.sectionName}`
      const port = parentRef.port === undefined ? '' : `:${parentRef.port}`
      return [`${parentRef.name}${section}${port}`, brief(conditions)]
    }),
  )
}

/** `error HTTPRoute shop/cart: spec.rules[0]: message`, one per problem. */
export function problemsOf(result: Reconciled): string[] {
  return result.problems.map(({ severity, resource, path, message }) => `${severity} ${resource}: ${path}: ${message}`)
}
