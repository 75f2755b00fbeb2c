import { HeaderList } from '../../codec/index.ts'

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
  requestId = ''
  traceId = ''
  #list: HeaderList | undefined = undefined

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
    if (this.isHttp2) copy.list.addAll(this.list)
    return copy
  }
}
