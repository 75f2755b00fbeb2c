/** What one question to an endpoint found. */
export interface ProbeResult {
  readonly healthy: boolean
  /** For people: `HTTP 503`, `connect ECONNREFUSED 127.0.0.1:9080`, `no answer within 1000 ms`. */
  readonly detail: string
}
