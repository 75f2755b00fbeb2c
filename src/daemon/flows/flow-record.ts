/** One line of `heddle flows`: what a program of the mesh asked for, and what came of it. */
export type FlowRecord = ConnectionRecord | RequestRecord | NameRecord | LostRecord

interface OfProgram {
  /** Milliseconds since 1970. */
  readonly timeMs: number
  readonly source: FlowSource
}

export interface FlowSource {
  /** `shop/web-1`; `agent` for its health checks and proxy; empty for strangers, and when it is not known any more. */
  readonly workload: string
  /** `shop/web`; empty for a workload that names none. */
  readonly service: string
}

export interface FlowDestination {
  /** `shop/db:5432`; empty where the address is no Service's. */
  readonly service: string
  /** That listens at `given`; empty for none that is known, and for the proxy. */
  readonly workload: string
  /** `127.77.0.1:5432`, as the program asked. */
  readonly asked: string
  /** Where it was led: the same, an endpoint, or the proxy. */
  readonly given: string
}

export interface ConnectionRecord extends OfProgram {
  /** `failed` was allowed, and nobody took it. Datagrams close with their socket, or after a silence. */
  readonly kind: 'opened' | 'refused' | 'closed' | 'failed'
  readonly protocol: 'TCP' | 'UDP'
  /** `allowed`, `egress-denied`, … */
  readonly verdict: string
  readonly destination: FlowDestination
  /** `namespace/name` of those whose fault a refusal is. */
  readonly policies: readonly string[]
  /** `shop/web egress[0]`: rules that allowed. */
  readonly rules: readonly string[]
  /** Of those that were closed. */
  readonly transfer: TransferRecord | undefined
}

export interface TransferRecord {
  readonly sentBytes: number
  readonly receivedBytes: number
  readonly durationMs: number
  /** None of datagrams. */
  readonly connectMs?: number
  readonly roundTripMs?: number
}

/** One that passed in the kernel: its bytes are not among those of its connection. */
export interface RequestRecord extends OfProgram {
  readonly kind: 'request'
  readonly method: string
  /** Path and query as received. */
  readonly target: string
  /** `given` is the endpoint. */
  readonly destination: Omit<FlowDestination, 'asked'>
  /** The status, `200`. */
  readonly verdict: string
  readonly durationMs: number
  /** Of bodies. */
  readonly sentBytes: number
  readonly receivedBytes: number
}

export interface NameRecord extends OfProgram {
  readonly kind: 'name'
  readonly name: string
  /** `A`, `AAAA`, or a number. */
  readonly type: string
  /** `mesh`, or `forward` for resolvers elsewhere. */
  readonly answeredBy: 'mesh' | 'forward'
  /** `NOERROR`, `NXDOMAIN`, … */
  readonly verdict: string
  readonly addresses: readonly string[]
  readonly durationMs: number
}

/** Events that nobody has seen: the kernel's buffer, or that of whoever follows, was full. */
export interface LostRecord {
  readonly kind: 'lost'
  readonly timeMs: number
  readonly count: number
}
