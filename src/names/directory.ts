import { type DnsData, type DnsQuestion, recordTypes } from '../codec/index.ts'
import type { Backend, BackendKey, Endpoint, NamedServicePort, NamedService } from '../model/index.ts'
import { addressOfReverseName, isIpv6, VirtualRanges } from './reverse.ts'

/** What the names of the mesh are answered from at one moment. */
export interface NamesView {
  readonly services: readonly NamedService[]
  /** With the health of endpoints in it. */
  readonly backends: ReadonlyMap<BackendKey, Backend>
}

/** Seconds: programs see a change soon, and need not ask for each connection. */
export const namesTtl: number = 5

export const clusterDomain: string = 'cluster.local'

export interface FoundRecord {
  /** Undefined for the name that was asked for. */
  readonly name: string | undefined
  readonly data: DnsData
}

export type Found =
  | { readonly kind: 'records'; readonly answers: readonly FoundRecord[]; readonly additionals: readonly FoundRecord[] }
  /** Another name for a host that the mesh may not know. */
  | { readonly kind: 'alias'; readonly target: string }
  /** The name is there, and has nothing of the type. @param zone  undefined for the name itself */
  | { readonly kind: 'no-data'; readonly zone: string | undefined }
  | { readonly kind: 'no-name'; readonly zone: string }
  /** No name of the mesh. */
  | { readonly kind: 'elsewhere' }

const elsewhere: Found = { kind: 'elsewhere' }

/**
 * Names of the mesh, after the DNS specification of Kubernetes 1.1.0: a Service
 * is `reviews.shop.svc.cluster.local`, `reviews.shop.svc`, `reviews.shop`, and
 * `reviews` for those of its namespace. The long forms are of the mesh alone: one
 * that is not there does not exist. A short one that no Service has is a name
 * of somewhere else.
 *
 * @see https://github.com/kubernetes/dns/blob/master/docs/specification.md
 */
export class Directory {
  readonly #ranges: VirtualRanges
  #view: NamesView = { services: [], backends: new Map() }
  #byKey = new Map<string, NamedService>()
  #byAddress = new Map<string, NamedService>()
  #namespaces = new Set<string>()
  /** Counts answers with several records, so that each begins with another one. */
  #turn = 0
  /** Of who asks now: whether virtual IPv6 addresses lead anywhere. */
  #carriesIpv6 = false

  /** @param serviceCidr  where virtual IPv4 addresses are from */
  constructor(serviceCidr: string) {
    this.#ranges = new VirtualRanges(serviceCidr)
  }

  update(view: NamesView): void {
    const { services } = this.#view
    this.#view = view
    if (view.services === services) return
    this.#byKey = new Map(view.services.map(service => [service.key, service]))
    this.#namespaces = new Set(view.services.map(({ namespace }) => namespace))
    this.#byAddress = new Map(view.services.flatMap(service => service.addresses.map(address => [address, service])))
  }

  /** @param namespace  of who asks @param carriesIpv6  whether virtual IPv6 addresses lead them anywhere */
  find(question: DnsQuestion, { namespace, carriesIpv6 }: { namespace: string; carriesIpv6: boolean }): Found {
    this.#carriesIpv6 = carriesIpv6
    const name = question.name.toLowerCase()
    if (isBelow(name, clusterDomain)) return this.#inCluster(name, question.type)
    if (isBelow(name, 'svc')) return this.#inServices(labelsBefore(name, 'svc'), question.type, 'svc')
    if (name.endsWith('.arpa')) return this.#reverse(name, question.type)
    return this.#short(name.split('.'), question.type, namespace)
  }

  #inCluster(name: string, type: number): Found {
    const zone = clusterDomain
    const services = `svc.${clusterDomain}`
    if (isBelow(name, services)) return this.#inServices(labelsBefore(name, services), type, zone)
    if (name === `dns-version.${zone}`) {
      return type === recordTypes.TXT ? records([{ kind: 'opaque', type, bytes: specification }]) : noData(zone)
    }
    return name === zone ? noData(zone) : { kind: 'no-name', zone }
  }

  #inServices(labels: readonly string[], type: number, zone: string): Found {
    const namespace = labels.at(-1)
    if (namespace === undefined) return noData(zone)
    if (!this.#namespaces.has(namespace)) return { kind: 'no-name', zone }
    const name = labels.at(-2)
    if (name === undefined) return noData(zone)
    const service = this.#byKey.get(`${namespace}/${name}`)
    const found = service === undefined ? undefined : this.#within(service, labels.slice(0, -2), type, zone)
    return found ?? { kind: 'no-name', zone }
  }

  /** First as a name of the namespace, then with a namespace at its end, as the search list of a pod has it. */
  #short(labels: readonly string[], type: number, namespace: string): Found {
    const [last = '', previous = ''] = labels.toReversed()
    const near = this.#byKey.get(`${namespace}/${last}`)
    const found = near === undefined ? undefined : this.#within(near, labels.slice(0, -1), type, undefined)
    if (found !== undefined) return found
    const far = this.#byKey.get(`${last}/${previous}`)
    return (far === undefined ? undefined : this.#within(far, labels.slice(0, -2), type, undefined)) ?? elsewhere
  }

  /** @param prefix  labels before the Service's @returns undefined when there is no such name */
  #within(service: NamedService, prefix: readonly string[], type: number, zone: string | undefined): Found | undefined {
    const [first, second] = prefix
    if (first === undefined) return this.#ofService(service, type, zone)
    if (service.kind === 'external-name') return undefined
    if (first.startsWith('_')) {
      const carrier = `${second ?? first}`.slice(1)
      const ports = service.ports.filter(port => port.carrier === carrier && port.name !== '')
      if (prefix.length === 1) return ports.length === 0 ? undefined : noData(zone)
      const port = ports.find(each => `_${each.name}` === first)
      if (prefix.length > 2 || port === undefined) return undefined
      return wanted(type, recordTypes.SRV) ? this.#locations(service, port, zone) : noData(zone)
    }
    if (service.kind !== 'headless' || prefix.length > 1) return undefined
    const addresses = distinctAddresses(this.#endpoints(service).filter(endpoint => hostLabel(endpoint) === first))
    return addresses.length === 0 ? undefined : addressRecords(addresses, type, zone)
  }

  #ofService(service: NamedService, type: number, zone: string | undefined): Found {
    if (service.kind === 'external-name') return { kind: 'alias', target: service.externalName }
    if (service.kind === 'cluster-ip') return addressRecords(this.#virtual(service), type, zone)
    const addresses = distinctAddresses(this.#endpoints(service))
    return addressRecords(this.#rotated(addresses), type, zone)
  }

  #locations(service: NamedService, port: NamedServicePort, zone: string | undefined): Found {
    const host = hostName(service)
    if (service.kind === 'cluster-ip') {
      const location = srv(port.port, host)
      return records(
        [location],
        addressData(this.#virtual(service)).map(data => ({ name: host, data })),
      )
    }
    const endpoints = this.#rotated(usable(this.#view.backends.get(port.backend)))
    if (endpoints.length === 0) return noData(zone)
    const targetOf = (endpoint: Endpoint): string => `${hostLabel(endpoint)}.${host}`
    const additionals = new Map<string, FoundRecord>()
    for (const endpoint of endpoints) {
      for (const data of addressData([endpoint.address])) {
        additionals.set(`${targetOf(endpoint)} ${endpoint.address}`, { name: targetOf(endpoint), data })
      }
    }
    return records(
      endpoints.map(endpoint => srv(endpoint.port, targetOf(endpoint))),
      [...additionals.values()],
    )
  }

  #reverse(name: string, type: number): Found {
    const address = addressOfReverseName(name)
    if (address === undefined) return elsewhere
    const service = this.#byAddress.get(address)
    if (service === undefined) {
      const zone = this.#ranges.zoneOf(address)
      return zone === undefined ? elsewhere : { kind: 'no-name', zone }
    }
    return wanted(type, recordTypes.PTR) ? records([{ kind: 'PTR', target: hostName(service) }]) : noData(undefined)
  }

  #virtual(service: NamedService): readonly string[] {
    return this.#carriesIpv6 ? service.addresses : service.addresses.filter(address => !isIpv6(address))
  }

  #endpoints(service: NamedService): readonly Endpoint[] {
    return service.ports.flatMap(({ backend }) => usable(this.#view.backends.get(backend)))
  }

  #rotated<T>(list: readonly T[]): readonly T[] {
    if (list.length < 2) return list
    const start = this.#turn++ % list.length
    return start === 0 ? list : [...list.slice(start), ...list.slice(0, start)]
  }
}

/** Of the DNS specification of Kubernetes, as a character string of TXT. */
const specification: Uint8Array = new TextEncoder().encode('\u00051.1.0')

function isBelow(name: string, zone: string): boolean {
  return name === zone || name.endsWith(`.${zone}`)
}

function labelsBefore(name: string, zone: string): readonly string[] {
  return name === zone ? [] : name.slice(0, -zone.length - 1).split('.')
}

function hostName({ name, namespace }: NamedService): string {
  return `${name}.${namespace}.svc.${clusterDomain}`
}

/** Unhealthy ones and those that end are left out, even if nobody is left: whoever connects there gets nothing. */
function usable(backend: Backend | undefined): readonly Endpoint[] {
  return backend?.endpoints.filter(({ healthy, draining }) => healthy && !draining) ?? []
}

function distinctAddresses(endpoints: readonly Endpoint[]): readonly string[] {
  return [...new Set(endpoints.map(({ address }) => address))]
}

/** The name of its workload, else its address with dashes, `10-0-0-1`. */
function hostLabel({ workload, address }: Endpoint): string {
  return /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(workload) ? workload : address.replaceAll(/[.:]/g, '-')
}

function addressRecords(addresses: readonly string[], type: number, zone: string | undefined): Found {
  const data = addressData(addresses).filter(({ kind }) => wanted(type, recordTypes[kind]))
  return data.length === 0 ? noData(zone) : records(data)
}

function addressData(addresses: readonly string[]): (DnsData & { readonly kind: 'A' | 'AAAA' })[] {
  return addresses.map(address => ({ kind: isIpv6(address) ? 'AAAA' : 'A', address }))
}

function srv(port: number, target: string): DnsData {
  return { kind: 'SRV', priority: 0, weight: 100, port, target }
}

/** Who asks for anything gets what there is (RFC 8482 section 4.1). */
function wanted(type: number, has: number): boolean {
  return type === has || type === recordTypes.ANY
}

function records(answers: readonly DnsData[], additionals: readonly FoundRecord[] = []): Found {
  return { kind: 'records', answers: answers.map(data => ({ name: undefined, data })), additionals }
}

function noData(zone: string | undefined): Found {
  return { kind: 'no-data', zone }
}
