import { entryOf, fieldIds, HeaderList, HeaderMap, nameOf } from '../../codec/index.ts'
import type { EntryCache, HeaderEntry, HeadParser } from '../../codec/index.ts'
import type { IncomingRequest } from '../pipeline/incoming-request.ts'

/** A request as plugins see it: in the form of HTTP/2, without what ends at the hop. */
export function mapOfRequest(request: IncomingRequest, scheme: string): HeaderMap {
  const map = new HeaderMap()
  const { parser, list } = request
  map.append(':authority', request.rawHost ?? '')
  map.append(':path', request.isTargetPlain ? request.target : request.path + request.search)
  map.append(':method', request.method)
  map.append(':scheme', scheme)
  if (parser !== undefined) addKept(map, parser, request.bytes, request.start, fieldIds.host)
  if (list !== undefined) addRegular(map, list)
  return map
}

/** Fields of a head, but those that end at the hop and the one that is told otherwise. */
export function addKept(map: HeaderMap, head: HeadParser, bytes: Buffer, start: number, without: number): void {
  const { fields, fieldIds: ids, drop, fieldCount } = head
  for (let index = 0; index < fieldCount; index++) {
    const id = ids[index]
    if (drop[index] === 1 || id === fieldIds.transferEncoding || id === without) continue
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
    const { name, value } = list.entries[index] as HeaderEntry
    if (!name.startsWith(':') && name !== 'host' && name !== 'cookie') map.append(name, value)
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
