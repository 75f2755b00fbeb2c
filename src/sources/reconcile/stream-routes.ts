import type { StreamRoute } from '../../model/index.ts'
import type { RouteResource } from '../schema/resource.ts'
import { createdMs } from './age.ts'
import { resolveBackend } from './backend-refs.ts'
import type { FactReader } from './facts.ts'
import type { RouteOutcome } from './route-stage.ts'
import { judgeParents, statusOf, uniqueAttachments } from './route-status.ts'
import { same } from './same.ts'

export type StreamRouteResource = Extract<RouteResource, { readonly kind: 'TCPRoute' | 'TLSRoute' | 'UDPRoute' }>

/**
 * Judges a TCPRoute, UDPRoute or TLSRoute against its parents and the Services
 * it names. A backend that can't be used leaves the route accepted: its share
 * of the connections is refused, of the datagrams dropped.
 *
 * @param before  the last outcome; an equal route or status is handed on as the same object
 */
export function judgeStreamRoute(
  resource: StreamRouteResource,
  facts: FactReader,
  before: RouteOutcome<StreamRoute> | undefined,
): RouteOutcome<StreamRoute> {
  const { draft, outcomes } = judgeParents(resource, facts)
  const { namespace, name } = resource.metadata
  const [rule] = resource.spec.rules
  const backends = (rule?.backendRefs ?? []).map((ref, at) => ({
    weight: ref.weight,
    target: resolveBackend(draft, ref, `spec.rules[0].backendRefs[${at}]`),
  }))
  const attachments = uniqueAttachments(outcomes)
  const route: StreamRoute = {
    key: `${resource.kind} ${namespace}/${name}`,
    kind: resource.kind,
    namespace,
    name,
    createdMs: createdMs(resource),
    attachments,
    ruleName: rule?.name,
    backends,
  }
  return {
    route: attachments.length === 0 ? undefined : same(route, before?.route),
    status: same(statusOf(draft, outcomes, undefined), before?.status),
    findings: draft.findings,
    listeners: attachments.map(one => one.virtualHost).filter(id => !id.startsWith('Service ')),
    deciding: attachments
      .filter(one => one.clientNamespace === undefined && one.virtualHost.startsWith('Service '))
      .map(one => one.virtualHost),
    claims: [],
    reads: facts.reads,
  }
}
