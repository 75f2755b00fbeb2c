import type { Listener } from '../../model/index.ts'
import { AuthorityResolver } from './authorities.ts'
import { CertificateResolver } from './certificates.ts'
import { Names, type GatewayFacts } from './facts.ts'
import { builtInClass, judgeClasses } from './gateway-classes.ts'
import { judgeGateways } from './gateways.ts'
import type { GatewayOutcome } from './judged-listeners.ts'
import type { SecretTables } from './certificates.ts'
import { parentKey } from './listener-sets.ts'
import type { ResourceChange, Tables } from './resource-tables.ts'
import { same } from './same.ts'
import type { StageSink } from './stage-sink.ts'

export interface GatewayStageOptions {
  readonly bindAddress: string
  readonly isLocal: (address: string) => boolean
}

/**
 * Gateways with their classes and ListenerSets. They are few and depend on each other through the
 * sockets they share, so all are judged again when one of the kinds they read
 * changes.
 */
export class GatewayStage {
  /** Of Gateways and ListenerSets, each by `namespace/name`. */
  readonly facts: Record<GatewayFacts['kind'], Map<string, GatewayFacts>> = {
    Gateway: new Map(),
    ListenerSet: new Map(),
  }
  readonly names: Record<GatewayFacts['kind'], Names> = { Gateway: new Names([]), ListenerSet: new Names([]) }
  readonly #options: GatewayStageOptions
  readonly #resolver = new CertificateResolver()
  readonly #authorities = new AuthorityResolver()
  #outcomes: ReadonlyMap<string, GatewayOutcome> = new Map()
  #sockets: ReadonlyMap<string, Listener> = new Map()
  #classKeys: ReadonlySet<string> = new Set()
  #listenFailures: ReadonlyMap<string, string> = new Map()
  #gatewayOfSet: ReadonlyMap<string, string> = new Map()

  constructor(options: GatewayStageOptions) {
    this.#options = options
  }

  /** Addresses that Gateways listen on. */
  get addresses(): readonly string[] {
    return [...new Set([this.#options.bindAddress, ...[...this.#sockets.values()].map(socket => socket.address)])]
  }

  /** The Gateway that each ListenerSet adds to, both `namespace/name`; another map once anything of Gateways has changed. */
  get gatewayOfSet(): ReadonlyMap<string, string> {
    return this.#gatewayOfSet
  }

  /** @returns facts that changed; Gateways whose status is to be written anew */
  update(
    changes: readonly ResourceChange[],
    tables: Tables,
    grants: SecretTables['grants'],
    listenFailures: ReadonlyMap<string, string>,
    sink: StageSink,
  ): { readonly changedFacts: readonly string[]; readonly judged: Iterable<string> } {
    // Labels of namespaces decide only which ListenerSets are admitted.
    const isRelevant = (kind: ResourceChange['kind']): boolean =>
      relevantKinds.has(kind) || (kind === 'Namespace' && tables.ListenerSet.size > 0)
    const isTouched = changes.some(({ kind }) => isRelevant(kind)) || !isSameMap(listenFailures, this.#listenFailures)
    if (!isTouched) return { changedFacts: [], judged: [] }
    this.#listenFailures = new Map(listenFailures)
    const gateways = [...tables.Gateway.values()]
    const isBuiltInUsed = gateways.some(({ spec }) => spec.gatewayClassName === builtInClass)
    const classes = judgeClasses([...tables.GatewayClass.values()], isBuiltInUsed)
    const classKeys = new Set(classes.statuses.map(({ name }) => `GatewayClass ${name}`))
    for (const key of this.#classKeys) {
      if (!classKeys.has(key)) sink.status(key, undefined)
    }
    for (const status of classes.statuses) sink.status(`GatewayClass ${status.name}`, status)
    this.#classKeys = classKeys
    sink.findings('GatewayClass', classes.findings)
    const { outcomes, sockets } = judgeGateways({
      gateways,
      listenerSets: [...tables.ListenerSet.values()],
      namespaceLabels: name => ({
        ...tables.Namespace.get(name)?.metadata.labels,
        'kubernetes.io/metadata.name': name,
      }),
      classes,
      secrets: tables.Secret,
      configMaps: tables.ConfigMap,
      authorities: this.#authorities,
      grants,
      resolver: this.#resolver,
      listenFailures,
      ...this.#options,
    })
    this.#gatewayOfSet = new Map(
      [...tables.ListenerSet].map(([key, set]) => [key, parentKey(set) ?? ''] satisfies [string, string]),
    )
    this.#publishSockets(sockets, sink)
    return { changedFacts: this.#publishOutcomes(outcomes, sink), judged: outcomes.keys() }
  }

  /** @param id  `Gateway shop/web` or `ListenerSet shop/extra` */
  writeStatus(id: string, attachedRoutes: (virtualHost: string) => number, sink: StageSink): void {
    sink.status(id, this.#outcomes.get(id)?.statusWith?.(attachedRoutes))
  }

  #publishSockets(sockets: ReadonlyMap<string, Listener>, sink: StageSink): void {
    const published = new Map<string, Listener>()
    for (const [id, old] of this.#sockets) if (!sockets.has(id)) sink.listener(id, undefined, old)
    for (const [id, socket] of sockets) {
      const old = this.#sockets.get(id)
      const listener = same(socket, old)
      published.set(id, listener)
      sink.listener(id, listener, old)
    }
    this.#sockets = published
  }

  #publishOutcomes(outcomes: ReadonlyMap<string, GatewayOutcome>, sink: StageSink): readonly string[] {
    const changedFacts: string[] = []
    const renamed = new Set<GatewayFacts['kind']>()
    for (const [id, { facts }] of this.#outcomes) {
      if (outcomes.has(id)) continue
      this.facts[facts.kind].delete(facts.key)
      renamed.add(facts.kind)
      changedFacts.push(id)
      sink.status(id, undefined)
      sink.findings(id, [])
    }
    for (const [id, outcome] of outcomes) {
      const { kind, key } = outcome.facts
      const old = this.facts[kind].get(key)
      const facts = same(outcome.facts, old)
      if (old === undefined) renamed.add(kind)
      if (facts !== old) changedFacts.push(id)
      this.facts[kind].set(key, facts)
      sink.findings(id, outcome.findings)
    }
    this.#outcomes = outcomes
    for (const kind of renamed) {
      this.names[kind] = new Names(this.facts[kind].keys())
      changedFacts.push(`names ${kind}`)
    }
    return changedFacts
  }
}

const relevantKinds: ReadonlySet<ResourceChange['kind']> = new Set([
  'GatewayClass',
  'Gateway',
  'ListenerSet',
  'Secret',
  'ConfigMap',
  'ReferenceGrant',
])

function isSameMap(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.get(key) === value)
}
