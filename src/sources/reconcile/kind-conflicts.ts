import type { Attachment } from '../../model/index.ts'
import { resourceIdOf, type RouteResource } from '../schema/resource.ts'
import { compareAge } from './age.ts'
import { compareText, overlaps } from './hostname.ts'

/** A route that wants to take part somewhere, before it is known whether another kind is there. */
interface Claim {
  readonly route: RouteResource
  readonly attachment: Attachment
}

/**
 * HTTPRoutes and GRPCRoutes do not mix. On a listener of a Gateway the older of
 * two with a hostname in common is accepted and the other is not (Gateway API,
 * GRPCRouteSpec.hostnames). On a port of a Service the more specific kind
 * decides, a GRPCRoute over an HTTPRoute, for the clients it holds for
 * (GEP-1426). Routes of one kind never disturb each other.
 */
export class KindConflicts {
  /** By virtual host and route. */
  readonly #hosts = new Map<string, HostClaims>()
  /** By route and virtual host. */
  readonly #losses = new Map<string, Map<string, string>>()
  /** Where a route has claims. */
  readonly #claimed = new Map<string, ReadonlySet<string>>()
  readonly #dirty = new Set<string>()

  /** What a route, `GRPCRoute shop/cart`, wants now; one that is gone wants nothing. */
  set(id: string, route: RouteResource | undefined, attachments: readonly Attachment[]): void {
    const claimed = new Set(attachments.map(attachment => attachment.virtualHost))
    for (const host of this.#claimed.get(id) ?? []) if (!claimed.has(host)) this.#replace(host, id, undefined)
    if (route !== undefined) {
      for (const attachment of attachments) this.#replace(attachment.virtualHost, id, { route, attachment })
    }
    if (claimed.size === 0) this.#claimed.delete(id)
    else this.#claimed.set(id, claimed)
  }

  /** Kinds are counted, since nearly every listener has routes of one kind only and then nothing is to be decided. */
  #replace(host: string, id: string, claim: Claim | undefined): void {
    const claims = this.#hosts.get(host) ?? { byRoute: new Map<string, Claim>(), grpcRoutes: 0 }
    this.#hosts.set(host, claims)
    const wasMixed = isMixed(claims)
    const before = claims.byRoute.get(id)
    if (before?.route.kind === 'GRPCRoute') claims.grpcRoutes--
    if (claim?.route.kind === 'GRPCRoute') claims.grpcRoutes++
    if (claim === undefined) claims.byRoute.delete(id)
    else claims.byRoute.set(id, claim)
    if (wasMixed || isMixed(claims)) this.#dirty.add(host)
    if (claims.byRoute.size === 0) this.#hosts.delete(host)
  }

  /** By virtual host: why the route may not take part there. */
  lossesOf(id: string): ReadonlyMap<string, string> {
    return this.#losses.get(id) ?? noLosses
  }

  /** Decides anew where claims changed. @returns the routes for which that makes a difference */
  settle(): ReadonlySet<string> {
    const changed = new Set<string>()
    for (const host of this.#dirty) {
      const claims = this.#hosts.get(host)
      const lost = claims === undefined || !isMixed(claims) ? noLosses : findLosers(claims, host)
      for (const [id, losses] of this.#losses) {
        if (losses.has(host) && !lost.has(id)) {
          losses.delete(host)
          if (losses.size === 0) this.#losses.delete(id)
          changed.add(id)
        }
      }
      for (const [id, message] of lost) {
        const losses = this.#losses.get(id) ?? new Map<string, string>()
        if (losses.get(host) === message) continue
        this.#losses.set(id, losses.set(host, message))
        changed.add(id)
      }
    }
    this.#dirty.clear()
    return changed
  }
}

interface HostClaims {
  readonly byRoute: Map<string, Claim>
  grpcRoutes: number
}

function isMixed({ byRoute, grpcRoutes }: HostClaims): boolean {
  return grpcRoutes > 0 && grpcRoutes < byRoute.size
}

const noLosses: ReadonlyMap<string, string> = new Map()

function findLosers(claims: HostClaims, host: string): ReadonlyMap<string, string> {
  const inMesh = host.startsWith('Service ')
  const winners: Claim[] = []
  const losers = new Map<string, string>()
  const order = (a: Claim, b: Claim): number => (inMesh ? compareKind(a, b) : 0) || compareClaims(a, b)
  for (const claim of [...claims.byRoute.values()].toSorted(order)) {
    const rival = winners.find(winner => excludes(winner, claim, { inMesh }))
    if (rival === undefined) {
      winners.push(claim)
      continue
    }
    const why = inMesh ? 'decides there' : 'is older and has a hostname in common'
    losers.set(resourceIdOf(claim.route), `${resourceIdOf(rival.route)} ${why}`)
  }
  return losers
}

function compareKind({ route: a }: Claim, { route: b }: Claim): number {
  return Number(b.kind === 'GRPCRoute') - Number(a.kind === 'GRPCRoute')
}

function compareClaims({ route: a }: Claim, { route: b }: Claim): number {
  return compareAge(a, b) || compareText(a.kind, b.kind)
}

function excludes(winner: Claim, claim: Claim, { inMesh }: { readonly inMesh: boolean }): boolean {
  if (winner.route.kind === claim.route.kind) return false
  if (inMesh) return winner.attachment.clientNamespace === claim.attachment.clientNamespace
  const mine = claim.attachment.hostnames
  const theirs = winner.attachment.hostnames
  if (mine.length === 0 || theirs.length === 0) return true
  return mine.some(one => theirs.some(other => overlaps(one, other)))
}
