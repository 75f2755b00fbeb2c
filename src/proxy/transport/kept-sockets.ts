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
