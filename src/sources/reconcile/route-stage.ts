import type { HttpRoute } from '../../model/index.ts'
import { CopyOnWriteMap } from './copy-on-write-map.ts'
import { Dependents } from './dependents.ts'
import { FactReader, type FactTables } from './facts.ts'
import type { ResourceChange, Tables } from './resource-tables.ts'
import { judgeRoute, type RouteOutcome } from './routes.ts'
import type { StageSink } from './service-stage.ts'

export interface RouteStageInput {
  readonly changes: readonly ResourceChange[]
  readonly changedFacts: Iterable<string>
  readonly tables: Tables
  readonly facts: FactTables
  /** Own routes of Service ports by key, which is also the id of the port's virtual host. */
  readonly ownRoutes: ReadonlyMap<string, HttpRoute>
  /** Keys of own routes that came, went or changed. */
  readonly touchedOwnRoutes: Iterable<string>
  readonly sink: StageSink
}

/**
 * HTTPRoutes and, in their absence, the own routes of Service ports. A route is
 * judged again when it changed or when something it read did.
 */
export class RouteStage {
  readonly routes: CopyOnWriteMap<HttpRoute> = new CopyOnWriteMap<HttpRoute>()
  readonly #outcomes = new Map<string, RouteOutcome>()
  readonly #dependents = new Dependents()
  /** Routes attached to a listener of a Gateway, by `VirtualHost.id`. */
  readonly #attached = new Counter()
  /** Routes that decide for all clients of a Service's port, by `VirtualHost.id`. */
  readonly #deciding = new Counter()

  attachedRoutes(virtualHost: string): number {
    return this.#attached.get(virtualHost)
  }

  /** @returns Gateways, `namespace/name`, whose numbers of attached routes changed */
  update(input: RouteStageInput): ReadonlySet<string> {
    const { changes, changedFacts, tables, facts, ownRoutes, touchedOwnRoutes, sink } = input
    const dirty = new Set<string>()
    for (const { kind, key } of changes) if (kind === 'HTTPRoute') dirty.add(key)
    for (const fact of changedFacts) for (const key of this.#dependents.of(fact)) dirty.add(key)
    const recount = new Set(touchedOwnRoutes)
    const gateways = new Set<string>()
    for (const key of dirty) {
      const before = this.#outcomes.get(key)
      const resource = tables.HTTPRoute.get(key)
      const after = resource === undefined ? undefined : judgeRoute(resource, new FactReader(facts), before)
      this.#dependents.set(key, after?.reads ?? new Set())
      this.#attached.replace(before?.listeners, after?.listeners)
      this.#deciding.replace(before?.deciding, after?.deciding)
      for (const outcome of [before, after]) {
        for (const id of outcome?.deciding ?? []) recount.add(id)
        for (const id of outcome?.listeners ?? []) gateways.add(gatewayOf(id))
      }
      this.routes.set(`HTTPRoute ${key}`, after?.route)
      sink.status(`HTTPRoute ${key}`, after?.status)
      sink.findings(`HTTPRoute ${key}`, after?.findings ?? [])
      if (after === undefined) this.#outcomes.delete(key)
      else this.#outcomes.set(key, after)
    }
    for (const id of recount) this.routes.set(id, this.#deciding.get(id) > 0 ? undefined : ownRoutes.get(id))
    return gateways
  }
}

/** `Gateway shop/web/http` is a listener of `shop/web`. */
function gatewayOf(virtualHost: string): string {
  return virtualHost.slice('Gateway '.length, virtualHost.lastIndexOf('/'))
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
