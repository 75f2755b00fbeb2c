import { anyPort, sameAuthority } from '../http1/authority.ts'
import { methodCodes } from '../http1/codes.ts'
import { fieldKinds } from './field-kinds.ts'
import type { HeaderEntry } from './header-entry.ts'
import type { HeaderList } from './header-list.ts'
import type { Http2Problem } from './problems.ts'

const requestOnly =
  (1 << fieldKinds.method) |
  (1 << fieldKinds.path) |
  (1 << fieldKinds.scheme) |
  (1 << fieldKinds.authority) |
  (1 << fieldKinds.protocol)
const anyPseudo = requestOnly | (1 << fieldKinds.status)
const notInTrailers =
  (1 << fieldKinds.host) |
  (1 << fieldKinds.contentLength) |
  (1 << fieldKinds.te) |
  (1 << fieldKinds.cookie) |
  (1 << fieldKinds.neverTrailer)

/**
 * Why these fields are no request, RFC 9113 section 8.3.1. Each field was
 * checked when it was read; what is left is what they say together.
 */
export function checkRequest(list: HeaderList, allowsProtocol: boolean): Http2Problem | undefined {
  if (list.problem !== undefined) return list.problem
  if (list.has(fieldKinds.status)) return 'unknown-pseudo-field'
  const { method, path, scheme, protocol } = list
  if (method === undefined) return 'missing-pseudo-field'
  const isConnect = method.number === methodCodes.CONNECT
  if (protocol !== undefined && !(allowsProtocol && isConnect)) return 'invalid-protocol'
  if (isConnect && protocol === undefined) return checkConnect(list)
  if (path === undefined || scheme === undefined) return 'missing-pseudo-field'
  if (path.value === '*' && method.number !== methodCodes.OPTIONS) return 'invalid-path'
  if (list.authority === undefined && list.host === undefined) return 'missing-authority'
  return checkHost(list, scheme.value === 'https' ? 443 : 80)
}

/** RFC 9113 section 8.5: host and port, both, and nothing else. */
function checkConnect(list: HeaderList): Http2Problem | undefined {
  if (list.path !== undefined || list.scheme !== undefined || list.authority === undefined) return 'invalid-connect'
  if (!/:\d+$/.test(list.authority.value)) return 'invalid-connect'
  return checkHost(list, anyPort)
}

/** RFC 9113 section 8.3.1: Host may not say something else than the authority. */
function checkHost(list: HeaderList, defaultPort: number): Http2Problem | undefined {
  const { authority, host } = list
  if (authority === undefined || host === undefined || authority.value === host.value) return undefined
  return agree(authority, host, defaultPort) ? undefined : 'host-conflict'
}

function agree(authority: HeaderEntry, host: HeaderEntry, defaultPort: number): boolean {
  const bytes = Buffer.from(authority.value + host.value, 'latin1')
  const middle = authority.value.length
  return sameAuthority(bytes, 0, middle, middle, bytes.length, defaultPort)
}

/** Why these fields are no response, RFC 9113 section 8.3.2. */
export function checkResponse(list: HeaderList): Http2Problem | undefined {
  if (list.problem !== undefined) return list.problem
  if ((list.seen & requestOnly) !== 0) return 'unknown-pseudo-field'
  if (!list.has(fieldKinds.status)) return 'missing-pseudo-field'
  return list.has(fieldKinds.te) ? 'invalid-te' : undefined
}

/**
 * Why these fields are no trailers, RFC 9113 section 8.1 and RFC 9110 section
 * 6.5.1. Some servers merge trailers into the fields, so those that would
 * change framing, routing or access are refused rather than passed on.
 */
export function checkTrailers(list: HeaderList): Http2Problem | undefined {
  if ((list.seen & anyPseudo) !== 0) return 'pseudo-field-in-trailers'
  if (list.problem !== undefined) return list.problem
  return (list.seen & notInTrailers) === 0 ? undefined : 'forbidden-trailer'
}
