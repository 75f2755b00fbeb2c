import { defaultHeadLimits, fieldIds, HeadParser, methodCodes, methodNames, targetForms } from '../../codec/index.ts'
import type { ReplyReason } from '../../model/index.ts'
import { normalizePath } from '../routing/normalize-path.ts'
import { IncomingRequest, normalizeHost } from './incoming-request.ts'
import { equalsLatin1 } from './latin1.ts'

/**
 * A request whose head lies in the read buffer: a string is built only for what
 * is asked, and texts that come again and again are made once.
 */
export class Http1Request extends IncomingRequest {
  bind(head: HeadParser, bytes: Buffer, start: number): this {
    this.parser = head
    this.bytes = bytes
    this.start = start
    this.version = 10 + head.minorVersion
    this.methodCode = head.method
    this.method =
      head.method > 0 ? (methodNames[head.method] as string) : bytes.toString('latin1', start, start + head.methodEnd)
    this.target = bytes.toString('latin1', start + head.targetStart, start + head.targetEnd)
    this.asksUpgrade = head.upgrade
    this.framing = head.framing
    this.#readUserAgent(head, bytes, start)
    this.#readHost(head, bytes, start)
    this.refusal = this.#readTarget(head)
    return this
  }

  #readUserAgent(head: HeadParser, bytes: Buffer, start: number): void {
    const at = head.find(fieldIds.userAgent)
    if (at < 0) {
      this.userAgent = ''
      return
    }
    const from = start + (head.fields[at * 4 + 2] as number)
    const to = start + (head.fields[at * 4 + 3] as number)
    if (!equalsLatin1(bytes, from, to, this.userAgent)) this.userAgent = bytes.toString('latin1', from, to)
  }

  #readHost(head: HeadParser, bytes: Buffer, start: number): void {
    const isAbsolute = head.targetForm === targetForms.absolute
    if (!isAbsolute && head.find(fieldIds.host) < 0) {
      this.rawHost = undefined
      this.host = ''
      return
    }
    const from = start + (isAbsolute ? head.authorityStart : head.hostStart)
    const to = start + (isAbsolute ? head.authorityEnd : head.hostEnd)
    if (this.rawHost !== undefined && equalsLatin1(bytes, from, to, this.rawHost)) return
    this.rawHost = bytes.toString('latin1', from, to)
    this.host = normalizeHost(this.rawHost)
  }

  #readTarget(head: HeadParser): ReplyReason | undefined {
    if (head.method === methodCodes.CONNECT) return 'method-not-supported'
    const { targetStart, pathStart, pathEnd, queryStart } = head
    if (queryStart < 0) {
      this.query = ''
      this.search = ''
    } else {
      this.query = this.target.slice(queryStart - targetStart)
      this.search = `?${this.query}`
    }
    const rawPath = pathEnd > pathStart ? this.target.slice(pathStart - targetStart, pathEnd - targetStart) : '/'
    const normal = normalizePath(rawPath)
    if (normal.kind === 'refuse') return 'bad-request'
    this.path = normal.path
    this.isTargetPlain = normal.path === rawPath && head.targetForm !== targetForms.absolute
    return undefined
  }

  keep(): Http1Request {
    const { parser, bytes, start } = this
    const kept = new Http1Request()
    if (parser === undefined) return kept
    const head = Buffer.from(bytes.subarray(start, start + parser.length))
    const own = new HeadParser('request', defaultHeadLimits)
    own.parse(head, 0, head.length)
    return kept.bind(own, head, 0)
  }

  header(lowerName: string): string | undefined {
    const head = this.parser
    if (head === undefined) return undefined
    const first = head.findName(lowerName)
    if (first < 0) return undefined
    let value = head.value(first)
    for (let at = first + 1; at < head.fieldCount; at++) {
      if (head.nameEquals(at, lowerName)) value += `, ${head.value(at)}`
    }
    return value
  }
}
