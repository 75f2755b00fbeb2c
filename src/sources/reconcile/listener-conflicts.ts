import type { GatewayListener } from '../schema/resource.ts'
import { overlaps } from './hostname.ts'

export interface Conflict {
  readonly reason: 'HostnameConflict' | 'ProtocolConflict'
  readonly message: string
}

/**
 * Conflicts between the listeners of one Gateway: nobody wins, all that are
 * involved are off. HTTP, HTTPS and TLS listeners of a port are told apart by
 * hostname, TCP and UDP ones by port alone; of what TCP carries, a port speaks
 * either plain HTTP, or TLS, or opaque bytes. UDP is a port space of its own.
 *
 * @returns by index of the listener
 */
export function findConflicts(listeners: readonly GatewayListener[]): ReadonlyMap<number, Conflict> {
  const conflicts = new Map<number, Conflict>()
  const byPort = new Map<string, number[]>()
  for (const [index, { port, protocol }] of listeners.entries()) {
    const key = `${protocol === 'UDP' ? 'udp' : 'tcp'}:${port}`
    byPort.set(key, [...(byPort.get(key) ?? []), index])
  }
  for (const indexes of byPort.values()) {
    for (const index of indexes) {
      const mine = listeners[index]
      if (mine === undefined) continue
      for (const other of indexes) {
        const theirs = listeners[other]
        if (other === index || theirs === undefined) continue
        const reason = conflictOf(mine, theirs)
        if (reason === undefined || conflicts.has(index)) continue
        const what = reason === 'HostnameConflict' ? `hostname ${mine.hostname ?? 'unset'}` : mine.protocol
        conflicts.set(index, {
          reason,
          message: `port ${mine.port} with ${what} clashes with listener ${theirs.name} (${theirs.protocol})`,
        })
      }
    }
  }
  return conflicts
}

/** A listener that has its place already, and whose it is. */
export interface TakenListener {
  readonly listener: GatewayListener
  readonly owner: string
}

/**
 * Conflicts of the listeners that a ListenerSet adds: whoever comes first wins,
 * the Gateway before its sets, those by their order, entries by theirs (Gateway
 * API, ListenerSet).
 *
 * @param taken  grows by the entries that have no conflict
 * @returns by index of the entry
 */
export function findLateConflicts(
  owner: string,
  listeners: readonly GatewayListener[],
  taken: TakenListener[],
): ReadonlyMap<number, Conflict> {
  const conflicts = new Map<number, Conflict>()
  for (const [index, listener] of listeners.entries()) {
    const conflict = findLateConflict(listener, taken)
    if (conflict === undefined) taken.push({ listener, owner })
    else conflicts.set(index, conflict)
  }
  return conflicts
}

function findLateConflict(mine: GatewayListener, taken: readonly TakenListener[]): Conflict | undefined {
  for (const { listener: theirs, owner } of taken) {
    if (theirs.port !== mine.port || (theirs.protocol === 'UDP') !== (mine.protocol === 'UDP')) continue
    const reason = conflictOf(mine, theirs)
    if (reason === undefined) continue
    const what = reason === 'HostnameConflict' ? `hostname ${mine.hostname ?? 'unset'}` : mine.protocol
    const message = `port ${mine.port} with ${what} clashes with listener ${theirs.name} (${theirs.protocol}) of ${owner}, which comes first`
    return { reason, message }
  }
  return undefined
}

function conflictOf(a: GatewayListener, b: GatewayListener): Conflict['reason'] | undefined {
  if (layerOf(a.protocol) !== layerOf(b.protocol)) return 'ProtocolConflict'
  if (!isByHostname(a.protocol)) return 'ProtocolConflict'
  return a.hostname?.toLowerCase() === b.hostname?.toLowerCase() ? 'HostnameConflict' : undefined
}

function layerOf(protocol: string): string {
  return protocol === 'HTTPS' ? 'TLS' : protocol
}

function isByHostname(protocol: string): boolean {
  return protocol === 'HTTP' || protocol === 'HTTPS' || protocol === 'TLS'
}

/** A listener that ends TLS, with the names its certificates are made for. */
export interface TlsListener {
  readonly name: string
  readonly port: number
  readonly hostname: string | undefined
  readonly certificateHostnames: readonly string[]
}

/**
 * Listeners of a port between which a client with an open connection may get
 * mixed up: their hostnames overlap, or a certificate of one is good for the
 * other. Told in the condition OverlappingTLSConfig; it does no harm by itself.
 */
export function findOverlap(
  listener: TlsListener,
  others: readonly TlsListener[],
): { readonly reason: 'OverlappingHostnames' | 'OverlappingCertificates'; readonly message: string } | undefined {
  const neighbours = others.filter(other => other !== listener && other.port === listener.port)
  const byHost = neighbours.find(other => overlaps(listener.hostname, other.hostname))
  if (byHost !== undefined) {
    return { reason: 'OverlappingHostnames', message: `its hostnames overlap with those of listener ${byHost.name}` }
  }
  const byCertificate = neighbours.find(other =>
    listener.certificateHostnames.some(a => other.certificateHostnames.some(b => overlaps(a, b))),
  )
  if (byCertificate === undefined) return undefined
  return {
    reason: 'OverlappingCertificates',
    message: `its certificates overlap with those of listener ${byCertificate.name}`,
  }
}
