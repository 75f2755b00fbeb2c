import type { Problem } from '../core/index.ts'
import type { Listener } from '../model/index.ts'

/**
 * Tells where nobody listens although the configuration says so, as problems of
 * the Gateways and Services that are concerned.
 *
 * @param failures by listener id, why it could not be opened
 */
export function listenProblems(
  failures: ReadonlyMap<string, string>,
  listeners: ReadonlyMap<string, Listener>,
): readonly Problem[] {
  const problems: Problem[] = []
  for (const [id, reason] of failures) {
    const owners = new Set((listeners.get(id)?.virtualHosts ?? []).map(host => ownerOf(host.id)))
    for (const resource of owners) {
      problems.push({ severity: 'error', resource, path: '', message: `cannot listen on ${id}: ${reason}` })
    }
  }
  return problems
}

/** `Gateway shop/web/http` is a listener of `Gateway shop/web`, `Service shop/reviews:9080` a port of `Service shop/reviews`. */
function ownerOf(virtualHost: string): string {
  const isService = virtualHost.startsWith('Service ')
  return virtualHost.slice(0, virtualHost.lastIndexOf(isService ? ':' : '/'))
}
