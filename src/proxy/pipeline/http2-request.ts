import { fieldIds, fieldKinds, framings, methodCodes } from '../../codec/index.ts'
import type { HeaderEntry, HeaderList } from '../../codec/index.ts'
import type { ReplyReason } from '../../model/index.ts'
import { normalizePath } from '../routing/normalize-path.ts'
import { IncomingRequest, normalizeHost } from './incoming-request.ts'

/**
 * A request by HTTP/2. Entries of fields that come again and again are the same
 * objects, so that what was found out about the last one holds for the next.
 *
 * An extended CONNECT counts as the GET that the same client would have sent by
 * HTTP/1.1 (RFC 8441 section 5), so that routes treat both alike.
 */
export class Http2Request extends IncomingRequest {
  #authority: HeaderEntry | undefined = undefined

  constructor() {
    super()
    this.version = 20
  }

  /** @param list  of a session: a valid request */
  bind(list: HeaderList, endStream: boolean): this {
    this.list = list
    const isExtended = list.protocol !== undefined
    this.methodCode = isExtended ? methodCodes.GET : (list.method?.number ?? 0)
    this.method = isExtended ? 'GET' : (list.method?.value ?? '')
    this.asksUpgrade = isExtended
    this.framing = endStream ? framings.none : list.contentLength >= 0 ? framings.length : framings.untilClose
    const agent = list.find(fieldIds.userAgent)
    this.userAgent = agent < 0 ? '' : (list.entries[agent] as HeaderEntry).value
    this.#readAuthority(list.authority ?? list.host)
    this.refusal = list.path === undefined ? this.#refuseConnect(list) : this.#readPath(list.path)
    return this
  }

  #readAuthority(authority: HeaderEntry | undefined): void {
    if (authority === this.#authority) return
    this.#authority = authority
    this.rawHost = authority?.value
    this.host = normalizeHost(authority?.value ?? '')
  }

  /** Only CONNECT comes without a path. */
  #refuseConnect(list: HeaderList): ReplyReason {
    this.target = list.authority?.value ?? ''
    return 'method-not-supported'
  }

  #readPath(entry: HeaderEntry): ReplyReason | undefined {
    const reading = (entry.reading ??= readPath(entry.value)) as PathReading
    this.target = entry.value
    this.query = reading.query
    this.search = reading.search
    if (reading.path === undefined) return 'bad-request'
    this.path = reading.path
    this.isTargetPlain = reading.isTargetPlain
    return undefined
  }

  keep(): Http2Request {
    const kept = new Http2Request()
    return this.list === undefined ? kept : kept.bind(this.list.copy(), this.framing === framings.none)
  }

  header(lowerName: string): string | undefined {
    const { list } = this
    if (list === undefined) return undefined
    if (lowerName === 'cookie' && list.has(fieldKinds.cookie)) return list.cookies()
    if (lowerName === 'host') return this.rawHost
    let value: string | undefined
    for (let index = 0; index < list.length; index++) {
      const entry = list.entries[index] as HeaderEntry
      if (entry.name === lowerName) value = value === undefined ? entry.value : `${value}, ${entry.value}`
    }
    return value
  }
}

/** What a target means; undefined for the path of one that is refused. */
interface PathReading {
  readonly path: string | undefined
  readonly isTargetPlain: boolean
  readonly query: string
  readonly search: string
}

function readPath(target: string): PathReading {
  const mark = target.indexOf('?')
  const rawPath = target === '*' ? '/' : mark < 0 ? target : target.slice(0, mark)
  const normal = normalizePath(rawPath)
  const path = normal.kind === 'refuse' ? undefined : normal.path
  return {
    path,
    isTargetPlain: path === rawPath,
    query: mark < 0 ? '' : target.slice(mark + 1),
    search: mark < 0 ? '' : target.slice(mark),
  }
}
