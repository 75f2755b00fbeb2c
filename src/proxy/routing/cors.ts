import type { CorsPolicy, HeaderValue } from '../../model/index.ts'

export interface CorsRequest {
  readonly method: string
  /** `Origin` */
  readonly origin: string | undefined
  /** `Access-Control-Request-Method` */
  readonly requestMethod: string | undefined
  /** `Access-Control-Request-Headers` */
  readonly requestHeaders: string | undefined
}

/** `preflight`: we answer ourselves, with these fields; `forward`: they go on the endpoint's answer. */
export type CorsDecision =
  | { readonly kind: 'preflight'; readonly allowed: boolean; readonly headers: readonly HeaderValue[] }
  | { readonly kind: 'forward'; readonly allowed: boolean; readonly headers: readonly HeaderValue[] }

const varyOrigin: HeaderValue = { name: 'vary', value: 'Origin' }
const varyPreflight: HeaderValue = {
  name: 'vary',
  value: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
}

/**
 * The Fetch standard's CORS protocol, as the Gateway API has the gateway play
 * its server side. An origin that is allowed is echoed, never answered with
 * `*`: that is right with and without credentials. So are the requested method
 * and headers where the policy says `*`. An origin that is not allowed gets no
 * CORS field, and the browser refuses. `Vary` is always there, so that no cache
 * hands one origin's answer to another.
 */
export function corsDecision(policy: CorsPolicy, request: CorsRequest): CorsDecision {
  const { origin } = request
  const kind =
    request.method === 'OPTIONS' && origin !== undefined && request.requestMethod !== undefined
      ? 'preflight'
      : 'forward'
  const vary = kind === 'preflight' ? varyPreflight : varyOrigin
  if (origin === undefined || !allowsOrigin(policy.allowOrigins, origin)) {
    return { kind, allowed: false, headers: [vary] }
  }
  const headers: HeaderValue[] = [{ name: 'access-control-allow-origin', value: origin }]
  if (policy.allowCredentials) headers.push({ name: 'access-control-allow-credentials', value: 'true' })
  if (kind === 'preflight') {
    pushList(headers, 'access-control-allow-methods', policy.allowMethods, request.requestMethod)
    pushList(headers, 'access-control-allow-headers', policy.allowHeaders, request.requestHeaders)
    headers.push({ name: 'access-control-max-age', value: String(policy.maxAgeSeconds) })
  }
  // With credentials a browser reads `*` here as the name of a field, which is harmless.
  if (policy.exposeHeaders.length > 0) {
    headers.push({ name: 'access-control-expose-headers', value: policy.exposeHeaders.join(', ') })
  }
  headers.push(vary)
  return { kind, allowed: true, headers }
}

function pushList(
  headers: HeaderValue[],
  name: string,
  allowed: readonly string[],
  requested: string | undefined,
): void {
  const value = allowed.includes('*') ? requested : allowed.join(', ')
  if (value !== undefined && value !== '') headers.push({ name, value })
}

/**
 * @param allowed `https://shop.example`, `https://*.shop.example:8443` (any number of labels, at least one) or `*`
 * @param origin as received; `null` (a sandboxed document) fits only `*`
 */
export function allowsOrigin(allowed: readonly string[], origin: string): boolean {
  if (allowed.includes('*')) return true
  const asked = parseOrigin(origin)
  if (asked === undefined) return false
  return allowed.some(pattern => {
    const parts = parseOrigin(pattern)
    return (
      parts !== undefined &&
      parts.scheme === asked.scheme &&
      parts.port === asked.port &&
      fitsHost(parts.host, asked.host)
    )
  })
}

interface Origin {
  readonly scheme: string
  readonly host: string
  /** As text; the one that the scheme implies when none is written. */
  readonly port: string
}

function parseOrigin(text: string): Origin | undefined {
  const parts = /^([a-z][a-z0-9+.-]*):\/\/(\[[0-9a-f:.]+\]|[^:/?#@\s]+)(?::([0-9]{1,5}))?$/.exec(text.toLowerCase())
  if (parts === null) return undefined
  const [, scheme = '', host = '', port] = parts
  return { scheme, host, port: port ?? (scheme === 'https' ? '443' : scheme === 'http' ? '80' : '') }
}

/** `*` is at most once in a pattern: at the start of the host, or the whole host. */
function fitsHost(pattern: string, host: string): boolean {
  const star = pattern.indexOf('*')
  if (star < 0) return pattern === host
  const before = pattern.slice(0, star)
  const after = pattern.slice(star + 1)
  return host.length > before.length + after.length && host.startsWith(before) && host.endsWith(after)
}
