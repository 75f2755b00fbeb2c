import type { Listener } from '../../model/index.ts'
import { CertificateResolver } from './certificates.ts'
import { Names, type GatewayFacts } from './facts.ts'
import { builtInClass, judgeClasses } from './gateway-classes.ts'
import { judgeGateways, type GatewayOutcome } from './gateways.ts'
import type { SecretTables } from './certificates.ts'
import type { ResourceChange, Tables } from './resource-tables.ts'
import { same } from './same.ts'
import type { StageSink } from './service-stage.ts'

export interface GatewayStageOptions {
  readonly bindAddress: string
  readonly isLocal: (address: string) => boolean
}

/**
 * Gateways and their classes. They are few and depend on each other through the
 * sockets they share, so all are judged again when one of the kinds they read
 * changes.
 */
export class GatewayStage {
  readonly facts: Map<string, GatewayFacts> = new Map<string, GatewayFacts>()
  names: Names = new Names([])
  readonly #options: GatewayStageOptions
  readonly #resolver = new CertificateResolver()
  #outcomes: ReadonlyMap<string, GatewayOutcome> = new Map()
  #sockets: ReadonlyMap<string, Listener> = new Map()
  #classKeys: ReadonlySet<string> = new Set()
  #listenFailures: ReadonlyMap<string, string> = new Map()

  constructor(options: GatewayStageOptions) {
    this.#options = options
  }

  /** Addresses that Gateways listen on. */
  get addresses(): readonly string[] {
    return [...new Set([this.#options.bindAddress, ...[...this.#sockets.values()].map(socket => socket.address)])]
  }

  /** @returns facts that changed; Gateways whose status is to be written anew */
  update(
    changes: readonly ResourceChange[],
    tables: Tables,
    grants: SecretTables['grants'],
    listenFailures: ReadonlyMap<string, string>,
    sink: StageSink,
  ): { readonly changedFacts: readonly string[]; readonly judged: Iterable<string> } {
    const isTouched =
      changes.some(({ kind }) => relevantKinds.has(kind)) || !isSameMap(listenFailures, this.#listenFailures)
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
      classes,
      secrets: tables.Secret,
      grants,
      resolver: this.#resolver,
      listenFailures,
      ...this.#options,
    })
    this.#publishSockets(sockets, sink)
    return { changedFacts: this.#publishOutcomes(outcomes, sink), judged: outcomes.keys() }
  }

  writeStatus(key: string, attachedRoutes: (virtualHost: string) => number, sink: StageSink): void {
    sink.status(`Gateway ${key}`, this.#outcomes.get(key)?.statusWith?.(attachedRoutes))
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
    let hasNewNames = false
    for (const key of this.#outcomes.keys()) {
      if (outcomes.has(key)) continue
      this.facts.delete(key)
      hasNewNames = true
      changedFacts.push(`Gateway ${key}`)
      sink.status(`Gateway ${key}`, undefined)
      sink.findings(`Gateway ${key}`, [])
    }
    for (const [key, outcome] of outcomes) {
      const old = this.facts.get(key)
      const facts = same(outcome.facts, old)
      if (old === undefined) hasNewNames = true
      if (facts !== old) changedFacts.push(`Gateway ${key}`)
      this.facts.set(key, facts)
      sink.findings(`Gateway ${key}`, outcome.findings)
    }
    this.#outcomes = outcomes
    if (hasNewNames) {
      this.names = new Names(outcomes.keys())
      changedFacts.push('names Gateway')
    }
    return changedFacts
  }
}

const relevantKinds: ReadonlySet<ResourceChange['kind']> = new Set([
  'GatewayClass',
  'Gateway',
  'Secret',
  'ReferenceGrant',
])

function isSameMap(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.get(key) === value)
}
