import type { HeadParser } from '../../codec/index.ts'
import type { RouteRequest } from '../routing/request.ts'

/**
 * What routing may ask of the request whose head lies in the read buffer: it
 * builds a string only for what is asked. One per worker; valid until the
 * read callback returns.
 */
export class RequestView implements RouteRequest {
  method = ''
  host = ''
  path = ''
  query = ''
  #head: HeadParser | undefined = undefined

  bind(head: HeadParser): void {
    this.#head = head
  }

  header(lowerName: string): string | undefined {
    const head = this.#head
    if (head === undefined) return undefined
    const first = head.findName(lowerName)
    if (first < 0) return undefined
    let value = head.value(first)
    for (let at = first + 1; at < head.fieldCount; at++) {
      if (head.nameEquals(at, lowerName)) value += `, ${head.value(at)}`
    }
    return value
  }

  /** The value of one cookie (RFC 6265 section 5.4), undefined when it is not there. */
  cookie(name: string): string | undefined {
    const header = this.header('cookie')
    if (header === undefined) return undefined
    for (const part of header.split(';')) {
      const equals = part.indexOf('=')
      if (equals > 0 && part.slice(0, equals).trim() === name) return part.slice(equals + 1).trim()
    }
    return undefined
  }
}

/** `Example.COM.:8080` → `example.com`; IPv6 literals keep their brackets. */
export function normalizeHost(raw: string): string {
  let end = raw.length
  const colon = raw.lastIndexOf(':')
  if (colon >= 0 && raw.indexOf(']', colon) < 0) end = colon
  if (end > 0 && raw[end - 1] === '.') end--
  return raw.slice(0, end).toLowerCase()
}
