import type { Attachment, HttpRoute } from '../../model/index.ts'
import type { Candidate, RouteDecision } from './candidate.ts'
import { HostIndex } from './host-index.ts'
import { PathIndex } from './path-index.ts'
import type { RouteRequest } from './request.ts'

/** Hostnames of routes to their paths; routes that meet here are merged into one order. */
export class RouteSet<T> {
  readonly edition: number
  readonly hosts: HostIndex<PathIndex<T>>

  constructor(edition: number, hosts: HostIndex<PathIndex<T>>) {
    this.edition = edition
    this.hosts = hosts
  }

  /** From the most specific hostname to the least, until a candidate fits whole. */
  find(request: RouteRequest): Candidate<T> | undefined {
    const { hosts } = this
    const { host } = request
    const exact = hosts.exact(host)?.find(request)
    if (exact !== undefined) return exact
    for (let at = hosts.nextWildcard(host, 0); at >= 0; at = hosts.nextWildcard(host, at + 1)) {
      const found = hosts.wildcard(host, at)?.find(request)
      if (found !== undefined) return found
    }
    return hosts.any?.find(request)
  }

  edit(edition: number): RouteSet<T> {
    return this.edition === edition ? this : new RouteSet(edition, HostIndex.copy(this.hosts))
  }

  editPaths(hostname: string | undefined): PathIndex<T> {
    const paths = this.hosts.get(hostname)?.edit(this.edition) ?? PathIndex.create<T>(this.edition)
    this.hosts.set(hostname, paths)
    return paths
  }

  /** @returns whether anything is left */
  finish(removed: ReadonlySet<HttpRoute>): boolean {
    const emptied: (string | undefined)[] = []
    for (const [hostname, paths] of this.hosts.entries()) {
      if (paths.edition === this.edition && !paths.finish(removed)) emptied.push(hostname)
    }
    for (const hostname of emptied) this.hosts.set(hostname, undefined)
    return this.hosts.size > 0
  }
}

/** The compiled routes of one listener of a Gateway, or of one port of a Service. */
export class CompiledVirtualHost<T> {
  readonly id: string
  readonly edition: number
  readonly #common: RouteSet<T>
  /** Consumer routes of the mesh by the namespace whose clients they hold for. */
  readonly #consumers: Map<string, RouteSet<T>>

  constructor(id: string, edition: number, common: RouteSet<T>, consumers: Map<string, RouteSet<T>>) {
    this.id = id
    this.edition = edition
    this.#common = common
    this.#consumers = consumers
  }

  static create<T>(id: string, edition: number): CompiledVirtualHost<T> {
    return new CompiledVirtualHost<T>(id, edition, new RouteSet<T>(edition, new HostIndex()), new Map())
  }

  /**
   * The match of the highest precedence that fits; undefined is answered 404.
   *
   * @param clientNamespace of the calling workload; undefined when unknown and at the edge
   */
  match(request: RouteRequest, clientNamespace: string | undefined): RouteDecision<T> | undefined {
    return this.routesFor(clientNamespace).find(request)
  }

  /**
   * GEP-1324: the consumer routes of the client's namespace if there is any,
   * else all other routes; never both.
   */
  routesFor(clientNamespace: string | undefined): RouteSet<T> {
    if (clientNamespace === undefined || this.#consumers.size === 0) return this.#common
    return this.#consumers.get(clientNamespace) ?? this.#common
  }

  hasConsumerRoutes(clientNamespace: string | undefined): boolean {
    return clientNamespace !== undefined && this.#consumers.has(clientNamespace)
  }

  /** Whether it matters at all who calls. */
  get dependsOnClient(): boolean {
    return this.#consumers.size > 0
  }

  edit(edition: number): CompiledVirtualHost<T> {
    if (this.edition === edition) return this
    return new CompiledVirtualHost(this.id, edition, this.#common.edit(edition), new Map(this.#consumers))
  }

  /** The set that an attachment's routes belong to. */
  editRoutes(attachment: Attachment): RouteSet<T> {
    const { clientNamespace } = attachment
    if (clientNamespace === undefined) return this.#common
    const before = this.#consumers.get(clientNamespace)
    const set = before?.edit(this.edition) ?? new RouteSet<T>(this.edition, new HostIndex())
    this.#consumers.set(clientNamespace, set)
    return set
  }

  /** @returns whether anything is left */
  finish(removed: ReadonlySet<HttpRoute>): boolean {
    for (const [namespace, set] of this.#consumers) {
      if (set.edition === this.edition && !set.finish(removed)) this.#consumers.delete(namespace)
    }
    return this.#common.finish(removed) || this.#consumers.size > 0
  }
}
