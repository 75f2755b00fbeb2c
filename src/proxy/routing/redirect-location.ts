import type { Filter } from '../../model/index.ts'
import { rewritePath } from './rewrite-path.ts'

export interface RedirectInput {
  /** Scheme of the request. */
  readonly scheme: 'http' | 'https'
  /** `Host` as received, with its port if it has one; empty for a request without. */
  readonly host: string
  /** Port of the listener that took the request. */
  readonly listenerPort: number
  readonly path: string
  /** Without its question mark. */
  readonly query: string
  readonly matchedPrefix: string
}

const knownPorts = { http: 80, https: 443 } as const

/**
 * The value of `Location`. The port is that of the filter, else the known port
 * of the filter's scheme, else the listener's; one that the scheme implies is
 * left out. The query stays, whatever happens to the path.
 */
export function redirectLocation(filter: Extract<Filter, { kind: 'redirect' }>, input: RedirectInput): string {
  const path = filter.path === undefined ? input.path : rewritePath(input.path, input.matchedPrefix, filter.path)
  const target = input.query === '' ? path : `${path}?${input.query}`
  const hostname = filter.hostname ?? withoutPort(input.host)
  // HTTP/1.0 without Host: all that is left is a path. Two slashes in front would make it another host.
  if (hostname === '') return target.replace(/^\/+/, '/')
  const scheme = filter.scheme ?? input.scheme
  const port = filter.port ?? (filter.scheme === undefined ? input.listenerPort : knownPorts[filter.scheme])
  const authority = port === knownPorts[scheme] ? hostname : `${hostname}:${port}`
  return `${scheme}://${authority}${target}`
}

/** Brackets of an IPv6 literal stay. */
function withoutPort(host: string): string {
  const colon = host.lastIndexOf(':')
  return colon >= 0 && host.indexOf(']', colon) < 0 ? host.slice(0, colon) : host
}
