import type { HeaderMap } from '../../codec/index.ts'
import type { PluginConfig } from './plugin-config.ts'
import { descend } from './property-value.ts'
import type { PropertyValue } from './property-value.ts'

/** Names that stood alone before they moved below `xds`; plugins use both. */
const moved: ReadonlySet<string> = new Set([
  'node',
  'cluster_name',
  'cluster_metadata',
  'route_name',
  'route_metadata',
  'virtual_host_name',
  'virtual_host_metadata',
  'listener_direction',
  'listener_metadata',
  'filter_chain_name',
  'upstream_host_metadata',
  'upstream_host_locality_metadata',
])

/** The path by the names of today. */
export function canonicalPath(path: readonly string[]): readonly string[] {
  return moved.has(path[0] ?? '') ? ['xds', ...path] : path
}

/** What the plugin may know of itself; the root id is always there, since SDKs end the plugin without it. */
export function pluginProperty(config: PluginConfig, path: readonly string[]): PropertyValue | undefined {
  if (path.length !== 1) return undefined
  switch (path[0] ?? '') {
    case 'plugin_name':
      return config.name
    case 'plugin_root_id':
      return config.rootId
    case 'plugin_vm_id':
      return config.vmId
    default:
      return undefined
  }
}

/** What has been seen of a message. */
export interface SeenMessage {
  readonly seenHeaders: HeaderMap | undefined
  readonly seenTrailers: HeaderMap | undefined
  readonly seenBodyBytes: number
}

/** Attributes that a request's own fields tell. @see Envoy, "Attributes", request */
export function requestProperty(request: SeenMessage, path: readonly string[]): PropertyValue | undefined {
  const headers = request.seenHeaders
  if (headers === undefined) return undefined
  const target = headers.get(':path') ?? ''
  const query = target.indexOf('?')
  switch (path[1] ?? '') {
    case 'path':
      return target
    case 'url_path':
      return query === -1 ? target : target.slice(0, query)
    case 'query':
      return query === -1 ? '' : target.slice(query + 1)
    case 'host':
      return headers.get(':authority')
    case 'scheme':
      return headers.get(':scheme')
    case 'method':
      return headers.get(':method')
    case 'id':
      return headers.get('x-request-id')
    case 'referer':
      return headers.get('referer')
    case 'useragent':
      return headers.get('user-agent')
    case 'headers':
      return descend(headers, path.slice(2))
    default:
      return sizeProperty(request, path[1])
  }
}

/** Attributes that a response's own fields tell. */
export function responseProperty(response: SeenMessage, path: readonly string[]): PropertyValue | undefined {
  const headers = response.seenHeaders
  if (headers === undefined) return undefined
  switch (path[1] ?? '') {
    case 'code':
      return BigInt(headers.get(':status') ?? 0)
    case 'grpc_status': {
      const status = response.seenTrailers?.get('grpc-status') ?? headers.get('grpc-status')
      return status !== undefined && /^\d+$/.test(status) ? BigInt(status) : undefined
    }
    case 'headers':
      return descend(headers, path.slice(2))
    case 'trailers':
      return descend(response.seenTrailers, path.slice(2))
    default:
      return sizeProperty(response, path[1])
  }
}

function sizeProperty(message: SeenMessage, name: string | undefined): PropertyValue | undefined {
  const ofFields = (message.seenHeaders?.fieldBytes ?? 0) + (message.seenTrailers?.fieldBytes ?? 0)
  switch (name ?? '') {
    case 'size':
      return BigInt(message.seenBodyBytes)
    case 'headers_bytes':
      return BigInt(message.seenHeaders?.fieldBytes ?? 0)
    case 'total_size':
      return BigInt(message.seenBodyBytes + ofFields)
    default:
      return undefined
  }
}
