import { grpcFlags, grpcPrefixBytes, writeGrpcPrefix } from './frames.ts'
import { grpcForms } from './metadata.ts'

/**
 * gRPC-Web, the form of gRPC that browsers can speak: the same messages in a
 * body of HTTP/1.1 or HTTP/2, trailers as one more frame at its end, and
 * everything in base64 where the browser can't stream bytes.
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md
 */

/** `application/grpc-web-text+proto` → `application/grpc+proto`: what the endpoint is told. */
export function contentTypeFromWeb(contentType: string): string {
  return contentType.replace(/^application\/grpc-web(-text)?/i, 'application/grpc')
}

/** The reverse, for the answer to a request of that form. */
export function contentTypeToWeb(contentType: string, form: number): string {
  const web = form === grpcForms.webText ? 'application/grpc-web-text' : 'application/grpc-web'
  return contentType.replace(/^application\/grpc(?![\w-])/i, web)
}

/** Values of the base64 alphabet (RFC 4648 section 4) by byte; 64 is padding, 255 anything else. */
function alphabet(): Uint8Array {
  const values = new Uint8Array(256).fill(255)
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/='
  for (let at = 0; at < letters.length; at++) values[letters.charCodeAt(at)] = at
  return values
}

/**
 * The body of a request in base64 to bytes, in pieces split anywhere. A client
 * may pad in the middle and begin anew (each of its chunks is encoded by itself).
 */
export class WebTextDecoder {
  readonly #values = alphabet()
  /** Up to three letters, six bits each. */
  #bits = 0
  #letters = 0
  #padding = 0
  #isInvalid = false

  /** @returns the decoded bytes; undefined when the text is not base64, and then for good */
  decode(text: Uint8Array): Buffer | undefined {
    if (this.#isInvalid) return undefined
    const out = Buffer.allocUnsafe(((this.#letters + this.#padding + text.length) >> 2) * 3)
    let length = 0
    for (const byte of text) {
      const value = this.#values[byte] ?? 255
      // Padding stands only after two or three letters, and no letter follows it in its group.
      if (value === 255 || (value === 64 ? this.#letters < 2 : this.#padding > 0)) return this.#fail()
      if (value === 64) this.#padding++
      else {
        this.#bits = (this.#bits << 6) | value
        this.#letters++
      }
      if (this.#letters + this.#padding < 4) continue
      const bits = this.#bits << (6 * this.#padding)
      // Bits beyond the last byte must be zero, or one message would have several texts.
      if ((bits & (this.#padding === 2 ? 0xffff : this.#padding === 1 ? 0xff : 0)) !== 0) return this.#fail()
      out[length++] = (bits >> 16) & 0xff
      if (this.#padding < 2) out[length++] = (bits >> 8) & 0xff
      if (this.#padding < 1) out[length++] = bits & 0xff
      this.#bits = 0
      this.#letters = 0
      this.#padding = 0
    }
    return out.subarray(0, length)
  }

  /** Whether the text may end here. */
  get isComplete(): boolean {
    return !this.#isInvalid && this.#letters === 0
  }

  #fail(): undefined {
    this.#isInvalid = true
    return undefined
  }
}

/**
 * A piece of an answer for a client of gRPC-Web text. Every piece is padded by
 * itself, so that none waits for the next one.
 */
export function encodeWebText(bytes: Uint8Array): Buffer {
  return Buffer.from(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64'), 'latin1')
}

/** The last frame of an answer: its trailers as the lines of an HTTP/1.1 header, names in lower case. */
export function webTrailers(fields: Iterable<readonly [name: string, value: string]>): Buffer {
  let text = ''
  for (const [name, value] of fields) text += `${name.toLowerCase()}: ${value}\r\n`
  const frame = Buffer.allocUnsafe(grpcPrefixBytes + text.length)
  const at = writeGrpcPrefix(frame, 0, grpcFlags.trailers, text.length)
  frame.write(text, at, 'latin1')
  return frame
}

/** An answer of an endpoint for a client of gRPC-Web, in either form. */
export class WebResponse {
  readonly #isText: boolean

  /** @param form  of the request, `grpcForms.web` or `grpcForms.webText` */
  constructor(form: number) {
    this.#isText = form === grpcForms.webText
  }

  /** A piece of the body; binary ones are handed on as they are. */
  data(bytes: Uint8Array): Uint8Array {
    return this.#isText ? encodeWebText(bytes) : bytes
  }

  /** The end of the body in place of the endpoint's trailers. */
  end(trailers: Iterable<readonly [name: string, value: string]>): Buffer {
    const frame = webTrailers(trailers)
    return this.#isText ? encodeWebText(frame) : frame
  }
}
