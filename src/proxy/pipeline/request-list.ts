import {
  createEntry,
  entryOf,
  fieldIds,
  HeaderList,
  indexings,
  methodCodes,
  nameOf,
  pseudoIds,
  HeaderEntry,
} from '../../codec/index.ts'
import type { EntryCache, HeadParser } from '../../codec/index.ts'
import type { OutgoingRequest } from '../upstream/outgoing-request.ts'
import type { IncomingRequest } from './incoming-request.ts'
import { newTarget } from './request-input.ts'
import type { ForwardedFacts, RequestInput } from './request-input.ts'
import { keptRequestId, traceIdOf } from './request-id.ts'

const methodEntries: readonly HeaderEntry[] = Object.keys(methodCodes).map(name => createEntry(':method', name))
export const schemes: { readonly http: HeaderEntry; readonly https: HeaderEntry } = {
  http: createEntry(':scheme', 'http'),
  https: createEntry(':scheme', 'https'),
}
const connectMethod: HeaderEntry = createEntry(':method', 'CONNECT')
const trailersWelcome: HeaderEntry = createEntry('te', 'trailers')

const methodName = nameOf(':method')
const protocolName = nameOf(':protocol')
const pathName = nameOf(':path')
const authorityName = nameOf(':authority')
const forwardedForName = nameOf('x-forwarded-for')
const forwardedHostName = nameOf('x-forwarded-host')
const forwardedProtoName = nameOf('x-forwarded-proto')
const clientCertName = nameOf('x-forwarded-client-cert')

/**
 * Renders requests as lists of fields: what an endpoint of HTTP/2 gets, from
 * clients of either version. Entries of an HTTP/2 client go on as they are, so
 * that the encoder finds them by identity.
 *
 * One per worker, since entries of HTTP/1.1 fields are shared by all requests.
 */
export class RequestLists {
  readonly #entries: EntryCache
  readonly #translated = new HeaderList()
  readonly #unedited = new HeaderList()
  /** The last one that was made: clients ask for the same host again and again. */
  #authority: HeaderEntry = entryOf(authorityName, 'localhost')

  constructor(entries: EntryCache) {
    this.#entries = entries
  }

  /** Writes the head that the endpoint gets into `into.list`, which holds it until the next request. */
  render(input: RequestInput, into: OutgoingRequest): void {
    const { edits } = input
    into.list.clear()
    if (edits.isEmpty) {
      this.#build(input, into, into.list)
      return
    }
    this.#unedited.clear()
    this.#build(input, into, this.#unedited)
    edits.applyToList(this.#unedited, into.list)
  }

  #build(input: RequestInput, into: OutgoingRequest, list: HeaderList): void {
    const { request } = input
    const from = request.list ?? this.#translateHead(request)
    if (into.protocol !== '' && into.isHttp2) {
      list.add(connectMethod)
      list.add(from.protocol ?? entryOf(protocolName, into.protocol))
    } else {
      list.add(from.protocol === undefined && from.method !== undefined ? from.method : methodOf(request))
    }
    list.add(schemes[input.scheme])
    list.add(this.#authorityOf(input, from))
    list.add(pathOf(input, from))
    const { forwarded } = input
    let clients = ''
    let requestId = ''
    for (let index = 0; index < from.length; index++) {
      const entry = from.entries[index] as HeaderEntry
      switch (entry.nameId) {
        case fieldIds.host:
        case pseudoIds.method:
        case pseudoIds.path:
        case pseudoIds.scheme:
        case pseudoIds.authority:
        case pseudoIds.protocol:
          break
        case fieldIds.xForwardedFor:
          if (forwarded === undefined) list.add(entry)
          else clients += `${entry.value}, `
          break
        case fieldIds.xForwardedProto:
        case fieldIds.xForwardedHost:
        case fieldIds.xForwardedPort:
        case fieldIds.xForwardedClientCert:
          if (forwarded === undefined) list.add(entry)
          break
        case fieldIds.xRequestId:
          if (requestId !== '' || !keptRequestId(entry.value)) break
          requestId = entry.value
          list.add(entry)
          break
        case fieldIds.traceparent:
          into.traceId = traceIdOf(entry.value)
          list.add(entry)
          break
        default:
          // The key is between a client and a server of HTTP/1.1.
          if (into.protocol === '' || entry.name !== 'sec-websocket-key') list.add(entry)
      }
    }
    if (forwarded !== undefined) addForwarded(list, forwarded, request.rawHost, clients)
    if (requestId === '') list.add(into.idEntry(input.ids))
    else into.requestId = requestId
  }

  /** RFC 9113 section 8.3.1: whoever translates a request names the authority in the pseudo-header field. */
  #authorityOf(input: RequestInput, from: HeaderList): HeaderEntry {
    const { edits } = input
    if (edits.authority !== undefined) return edits.authority
    if (from.authority !== undefined) return from.authority
    const host = input.request.rawHost ?? input.fallbackHost
    if (this.#authority.value !== host) this.#authority = entryOf(authorityName, host)
    return this.#authority
  }

  #translateHead({ parser, bytes, start }: IncomingRequest): HeaderList {
    if (parser === undefined) throw new TypeError('a request has one form or the other')
    return this.translate(parser, bytes, start)
  }

  /**
   * The head of an HTTP/1.1 request as fields of HTTP/2, without those that end
   * at the hop; good until the next call.
   */
  translate(head: HeadParser, bytes: Buffer, start: number): HeaderList {
    const list = this.#translated
    list.clear()
    const method = methodEntries[head.method - 1]
    if (method !== undefined) list.add(method)
    else list.add(entryOf(methodName, bytes.toString('latin1', start, start + head.methodEnd)))
    const { fields, drop, fieldCount } = head
    for (let index = 0; index < fieldCount; index++) {
      const id = head.fieldIds[index] as number
      if (id === fieldIds.te) {
        if (welcomesTrailers(head.value(index))) list.add(trailersWelcome)
        continue
      }
      if (drop[index] === 1 || id === fieldIds.transferEncoding) continue
      const at = index * 4
      const entry = this.#entries.entry(
        bytes,
        start + (fields[at] as number),
        start + (fields[at + 1] as number),
        start + (fields[at + 2] as number),
        start + (fields[at + 3] as number),
      )
      if (entry.problem === undefined) list.add(entry)
    }
    return list
  }
}

/** RFC 9110 section 10.1.4: any other coding is for the hop, and there are none in HTTP/2. */
function welcomesTrailers(te: string): boolean {
  return te.split(',').some(coding => coding.trim().toLowerCase() === 'trailers')
}

function methodOf({ methodCode, method }: IncomingRequest): HeaderEntry {
  return methodEntries[methodCode - 1] ?? entryOf(methodName, method)
}

function pathOf(input: RequestInput, from: HeaderList): HeaderEntry {
  const isPlain = input.request.isTargetPlain && input.rewrite?.path === undefined
  if (isPlain && from.path !== undefined) return from.path
  return new HeaderEntry(pathName, newTarget(input), indexings.without, 0)
}

function addForwarded(list: HeaderList, facts: ForwardedFacts, rawHost: string | undefined, clients: string): void {
  if (clients !== '') {
    for (const entry of describeClient(facts, rawHost, clients)) list.add(entry)
    return
  }
  if (facts.entries === undefined || facts.entriesHost !== rawHost) {
    facts.entriesHost = rawHost
    facts.entries = describeClient(facts, rawHost, '')
  }
  for (const entry of facts.entries) list.add(entry)
}

function describeClient(
  { clientAddress, scheme, certificate }: ForwardedFacts,
  rawHost: string | undefined,
  clients: string,
): HeaderEntry[] {
  const entries = [entryOf(forwardedForName, clients + clientAddress), entryOf(forwardedProtoName, scheme)]
  if (rawHost !== undefined) entries.push(entryOf(forwardedHostName, rawHost))
  if (certificate !== '') entries.push(entryOf(clientCertName, certificate))
  return entries
}
