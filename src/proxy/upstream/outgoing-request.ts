import { fieldIds, HeaderEntry, HeaderList, indexings, RewrittenEntry, trustedNameOf } from '../../codec/index.ts'

/** What is done to a request's body on its way from the client's form to the endpoint's. */
export const bodyChanges = {
  /** It goes on as it came. */
  none: 0,
  /** Chunk framing goes, trailers are told apart. */
  decode: 1,
  /** Content gets chunk framing. */
  encode: 2,
  /** Content in base64, as gRPC-Web may come, becomes bytes. */
  webText: 3,
  /** The same, of content that comes in chunks. */
  webTextInChunks: 4,
} as const

/** Of those that are made, all of one length. */
export interface IdSource {
  readonly length: number
  /** Writes the next one over what is there. */
  write(into: Uint8Array): void
}

const requestIdName = trustedNameOf('x-request-id')
const noBytes: Buffer = Buffer.alloc(0)
/** A larger head is not worth keeping for the next request. */
const keptBytes = 8192

/**
 * The head of a request as the endpoint gets it, rendered once for all tries:
 * in `bytes` for HTTP/1.1, in `list` for HTTP/2. Whoever owns one uses it again
 * and again.
 */
export class OutgoingRequest {
  isHttp2 = false
  /** From `methodCodes`; 0 for an unusual one. */
  method = 0
  hasBody = false
  /** It may be sent again if a kept connection turns out to be closed. */
  isRepeatable = false
  /** From `bodyChanges`. */
  bodyChange: number = bodyChanges.none
  /** `bytes[0, length)` for HTTP/1.1. */
  bytes: Buffer = noBytes
  length = 0
  /**
   * What the connection is to be changed to, where client and endpoint ask for that in different ways: a client by
   * HTTP/2, an endpoint by HTTP/2, or both (RFC 8441). Bytes of the client are not part of the request then.
   */
  protocol = ''
  /** `sec-websocket-key` of the side that speaks HTTP/1.1, when the other does not: its answer is to be shown or checked. */
  webSocketKey = ''
  traceId = ''
  #requestId = ''
  /** For ids of our making, as fields of HTTP/2; made once, since it serves one request after the other. */
  #madeId: RewrittenEntry | undefined = undefined
  #isIdMade = false
  #list: HeaderList | undefined = undefined

  /** Empty where it has none yet. */
  get requestId(): string {
    return this.#madeId !== undefined && this.#isIdMade ? this.#madeId.value : this.#requestId
  }

  set requestId(id: string) {
    this.#requestId = id
    this.#isIdMade = false
  }

  /** The id in ASCII, where it is there as such: until the next request. */
  get requestIdBytes(): Uint8Array | undefined {
    return this.#isIdMade ? this.#madeId?.bytes : undefined
  }

  /** The id as a field, which is made where there is none: good until the next request. */
  idEntry(ids: IdSource): HeaderEntry {
    if (this.#requestId !== '') return new HeaderEntry(requestIdName, this.#requestId, indexings.without, 0)
    const made = (this.#madeId ??= new RewrittenEntry(requestIdName, ids.length))
    if (!this.#isIdMade) {
      ids.write(made.bytes)
      made.rewritten()
    }
    this.#isIdMade = true
    return made
  }

  /** For HTTP/2. */
  get list(): HeaderList {
    this.#list ??= new HeaderList()
    return this.#list
  }

  /** Before the next request: forgets what is of this one alone. */
  reset(): void {
    this.protocol = ''
    this.webSocketKey = ''
    this.requestId = ''
    this.traceId = ''
    if (this.bytes.length > keptBytes) this.bytes = noBytes
  }

  /** For a mirror, who sends it later and minds no repetition. */
  copy(): OutgoingRequest {
    const copy = new OutgoingRequest()
    copy.isHttp2 = this.isHttp2
    copy.method = this.method
    copy.hasBody = this.hasBody
    copy.isRepeatable = true
    copy.bodyChange = this.bodyChange
    copy.requestId = this.requestId
    copy.traceId = this.traceId
    copy.bytes = Buffer.from(this.bytes.subarray(0, this.length))
    copy.length = this.length
    if (!this.isHttp2) return copy
    copy.list.addAll(this.list)
    const made = this.#madeId
    const at = copy.list.find(fieldIds.xRequestId)
    if (made !== undefined && copy.list.entries[at] === made) copy.list.replace(at, made.kept(requestIdName))
    return copy
  }
}
