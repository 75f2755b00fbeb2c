import type { Compression, ContentEncoding, HeaderEdits, HeaderValue } from '../../model/index.ts'
import { chooseEncoding } from './accept-encoding.ts'

/** What the decision is made of. Header values are as they came; undefined where there is no such field. */
export interface CompressionFacts {
  readonly method: string
  readonly acceptEncoding: string | undefined
  /** The answer's. */
  readonly status: number
  readonly contentType: string | undefined
  readonly contentEncoding: string | undefined
  /** Undefined when the answer does not say how long it is. */
  readonly contentLength: number | undefined
  readonly cacheControl: string | undefined
  readonly etag: string | undefined
  readonly hasContentRange: boolean
}

export type CompressionDecision =
  /** `varies`: another client could have got it compressed, so caches must know that it depends on Accept-Encoding. */
  | { readonly kind: 'pass'; readonly varies: boolean }
  | {
      readonly kind: 'compress'
      readonly encoding: ContentEncoding
      /** The new value of ETag; undefined where there is none to change. */
      readonly etag: string | undefined
      /** Whether every piece is sent at once although it compresses worse: nobody knows when the next one comes. */
      readonly flushesEachPiece: boolean
    }

/**
 * Whether and how an answer is compressed.
 *
 * What may not be changed is not: no-transform (RFC 9111 section 5.2.2.6), parts
 * of a representation (206, Content-Range), what is encoded already, answers
 * without a body (HEAD, 1xx, 204, 304), and gRPC, which compresses its messages
 * itself. What is not worth it is not: other content types, and bodies that say
 * they are short. A body of unknown length is compressed, since nobody knows.
 *
 * A compressed representation is another one, so that a strong ETag turns weak
 * (RFC 9110 section 8.8.1), Content-Length goes and Vary names
 * Accept-Encoding (section 12.5.5). HEAD gets the Vary but keeps the length of
 * the uncompressed body: to know the other one the body would have to be made.
 */
export function decideCompression(compression: Compression, facts: CompressionFacts): CompressionDecision {
  if (!isCompressible(compression, facts)) return passUnvaried
  if (facts.method === 'HEAD') return passVaried
  const encoding = chooseEncoding(facts.acceptEncoding, compression.encodings)
  if (encoding === undefined) return passVaried
  return {
    kind: 'compress',
    encoding,
    etag: weakened(facts.etag),
    flushesEachPiece: facts.contentLength === undefined,
  }
}

const passUnvaried: CompressionDecision = Object.freeze({ kind: 'pass', varies: false })
const passVaried: CompressionDecision = Object.freeze({ kind: 'pass', varies: true })

function isCompressible({ contentTypes, minBytes }: Compression, facts: CompressionFacts): boolean {
  const { status, contentEncoding, contentLength, cacheControl } = facts
  if (status < 200 || status === 204 || status === 206 || status === 304) return false
  if (facts.method === 'CONNECT' || facts.hasContentRange) return false
  if (contentLength !== undefined && contentLength < Math.max(1, minBytes)) return false
  if (contentEncoding !== undefined && contentEncoding.trim().toLowerCase() !== 'identity') return false
  if (cacheControl !== undefined && /(?:^|,)[ \t]*no-transform[ \t]*(?:,|$)/i.test(cacheControl)) return false
  return isListed(mediaType(facts.contentType), contentTypes)
}

function mediaType(contentType: string | undefined): string {
  const end = contentType?.indexOf(';') ?? -1
  return (end < 0 ? (contentType ?? '') : (contentType ?? '').slice(0, end)).trim().toLowerCase()
}

function isListed(type: string, contentTypes: readonly string[]): boolean {
  if (type === '' || type.startsWith('application/grpc')) return false
  return contentTypes.some(listed => (listed.endsWith('/*') ? type.startsWith(listed.slice(0, -1)) : type === listed))
}

function weakened(etag: string | undefined): string | undefined {
  return etag === undefined || etag.startsWith('W/') ? undefined : `W/${etag}`
}

/**
 * The changes to the head of an answer that come with a decision.
 * @param vary its Vary, fields of the same name joined with commas
 */
export function compressionEdits(decision: CompressionDecision, vary: string | undefined): HeaderEdits {
  const set: HeaderValue[] = []
  const newVary = decision.kind === 'compress' || decision.varies ? varyWithEncoding(vary) : undefined
  if (newVary !== undefined) set.push({ name: 'vary', value: newVary })
  if (decision.kind === 'pass') return { set, add: [], remove: [] }
  set.push({ name: 'content-encoding', value: decision.encoding })
  if (decision.etag !== undefined) set.push({ name: 'etag', value: decision.etag })
  return { set, add: [], remove: ofOtherBytes }
}

/** What is true of the bytes before compression only: their number, ranges of them, sums over them. */
const ofOtherBytes: readonly string[] = ['content-length', 'accept-ranges', 'content-md5', 'content-digest', 'digest']

/** The value of Vary with Accept-Encoding in it; undefined when it need not change. */
export function varyWithEncoding(vary: string | undefined): string | undefined {
  if (vary === undefined || vary.trim() === '') return 'accept-encoding'
  const names = vary.split(',').map(name => name.trim().toLowerCase())
  if (names.includes('*') || names.includes('accept-encoding')) return undefined
  return `${vary}, accept-encoding`
}
