/** How much and how fast, over the last few seconds. */
export interface Rates {
  readonly requestsPerSecond: number
  /** Share of answers with a status of 500 and above, 0 to 1; 0 without requests. */
  readonly errorRatio: number
  /** Seconds; null without requests or where no latency is measured. */
  readonly p50: number | null
  readonly p90: number | null
  readonly p99: number | null
}

export interface LiveRates extends Rates {
  /** Requests per second of each of the last 60 seconds, oldest first; shorter while the agent is young. */
  readonly recent: readonly number[]
}

/** The rates of one series of requests: which virtual host, route and backend. */
export interface Flow extends Rates {
  readonly virtualHost: string
  readonly route: string
  readonly backend: string
}
