/** Messages of a TCP connection, each behind its length in two bytes (RFC 1035 section 4.2.2), fed in pieces of any size. */
export class DnsTcpFrames {
  #head = -1
  #message: Uint8Array | undefined
  #have = 0

  /** Whether a message has begun and not ended. */
  get isWithin(): boolean {
    return this.#head >= 0 || this.#message !== undefined
  }

  /** @returns the messages that the chunk completes, as bytes of their own; one may be empty */
  read(chunk: Uint8Array): readonly Uint8Array[] {
    const messages: Uint8Array[] = []
    let at = 0
    while (at < chunk.length) {
      const message = this.#message
      if (message === undefined) {
        const byte = chunk[at++] ?? 0
        if (this.#head < 0) {
          this.#head = byte
          continue
        }
        this.#message = new Uint8Array((this.#head << 8) | byte)
        this.#head = -1
        this.#have = 0
      } else {
        const piece = chunk.subarray(at, at + message.length - this.#have)
        message.set(piece, this.#have)
        this.#have += piece.length
        at += piece.length
      }
      if (this.#message !== undefined && this.#have === this.#message.length) {
        messages.push(this.#message)
        this.#message = undefined
      }
    }
    return messages
  }
}

export function frameDnsMessage(message: Uint8Array): Uint8Array {
  const framed = new Uint8Array(message.length + 2)
  framed[0] = message.length >> 8
  framed[1] = message.length & 0xff
  framed.set(message, 2)
  return framed
}
