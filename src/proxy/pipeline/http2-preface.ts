import { clientPreface } from '../../codec/index.ts'

const preface: Buffer = Buffer.from(clientPreface, 'latin1')
/** No request of HTTP/1 begins like this, and its parser refuses what does at the latest here. */
const telling = 'PRI * HTTP/2'.length

/**
 * Whether `bytes[start, end)` are how a client begins that knows that we speak
 * HTTP/2 (RFC 9113 section 3.3). The session checks what is still to come.
 */
export function isHttp2Preface(bytes: Buffer, start: number, end: number): boolean {
  const length = Math.min(end - start, preface.length)
  return length >= telling && preface.compare(bytes, start, start + length, 0, length) === 0
}

/** How many bytes of a first line tell: no method is longer. */
const longestTelling = 256
/** No version of HTTP/1, and three words of which neither the second can be a target nor the third the version of a request by HTTP/1 (RFC 9112 section 3). */
const noRequestLine = /^(?!http\/)[!-~]+ [^\s/*:]+ (?!h)[!-~]/i

/**
 * Whether `bytes[start, end)`, which the parser of HTTP/1 has refused, were not even meant for it. They are an invalid
 * preface of HTTP/2 then (RFC 9113 section 3.4): whoever sent them could not read an answer by HTTP/1 either.
 */
export function isInvalidPreface(bytes: Buffer, start: number, end: number): boolean {
  return noRequestLine.test(bytes.toString('latin1', start, Math.min(end, start + longestTelling)))
}
