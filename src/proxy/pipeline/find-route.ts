import type { ReplyReason } from '../../model/index.ts'
import type { RouteDecision, RouteTable } from '../routing/route-table.ts'
import type { CompiledRule } from './compiled-rule.ts'
import type { ExchangeClient } from './exchange-client.ts'
import type { IncomingRequest } from './incoming-request.ts'
import { isMisdirected } from './misdirected.ts'

/** @returns why there is none, where nothing takes the request */
export function findRoute(
  table: RouteTable<CompiledRule>,
  { listener, connection, caller }: ExchangeClient,
  request: IncomingRequest,
): RouteDecision<CompiledRule> | ReplyReason {
  const { host } = request
  const serverName = connection.tls?.serverName
  const isOther = serverName !== undefined && serverName !== host
  if (isOther && isMisdirected(table, listener.id, serverName, host)) return 'misdirected-request'
  return table.virtualHost(listener.id, host)?.match(request, caller?.namespace) ?? 'no-route'
}
