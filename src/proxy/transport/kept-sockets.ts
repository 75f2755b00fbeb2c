/**
 * Listening sockets that somebody else has opened and holds on to: workers, and whole agents, come and go, and
 * connections that arrive in between wait.
 */
export interface KeptSockets {
  /** @returns undefined for a place that nobody keeps: then it is opened as usual */
  take(place: ListenPlace): KeptPlace | undefined
}

export interface ListenPlace {
  readonly transport: 'tcp' | 'udp'
  readonly address: string
  readonly port: number
  /** Another network namespace, by its cookie. @default our own */
  readonly network?: bigint | undefined
}

/**
 * What is kept for a listener. One in another network namespace cannot be opened here.
 * @returns undefined for one that is to be opened as usual
 * @throws Error where nothing is kept for another network namespace
 */
export function takeKept(kept: KeptSockets | undefined, place: ListenPlace): KeptPlace | undefined {
  const found = kept?.take(place)
  if (found === undefined && place.network !== undefined)
    throw new Error('nobody has opened it in its network namespace')
  return found
}

/** One worker's part of a place: more than one socket when there were more workers before. */
export interface KeptPlace {
  /** At least one; whoever took them closes them. */
  readonly descriptors: readonly number[]
  /** Whether somebody else will accept what comes after this, so that it may wait. */
  goesOn(): boolean
  /** Ends the listening of a TCP socket for everybody who holds it. */
  endListening(descriptor: number): void
}
