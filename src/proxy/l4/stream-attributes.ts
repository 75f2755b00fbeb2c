import { formatEndpoint, portOf } from '../plugins/attributes.ts'
import type { PluginAttribute } from '../plugins/http-plugins.ts'
import type { StreamFacts } from './stream-log.ts'

type Reader = (facts: StreamFacts) => PluginAttribute | undefined

/** The attributes of Envoy that a connection has which is forwarded as bytes. */
const readers: Readonly<Record<string, Reader>> = {
  'source.address': ({ addresses: { source } }) => formatEndpoint(source.address, source.port),
  'source.port': ({ addresses }) => BigInt(addresses.source.port),
  'destination.address': ({ addresses: { destination } }) => formatEndpoint(destination.address, destination.port),
  'destination.port': ({ addresses }) => BigInt(addresses.destination.port),
  'connection.requested_server_name': ({ serverName }) => (serverName === '' ? undefined : serverName),
  'connection.tls_version': ({ tls }) => tls?.version,
  'connection.mtls': ({ tls }) => tls !== undefined && tls.peerHash !== '',
  'upstream.address': ({ endpoint }) => endpoint?.id,
  'upstream.port': ({ endpoint }) => portOf(endpoint?.id),
  'upstream.tls_version': ({ upstreamTls }) => (upstreamTls === '' ? undefined : upstreamTls),
  'xds.cluster_name': ({ backend }) => backend?.name,
  'xds.route_name': ({ stream }) => stream?.routeName,
  'xds.virtual_host_name': ({ virtualHost }) => virtualHost,
}

export function streamAttributeOf(facts: StreamFacts, group: string, name: string): PluginAttribute | undefined {
  return readers[name === '' ? group : `${group}.${name}`]?.(facts)
}
