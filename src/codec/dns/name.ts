import { dnsHeaderBytes } from './codes.ts'
import { dnsInvalid, type DnsInvalid } from './problems.ts'

// A name is text: labels with dots between them and none at the end, '' for the root. A dot, a backslash and whatever
// is not printable ASCII within a label is written as in zone files, `\.`, `\\`, `\007` (RFC 1035 section 5.1), so that
// different names have different texts. Letters keep their case.

/** In bytes, each label's length and the final zero included (RFC 1035 section 2.3.4). */
const maxNameBytes = 255
const maxLabelBytes = 63

export interface ReadName {
  readonly kind: 'name'
  readonly name: string
  /** Behind the name, or behind its first pointer. */
  readonly end: number
}

/**
 * The name at `at`, which may use compression pointers. Each pointer has to lead
 * before the labels it was read with, and behind the head: so it ends, whatever was sent.
 */
export function readName(bytes: Uint8Array, at: number): ReadName | DnsInvalid {
  let name = ''
  let length = 1
  let end = -1
  let position = at
  let segment = at
  for (;;) {
    const size = bytes[position]
    if (size === undefined) return dnsInvalid('cut-off')
    if (size === 0) return { kind: 'name', name, end: end < 0 ? position + 1 : end }
    if (size >= 0xc0) {
      const low = bytes[position + 1]
      if (low === undefined) return dnsInvalid('cut-off')
      const target = ((size & 0x3f) << 8) | low
      if (target < dnsHeaderBytes || target >= segment) return dnsInvalid('pointer-forward')
      if (end < 0) end = position + 2
      position = target
      segment = target
      continue
    }
    if (size > maxLabelBytes) return dnsInvalid('label-kind')
    const next = position + 1 + size
    if (next > bytes.length) return dnsInvalid('cut-off')
    length += 1 + size
    if (length > maxNameBytes) return dnsInvalid('name-too-long')
    const label = labelText(bytes, position + 1, next)
    name = name === '' ? label : `${name}.${label}`
    position = next
  }
}

const dot = 0x2e
const backslash = 0x5c

function labelText(bytes: Uint8Array, start: number, end: number): string {
  let text = ''
  for (let at = start; at < end; at++) {
    const byte = bytes[at] ?? 0
    if (byte === dot || byte === backslash) text += `\\${String.fromCharCode(byte)}`
    else if (byte <= 0x20 || byte >= 0x7f) text += `\\${String(byte).padStart(3, '0')}`
    else text += String.fromCharCode(byte)
  }
  return text
}

/** The labels of a name as bytes in Latin-1 text; undefined for what is no name. */
export function labelsOf(name: string): readonly string[] | undefined {
  if (name === '') return []
  const labels: string[] = []
  let label = ''
  let length = 1
  const take = (): boolean => {
    labels.push(label)
    length += 1 + label.length
    const isLabel = label !== '' && label.length <= maxLabelBytes && length <= maxNameBytes
    label = ''
    return isLabel
  }
  for (let at = 0; at < name.length; at++) {
    const letter = name.charAt(at)
    if (letter === '.') {
      if (!take()) return undefined
    } else if (letter !== '\\') {
      if (letter > '\u00ff') return undefined
      label += letter
    } else {
      const escaped = /^(?:(\d{3})|(\D))/.exec(name.slice(at + 1, at + 4))
      if (escaped === null || Number(escaped[1] ?? 0) > 255) return undefined
      label += escaped[2] ?? String.fromCharCode(Number(escaped[1]))
      at += escaped[0].length
    }
  }
  return take() ? labels : undefined
}

/** Whether a text can stand in a message. */
export function isDnsName(name: string): boolean {
  return labelsOf(name) !== undefined
}
