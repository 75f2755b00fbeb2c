import type { Gauge } from '../../core/index.ts'
import type { Caller, Listener, TlsRecord } from '../../model/index.ts'
import type { ClientAccess } from '../access/access-gate.ts'
import type { RouteTable } from '../routing/route-table.ts'
import type { Connection } from '../transport/connection.ts'
import type { Answer } from './answer.ts'
import type { CompiledRule, RouteSeries } from './compiled-rule.ts'
import type { ForwardedFacts } from './request-input.ts'
import type { Tunnel } from './tunnel.ts'

/** The compiled routes of the snapshot in force; the table is replaced whole, and holds for every head that comes after. */
export interface RoutesInForce {
  table: RouteTable<CompiledRule>
}

/** What an exchange needs to know of the listener that took its connection. */
export interface ListenerFacts {
  readonly id: string
  readonly kind: Listener['kind']
  readonly port: number
  readonly scheme: 'http' | 'https'
  /** Requests under way. */
  readonly active: Gauge
  /** For answers to requests that no route took. */
  readonly series: RouteSeries
}

/** Whose request it is: what an exchange asks of the client's connection, and tells it. */
export interface ExchangeClient {
  readonly connection: Connection
  readonly listener: ListenerFacts
  /** Made ready for each request before its exchange begins. */
  readonly answer: Answer
  /** `address:port`, for people. */
  readonly client: string
  readonly clientAddress: string
  /** Undefined at the edge, and wherever it does not matter or can't be told. */
  readonly caller: Caller | undefined
  /** What policies say of it; to be asked for only where they are enforced. */
  readonly access: ClientAccess
  /** For the access log; undefined without TLS. */
  readonly tls: TlsRecord | undefined
  /** Undefined inside the mesh: there we pass on what the caller said. */
  readonly forwarded: ForwardedFacts | undefined
  /** Whether the next answer must be the connection's last. */
  readonly mustClose: boolean
  /** Whether the rest of a request that was answered early is short enough to be skipped. */
  canSkipBody(): boolean
  /** The request may flow on, unless the client's side has a reason to wait. */
  resumeReading(): void
  /** The last byte of the answer is written; the exchange is free for another connection. */
  exchangeEnded(closeAfter: boolean): void
  /** What a tunnel uses as the client's end. */
  takeConnection(): Connection
  startTunnel(tunnel: Tunnel): void
  tunnelEnded(): void
}
