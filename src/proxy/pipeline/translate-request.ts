import { entryOf, framings, HeadParser, nameOf } from '../../codec/index.ts'
import type { HeaderEntry, HeadLimits } from '../../codec/index.ts'
import { bodyChanges } from '../upstream/outgoing-request.ts'
import type { OutgoingRequest } from '../upstream/outgoing-request.ts'
import { writeRequestLines } from './request-lines.ts'
import { schemes } from './request-list.ts'
import type { RequestLists } from './request-list.ts'

const authorityName = nameOf(':authority')
const pathName = nameOf(':path')

/**
 * A request that was rendered for an endpoint of one protocol, as one of the
 * other gets it: for mirrors, which are the only ones that need both forms.
 */
export function translateRequest(
  request: OutgoingRequest,
  options: { readonly lists: RequestLists; readonly limits: HeadLimits; readonly scheme: 'http' | 'https' },
): OutgoingRequest {
  const other = request.copy()
  other.isHttp2 = !request.isHttp2
  if (request.isHttp2) {
    other.list.clear()
    other.list.addAll(request.list)
    writeRequestLines(other)
    const isLengthKnown = request.list.contentLength >= 0
    // A body that comes in chunks goes on in them.
    const isChunked = request.bodyChange === bodyChanges.decode
    other.bodyChange = other.hasBody && !isLengthKnown && !isChunked ? bodyChanges.encode : bodyChanges.none
    return other
  }
  const parser = new HeadParser('request', options.limits)
  parser.parse(request.bytes, 0, request.length)
  const fields = options.lists.translate(parser, request.bytes, 0)
  const { list } = other
  list.clear()
  if (fields.method !== undefined) list.add(fields.method)
  list.add(schemes[options.scheme])
  list.add(entryOf(authorityName, fields.host?.value ?? ''))
  list.add(entryOf(pathName, parser.text(parser.targetStart, parser.targetEnd)))
  for (let index = 0; index < fields.length; index++) {
    const entry = fields.entries[index] as HeaderEntry
    if (entry !== fields.method && entry !== fields.host) list.add(entry)
  }
  const comesInChunks = parser.framing === framings.chunked && request.bodyChange === bodyChanges.none
  other.bodyChange = comesInChunks ? bodyChanges.decode : bodyChanges.none
  return other
}
