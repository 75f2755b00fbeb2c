import { pseudoIds } from '../../codec/index.ts'
import type { HeaderEntry, HeaderList } from '../../codec/index.ts'

/** Fields of HTTP/2 as lines of HTTP/1.1, each with its CRLF; pseudo-header fields have no line. */
export function fieldLines(list: HeaderList): string {
  let lines = ''
  for (let index = 0; index < list.length; index++) {
    const { name, nameId, value } = list.entries[index] as HeaderEntry
    if (nameId < pseudoIds.method) lines += `${name}: ${value}\r\n`
  }
  return lines
}
