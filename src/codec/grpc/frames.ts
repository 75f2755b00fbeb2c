/** Before every message: one byte of flags and its length in four, most significant first. */
export const grpcPrefixBytes = 5

export const grpcFlags = {
  /** The message is compressed as `grpc-encoding` says. */
  compressed: 0x01,
  /** gRPC-Web only: the frame holds trailers. */
  trailers: 0x80,
} as const

/** What `GrpcFrameScanner.next` found. */
export const grpcEvents = {
  /** All bytes are used up. */
  more: 0,
  /** `bytes[from, to)` of the call belong to the message. */
  data: 1,
  /** The message is complete. */
  end: 2,
  /** The message is larger than the limit, or its flags do not exist; nothing more is read. */
  invalid: 3,
} as const

export interface GrpcFrameLimits {
  /** A message that is longer is refused by its prefix alone, before any of it is kept. */
  readonly maxMessageBytes: number
}

/** gRPC libraries refuse more than 4 MiB unless told otherwise. */
export const defaultGrpcLimits: GrpcFrameLimits = { maxMessageBytes: 4 * 1024 * 1024 }

/**
 * Finds the messages in the bytes of a gRPC stream, which may be split anywhere.
 * It keeps no bytes: a message comes as ranges of what the caller has, so the
 * proxy can count messages of any size and pass them on untouched.
 *
 *     let at = 0
 *     for (;;) {
 *       const event = scanner.next(bytes, at, bytes.length)
 *       at = scanner.at
 *       if (event === grpcEvents.more || event === grpcEvents.invalid) break
 *     }
 */
export class GrpcFrameScanner {
  /** Where the next call goes on. */
  at = 0
  /** After `data`: the range of the message's bytes. */
  from = 0
  to = 0
  /** Of the current message. */
  flags = 0
  messageBytes = 0
  /** Complete messages so far. */
  messages = 0
  readonly #maxMessageBytes: number
  readonly #knownFlags: number
  #prefixBytes = 0
  #left = 0
  #isInvalid = false

  constructor(limits: GrpcFrameLimits = defaultGrpcLimits, options: { isWeb: boolean } = { isWeb: false }) {
    this.#maxMessageBytes = limits.maxMessageBytes
    this.#knownFlags = options.isWeb ? grpcFlags.compressed | grpcFlags.trailers : grpcFlags.compressed
  }

  /** Whether the stream may end here: no message is under way. */
  get isBetweenMessages(): boolean {
    return this.#prefixBytes === 0 && !this.#isInvalid
  }

  /** @returns one of `grpcEvents` */
  next(bytes: Uint8Array, at: number, end: number): number {
    let position = at
    if (this.#isInvalid) return this.#stop(position)
    while (this.#prefixBytes < grpcPrefixBytes) {
      if (position === end) {
        this.at = position
        return grpcEvents.more
      }
      const byte = bytes[position++] ?? 0
      if (this.#prefixBytes++ === 0) {
        this.flags = byte
        this.messageBytes = 0
        if ((byte & ~this.#knownFlags) !== 0) return this.#stop(position)
        continue
      }
      this.messageBytes = this.messageBytes * 256 + byte
      if (this.#prefixBytes === grpcPrefixBytes) {
        if (this.messageBytes > this.#maxMessageBytes) return this.#stop(position)
        this.#left = this.messageBytes
      }
    }
    if (this.#left === 0) {
      this.#prefixBytes = 0
      this.messages++
      this.at = position
      return grpcEvents.end
    }
    if (position === end) {
      this.at = position
      return grpcEvents.more
    }
    const count = Math.min(this.#left, end - position)
    this.from = position
    this.to = position + count
    this.#left -= count
    this.at = this.to
    return grpcEvents.data
  }

  #stop(position: number): number {
    this.#isInvalid = true
    this.at = position
    return grpcEvents.invalid
  }
}

/** The five bytes before a message. */
export function writeGrpcPrefix(into: Buffer, at: number, flags: number, messageBytes: number): number {
  into[at] = flags
  return into.writeUInt32BE(messageBytes, at + 1)
}

/** A message with its prefix. */
export function frameGrpcMessage(message: Uint8Array, flags: number = 0): Buffer {
  const frame = Buffer.allocUnsafe(grpcPrefixBytes + message.length)
  writeGrpcPrefix(frame, 0, flags, message.length)
  frame.set(message, grpcPrefixBytes)
  return frame
}

export type UnaryMessage =
  | { readonly kind: 'message'; readonly message: Uint8Array }
  | { readonly kind: 'invalid'; readonly about: string }

/** The one uncompressed message of a whole body, as answers to unary calls have it. */
export function readUnaryMessage(body: Uint8Array, limits: GrpcFrameLimits = defaultGrpcLimits): UnaryMessage {
  const scanner = new GrpcFrameScanner(limits)
  let from = 0
  let to = 0
  for (let event = scanner.next(body, 0, body.length); ; event = scanner.next(body, scanner.at, body.length)) {
    if (event === grpcEvents.data) {
      ;({ from, to } = scanner)
      continue
    }
    if (event === grpcEvents.end) break
    return { kind: 'invalid', about: event === grpcEvents.more ? 'no complete message' : 'an invalid message' }
  }
  if ((scanner.flags & grpcFlags.compressed) !== 0) return { kind: 'invalid', about: 'a compressed message' }
  if (scanner.at !== body.length) return { kind: 'invalid', about: 'more than one message' }
  return { kind: 'message', message: body.subarray(from, to) }
}
