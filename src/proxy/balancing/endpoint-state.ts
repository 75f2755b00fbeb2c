import type { Endpoint } from '../../model/index.ts'

/**
 * What one worker remembers of an endpoint, kept as long as the endpoint's id
 * lives in the backend. All fields are set in the constructor, so that every
 * state has the same hidden class.
 */
export class EndpointState {
  readonly id: string
  /** Newest data. */
  endpoint: Endpoint
  /** Tries under way; the engine counts up and down. */
  activeRequests = 0

  /** Peak-sensitive average latency; 0 until the first answer. See peak-ewma.ts. */
  ewmaMs = 0
  ewmaAtMs = 0

  /** Outlier detection sets it; 0 when not ejected. */
  ejectedUntilMs = 0
  consecutiveFailures = 0
  consecutiveGatewayFailures = 0
  /** How often ejected lately: the next ejection lasts that much longer. */
  ejections = 0
  lastEjectionEndMs: number = -Infinity

  /** When it joined a running balancer; -Infinity for one that was there from the start and needs no ramp. */
  addedMs: number
  /** When it last became healthy again or came back from an ejection; -Infinity for never. */
  recoveredMs: number = -Infinity

  /** Whether the present plan sends requests here; the balancer's. */
  isCandidate = false
  /** It has left the backend; what its last requests come to concerns nobody. */
  isGone = false
  /** Part of the way to its next turn in round robin that is left, in (0, 1]; 0 for a newcomer. */
  turnPhase = 0

  /** The engine hangs its connection pool here; the balancer never touches it. */
  pool: Disposable | undefined = undefined
  /** The engine's counters of answers by status class, for the same reason. */
  answers: readonly { value: number }[] | undefined = undefined

  constructor(endpoint: Endpoint, addedMs: number) {
    this.id = endpoint.id
    this.endpoint = endpoint
    this.addedMs = addedMs
  }
}
