import type { ExchangeClient } from '../pipeline/exchange-client.ts'
import type { ExchangeRecord } from '../pipeline/exchange-record.ts'
import type { Tries } from '../pipeline/tries.ts'
import { certificateAttribute, formatEndpoint, idOf, localAddressOf } from './connection-attributes.ts'
import type { PluginAttribute } from './http-plugins.ts'
import { flagBits } from './response-flags.ts'

/** What is known of an exchange besides its messages. */
export interface ExchangeFacts {
  readonly record: ExchangeRecord
  readonly tries: Tries
  readonly client: ExchangeClient
  /** When it began, in milliseconds since 1970. */
  readonly startWallMs: number
  /** How long ago that was. */
  readonly tookMs: number
}

type Reader = (facts: ExchangeFacts) => PluginAttribute | undefined

/** The attributes of Envoy that have a meaning here; times are nanoseconds since 1970. */
const readers: Readonly<Record<string, Reader>> = {
  'request.protocol': ({ record }) =>
    record.version === 20 ? 'HTTP/2' : record.version === 11 ? 'HTTP/1.1' : 'HTTP/1.0',
  'request.time': ({ startWallMs }) => nanoseconds(startWallMs),
  'request.duration': ({ tookMs }) => nanoseconds(tookMs),
  'request.scheme': ({ client }) => client.listener.scheme,
  'response.flags': ({ record }) => flagBits(record.flags),
  'response.backend_latency': ({ tries }) => (tries.firstByteMs < 0 ? undefined : nanoseconds(tries.firstByteMs)),
  'response.code_details': ({ record }) => record.reason ?? 'via_upstream',
  'source.address': ({ client }) => client.client,
  'source.port': ({ client }) => BigInt(client.connection.remotePort),
  'destination.address': ({ client: { connection } }) => formatEndpoint(connection.localAddress, connection.localPort),
  'destination.port': ({ client }) => BigInt(client.connection.localPort),
  'connection.id': ({ client }) => idOf(client.connection),
  connection_id: ({ client }) => idOf(client.connection),
  'connection.requested_server_name': ({ client }) => client.connection.tls?.serverName,
  'connection.tls_version': ({ client }) => client.tls?.version,
  'connection.mtls': ({ client }) => client.tls !== undefined && (client.forwarded?.certificate ?? '') !== '',
  'upstream.address': ({ tries }) => tries.endpoint?.id,
  'upstream.local_address': ({ tries }) => localAddressOf(tries.connection),
  'upstream.transport_failure_reason': ({ tries }) => told(tries.transportFailure),
  'upstream.cx_pool_ready_duration': ({ tries }) => (tries.readyMs < 0 ? undefined : nanoseconds(tries.readyMs)),
  'upstream.port': ({ tries }) => portOf(tries.endpoint?.id),
  'upstream.tls_version': ({ tries }) => told(tries.tlsVersion),
  'upstream.num_endpoints': ({ record }) => countOf(record.backend?.target?.balancer?.states),
  'upstream.request_attempt_count': ({ tries }) => (tries.endpoint === undefined ? 0n : BigInt(tries.retries + 1)),
  'xds.cluster_name': ({ record }) => record.backend?.name,
  'xds.route_name': ({ record }) => record.rule?.routeName,
  'xds.virtual_host_name': ({ record }) => record.rule?.virtualHost,
  'xds.listener_direction': ({ client }) => (client.listener.kind === 'gateway' ? 1n : 2n),
}

export function attributeOf(facts: ExchangeFacts, group: string, name: string): PluginAttribute | undefined {
  const path = name === '' ? group : `${group}.${name}`
  const reader = Object.hasOwn(readers, path) ? readers[path] : undefined
  if (reader !== undefined) return reader(facts)
  if (group === 'connection') return certificateAttribute(facts.client.connection, name)
  return group === 'upstream' ? certificateAttribute(facts.tries.connection, name) : undefined
}

/** What is empty is not known. */
export function told(text: string): string | undefined {
  return text === '' ? undefined : text
}

function nanoseconds(milliseconds: number): bigint {
  return BigInt(Math.round(milliseconds * 1e6))
}

function countOf(list: readonly unknown[] | undefined): bigint | undefined {
  return list === undefined ? undefined : BigInt(list.length)
}

/** Of `127.0.0.1:80`. */
export function portOf(endpoint: string | undefined): bigint | undefined {
  const port = endpoint?.slice(endpoint.lastIndexOf(':') + 1)
  return port !== undefined && /^\d+$/.test(port) ? BigInt(port) : undefined
}
