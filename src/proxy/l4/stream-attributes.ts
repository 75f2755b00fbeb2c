import type { Listener } from '../../model/index.ts'
import { portOf, told } from '../plugins/attributes.ts'
import { certificateAttribute, formatEndpoint, idOf, localAddressOf } from '../plugins/connection-attributes.ts'
import type { PluginAttribute } from '../plugins/http-plugins.ts'
import type { Connection } from '../transport/connection.ts'
import type { StreamRecord } from './stream-record.ts'

/** What is known of a connection that is forwarded as bytes. */
export interface StreamState {
  readonly record: StreamRecord
  readonly client: Connection
  /** Undefined while there is none, and afterwards. */
  readonly endpoint: Connection | undefined
  readonly listener: Listener['kind']
}

type Reader = (state: StreamState) => PluginAttribute | undefined

/** The attributes of Envoy that such a connection has. */
const readers: Readonly<Record<string, Reader>> = {
  'source.address': ({ record: { addresses } }) => formatEndpoint(addresses.source.address, addresses.source.port),
  'source.port': ({ record: { addresses } }) => BigInt(addresses.source.port),
  'destination.address': ({ record: { addresses } }) =>
    formatEndpoint(addresses.destination.address, addresses.destination.port),
  'destination.port': ({ record: { addresses } }) => BigInt(addresses.destination.port),
  'connection.id': ({ client }) => idOf(client),
  connection_id: ({ client }) => idOf(client),
  'connection.requested_server_name': ({ record: { serverName } }) => told(serverName),
  'connection.tls_version': ({ record: { tls } }) => tls?.version,
  'connection.mtls': ({ record: { tls } }) => tls !== undefined && tls.peerHash !== '',
  'connection.termination_details': ({ record: { reason } }) => reason,
  'upstream.address': ({ record: { endpoint } }) => endpoint?.id,
  'upstream.port': ({ record: { endpoint } }) => portOf(endpoint?.id),
  'upstream.local_address': ({ endpoint }) => localAddressOf(endpoint),
  'upstream.tls_version': ({ record: { upstreamTls } }) => told(upstreamTls),
  'upstream.transport_failure_reason': ({ record: { transportFailure } }) => told(transportFailure),
  'upstream.request_attempt_count': ({ record }) => (record.endpoint === undefined ? 0n : BigInt(record.retries + 1)),
  'xds.cluster_name': ({ record: { backend } }) => backend?.name,
  'xds.route_name': ({ record: { stream } }) => stream?.routeName,
  'xds.virtual_host_name': ({ record: { virtualHost } }) => virtualHost,
  'xds.listener_direction': ({ listener }) => (listener === 'gateway' ? 1n : 2n),
}

export function streamAttributeOf(state: StreamState, group: string, name: string): PluginAttribute | undefined {
  const path = name === '' ? group : `${group}.${name}`
  const reader = Object.hasOwn(readers, path) ? readers[path] : undefined
  if (reader !== undefined) return reader(state)
  if (group === 'connection') return certificateAttribute(state.client, name)
  return group === 'upstream' ? certificateAttribute(state.endpoint, name) : undefined
}
