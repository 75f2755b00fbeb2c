import type { HttpRoute, Listener, MeshSnapshot, RouteKey, RouteRule } from '../../model/index.ts'
import { Candidate, normalPathMatch } from './candidate.ts'
import { HostIndex } from './host-index.ts'
import { CompiledVirtualHost } from './virtual-host.ts'

export type { RouteDecision } from './candidate.ts'
export type { CompiledVirtualHost } from './virtual-host.ts'

/** Compiles one rule for one virtual host; the result comes back as `RouteDecision.target`. */
export type CompileRule<T> = (route: HttpRoute, rule: RouteRule, virtualHost: string) => T

/** The virtual hosts of one listener by hostname. */
export interface CompiledListener<T> {
  readonly listener: Listener
  readonly hosts: HostIndex<CompiledVirtualHost<T>>
  /** Whether some of its routes hold for the clients of one namespace only, so that it has to be known who calls. */
  readonly dependsOnClient: boolean
}

/**
 * All routes of all virtual hosts of one snapshot, compiled for lookups whose
 * cost does not grow with the number of routes.
 *
 * A table never changes for its readers. `update` makes the next one, which
 * shares all that did not change: every part carries the edition of the table
 * that made it, and an update copies a part of an earlier edition before it
 * changes it, so a part is copied at most once per update, however many routes
 * change.
 *
 * @typeParam T what the engine compiles once per virtual host, route and rule
 */
export class RouteTable<T> {
  static readonly empty: RouteTable<never> = new RouteTable<never>(0, new Map(), new Map(), new Map())

  readonly #edition: number
  /** Of the snapshot; not the snapshot itself, which would keep its backends alive. */
  readonly #routes: ReadonlyMap<RouteKey, HttpRoute>
  readonly #virtualHosts: ReadonlyMap<string, CompiledVirtualHost<T>>
  readonly #listeners: ReadonlyMap<string, CompiledListener<T>>
  /** The last answer: requests for the same host come in a row. */
  #lastListenerId = ''
  #lastHost = ''
  #lastFound: CompiledVirtualHost<T> | undefined = undefined

  private constructor(
    edition: number,
    routes: ReadonlyMap<RouteKey, HttpRoute>,
    virtualHosts: ReadonlyMap<string, CompiledVirtualHost<T>>,
    listeners: ReadonlyMap<string, CompiledListener<T>>,
  ) {
    this.#edition = edition
    this.#routes = routes
    this.#virtualHosts = virtualHosts
    this.#listeners = listeners
  }

  /**
   * The virtual host of a listener for this host: exact, then the wildcard with
   * most labels, then none; undefined is answered 404. Only the routes of the
   * chosen one count (listener isolation).
   */
  virtualHost(listenerId: string, host: string): CompiledVirtualHost<T> | undefined {
    if (listenerId === this.#lastListenerId && host === this.#lastHost) return this.#lastFound
    this.#lastFound = this.#listeners.get(listenerId)?.hosts.best(host)
    this.#lastListenerId = listenerId
    this.#lastHost = host
    return this.#lastFound
  }

  /** For explanations. */
  listener(listenerId: string): CompiledListener<T> | undefined {
    return this.#listeners.get(listenerId)
  }

  /** The table for `snapshot`; this one when neither routes nor listeners differ. Members are compared by identity. */
  update(snapshot: MeshSnapshot, compileRule: CompileRule<T>): RouteTable<T> {
    const edition = this.#edition + 1
    const { removed, added } = diffRoutes(this.#routes, snapshot.routes)
    const changed = new Map<string, CompiledVirtualHost<T>>()
    const editHost = (id: string): CompiledVirtualHost<T> => {
      let host = changed.get(id)
      if (host === undefined) {
        host = this.#virtualHosts.get(id)?.edit(edition) ?? CompiledVirtualHost.create<T>(id, edition)
        changed.set(id, host)
      }
      return host
    }
    for (const route of removed) touchRoute(route, editHost)
    for (const route of added) addRoute(route, compileRule, editHost)
    let virtualHosts = this.#virtualHosts
    if (changed.size > 0) {
      const next = new Map(virtualHosts)
      for (const [id, host] of changed) {
        if (host.finish(removed)) next.set(id, host)
        else next.delete(id)
      }
      virtualHosts = next
    }
    const listeners = updateListeners(this.#listeners, snapshot.listeners, virtualHosts, changed, edition)
    if (changed.size === 0 && listeners === this.#listeners) return this
    return new RouteTable(edition, snapshot.routes, virtualHosts, listeners)
  }
}

function diffRoutes(
  before: ReadonlyMap<RouteKey, HttpRoute>,
  after: ReadonlyMap<RouteKey, HttpRoute>,
): { readonly removed: ReadonlySet<HttpRoute>; readonly added: readonly HttpRoute[] } {
  const removed = new Set<HttpRoute>()
  const added: HttpRoute[] = []
  if (before === after) return { removed, added }
  for (const [key, route] of after) {
    const old = before.get(key)
    if (old === route) continue
    if (old !== undefined) removed.add(old)
    added.push(route)
  }
  for (const [key, route] of before) if (!after.has(key)) removed.add(route)
  return { removed, added }
}

const anyHost: readonly undefined[] = [undefined]

function hostnamesOf(hostnames: readonly string[]): readonly (string | undefined)[] {
  return hostnames.length === 0 ? anyHost : hostnames
}

/** Opens the sets in which a route's candidates lie, so that `finish` takes them out. */
function touchRoute<T>(route: HttpRoute, editHost: (id: string) => CompiledVirtualHost<T>): void {
  const touched = route.rules.flatMap(rule => rule.matches.map(match => normalPathMatch(match.path)))
  for (const attachment of route.attachments) {
    const routes = editHost(attachment.virtualHost).editRoutes(attachment)
    for (const hostname of hostnamesOf(attachment.hostnames)) {
      const paths = routes.editPaths(hostname)
      for (const path of touched) paths.editSet(path)
    }
  }
}

function addRoute<T>(
  route: HttpRoute,
  compileRule: CompileRule<T>,
  editHost: (id: string) => CompiledVirtualHost<T>,
): void {
  // Several attachments can lead to one virtual host; what is compiled for it is one.
  const compiled = new Map<string, readonly Candidate<T>[]>()
  for (const attachment of route.attachments) {
    const id = attachment.virtualHost
    let candidates = compiled.get(id)
    if (candidates === undefined) {
      candidates = candidatesOf(route, rule => compileRule(route, rule, id))
      compiled.set(id, candidates)
    }
    const routes = editHost(id).editRoutes(attachment)
    for (const hostname of hostnamesOf(attachment.hostnames)) {
      const paths = routes.editPaths(hostname)
      for (const candidate of candidates) paths.editSet(candidate.path).add(candidate)
    }
  }
}

function candidatesOf<T>(route: HttpRoute, targetOf: (rule: RouteRule) => T): readonly Candidate<T>[] {
  return route.rules.flatMap(rule => {
    const target = targetOf(rule)
    return rule.matches.map((_, position) => new Candidate(target, route, rule, position))
  })
}

/** The same map when every listener and every virtual host of theirs is the same. */
function updateListeners<T>(
  before: ReadonlyMap<string, CompiledListener<T>>,
  after: ReadonlyMap<string, Listener>,
  virtualHosts: ReadonlyMap<string, CompiledVirtualHost<T>>,
  changed: ReadonlyMap<string, CompiledVirtualHost<T>>,
  edition: number,
): ReadonlyMap<string, CompiledListener<T>> {
  const next = new Map<string, CompiledListener<T>>()
  let isSame = before.size === after.size
  for (const [id, listener] of after) {
    const old = before.get(id)
    if (old?.listener === listener && !listener.virtualHosts.some(host => changed.has(host.id))) {
      next.set(id, old)
      continue
    }
    isSame = false
    const hosts = new HostIndex<CompiledVirtualHost<T>>()
    let dependsOnClient = false
    for (const { id: hostId, hostname } of listener.virtualHosts) {
      if (hosts.get(hostname) !== undefined) continue
      const host = virtualHosts.get(hostId) ?? CompiledVirtualHost.create<T>(hostId, edition)
      hosts.set(hostname, host)
      if (host.dependsOnClient) dependsOnClient = true
    }
    next.set(id, { listener, hosts, dependsOnClient })
  }
  return isSame ? before : next
}
