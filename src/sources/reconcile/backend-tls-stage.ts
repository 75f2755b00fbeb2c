import { isDeepStrictEqual } from 'node:util'
import {
  controllerName,
  type BackendTls,
  type HttpRoute,
  type ParentStatus,
  type ResourceStatus,
} from '../../model/index.ts'
import { AuthorityResolver } from './authorities.ts'
import { assignTlsPolicies, type ServiceTls, type TlsPolicyOutcome } from './backend-tls-policies.ts'
import { condition } from './conditions.ts'
import type { Names } from './facts.ts'
import { compareText } from './hostname.ts'
import type { ResourceChange, Tables } from './resource-tables.ts'
import { same } from './same.ts'
import type { StageSink } from './stage-sink.ts'

const noTls: ServiceTls = new Map<string | undefined, BackendTls>()

/** BackendTLSPolicies: assigned before Services are judged, their statuses written once routes are. */
export class BackendTlsStage {
  readonly #resolver = new AuthorityResolver()
  #byService: ReadonlyMap<string, ServiceTls> = new Map()
  #outcomes: ReadonlyMap<string, TlsPolicyOutcome> = new Map()
  #written: readonly string[] = []
  #routes: ReadonlyMap<string, HttpRoute> | undefined = undefined
  #isStale = false

  /** TLS of a Service's port; undefined for plain text. */
  of(service: string, portName: string): BackendTls | undefined {
    const ports = this.#byService.get(service)
    return ports?.get(portName) ?? ports?.get(undefined)
  }

  /** @returns keys of Services whose TLS changed */
  update(changes: readonly ResourceChange[], tables: Tables, serviceNames: Names): readonly string[] {
    const hadAny = this.#outcomes.size > 0
    if (tables.BackendTLSPolicy.size === 0 && !hadAny) return []
    if (!changes.some(({ kind }) => relevantKinds.has(kind))) return []
    const table = assignTlsPolicies({
      policies: tables.BackendTLSPolicy.values(),
      configMaps: tables.ConfigMap,
      resolver: this.#resolver,
      portNames: service => tables.Service.get(service)?.spec.ports.map(port => port.name ?? ''),
      serviceNames,
    })
    const before = this.#byService
    const kept = new Map<string, ServiceTls>()
    const changed: string[] = []
    for (const key of new Set([...before.keys(), ...table.byService.keys()])) {
      const ports = keepSame(table.byService.get(key) ?? noTls, before.get(key) ?? noTls)
      if (ports.size > 0) kept.set(key, ports)
      if (ports !== (before.get(key) ?? noTls)) changed.push(key)
    }
    this.#byService = kept
    this.#outcomes = table.outcomes
    this.#isStale = true
    return changed
  }

  /** One entry per Gateway that leads to a target; the Service itself where only the mesh does. */
  writeStatuses(routes: ReadonlyMap<string, HttpRoute>, sink: StageSink): void {
    if (!this.#isStale && (this.#outcomes.size === 0 || routes === this.#routes)) return
    this.#isStale = false
    this.#routes = routes
    const gateways = this.#outcomes.size === 0 ? new Map<string, Set<string>>() : gatewaysByService(routes)
    for (const key of this.#written) {
      if (this.#outcomes.has(key)) continue
      sink.status(`BackendTLSPolicy ${key}`, undefined)
      sink.findings(`BackendTLSPolicy ${key}`, [])
    }
    for (const [key, outcome] of this.#outcomes) {
      sink.status(`BackendTLSPolicy ${key}`, statusOf(outcome, gateways))
      sink.findings(`BackendTLSPolicy ${key}`, outcome.findings)
    }
    this.#written = [...this.#outcomes.keys()]
  }
}

const relevantKinds: ReadonlySet<ResourceChange['kind']> = new Set(['BackendTLSPolicy', 'ConfigMap', 'Service'])

/** Equal values stay the same objects: connections are kept as long as their TLS is. */
function keepSame(after: ServiceTls, before: ServiceTls): ServiceTls {
  if (isDeepStrictEqual(after, before)) return before
  return new Map([...after].map(([port, tls]) => [port, same(tls, before.get(port))]))
}

/** Gateways by `namespace/name` of the Services that their routes send to, mirrors included. */
function gatewaysByService(routes: ReadonlyMap<string, HttpRoute>): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>()
  for (const { attachments, rules } of routes.values()) {
    const gateways = attachments.flatMap(({ virtualHost }) => /^Gateway ([^/]+\/[^/]+)\//.exec(virtualHost)?.[1] ?? [])
    if (gateways.length === 0) continue
    const filters = rules.flatMap(rule => [...rule.filters, ...rule.backends.flatMap(backend => backend.filters)])
    const targets = [
      ...rules.flatMap(rule => rule.backends.map(backend => backend.target)),
      ...filters.flatMap(filter => (filter.kind === 'mirror' ? [filter.target] : [])),
    ]
    for (const target of targets) {
      if (target.kind !== 'backend') continue
      const service = target.key.slice(0, target.key.lastIndexOf(':'))
      const set = found.get(service) ?? new Set<string>()
      for (const gateway of gateways) set.add(gateway)
      found.set(service, set)
    }
  }
  return found
}

function statusOf(
  { policy, accepted, resolvedRefs, services }: TlsPolicyOutcome,
  gateways: ReadonlyMap<string, ReadonlySet<string>>,
): ResourceStatus {
  const { namespace, name, generation } = policy.metadata
  const conditions = [condition('Accepted', accepted, generation), condition('ResolvedRefs', resolvedRefs, generation)]
  const leading = [...new Set(services.flatMap(service => [...(gateways.get(service) ?? [])]))].toSorted(compareText)
  const ancestor = (group: string, kind: string, key: string): ParentStatus => {
    const [owner = '', child = ''] = key.split('/')
    return { parentRef: { group, kind, namespace: owner, name: child }, controllerName, conditions }
  }
  const parents =
    leading.length > 0
      ? leading.map(key => ancestor('gateway.networking.k8s.io', 'Gateway', key))
      : services.map(key => ancestor('', 'Service', key))
  return {
    apiVersion: policy.apiVersion,
    kind: policy.kind,
    namespace,
    name,
    generation,
    conditions: parents.length === 0 ? conditions : [],
    addresses: [],
    listeners: [],
    // The API's limit for ancestors.
    parents: parents.slice(0, 16),
  }
}
