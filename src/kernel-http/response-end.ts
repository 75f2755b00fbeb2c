import { ChunkedScanner, complete, defaultChunkLimits, defaultHeadLimits, finished, framings } from '../codec/index.ts'
import { HeadParser, invalid, methodCodes } from '../codec/index.ts'

/** What is known of a response after some of its bytes. */
export type ResponseProgress =
  | { readonly kind: 'open' }
  /** `end`: so many of the last bytes are the response's. */
  | { readonly kind: 'ended'; readonly end: number; readonly keepsConnection: boolean }
  /** Its bytes do not follow RFC 9112, or it is another protocol's from now on. */
  | { readonly kind: 'unknown' }

/** Finds the end of one response, interim ones before it, in the pieces that come. */
export class ResponseEnd {
  readonly #parser: HeadParser
  readonly #scanner = new ChunkedScanner(defaultChunkLimits)
  /** Of a head that is not complete. */
  #held: Buffer = Buffer.alloc(0)
  #isInBody = false
  #left = 0
  /** Of the head, and of interim ones before it. */
  headBytes = 0

  constructor(options: { readonly isToHead: boolean }) {
    this.#parser = new HeadParser('response', defaultHeadLimits)
    this.#parser.requestMethod = options.isToHead ? methodCodes.HEAD : methodCodes.GET
  }

  /** It ends with the connection and no sooner. */
  get isUntilClose(): boolean {
    return this.#isInBody && this.#parser.framing === framings.untilClose
  }

  get isHeadComplete(): boolean {
    return this.#isInBody
  }

  /** 0 before it is known. */
  get status(): number {
    return this.#isInBody ? this.#parser.status : 0
  }

  read(bytes: Buffer): ResponseProgress {
    let at = 0
    while (!this.#isInBody) {
      const before = this.#held.length
      const head = before === 0 ? bytes.subarray(at) : Buffer.concat([this.#held, bytes.subarray(at)])
      const result = this.#parser.parse(head, 0, head.length)
      if (result === invalid || this.#parser.upgrade) return { kind: 'unknown' }
      if (result !== complete) {
        this.#held = Buffer.from(head)
        return { kind: 'open' }
      }
      at += this.#parser.length - before
      this.headBytes += this.#parser.length
      this.#held = Buffer.alloc(0)
      if (this.#parser.status >= 200) this.#isInBody = true
      else this.#parser.reset()
    }
    return this.#readBody(bytes, at)
  }

  #readBody(bytes: Buffer, start: number): ResponseProgress {
    const { framing, keepAlive: keepsConnection } = this.#parser
    let at = start
    switch (framing) {
      case framings.none:
        return { kind: 'ended', end: at, keepsConnection }
      case framings.length: {
        if (this.#left === 0) this.#left = this.#parser.contentLength
        const taken = Math.min(this.#left, bytes.length - at)
        this.#left -= taken
        return this.#left === 0 ? { kind: 'ended', end: at + taken, keepsConnection } : { kind: 'open' }
      }
      case framings.chunked:
        while (at < bytes.length && this.#scanner.state !== finished) {
          at = this.#scanner.next(bytes, at, bytes.length)
          if (this.#scanner.state === invalid) return { kind: 'unknown' }
        }
        return this.#scanner.state === finished ? { kind: 'ended', end: at, keepsConnection } : { kind: 'open' }
      default:
        return { kind: 'open' }
    }
  }
}
