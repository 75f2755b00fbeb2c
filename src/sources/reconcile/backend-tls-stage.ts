import { isDeepStrictEqual } from 'node:util'
import {
  controllerName,
  type Attachment,
  type BackendTarget,
  type BackendTls,
  type HttpRoute,
  type ParentStatus,
  type ResourceStatus,
  type StreamRoute,
} from '../../model/index.ts'
import { AuthorityResolver } from './authorities.ts'
import { assignTlsPolicies, type ServiceTls, type TlsPolicyOutcome } from './backend-tls-policies.ts'
import { condition } from './conditions.ts'
import type { Names } from './facts.ts'
import { compareText } from './hostname.ts'
import type { ResourceChange, Tables } from './resource-tables.ts'
import { same } from './same.ts'
import type { StageSink } from './stage-sink.ts'

/** What leads from Gateways to Services. */
export interface WaysToServices {
  readonly routes: ReadonlyMap<string, HttpRoute>
  readonly streamRoutes: ReadonlyMap<string, StreamRoute>
  /** By ListenerSet, the Gateway that it adds to; both `namespace/name`. */
  readonly gatewayOfSet: ReadonlyMap<string, string>
}

function isSameWays(a: WaysToServices, b: WaysToServices | undefined): boolean {
  return a.routes === b?.routes && a.streamRoutes === b.streamRoutes && a.gatewayOfSet === b.gatewayOfSet
}

const noTls: ServiceTls = new Map<string | undefined, BackendTls>()

/** BackendTLSPolicies: assigned before Services are judged, their statuses written once routes are. */
export class BackendTlsStage {
  readonly #resolver = new AuthorityResolver()
  #byService: ReadonlyMap<string, ServiceTls> = new Map()
  #outcomes: ReadonlyMap<string, TlsPolicyOutcome> = new Map()
  #written: readonly string[] = []
  #ways: WaysToServices | undefined = undefined
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
  writeStatuses(ways: WaysToServices, sink: StageSink): void {
    if (!this.#isStale && (this.#outcomes.size === 0 || isSameWays(ways, this.#ways))) return
    this.#isStale = false
    this.#ways = ways
    const gateways = this.#outcomes.size === 0 ? new Map<string, Set<string>>() : gatewaysByService(ways)
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
function gatewaysByService({ routes, streamRoutes, gatewayOfSet }: WaysToServices): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>()
  for (const { attachments, rules } of routes.values()) {
    const filters = rules.flatMap(rule => [...rule.filters, ...rule.backends.flatMap(backend => backend.filters)])
    note(found, gatewaysOf(attachments, gatewayOfSet), [
      ...rules.flatMap(rule => rule.backends.map(backend => backend.target)),
      ...filters.flatMap(filter => (filter.kind === 'mirror' ? [filter.target] : [])),
    ])
  }
  for (const { attachments, backends } of streamRoutes.values()) {
    const targets = backends.map(backend => backend.target)
    note(found, gatewaysOf(attachments, gatewayOfSet), targets)
  }
  return found
}

/** What is attached to a listener of a ListenerSet belongs to the Gateway that the set adds to. */
function gatewaysOf(attachments: readonly Attachment[], gatewayOfSet: ReadonlyMap<string, string>): readonly string[] {
  return attachments.flatMap(({ virtualHost }) => {
    const [, kind, key = ''] = /^(Gateway|ListenerSet) ([^/]+\/[^/]+)\//.exec(virtualHost) ?? []
    return kind === 'Gateway' ? key : (gatewayOfSet.get(key) ?? [])
  })
}

function note(found: Map<string, Set<string>>, gateways: readonly string[], targets: readonly BackendTarget[]): void {
  if (gateways.length === 0) return
  for (const target of targets) {
    if (target.kind !== 'backend') continue
    const service = target.key.slice(0, target.key.lastIndexOf(':'))
    const set = found.get(service) ?? new Set<string>()
    for (const gateway of gateways) set.add(gateway)
    found.set(service, set)
  }
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
