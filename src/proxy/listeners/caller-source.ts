import type { Caller } from '../../model/index.ts'

/** The two ends of an accepted connection, or of a session of datagrams, addresses as its socket names them. */
export interface ConnectionEnds {
  /** @default TCP */
  readonly protocol?: 'UDP'
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
  /** Cookie of the network namespace of a listener that is not in the agent's own. */
  readonly network?: bigint | undefined
}

/** Addresses and ports are each network namespace's own. */
export function endsIn(network: bigint | undefined, ends: ConnectionEnds): ConnectionEnds {
  if (network === undefined) return ends
  const { remoteAddress, remotePort, localAddress, localPort } = ends
  return { remoteAddress, remotePort, localAddress, localPort, network }
}

/** What waits for the answer; `Downstream` is one. */
export interface Identified {
  identified(caller: Caller | undefined): void
}

/**
 * Says whose process opened a connection. Only asked where the answer decides
 * something: for listeners with consumer routes, once a connection.
 *
 * A source answers each question exactly once, at the latest after a deadline of
 * its own; one that knows at once may answer before `ask` returns. Undefined is
 * for a process that is not of the mesh, and for all that could not be found
 * out: both get what clients get that nobody knows.
 */
export interface CallerSource {
  ask(ends: ConnectionEnds, waiting: Identified): void
  /** Of a source that always knows at once, for who can't wait: a datagram. */
  find?(ends: ConnectionEnds): Caller | undefined
}
