import type { Attachment, ResourceStatus } from '../../model/index.ts'
import { CopyOnWriteMap } from './copy-on-write-map.ts'
import { Dependents } from './dependents.ts'
import { FactReader, type FactTables } from './facts.ts'
import { KindConflicts } from './kind-conflicts.ts'
import type { Finding } from './problems.ts'
import type { RouteResource } from '../schema/resource.ts'
import type { ResourceChange, Tables } from './resource-tables.ts'
import type { StageSink } from './stage-sink.ts'

/** One route, judged. */
export interface RouteOutcome<Route> {
  /** Undefined when it is attached nowhere. */
  readonly route: Route | undefined
  readonly status: ResourceStatus
  readonly findings: readonly Finding[]
  /** Ids of the listeners of Gateways and ListenerSets that count it as attached. */
  readonly listeners: readonly string[]
  /** Ids of the Service ports whose own route it replaces for all clients. */
  readonly deciding: readonly string[]
  /** Where it would take part, were it not for routes of other kinds; empty where kinds don't exclude each other. */
  readonly claims: readonly Attachment[]
  readonly reads: ReadonlySet<string>
}

export interface RouteStageInput<Route> {
  readonly changes: readonly ResourceChange[]
  readonly changedFacts: Iterable<string>
  readonly tables: Tables
  readonly facts: FactTables
  /** Own routes of Service ports by key, which is also the id of the port's virtual host. */
  readonly ownRoutes: ReadonlyMap<string, Route>
  /** Keys of own routes that came, went or changed; those of other stages do no harm. */
  readonly touchedOwnRoutes: Iterable<string>
  readonly sink: StageSink
}

/** Judges one resource; `before` is its last outcome, `losses` says where another kind is accepted instead. */
export type RouteJudge<Resource extends RouteResource, Route> = (
  resource: Resource,
  facts: FactReader,
  before: RouteOutcome<Route> | undefined,
  losses: ReadonlyMap<string, string>,
) => RouteOutcome<Route>

/**
 * Routes of some kinds and, in their absence, the own routes of Service ports. A
 * route is judged again when it changed or when something it read did.
 */
export class RouteStage<Resource extends RouteResource, Route extends object> {
  readonly routes: CopyOnWriteMap<Route> = new CopyOnWriteMap<Route>()
  readonly #kinds: ReadonlySet<string>
  readonly #judge: RouteJudge<Resource, Route>
  readonly #outcomes = new Map<string, RouteOutcome<Route>>()
  readonly #dependents = new Dependents()
  readonly #conflicts = new KindConflicts()
  /** Routes attached to a listener of a Gateway or ListenerSet, by `VirtualHost.id`. */
  readonly #attached = new Counter()
  /** Routes that decide for all clients of a Service's port, by `VirtualHost.id`. */
  readonly #deciding = new Counter()

  constructor(kinds: readonly Resource['kind'][], judge: RouteJudge<Resource, Route>) {
    this.#kinds = new Set(kinds)
    this.#judge = judge
  }

  attachedRoutes(virtualHost: string): number {
    return this.#attached.get(virtualHost)
  }

  /** @returns ids of Gateways and ListenerSets whose numbers of attached routes changed */
  update(input: RouteStageInput<Route>): ReadonlySet<string> {
    const { changes, changedFacts, tables, facts, ownRoutes, touchedOwnRoutes, sink } = input
    const dirty = new Set<string>()
    for (const { kind, key } of changes) if (this.#kinds.has(kind)) dirty.add(`${kind} ${key}`)
    for (const fact of changedFacts) for (const id of this.#dependents.of(fact)) dirty.add(id)
    const touched = { ownRoutes: new Set(touchedOwnRoutes), entrances: new Set<string>() }
    for (const id of dirty) this.#judgeAnew(id, tables, facts, sink, touched)
    // Claims don't depend on losses, so that one more round is enough.
    for (const id of this.#conflicts.settle()) this.#judgeAnew(id, tables, facts, sink, touched)
    for (const id of touched.ownRoutes) {
      this.routes.set(id, this.#deciding.get(id) > 0 ? undefined : ownRoutes.get(id))
    }
    return touched.entrances
  }

  #judgeAnew(
    id: string,
    tables: Tables,
    facts: FactTables,
    sink: StageSink,
    touched: { readonly ownRoutes: Set<string>; readonly entrances: Set<string> },
  ): void {
    const before = this.#outcomes.get(id)
    const resource = this.#find(tables, id)
    const losses = this.#conflicts.lossesOf(id)
    const after = resource === undefined ? undefined : this.#judge(resource, new FactReader(facts), before, losses)
    this.#dependents.set(id, after?.reads ?? new Set())
    this.#attached.replace(before?.listeners, after?.listeners)
    this.#deciding.replace(before?.deciding, after?.deciding)
    this.#conflicts.set(id, resource, after?.claims ?? [])
    for (const outcome of [before, after]) {
      for (const host of outcome?.deciding ?? []) touched.ownRoutes.add(host)
      for (const host of outcome?.listeners ?? []) touched.entrances.add(ownerOf(host))
    }
    this.routes.set(id, after?.route)
    sink.status(id, after?.status)
    sink.findings(id, after?.findings ?? [])
    if (after === undefined) this.#outcomes.delete(id)
    else this.#outcomes.set(id, after)
  }

  /** @param id  `HTTPRoute shop/cart`, of one of this stage's kinds */
  #find(tables: Tables, id: string): Resource | undefined {
    const space = id.indexOf(' ')
    const table: ReadonlyMap<string, RouteResource> = tables[id.slice(0, space) as RouteResource['kind']]
    return table.get(id.slice(space + 1)) as Resource | undefined
  }
}

/** `Gateway shop/web/http` is a listener of `Gateway shop/web`. */
function ownerOf(virtualHost: string): string {
  return virtualHost.slice(0, virtualHost.lastIndexOf('/'))
}

class Counter {
  readonly #counts = new Map<string, number>()

  get(id: string): number {
    return this.#counts.get(id) ?? 0
  }

  replace(before: readonly string[] = [], after: readonly string[] = []): void {
    for (const id of before) this.#add(id, -1)
    for (const id of after) this.#add(id, 1)
  }

  #add(id: string, amount: number): void {
    const count = this.get(id) + amount
    if (count === 0) this.#counts.delete(id)
    else this.#counts.set(id, count)
  }
}
