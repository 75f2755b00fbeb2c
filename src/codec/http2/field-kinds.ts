import { fieldIds } from '../http1/field-ids.ts'

/** Ids of pseudo-header fields; they follow those of `fieldIds`, which end at 63. */
export const pseudoIds = { method: 64, path: 65, scheme: 66, authority: 67, status: 68, protocol: 69 } as const

/** Pseudo-header fields by name, RFC 9113 section 8.3 and RFC 8441 section 4. */
export const pseudoIdByName: ReadonlyMap<string, number> = new Map(
  Object.entries(pseudoIds).map(([name, id]) => [`:${name}`, id]),
)

/**
 * What the check of a message must look at. Most fields are `regular`; the
 * pseudo-header fields have the highest numbers.
 */
export const fieldKinds = {
  regular: 0,
  host: 1,
  contentLength: 2,
  te: 3,
  cookie: 4,
  /** Fields that are refused in trailers, since they would change framing or routing. */
  neverTrailer: 5,
  method: 8,
  path: 9,
  scheme: 10,
  authority: 11,
  status: 12,
  protocol: 13,
} as const

const kindById: ReadonlyMap<number, number> = new Map<number, number>([
  [fieldIds.host, fieldKinds.host],
  [fieldIds.contentLength, fieldKinds.contentLength],
  [fieldIds.te, fieldKinds.te],
  [fieldIds.cookie, fieldKinds.cookie],
  [fieldIds.trailer, fieldKinds.neverTrailer],
  [fieldIds.expect, fieldKinds.neverTrailer],
  [fieldIds.authorization, fieldKinds.neverTrailer],
  [fieldIds.proxyAuthorization, fieldKinds.neverTrailer],
  [fieldIds.setCookie, fieldKinds.neverTrailer],
  [fieldIds.contentEncoding, fieldKinds.neverTrailer],
  [fieldIds.contentRange, fieldKinds.neverTrailer],
  [pseudoIds.method, fieldKinds.method],
  [pseudoIds.path, fieldKinds.path],
  [pseudoIds.scheme, fieldKinds.scheme],
  [pseudoIds.authority, fieldKinds.authority],
  [pseudoIds.status, fieldKinds.status],
  [pseudoIds.protocol, fieldKinds.protocol],
])

export function kindOf(nameId: number): number {
  return kindById.get(nameId) ?? fieldKinds.regular
}

/** How a field may enter an HPACK table; a higher number wins (RFC 7541 section 6.2). */
export const indexings = { allowed: 0, without: 1, never: 2 } as const

/**
 * Fields that are never indexed, whoever sent them how (RFC 7541 section
 * 7.1.3): one connection to a service carries requests of many clients, so a
 * shared table would let one client test guesses of another's secret. A long
 * cookie cannot be guessed whole, and is not guessed in parts, since HPACK
 * compares whole values; it is dear enough to be indexed.
 */
const neverIndexed: ReadonlySet<number> = new Set([
  fieldIds.authorization,
  fieldIds.proxyAuthorization,
  fieldIds.setCookie,
])
const guessableCookieLength = 20

/** Fields whose value rarely comes twice: they would only push others out. Applies to fields that we made. */
const rarelyRepeated: ReadonlySet<number> = new Set([
  pseudoIds.path,
  fieldIds.contentLength,
  fieldIds.contentRange,
  fieldIds.ifModifiedSince,
  fieldIds.ifNoneMatch,
  fieldIds.etag,
  fieldIds.age,
  fieldIds.range,
  fieldIds.location,
  fieldIds.xRequestId,
  fieldIds.traceparent,
  fieldIds.tracestate,
  fieldIds.xForwardedFor,
  fieldIds.grpcTimeout,
  fieldIds.date,
])

/** The policy for a field that came with `asked`. */
export function indexingOf(nameId: number, valueLength: number, asked: number): number {
  if (neverIndexed.has(nameId)) return indexings.never
  if (nameId === fieldIds.cookie && valueLength < guessableCookieLength) return indexings.never
  return asked
}

/** The policy for a field of our own making, or from HTTP/1.1. */
export function ownIndexingOf(nameId: number, valueLength: number): number {
  return indexingOf(nameId, valueLength, rarelyRepeated.has(nameId) ? indexings.without : indexings.allowed)
}
