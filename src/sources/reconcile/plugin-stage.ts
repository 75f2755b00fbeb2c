import {
  controllerName,
  type Attachment,
  type HttpRoute,
  type Listener,
  type ParentStatus,
  type Plugin,
  type PluginKey,
  type ResourceStatus,
} from '../../model/index.ts'
import type { EnvoyExtensionPolicyResource, PluginResource } from '../schema/resource.ts'
import { compareAge } from './age.ts'
import { AuthorityResolver } from './authorities.ts'
import { condition, fails, holds, type Verdict } from './conditions.ts'
import {
  pluginHost,
  PluginPlaces,
  policySlots,
  sortIstioPlugins,
  type PluginHost,
  type PolicySlot,
} from './plugin-attachments.ts'
import { envoyPlugin, istioPlugin, istioPluginKey, wasmOf, type PluginReferents } from './plugins.ts'
import type { Finding } from './problems.ts'
import type { ResourceChange, Tables } from './resource-tables.ts'
import { same } from './same.ts'
import type { StageSink } from './stage-sink.ts'

/** What plugins are hung on. */
export interface Pluggable {
  readonly listeners: ReadonlyMap<string, Listener>
  readonly routes: ReadonlyMap<string, HttpRoute>
}

export interface Plugged extends Pluggable {
  readonly plugins: ReadonlyMap<PluginKey, Plugin>
}

const relevantKinds: ReadonlySet<ResourceChange['kind']> = new Set([
  'WasmPlugin',
  'TrafficExtension',
  'EnvoyExtensionPolicy',
  'Secret',
  'ConfigMap',
  'Gateway',
  'GatewayClass',
  'ListenerSet',
  'Service',
  'Workload',
])

const noPlugins: ReadonlyMap<PluginKey, Plugin> = new Map()

/**
 * Plugins, and the lists of them on virtual hosts and attachments of routes. It
 * comes last and lays its lists over what the other stages made: they know
 * nothing of plugins, and without plugins their work passes as it is.
 */
export class PluginStage {
  readonly #referents: { readonly authorities: AuthorityResolver; readonly hostEnvironment: NodeJS.Dict<string> }
  #input: Pluggable | undefined
  #output: Plugged | undefined
  #written: ReadonlySet<string> = new Set()

  constructor(hostEnvironment: Readonly<NodeJS.Dict<string>>) {
    this.#referents = { authorities: new AuthorityResolver(), hostEnvironment }
  }

  update(
    changes: readonly ResourceChange[],
    tables: Tables,
    gatewayOfSet: ReadonlyMap<string, string>,
    input: Pluggable,
    sink: StageSink,
  ): Plugged {
    const isSame = input.listeners === this.#input?.listeners && input.routes === this.#input.routes
    const last = this.#output
    if (isSame && last !== undefined && !changes.some(({ kind }) => relevantKinds.has(kind))) return last
    this.#input = input
    const referents = { ...this.#referents, secrets: tables.Secret, configMaps: tables.ConfigMap }
    const pass = new Pass(tables, gatewayOfSet, input, referents, sink)
    const next = pass.run()
    for (const id of this.#written) {
      if (pass.written.has(id)) continue
      sink.status(id, undefined)
      sink.findings(id, [])
    }
    this.#written = pass.written
    this.#output = {
      plugins: keepMembers(next.plugins, last?.plugins ?? noPlugins),
      listeners: keepMembers(next.listeners, last?.listeners ?? input.listeners),
      routes: keepMembers(next.routes, last?.routes ?? input.routes),
    }
    return this.#output
  }
}

/** One whole assignment: plugins are few, and whatever changes may change where they hold. */
class Pass {
  readonly written: Set<string> = new Set<string>()
  readonly #tables: Tables
  readonly #input: Pluggable
  readonly #referents: PluginReferents
  readonly #sink: StageSink
  readonly #places: PluginPlaces
  readonly #plugins = new Map<PluginKey, Plugin>()
  readonly #findings = new Map<string, Finding[]>()
  /** What policies put on a Gateway, listener or route. */
  readonly #slots = new Map<string, readonly PluginKey[]>()
  readonly #holding = new Set<PluginKey>()

  constructor(
    tables: Tables,
    gatewayOfSet: ReadonlyMap<string, string>,
    input: Pluggable,
    referents: PluginReferents,
    sink: StageSink,
  ) {
    this.#tables = tables
    this.#input = input
    this.#referents = referents
    this.#sink = sink
    this.#places = new PluginPlaces(tables, gatewayOfSet)
    this.#gatewayOfSet = gatewayOfSet
  }

  readonly #gatewayOfSet: ReadonlyMap<string, string>

  run(): Plugged {
    const { WasmPlugin, TrafficExtension, EnvoyExtensionPolicy } = this.#tables
    if (WasmPlugin.size + TrafficExtension.size + EnvoyExtensionPolicy.size === 0) {
      return { ...this.#input, plugins: noPlugins }
    }
    const istio = sortIstioPlugins([...WasmPlugin.values(), ...TrafficExtension.values()])
    for (const resource of istio) {
      const plugin = istioPlugin(resource, this.#referents, this.#reporter(resource))
      this.#plugins.set(plugin.key, plugin)
    }
    for (const policy of [...EnvoyExtensionPolicy.values()].toSorted(compareAge)) this.#judgePolicy(policy)
    const named = namedPlugins(this.#input.routes)
    const lists = new Map<string, { istio: readonly PluginKey[]; policy: readonly PluginKey[] }>()
    const listeners = new Map<string, Listener>()
    for (const [id, listener] of this.#input.listeners) {
      const virtualHosts = listener.virtualHosts.map(host => {
        const place = pluginHost(listener, host)
        if (place === undefined) return host
        const list = {
          istio: istio
            .filter(resource => this.#speaks(istioPluginKey(resource), place))
            .filter(resource => this.#places.holdsAt(resource, place, named))
            .map(istioPluginKey),
          policy: place.speaks === 'http' ? this.#policyOf(place) : [],
        }
        lists.set(host.id, list)
        const plugins = [...list.istio, ...list.policy]
        for (const key of plugins) this.#holding.add(key)
        return plugins.length === 0 ? host : { ...host, plugins }
      })
      listeners.set(
        id,
        virtualHosts.some((host, at) => host !== listener.virtualHosts[at]) ? { ...listener, virtualHosts } : listener,
      )
    }
    const routes = new Map<string, HttpRoute>()
    for (const [key, route] of this.#input.routes) {
      const own = this.#slots.get(key)
      const attach = (attachment: Attachment): Attachment => ({
        ...attachment,
        plugins: [...(lists.get(attachment.virtualHost)?.istio ?? []), ...(own ?? [])],
      })
      routes.set(key, own === undefined ? route : { ...route, attachments: route.attachments.map(attach) })
    }
    for (const resource of istio) this.#finish(resource, this.#verdictOf(resource, named), [])
    return { plugins: this.#plugins, listeners, routes }
  }

  #speaks(key: PluginKey, place: PluginHost): boolean {
    return this.#plugins.get(key)?.kind === place.speaks
  }

  /** The policy for the listener, else for its ListenerSet, else for its Gateway. */
  #policyOf({ owner, namespace, name, section }: PluginHost): readonly PluginKey[] {
    if (owner === 'Service') return []
    const own = `${owner} ${namespace}/${name}`
    const gateway = owner === 'Gateway' ? own : `Gateway ${this.#gatewayOfSet.get(`${namespace}/${name}`) ?? ''}`
    return this.#slots.get(`${own}/${section}`) ?? this.#slots.get(own) ?? this.#slots.get(gateway) ?? []
  }

  #judgePolicy(policy: EnvoyExtensionPolicyResource): void {
    const report = this.#reporter(policy)
    const plugins = policy.spec.wasm.map((wasm, index) => envoyPlugin(policy, wasm, index, this.#referents, report))
    for (const plugin of plugins) this.#plugins.set(plugin.key, plugin)
    const keys = plugins.map(({ key }) => key)
    const slots = policySlots(policy, this.#tables)
    let refused: Verdict | undefined
    for (const slot of slots) {
      const winner = this.#slots.get(slot.key)
      const message =
        slot.problem ??
        (winner === undefined ? undefined : `an older EnvoyExtensionPolicy already holds for ${slot.key}`)
      if (message === undefined) {
        this.#slots.set(slot.key, keys)
        continue
      }
      report('error', slot.path, message)
      refused ??= fails(slot.problem === undefined ? 'Conflicted' : reasonOf(slot), message)
    }
    const wrong = plugins.find(({ problem }) => problem !== undefined)?.problem
    const verdict = refused ?? (wrong === undefined ? holds('Accepted') : fails('Invalid', wrong))
    const ancestors = [...new Set(slots.filter(({ name }) => name !== '').map(({ kind, name }) => `${kind} ${name}`))]
    this.#finish(policy, verdict, ancestors)
  }

  #verdictOf(resource: Parameters<typeof istioPluginKey>[0], named: ReadonlySet<PluginKey>): Verdict {
    const report = this.#reporter(resource)
    const key = istioPluginKey(resource)
    let refused: Verdict | undefined
    for (const [index, target] of resource.spec.targetRefs.entries()) {
      const problem = this.#places.problemOfTarget(resource, target)
      if (problem === undefined) continue
      report('error', `spec.targetRefs[${index}]`, problem)
      refused ??= fails('TargetNotFound', problem)
    }
    const problem = this.#plugins.get(key)?.problem
    if (refused === undefined && problem !== undefined) refused = fails('Invalid', problem)
    if (refused !== undefined) return refused
    if (!this.#holding.has(key) && !named.has(key)) {
      const carrier = wasmOf(resource).type === 'NETWORK' ? 'TCP' : 'HTTP'
      const message = `the plugin runs nowhere: no listener or Service of ${carrier} is selected, and no route names it`
      report('warning', 'spec', message)
      return holds('Accepted', message)
    }
    const { selector, targetRefs } = resource.spec
    const onlyNamed = named.has(key) && selector === undefined && targetRefs.length === 0
    return holds('Accepted', onlyNamed ? 'it runs only where routes name it' : '')
  }

  #reporter(resource: PluginResource): (severity: Finding['severity'], path: string, message: string) => void {
    const id = `${resource.kind} ${resource.metadata.namespace}/${resource.metadata.name}`
    return (severity, path, message) => {
      const list = this.#findings.get(id) ?? []
      list.push({ resource, severity, path, message })
      this.#findings.set(id, list)
    }
  }

  /** @param ancestors  `Gateway web`, of the resource's namespace; none: the conditions are the resource's own */
  #finish(resource: PluginResource, verdict: Verdict, ancestors: readonly string[]): void {
    const { apiVersion, kind, metadata } = resource
    const { namespace, name, generation } = metadata
    const id = `${kind} ${namespace}/${name}`
    const conditions = [condition('Accepted', verdict, generation)]
    const parents = ancestors.slice(0, 16).map((ancestor): ParentStatus => {
      const [ancestorKind = '', ancestorName = ''] = ancestor.split(' ')
      const parentRef = { group: 'gateway.networking.k8s.io', kind: ancestorKind, namespace, name: ancestorName }
      return { parentRef, controllerName, conditions }
    })
    const status: ResourceStatus = {
      apiVersion,
      kind,
      namespace,
      name,
      generation,
      conditions: parents.length === 0 ? conditions : [],
      addresses: [],
      listeners: [],
      parents,
    }
    this.written.add(id)
    this.#sink.status(id, status)
    this.#sink.findings(id, this.#findings.get(id) ?? [])
  }
}

function reasonOf({ problem }: PolicySlot): string {
  return problem?.startsWith('no ') === true ? 'TargetNotFound' : 'Invalid'
}

function namedPlugins(routes: ReadonlyMap<string, HttpRoute>): ReadonlySet<PluginKey> {
  const named = new Set<PluginKey>()
  for (const { rules } of routes.values())
    for (const { plugins = [] } of rules) for (const key of plugins) named.add(key)
  return named
}

/** Members that are equal to what they were stay the same objects, and so does the whole. */
function keepMembers<Value>(
  after: ReadonlyMap<string, Value>,
  before: ReadonlyMap<string, Value>,
): ReadonlyMap<string, Value> {
  if (after === before) return before
  const kept = new Map<string, Value>()
  let isSame = after.size === before.size
  for (const [key, value] of after) {
    const old = before.get(key)
    const member = old === value ? value : same(value, old)
    isSame &&= member === old
    kept.set(key, member)
  }
  return isSame ? before : kept
}
