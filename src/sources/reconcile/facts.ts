import { assertNever } from '../../core/index.ts'
import type {
  HTTPFilterResource,
  LabelSelector,
  ReferenceGrantSpec,
  TrafficExtensionResource,
  WasmPluginResource,
} from '../schema/resource.ts'
import { didYouMean, NameIndex } from './name-index.ts'

/** What a port of a Service speaks, as far as it decides who may send to it. */
export type PortProtocol = 'http1' | 'h2c' | 'tcp' | 'tls' | 'udp' | 'sctp'

export interface ServicePortFacts {
  readonly name: string
  readonly port: number
  readonly protocol: PortProtocol
  /** Whether it is HTTP in TLS and a BackendTLSPolicy says how that is reached; clients of the mesh bring their own TLS. */
  readonly isHttpInTls: boolean
  /** Nothing says what it speaks: HTTP/1.1 is taken for granted, and HTTP/2 where a GRPCRoute sends to it. */
  readonly isAssumed: boolean
  /** How the Service says so, for messages: `appProtocol kubernetes.io/h2c`. */
  readonly declared: string
}

/** `shop/cart:80`, `shop/dns:53/udp`: a number may stand twice, for TCP and for UDP. */
export function portKey(service: string, port: { readonly port: number; readonly protocol: PortProtocol }): string {
  return port.protocol === 'udp' ? `${service}:${port.port}/udp` : `${service}:${port.port}`
}

/** What routes may know of a Service. */
export interface ServiceFacts {
  /** `namespace/name` */
  readonly key: string
  readonly namespace: string
  readonly name: string
  /** Only a Service with an address of its own can be a parent of routes. */
  readonly kind: 'cluster-ip' | 'headless' | 'external-name'
  readonly ports: readonly ServicePortFacts[]
}

export interface ListenerFacts {
  readonly name: string
  /** `VirtualHost.id` */
  readonly virtualHost: string
  readonly port: number
  readonly hostname: string | undefined
  readonly from: 'All' | 'Same' | 'Selector'
  readonly selector: LabelSelector | undefined
  /** Kinds of routes that its protocol and its `allowedRoutes.kinds` leave room for. */
  readonly routeKinds: readonly string[]
  /** Name of what its Gateway shows to backends that are reached by TLS. */
  readonly clientCertificate: string | undefined
}

/** What routes may know of a Gateway or a ListenerSet. Whether its listeners work does not matter to them. */
export interface GatewayFacts {
  readonly kind: 'Gateway' | 'ListenerSet'
  readonly key: string
  readonly namespace: string
  readonly name: string
  /** False for a Gateway of another controller's class: routes ignore it. */
  readonly isOurs: boolean
  /** Why routes can't attach at all: the Gateway does not admit the ListenerSet. */
  readonly refusal: string | undefined
  readonly listeners: readonly ListenerFacts[]
}

export interface Referrer {
  readonly group: string
  readonly kind: string
  readonly namespace: string
}

export interface Referent {
  readonly group: string
  readonly kind: string
  readonly namespace: string
  readonly name: string
}

/** Kinds whose names are suggested where one is mistyped. */
type NamedKind = 'Service' | 'Gateway' | 'ListenerSet' | 'HTTPFilter'

/** The tables that a `FactReader` reads; the reconciler keeps them current. */
export interface FactTables {
  readonly services: ReadonlyMap<string, ServiceFacts>
  readonly gateways: ReadonlyMap<string, GatewayFacts>
  readonly listenerSets: ReadonlyMap<string, GatewayFacts>
  readonly namespaceLabels: ReadonlyMap<string, Readonly<Record<string, string>>>
  /** By namespace of the referent. */
  readonly grants: ReadonlyMap<string, readonly ReferenceGrantSpec[]>
  readonly httpFilters: ReadonlyMap<string, HTTPFilterResource>
  readonly WasmPlugin: ReadonlyMap<string, WasmPluginResource>
  readonly TrafficExtension: ReadonlyMap<string, TrafficExtensionResource>
  readonly names: Readonly<Record<NamedKind, Names>>
}

/**
 * The tables with a note of everything that was read, so that whoever was
 * computed from them is computed again when, and only when, one of those facts
 * changes.
 */
export class FactReader {
  readonly reads: Set<string> = new Set<string>()
  readonly #tables: FactTables

  constructor(tables: FactTables) {
    this.#tables = tables
  }

  service(key: string): ServiceFacts | undefined {
    this.reads.add(`Service ${key}`)
    return this.#tables.services.get(key)
  }

  gateway(key: string): GatewayFacts | undefined {
    this.reads.add(`Gateway ${key}`)
    return this.#tables.gateways.get(key)
  }

  listenerSet(key: string): GatewayFacts | undefined {
    this.reads.add(`ListenerSet ${key}`)
    return this.#tables.listenerSets.get(key)
  }

  httpFilter(key: string): HTTPFilterResource | undefined {
    this.reads.add(`HTTPFilter ${key}`)
    return this.#tables.httpFilters.get(key)
  }

  plugin(
    kind: 'WasmPlugin' | 'TrafficExtension',
    key: string,
  ): WasmPluginResource | TrafficExtensionResource | undefined {
    this.reads.add(`${kind} ${key}`)
    return this.#tables[kind].get(key)
  }

  /** Every namespace has the label `kubernetes.io/metadata.name`, whether or not a Namespace resource exists. */
  namespaceLabels(name: string): Readonly<Record<string, string>> {
    this.reads.add(`Namespace ${name}`)
    return { ...this.#tables.namespaceLabels.get(name), 'kubernetes.io/metadata.name': name }
  }

  /** Whether a ReferenceGrant beside the referent admits a reference from another namespace. */
  isGranted(from: Referrer, to: Referent): boolean {
    this.reads.add(`ReferenceGrant ${to.namespace}`)
    return isGranted(this.#tables.grants.get(to.namespace) ?? [], from, to)
  }

  /** `, did you mean shop/cart?` or nothing. */
  suggest(kind: NamedKind, key: string): string {
    this.reads.add(`names ${kind}`)
    return this.#tables.names[kind].suggest(key)
  }
}

export function isGranted(grants: readonly ReferenceGrantSpec[], from: Referrer, to: Referent): boolean {
  return grants.some(
    grant =>
      grant.from.some(
        entry => entry.group === from.group && entry.kind === from.kind && entry.namespace === from.namespace,
      ) &&
      grant.to.some(
        entry =>
          entry.group === to.group && entry.kind === to.kind && (entry.name === undefined || entry.name === to.name),
      ),
  )
}

/** Whether labels satisfy a selector; an empty selector is satisfied by all, an absent one by none. */
export function selects(selector: LabelSelector | undefined, labels: Readonly<Record<string, string>>): boolean {
  if (selector === undefined) return false
  // A label may be called `constructor`: only own properties are labels.
  const valueOf = (key: string): string | undefined => (Object.hasOwn(labels, key) ? labels[key] : undefined)
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) if (valueOf(key) !== value) return false
  return (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
    const value = valueOf(key)
    switch (operator) {
      case 'In':
        return value !== undefined && values.includes(value)
      case 'NotIn':
        return value === undefined || !values.includes(value)
      case 'Exists':
        return value !== undefined
      case 'DoesNotExist':
        return value === undefined
      default:
        return assertNever(operator)
    }
  })
}

/** The names of one kind, by namespace, for suggestions; indexed only when somebody asks. */
export class Names {
  readonly #keys: readonly string[]
  #index: { byNamespace: Map<string, NameIndex>; namespacesByName: Map<string, string[]> } | undefined

  /** @param keys `namespace/name` */
  constructor(keys: Iterable<string>) {
    this.#keys = [...keys]
  }

  suggest(key: string): string {
    this.#index ??= indexKeys(this.#keys)
    const [namespace = '', name = ''] = key.split('/')
    const nearest = this.#index.byNamespace.get(namespace)?.nearest(name)
    if (nearest !== undefined) return `, did you mean ${namespace}/${nearest}?`
    const elsewhere = this.#index.namespacesByName.get(name)
    if (elsewhere !== undefined) return `, did you mean ${elsewhere.toSorted()[0]}/${name}?`
    if (this.#index.byNamespace.has(namespace)) return ''
    const similar = didYouMean(namespace, this.#index.byNamespace.keys())
    return similar === '' ? '' : `; there is no namespace ${namespace}${similar}`
  }
}

function indexKeys(keys: readonly string[]): {
  byNamespace: Map<string, NameIndex>
  namespacesByName: Map<string, string[]>
} {
  const namesByNamespace = new Map<string, string[]>()
  const namespacesByName = new Map<string, string[]>()
  for (const key of keys) {
    const [namespace = '', name = ''] = key.split('/')
    append(namesByNamespace, namespace, name)
    append(namespacesByName, name, namespace)
  }
  const byNamespace = new Map([...namesByNamespace].map(([namespace, names]) => [namespace, new NameIndex(names)]))
  return { byNamespace, namespacesByName }
}

function append(lists: Map<string, string[]>, key: string, value: string): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [value])
  else list.push(value)
}
