import type { HeadParser } from '../../codec/index.ts'
import { writeShort } from './latin1.ts'

/**
 * Copies the fields of a parsed head that are not marked as dropped, as they
 * came, to `to` at `at`: neighbours that stay are copied in one piece.
 * @returns the offset behind the copy
 */
export function copyKeptFields(to: Buffer, at: number, head: HeadParser, bytes: Buffer, start: number): number {
  const { fields, drop, fieldCount } = head
  let written = at
  let runStart = -1
  for (let index = 0; index < fieldCount; index++) {
    if (drop[index] === 0) {
      if (runStart < 0) runStart = fields[index * 4] as number
    } else if (runStart >= 0) {
      written += bytes.copy(to, written, start + runStart, start + (fields[index * 4] as number))
      runStart = -1
    }
  }
  if (runStart >= 0) written += bytes.copy(to, written, start + runStart, start + head.length - 2)
  return written
}

/** Writes the status line of a response head with our own version. */
export function copyStatusLine(to: Buffer, at: number, head: HeadParser, bytes: Buffer, start: number): number {
  const lineEnd = head.fieldCount > 0 ? (head.fields[0] as number) : head.length - 2
  const written = writeShort(to, at, 'HTTP/1.1')
  return written + bytes.copy(to, written, start + 'HTTP/1.1'.length, start + lineEnd)
}
