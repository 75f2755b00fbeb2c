import type { Backend, HttpRoute, NamedService, ServiceAddress, StreamRoute, Workload } from '../../model/index.ts'
import type {
  AnyResource,
  BackendPolicyResource,
  EndpointSliceResource,
  ServiceResource,
  WorkloadResource,
} from '../schema/resource.ts'
import { BackendTlsStage } from './backend-tls-stage.ts'
import { CopyOnWriteMap } from './copy-on-write-map.ts'
import { Names, type ServiceFacts } from './facts.ts'
import { compareText } from './hostname.ts'
import { assignPolicies, type ServicePolicies } from './policies.ts'
import type { Finding } from './problems.ts'
import type { ResourceChange, Tables } from './resource-tables.ts'
import { same } from './same.ts'
import type { StageSink } from './stage-sink.ts'
import { judgeService, type ServiceOutcome } from './services.ts'
import { SortedRecords } from './sorted-records.ts'
import {
  allocateAddresses,
  allocateIpv6,
  displacedAddresses,
  isLoopbackIpv4,
  uniqueLocalIpv6,
  type AddressWish,
  type Network,
} from './virtual-addresses.ts'
import { SelectorIndex, workloadOf } from './workloads.ts'

const serviceNameLabel = 'kubernetes.io/service-name'

/**
 * Services with their endpoints, policies and addresses. Only Services that an
 * edit touches are judged again: through themselves, a slice, a Workload, a
 * policy, or (rarely) an address that moved.
 */
export class ServiceStage {
  readonly facts: Map<string, ServiceFacts> = new Map<string, ServiceFacts>()
  readonly backends: CopyOnWriteMap<Backend> = new CopyOnWriteMap<Backend>()
  readonly addresses: SortedRecords<readonly ServiceAddress[]> = new SortedRecords<readonly ServiceAddress[]>()
  readonly named: SortedRecords<NamedService> = new SortedRecords<NamedService>()
  readonly workloads: SortedRecords<Workload> = new SortedRecords<Workload>()
  /** Each Service port's own route, attached or not. */
  readonly ownRoutes: Map<string, HttpRoute> = new Map<string, HttpRoute>()
  readonly ownStreamRoutes: Map<string, StreamRoute> = new Map<string, StreamRoute>()
  names: Names = new Names([])
  /** BackendTLSPolicies; their statuses are written when routes are known. */
  readonly tls: BackendTlsStage = new BackendTlsStage()

  readonly #network: Network
  readonly #outcomes = new Map<string, ServiceOutcome>()
  readonly #slices = new Map<string, Map<string, EndpointSliceResource>>()
  #workloadsByService: ReadonlyMap<string, readonly WorkloadResource[]> = new Map()
  #policies: ReadonlyMap<string, ServicePolicies> = new Map()
  #policyKeys: readonly string[] = []
  #addresses: ReadonlyMap<string, string>
  #ipv6Addresses: ReadonlyMap<string, string> = new Map()
  #displaced: ReadonlyMap<string, string> = new Map()
  #takenAddresses = ''
  /** Keys that slices or Workloads name and no Service has. */
  readonly #orphans = new Set<string>()

  /** @param kept  what `displacedAddresses` of an earlier run was */
  constructor(network: Network, kept: ReadonlyMap<string, string>) {
    this.#network = network
    this.#addresses = kept
  }

  /** Addresses that have to be remembered, by key; the same object as long as it is the same. */
  get displacedAddresses(): ReadonlyMap<string, string> {
    return this.#displaced
  }

  /**
   * @param taken  addresses of Gateways, which no Service may have
   * @returns facts that changed
   */
  update(
    changes: readonly ResourceChange[],
    tables: Tables,
    taken: readonly string[],
    sink: StageSink,
  ): readonly string[] {
    const dirty = new Set<string>()
    let isAnyService = false
    let hasNewWishes = false
    let hasNewNames = false
    for (const { kind, key, before, after } of changes) {
      if (kind === 'Service') {
        dirty.add(key)
        isAnyService = true
        hasNewWishes ||= wishText(before) !== wishText(after)
        hasNewNames ||= before === undefined || after === undefined
      } else if (kind === 'EndpointSlice') {
        this.#fileSlice(key, before, after, dirty)
      }
    }
    const changedFacts: string[] = []
    if (hasNewNames) {
      this.names = new Names(tables.Service.keys())
      changedFacts.push('names Service')
      for (const key of this.#orphans) dirty.add(key)
    }
    if (changes.some(({ kind }) => kind === 'Workload') || (isAnyService && tables.Workload.size > 0)) {
      this.#assignWorkloads(changes, tables, dirty, sink)
    }
    if (changes.some(({ kind }) => kind === 'BackendPolicy') || (isAnyService && tables.BackendPolicy.size > 0)) {
      this.#assignPolicies(tables, dirty, sink)
    }
    for (const key of this.tls.update(changes, tables, this.names)) dirty.add(key)
    this.#assignAddresses(tables, taken, dirty, { hasNewWishes })
    for (const key of dirty) {
      if (this.#judge(key, tables.Service.get(key), sink)) changedFacts.push(`Service ${key}`)
    }
    return changedFacts
  }

  #fileSlice(key: string, before: ResourceChange['before'], after: ResourceChange['after'], dirty: Set<string>): void {
    for (const slice of [before, after]) {
      if (slice?.kind !== 'EndpointSlice') continue
      const name = slice.metadata.labels[serviceNameLabel]
      if (name === undefined) continue
      const service = `${slice.metadata.namespace}/${name}`
      dirty.add(service)
      const filed = this.#slices.get(service) ?? new Map<string, EndpointSliceResource>()
      if (slice === after) filed.set(key, slice)
      else filed.delete(key)
      if (filed.size === 0) this.#slices.delete(service)
      else this.#slices.set(service, filed)
    }
  }

  #assignWorkloads(changes: readonly ResourceChange[], tables: Tables, dirty: Set<string>, sink: StageSink): void {
    const selectors = new SelectorIndex(tables.Service.values())
    const byService = new Map<string, WorkloadResource[]>()
    for (const { kind, key, after } of changes) {
      if (kind !== 'Workload') continue
      const before = this.workloads.get(key)
      this.workloads.set(key, after?.kind === 'Workload' ? same(workloadOf(after), before) : undefined)
      if (after === undefined) sink.findings(`Workload ${key}`, [])
    }
    for (const key of [...tables.Workload.keys()].toSorted(compareText)) {
      const workload = tables.Workload.get(key)
      if (workload === undefined) continue
      const services = new Set(selectors.servicesOf(workload))
      const { service } = workload.spec
      if (service !== undefined) services.add(`${workload.metadata.namespace}/${service}`)
      for (const name of services) {
        const list = byService.get(name)
        if (list === undefined) byService.set(name, [workload])
        else list.push(workload)
      }
      sink.findings(`Workload ${key}`, this.#workloadFindings(workload, services, tables))
    }
    for (const key of new Set([...byService.keys(), ...this.#workloadsByService.keys()])) {
      const [old, now] = [this.#workloadsByService.get(key) ?? [], byService.get(key) ?? []]
      if (old.length !== now.length || now.some((workload, at) => workload !== old[at])) dirty.add(key)
    }
    this.#workloadsByService = byService
  }

  #workloadFindings(workload: WorkloadResource, services: ReadonlySet<string>, tables: Tables): readonly Finding[] {
    const { service } = workload.spec
    if (service !== undefined) {
      const key = `${workload.metadata.namespace}/${service}`
      if (tables.Service.has(key)) return []
      const message = `no Service ${key}${this.names.suggest(key)}`
      return [{ resource: workload, severity: 'error', path: 'spec.service', message }]
    }
    if (services.size > 0) return []
    const message = 'no Service selects the Workload, so nobody reaches it; set spec.service or labels'
    return [{ resource: workload, severity: 'warning', path: 'metadata.labels', message }]
  }

  #assignPolicies(tables: Tables, dirty: Set<string>, sink: StageSink): void {
    const portNames = (service: string): readonly string[] | undefined =>
      tables.Service.get(service)?.spec.ports.map(port => port.name ?? '')
    const table = assignPolicies(tables.BackendPolicy.values(), portNames, this.names)
    for (const key of new Set([...table.byService.keys(), ...this.#policies.keys()])) {
      if (!hasSamePolicies(this.#policies.get(key), table.byService.get(key))) dirty.add(key)
    }
    for (const key of this.#policyKeys) {
      if (table.outcomes.has(key)) continue
      sink.status(`BackendPolicy ${key}`, undefined)
      sink.findings(`BackendPolicy ${key}`, [])
    }
    for (const [key, { status, findings }] of table.outcomes) {
      sink.status(`BackendPolicy ${key}`, status)
      sink.findings(`BackendPolicy ${key}`, findings)
    }
    this.#policies = table.byService
    this.#policyKeys = [...table.outcomes.keys()]
  }

  #assignAddresses(
    tables: Tables,
    taken: readonly string[],
    dirty: Set<string>,
    options: { hasNewWishes: boolean },
  ): void {
    const takenAddresses = taken.toSorted(compareText).join(' ')
    if (!options.hasNewWishes && takenAddresses === this.#takenAddresses) return
    this.#takenAddresses = takenAddresses
    const wishes: AddressWish[] = []
    for (const [key, service] of tables.Service) {
      const wish = wishOf(key, service)
      if (wish !== undefined) wishes.push(wish)
    }
    const addresses = allocateAddresses(wishes, this.#network, taken, this.#addresses)
    const ipv6Addresses = allocateIpv6(wishes, addresses)
    for (const { key } of wishes) {
      const isSame =
        addresses.get(key) === this.#addresses.get(key) && ipv6Addresses.get(key) === this.#ipv6Addresses.get(key)
      if (!isSame) dirty.add(key)
    }
    this.#addresses = addresses
    this.#ipv6Addresses = ipv6Addresses
    this.#displaced = same(displacedAddresses(wishes, this.#network, addresses), this.#displaced)
  }

  /** @returns whether what routes may know of the Service changed */
  #judge(key: string, service: ServiceResource | undefined, sink: StageSink): boolean {
    const before = this.#outcomes.get(key)
    const slices = [...(this.#slices.get(key) ?? [])].toSorted((a, b) => compareText(a[0], b[0])).map(entry => entry[1])
    if (service === undefined) {
      this.#publish(before, undefined, key, sink)
      sink.findings(
        `Service ${key}`,
        slices.map(slice => this.#orphanFinding(slice, key)),
      )
      if (slices.length > 0) this.#orphans.add(key)
      else this.#orphans.delete(key)
      return before !== undefined
    }
    this.#orphans.delete(key)
    const outcome = judgeService(
      {
        service,
        slices,
        workloads: this.#workloadsByService.get(key) ?? [],
        policies: this.#policies.get(key),
        address: this.#addresses.get(key),
        ipv6Address: this.#ipv6Addresses.get(key),
        tlsOf: portName => this.tls.of(key, portName),
      },
      before,
    )
    this.#publish(before, outcome, key, sink)
    sink.findings(`Service ${key}`, outcome.findings)
    return outcome.facts !== before?.facts
  }

  #orphanFinding(slice: EndpointSliceResource, key: string): Finding {
    const message = `the label ${serviceNameLabel} names no Service: there is no ${key}${this.names.suggest(key)}`
    return { resource: slice, severity: 'warning', path: 'metadata.labels', message }
  }

  #publish(before: ServiceOutcome | undefined, after: ServiceOutcome | undefined, key: string, sink: StageSink): void {
    const put = <Value extends object>(
      old: readonly Value[],
      now: readonly Value[],
      idOf: (value: Value) => string,
      set: (id: string, value: Value | undefined) => void,
    ): void => {
      const ids = new Set(now.map(idOf))
      for (const value of old) if (!ids.has(idOf(value))) set(idOf(value), undefined)
      for (const value of now) set(idOf(value), value)
    }
    put(
      before?.backends ?? [],
      after?.backends ?? [],
      backend => backend.key,
      (id, value) => this.backends.set(id, value),
    )
    put(
      before?.listeners ?? [],
      after?.listeners ?? [],
      listener => listener.id,
      (id, value) =>
        sink.listener(
          id,
          value,
          before?.listeners.find(listener => listener.id === id),
        ),
    )
    put(
      before?.ownRoutes ?? [],
      after?.ownRoutes ?? [],
      route => route.key,
      (id, value) => {
        if (value === undefined) this.ownRoutes.delete(id)
        else this.ownRoutes.set(id, value)
        sink.ownRoute(id)
      },
    )
    put(
      before?.ownStreamRoutes ?? [],
      after?.ownStreamRoutes ?? [],
      route => route.key,
      (id, value) => {
        if (value === undefined) this.ownStreamRoutes.delete(id)
        else this.ownStreamRoutes.set(id, value)
        sink.ownRoute(id)
      },
    )
    const addresses = after === undefined || after.addresses.length === 0 ? undefined : after.addresses
    this.addresses.set(key, same(addresses, this.addresses.get(key)))
    this.named.set(key, after?.named)
    if (after === undefined) {
      this.#outcomes.delete(key)
      this.facts.delete(key)
    } else {
      this.#outcomes.set(key, after)
      this.facts.set(key, after.facts)
    }
  }
}

/** What a Service asks for; undefined when it is to have no virtual address. */
function wishOf(key: string, service: ServiceResource): AddressWish | undefined {
  const { type, clusterIP, clusterIPs = [] } = service.spec
  if (type === 'ExternalName' || clusterIP === 'None') return undefined
  const given = clusterIP === undefined ? clusterIPs : [clusterIP, ...clusterIPs]
  return {
    key,
    wanted: given.find(isLoopbackIpv4),
    wantedIpv6: given.map(uniqueLocalIpv6).find(address => address !== undefined),
  }
}

/** The same for the same wish. */
function wishText(service: AnyResource | undefined): string {
  const wish = service?.kind === 'Service' ? wishOf('', service) : undefined
  return wish === undefined ? 'none' : `${wish.wanted} ${wish.wantedIpv6}`
}

function hasSamePolicies(a: ServicePolicies | undefined, b: ServicePolicies | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  const entries: (readonly [string | undefined, BackendPolicyResource])[] = [...b]
  return a.size === b.size && entries.every(([name, policy]) => a.get(name) === policy)
}
