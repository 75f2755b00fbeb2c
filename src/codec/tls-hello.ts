/**
 * What the first message of a TLS connection says in plain text: the server's
 * name and the protocols the client would speak (RFC 8446 section 4.1.2, RFC
 * 6066 section 3, RFC 7301). Nothing is decrypted and nothing answered.
 */
export type HelloProgress = 'need-more' | 'complete' | 'invalid'

/**
 * A ClientHello may be larger, up to 16 MiB; real ones, post-quantum keys and
 * padding included, stay under 4 KiB. Without a limit whoever connects could
 * fill the memory before anything is known of it.
 */
export const maxHelloBytes: number = 16 * 1024

/** Every record costs a look at its head: a hello cut into single bytes is no client's. */
const maxRecords = 64

const handshakeRecord = 22
const clientHello = 1
const maxRecordBytes = 16_384
const serverNameExtension = 0
const alpnExtension = 16

/** Reads one ClientHello, fed in pieces of any size; each byte is looked at once. */
export class HelloReader {
  /** Lower case, without a final dot; undefined when the client names none. Valid once complete. */
  serverName: string | undefined = undefined
  /** In the client's order; empty when it offers none. Valid once complete. */
  protocols: readonly string[] = []
  /** Why the bytes are no ClientHello. */
  problem = ''
  readonly #limit: number
  /** Handshake bytes: the message's head of 4 and its body. */
  #message = new Uint8Array(1024)
  #have = 0
  readonly #record = new Uint8Array(5)
  #recordHave = 0
  /** Bytes of the present record that have not come. */
  #recordLeft = 0
  #records = 0
  #progress: HelloProgress = 'need-more'

  constructor(limitBytes: number = maxHelloBytes) {
    this.#limit = limitBytes
  }

  /** Takes `bytes[start, end)`. Bytes after the message are left alone. */
  read(bytes: Uint8Array, start: number, end: number): HelloProgress {
    let at = start
    while (this.#progress === 'need-more' && at < end) {
      if (this.#recordLeft === 0) {
        this.#record[this.#recordHave++] = bytes[at++] ?? 0
        this.#readRecordHead()
        continue
      }
      const length = Math.min(end - at, this.#recordLeft)
      this.#append(bytes, at, length)
      at += length
      this.#recordLeft -= length
      this.#readMessage()
    }
    return this.#progress
  }

  #readRecordHead(): void {
    const [type, major, , high = 0, low = 0] = this.#record
    if (type !== handshakeRecord) return this.#refuse('not a TLS handshake')
    if (this.#recordHave > 1 && major !== 3) return this.#refuse('an unknown version of TLS')
    if (this.#recordHave < 5) return
    const length = (high << 8) | low
    if (length === 0 || length > maxRecordBytes) return this.#refuse('a TLS record of an impossible length')
    if (++this.#records > maxRecords) return this.#refuse('a hello in too many records')
    this.#recordHave = 0
    this.#recordLeft = length
  }

  #append(bytes: Uint8Array, start: number, length: number): void {
    // More than the limit is refused as soon as the message's head has been read; one record may carry a bit more.
    const taken = Math.min(length, this.#limit + 4 - this.#have)
    if (this.#have + taken > this.#message.length) {
      const larger = new Uint8Array(Math.max(this.#message.length * 2, this.#have + taken))
      larger.set(this.#message.subarray(0, this.#have))
      this.#message = larger
    }
    this.#message.set(bytes.subarray(start, start + taken), this.#have)
    this.#have += taken
  }

  #readMessage(): void {
    const message = this.#message
    if (this.#have > 0 && message[0] !== clientHello)
      return this.#refuse('the handshake does not begin with a ClientHello')
    if (this.#have < 4) return
    const length = ((message[1] ?? 0) << 16) | ((message[2] ?? 0) << 8) | (message[3] ?? 0)
    if (length > this.#limit) return this.#refuse('the ClientHello is too long')
    if (this.#have < 4 + length) return
    const hello = readHello(new Cursor(message, 4, 4 + length))
    if (hello === undefined) return this.#refuse('the ClientHello is malformed')
    this.serverName = hello.serverName
    this.protocols = hello.protocols
    this.#progress = 'complete'
  }

  #refuse(problem: string): void {
    this.problem = problem
    this.#progress = 'invalid'
  }
}

interface Hello {
  readonly serverName: string | undefined
  readonly protocols: readonly string[]
}

/** @returns undefined when lengths don't fit into each other */
function readHello(hello: Cursor): Hello | undefined {
  hello.skip(2 + 32)
  hello.vector(1, 0, 32)
  hello.vector(2, 2, 65_534)
  hello.vector(1, 1, 255)
  if (hello.isBroken) return undefined
  let serverName: string | undefined
  let protocols: readonly string[] = []
  // Before TLS 1.3 a hello may end here.
  if (hello.left === 0) return { serverName, protocols }
  const extensions = hello.vector(2, 0, 65_535)
  if (hello.isBroken || hello.left > 0) return undefined
  const seen = new Set<number>()
  while (extensions.left > 0) {
    const type = extensions.integer(2)
    const body = extensions.vector(2, 0, 65_535)
    // RFC 8446 section 4.2: not more than one of each type; of two names nobody knows which the server takes.
    if (extensions.isBroken || seen.has(type)) return undefined
    seen.add(type)
    if (type === serverNameExtension) {
      const name = readServerName(body)
      if (name === undefined) return undefined
      serverName = name
    } else if (type === alpnExtension) {
      const list = readProtocols(body)
      if (list === undefined) return undefined
      protocols = list
    }
  }
  return { serverName, protocols }
}

/** The list has one entry of type host_name (RFC 6066 section 3). */
function readServerName(body: Cursor): string | undefined {
  const list = body.vector(2, 1, 65_535)
  if (body.isBroken || body.left > 0) return undefined
  const type = list.integer(1)
  const name = list.vector(2, 1, 255)
  if (list.isBroken || list.left > 0 || type !== 0) return undefined
  const text = name.text()
  if (!/^[!-~]+$/.test(text)) return undefined
  return text.replace(/\.$/, '').toLowerCase()
}

function readProtocols(body: Cursor): readonly string[] | undefined {
  const list = body.vector(2, 2, 65_535)
  if (body.isBroken || body.left > 0) return undefined
  const protocols: string[] = []
  while (list.left > 0) {
    protocols.push(list.vector(1, 1, 255).text())
    if (list.isBroken) return undefined
  }
  return protocols
}

/** Reads TLS's presentation language (RFC 8446 section 3); the first thing that does not fit breaks it for good. */
class Cursor {
  isBroken = false
  readonly #bytes: Uint8Array
  #at: number
  readonly #end: number

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes
    this.#at = start
    this.#end = end
  }

  get left(): number {
    return this.isBroken ? 0 : this.#end - this.#at
  }

  skip(length: number): void {
    if (length > this.left) this.isBroken = true
    else this.#at += length
  }

  integer(bytes: number): number {
    if (bytes > this.left) {
      this.isBroken = true
      return 0
    }
    let value = 0
    for (let i = 0; i < bytes; i++) value = (value << 8) | (this.#bytes[this.#at++] ?? 0)
    return value
  }

  /** A length of so many bytes, and what it counts. */
  vector(lengthBytes: number, min: number, max: number): Cursor {
    const length = this.integer(lengthBytes)
    const start = this.#at
    if (this.isBroken || length < min || length > max || length > this.left) {
      this.isBroken = true
      return new Cursor(this.#bytes, start, start)
    }
    this.#at += length
    return new Cursor(this.#bytes, start, start + length)
  }

  text(): string {
    return Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset + this.#at, this.left).toString('latin1')
  }
}
