import {
  defaultHeadLimits,
  entryOf,
  fieldIds,
  fieldKinds,
  HeaderList,
  HeaderMap,
  HeadParser,
  nameOf,
} from '../../codec/index.ts'
import type { EntryCache, HeaderEntry, HeaderSource } from '../../codec/index.ts'
import type { IncomingRequest } from '../pipeline/incoming-request.ts'
import type { AnswerHead } from '../upstream/answer-head.ts'
import { HeadCopies } from './given.ts'

/** A request as plugins see it: in the form of HTTP/2, without what ends at the hop. */
export function mapOfRequest(request: IncomingRequest, scheme: string): HeaderMap {
  const pseudo = [
    ':authority',
    request.rawHost ?? '',
    ':path',
    request.isTargetPlain ? request.target : request.path + request.search,
    ':method',
    request.method,
    ':scheme',
    scheme,
  ]
  return HeaderMap.from(fieldsOf(pseudo, request, fieldIds.host))
}

/** An answer whose fields nobody has edited. */
export function mapOfAnswer(answer: AnswerHead): HeaderMap {
  return HeaderMap.from(fieldsOf([':status', answer.status], answer, noField))
}

/** Names, each with its value behind it; a status is text only for those who ask. */
type Pseudo = readonly (string | number)[]

function fieldsOf(
  pseudo: Pseudo,
  { parser, list, bytes, start }: IncomingRequest | AnswerHead,
  without: number,
): HeaderSource {
  if (parser !== undefined) return new Http1Fields(pseudo, parser, bytes, start, without)
  return new Http2Fields(pseudo, list ?? new HeaderList())
}

const noField = -1
const copies = new HeadCopies()

/** Of heads that a plugin asks about. */
const parsers = {
  request: new HeadParser('request', defaultHeadLimits),
  response: new HeadParser('response', defaultHeadLimits),
}

/**
 * The head lies where the next one will be read. Plugins ask about few of them, so it is kept as the bytes that it is,
 * and parsed once more for those.
 */
class Http1Fields implements HeaderSource {
  readonly count: number
  readonly #pseudo: Pseudo
  readonly #kind: HeadParser['kind']
  readonly #bytes: Buffer
  readonly #start: number
  readonly #end: number
  readonly #without: number

  constructor(pseudo: Pseudo, head: HeadParser, bytes: Buffer, start: number, without: number) {
    this.#pseudo = pseudo
    this.#kind = head.kind
    this.#start = copies.add(bytes, start, start + head.length)
    this.#end = this.#start + head.length
    this.#bytes = copies.block
    this.#without = without
    let count = pseudo.length / 2
    for (let index = 0; index < head.fieldCount; index++) if (isKept(head, index, without)) count++
    this.count = count
  }

  writeTo(map: HeaderMap): void {
    appendPairs(map, this.#pseudo)
    const parser = parsers[this.#kind]
    parser.reset()
    parser.parse(this.#bytes, this.#start, this.#end)
    addKept(map, parser, this.#bytes, this.#start, this.#without)
  }
}

function isKept({ drop, fieldIds: ids }: HeadParser, index: number, without: number): boolean {
  const id = ids[index]
  return drop[index] === 0 && id !== fieldIds.transferEncoding && id !== without
}

/** Without pseudo-headers and Host; Cookie, which HTTP/2 may send in parts, as one. */
class Http2Fields implements HeaderSource {
  readonly count: number
  readonly #pseudo: Pseudo
  readonly #entries: HeaderEntry[] = []
  readonly #cookies: string | undefined

  constructor(pseudo: Pseudo, list: HeaderList) {
    this.#pseudo = pseudo
    this.#cookies = list.cookies()
    for (let index = 0; index < list.length; index++) {
      const entry = list.entries[index] as HeaderEntry
      if (isRegular(entry)) this.#entries.push(entry)
    }
    this.count = pseudo.length / 2 + this.#entries.length + (this.#cookies === undefined ? 0 : 1)
  }

  writeTo(map: HeaderMap): void {
    appendPairs(map, this.#pseudo)
    for (const { name, value } of this.#entries) map.append(name, value)
    if (this.#cookies !== undefined) map.append('cookie', this.#cookies)
  }
}

function appendPairs(map: HeaderMap, pairs: Pseudo): void {
  for (let at = 0; at < pairs.length; at += 2) map.append(String(pairs[at]), String(pairs[at + 1]))
}

function isRegular({ kind, name }: HeaderEntry): boolean {
  return kind < fieldKinds.method && name !== 'host' && name !== 'cookie'
}

/** Fields of a head, but those that end at the hop. @param without  the id of another that is left out */
export function addKept(
  map: HeaderMap,
  head: HeadParser,
  bytes: Buffer,
  start: number,
  without: number = noField,
): void {
  const { fields, fieldCount } = head
  for (let index = 0; index < fieldCount; index++) {
    if (!isKept(head, index, without)) continue
    const at = index * 4
    map.appendBytes(
      bytes,
      start + (fields[at] as number),
      start + (fields[at + 1] as number),
      start + (fields[at + 2] as number),
      start + (fields[at + 3] as number),
    )
  }
}

/** All but pseudo-headers and Host; Cookie, which HTTP/2 may send in parts, as one. */
export function addRegular(map: HeaderMap, list: HeaderList): void {
  for (let index = 0; index < list.length; index++) {
    const entry = list.entries[index] as HeaderEntry
    if (isRegular(entry)) map.append(entry.name, entry.value)
  }
  const cookies = list.cookies()
  if (cookies !== undefined) map.append('cookie', cookies)
}

/** Lines of our own, each with its CRLF. */
export function addLines(map: HeaderMap, lines: string): void {
  if (lines === '') return
  for (const line of lines.split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon > 0) map.append(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim())
  }
}

/**
 * What plugins made of a message, as the rest of the proxy takes it. Fields that
 * may not stand in a message of HTTP/2 are left out, whoever added them.
 *
 * @param pseudo  the pseudo-headers that such a message has
 */
export function listOf(map: HeaderMap, entries: EntryCache, pseudo: readonly string[]): HeaderList {
  const list = new HeaderList()
  const { bytes } = map
  for (const name of pseudo) {
    const value = map.get(name)
    if (value !== undefined) list.add(entryOf(nameOf(name), value))
  }
  for (let index = 0; index < map.count; index++) {
    const nameStart = map.nameStart(index)
    if (bytes[nameStart] === 0x3a) continue
    const valueStart = map.valueStart(index)
    const nameEnd = nameStart + map.nameLength(index)
    const entry = entries.entry(bytes, nameStart, nameEnd, valueStart, valueStart + map.valueLength(index))
    if (entry.problem === undefined && entry.name !== 'host') list.add(entry)
  }
  return list
}

export const requestPseudo: readonly string[] = [':method', ':path', ':scheme', ':authority']
export const responsePseudo: readonly string[] = [':status']
