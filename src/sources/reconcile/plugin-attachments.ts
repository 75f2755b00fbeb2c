import type { Listener, PluginKey, VirtualHost } from '../../model/index.ts'
import type { EnvoyExtensionPolicyResource, IstioAttachment, PluginTarget } from '../schema/resource.ts'
import { compareAge } from './age.ts'
import { selects } from './facts.ts'
import { istioPluginKey, type IstioPlugin } from './plugins.ts'
import type { Tables } from './resource-tables.ts'
import { SelectorIndex } from './workloads.ts'

/** Resources of this namespace hold for the whole mesh, as those of Istio's root namespace. */
const rootNamespace = 'istio-system'

const gatewayGroup = 'gateway.networking.k8s.io'

/** Filters of Envoy stand in this order; what says nothing comes last, right before the route. */
const phases: readonly IstioAttachment['phase'][] = ['AUTHN', 'AUTHZ', 'STATS', 'UNSPECIFIED']

/** In the order in which requests pass them. */
export function sortIstioPlugins(plugins: Iterable<IstioPlugin>): readonly IstioPlugin[] {
  return [...plugins].toSorted(
    (a, b) =>
      phases.indexOf(a.spec.phase) - phases.indexOf(b.spec.phase) ||
      b.spec.priority - a.spec.priority ||
      compareAge(a, b),
  )
}

/** What a plugin may hold for: a virtual host, and whose it is. */
export interface PluginHost {
  readonly host: VirtualHost
  readonly owner: 'Gateway' | 'ListenerSet' | 'Service'
  readonly namespace: string
  readonly name: string
  readonly section: string
  readonly port: number
  readonly speaks: 'http' | 'tcp' | 'udp'
}

export function pluginHost(listener: Listener, host: VirtualHost): PluginHost | undefined {
  const [, owner, namespace = '', name = '', section = ''] =
    /^(Gateway|ListenerSet|Service) ([^/]+)\/([^/:]+)[/:](.+)$/.exec(host.id) ?? []
  if (owner !== 'Gateway' && owner !== 'ListenerSet' && owner !== 'Service') return undefined
  return { host, owner, namespace, name, section, port: listener.port, speaks: speaks(listener, host) }
}

function speaks({ protocol }: Listener, { tlsMode }: VirtualHost): PluginHost['speaks'] {
  if (protocol === 'HTTP' || protocol === 'HTTPS' || (protocol === 'TLS' && tlsMode === 'https')) return 'http'
  return protocol === 'UDP' ? 'udp' : 'tcp'
}

/** Where resources hold by their own words. */
export class PluginPlaces {
  readonly #tables: Tables
  readonly #gatewayOfSet: ReadonlyMap<string, string>
  /** Labels of what a Service's endpoints are, by `namespace/name`. */
  readonly #workloadLabels: ReadonlyMap<string, readonly Readonly<Record<string, string>>[]>

  constructor(tables: Tables, gatewayOfSet: ReadonlyMap<string, string>) {
    this.#tables = tables
    this.#gatewayOfSet = gatewayOfSet
    this.#workloadLabels = workloadLabels(tables)
  }

  /** @param named  keys of plugins that routes name: without selector and targets they hold only there */
  holdsAt(plugin: IstioPlugin, place: PluginHost, named: ReadonlySet<PluginKey>): boolean {
    const { selector, targetRefs, match } = plugin.spec
    const isRoot = plugin.metadata.namespace === rootNamespace
    if (!matchesTraffic(match, place)) return false
    const gateway = this.#gatewayOf(place)
    if (targetRefs.length > 0) return targetRefs.some(target => this.#isTarget(plugin, target, place, gateway))
    const isNear = isRoot || plugin.metadata.namespace === (gateway?.namespace ?? place.namespace)
    if (!isNear) return false
    if (selector === undefined) return !named.has(istioPluginKey(plugin))
    if (gateway !== undefined) {
      const resource = this.#tables.Gateway.get(`${gateway.namespace}/${gateway.name}`)
      const labels = { ...resource?.metadata.labels, 'gateway.networking.k8s.io/gateway-name': gateway.name }
      return selects(selector, labels)
    }
    const key = `${place.namespace}/${place.name}`
    return (this.#workloadLabels.get(key) ?? []).some(labels => selects(selector, labels))
  }

  /** Why a target can't be one; undefined where it is. */
  problemOfTarget(plugin: IstioPlugin, { group, kind, name, namespace }: PluginTarget): string | undefined {
    const own = plugin.metadata.namespace
    if (namespace !== undefined && namespace !== own) return `a target is of the plugin's own namespace ${own}`
    if (group === gatewayGroup && kind === 'Gateway') {
      return this.#tables.Gateway.has(`${own}/${name}`) ? undefined : `no Gateway ${own}/${name}`
    }
    if (group === gatewayGroup && kind === 'GatewayClass') {
      if (own !== rootNamespace) return `only plugins of namespace ${rootNamespace} are for a GatewayClass`
      return this.#tables.GatewayClass.has(name) ? undefined : `no GatewayClass ${name}`
    }
    if (group === '' && kind === 'Service') {
      return this.#tables.Service.has(`${own}/${name}`) ? undefined : `no Service ${own}/${name}`
    }
    return `a plugin is for a Gateway, a GatewayClass or a Service, not for ${group === '' ? kind : `${group}/${kind}`}`
  }

  #gatewayOf({ owner, namespace, name }: PluginHost): { namespace: string; name: string } | undefined {
    if (owner === 'Service') return undefined
    const key = owner === 'Gateway' ? `${namespace}/${name}` : (this.#gatewayOfSet.get(`${namespace}/${name}`) ?? '/')
    const [itsNamespace = '', itsName = ''] = key.split('/')
    return { namespace: itsNamespace, name: itsName }
  }

  #isTarget(
    plugin: IstioPlugin,
    target: PluginTarget,
    place: PluginHost,
    gateway: { readonly namespace: string; readonly name: string } | undefined,
  ): boolean {
    const { namespace } = plugin.metadata
    if (this.problemOfTarget(plugin, target) !== undefined) return false
    if (target.kind === 'Service') {
      return place.owner === 'Service' && place.namespace === namespace && place.name === target.name
    }
    if (gateway === undefined) return false
    if (target.kind === 'Gateway') return gateway.namespace === namespace && gateway.name === target.name
    const resource = this.#tables.Gateway.get(`${gateway.namespace}/${gateway.name}`)
    return resource?.spec.gatewayClassName === target.name
  }
}

/** A Gateway is a client of what it sends to, a Service's port a server, as Istio has it. */
function matchesTraffic(match: IstioAttachment['match'], { owner, port }: PluginHost): boolean {
  const mode = owner === 'Service' ? 'SERVER' : 'CLIENT'
  return (
    match.length === 0 ||
    match.some(
      ({ mode: wanted, ports }) =>
        (wanted === mode || wanted === 'CLIENT_AND_SERVER' || wanted === 'UNDEFINED') &&
        (ports.length === 0 || ports.some(({ number }) => number === port)),
    )
  )
}

function workloadLabels(tables: Tables): Map<string, Readonly<Record<string, string>>[]> {
  const found = new Map<string, Readonly<Record<string, string>>[]>()
  const add = (key: string, labels: Readonly<Record<string, string>>): void => {
    const list = found.get(key)
    if (list === undefined) found.set(key, [labels])
    else list.push(labels)
  }
  // Endpoints may come from elsewhere; what they are called is what the Service selects.
  for (const [key, { spec }] of tables.Service) if (spec.selector !== undefined) add(key, spec.selector)
  const index = new SelectorIndex(tables.Service.values())
  for (const workload of tables.Workload.values()) {
    const { namespace, labels } = workload.metadata
    for (const key of index.servicesOf(workload)) add(key, labels)
    if (workload.spec.service !== undefined) add(`${namespace}/${workload.spec.service}`, labels)
  }
  return found
}

/** Keys of what a policy is for: `Gateway shop/web`, `Gateway shop/web/http` of one listener, `HTTPRoute shop/cart`. */
export function policySlots(policy: EnvoyExtensionPolicyResource, tables: Tables): readonly PolicySlot[] {
  const { namespace } = policy.metadata
  const slots: PolicySlot[] = []
  for (const [index, { kind, name, sectionName }] of policy.spec.targetRefs.entries()) {
    const path = `spec.targetRefs[${index}]`
    const problem =
      unfit(kind, sectionName) ??
      (hasResource(tables, kind, `${namespace}/${name}`) ? undefined : `no ${kind} ${namespace}/${name}`)
    const slot = sectionName === undefined ? name : `${name}/${sectionName}`
    slots.push({ key: `${kind} ${namespace}/${slot}`, path, problem, kind, name })
  }
  for (const [index, { group, kind, ...selector }] of policy.spec.targetSelectors.entries()) {
    const path = `spec.targetSelectors[${index}]`
    const problem = unfit(kind, undefined)
    if (problem !== undefined) {
      slots.push({ key: '', path, problem, kind, name: '' })
      continue
    }
    for (const { metadata } of tables[kind as 'Gateway'].values()) {
      if (metadata.namespace !== namespace || group !== gatewayGroup || !selects(selector, metadata.labels)) continue
      slots.push({ key: `${kind} ${namespace}/${metadata.name}`, path, problem: undefined, kind, name: metadata.name })
    }
  }
  return slots
}

export interface PolicySlot {
  readonly key: string
  readonly path: string
  readonly problem: string | undefined
  readonly kind: string
  readonly name: string
}

const httpTargets: readonly string[] = ['Gateway', 'ListenerSet', 'HTTPRoute', 'GRPCRoute']

function unfit(kind: string, sectionName: string | undefined): string | undefined {
  if (!httpTargets.includes(kind)) {
    return `a plugin of a policy is for HTTP and does not go with ${kind}; a WasmPlugin of type NETWORK is for TCP`
  }
  if (sectionName === undefined || kind === 'Gateway' || kind === 'ListenerSet') return undefined
  return `a policy is for a whole ${kind}, not for one of its rules; name a WasmPlugin in the rule by an ExtensionRef`
}

function hasResource(tables: Tables, kind: string, key: string): boolean {
  return tables[kind as 'Gateway'].has(key)
}
