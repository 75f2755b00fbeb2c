import {
  defaultTableBytes,
  defaultWindowBytes,
  maxFrameSize,
  maxWindowBytes,
  minFrameSize,
  settingIds,
} from './codes.ts'
import type { Http2Problem } from './problems.ts'

/** Until the peer says otherwise; RFC 9113 section 6.5.2 asks for no fewer. */
const assumedConcurrentStreams = 100

/** What the peer announced, RFC 9113 section 6.5.2; the defaults until it did. */
export class PeerSettings {
  headerTableBytes: number = defaultTableBytes
  maxConcurrentStreams: number = assumedConcurrentStreams
  initialWindowBytes: number = defaultWindowBytes
  frameBytes: number = minFrameSize
  /** Advice only: a larger field section may be refused. */
  fieldSectionBytes: number = Infinity
  /** A server accepts extended CONNECT. */
  enableConnectProtocol: boolean = false
  #isKnown: boolean = false

  /** Reads the pairs in bytes[from,to) in their order; stops at the first that is invalid. */
  apply(bytes: Buffer, from: number, to: number, side: 'client' | 'server'): Http2Problem | undefined {
    if (!this.#isKnown) this.maxConcurrentStreams = Infinity
    this.#isKnown = true
    for (let position = from; position < to; position += 6) {
      const problem = this.#set(bytes.readUInt16BE(position), bytes.readUInt32BE(position + 2), side)
      if (problem !== undefined) return problem
    }
    return undefined
  }

  /** @param side ours: a server may not enable push */
  #set(id: number, value: number, side: 'client' | 'server'): Http2Problem | undefined {
    switch (id) {
      case settingIds.headerTableSize:
        this.headerTableBytes = value
        return undefined
      case settingIds.enablePush:
        return value > 1 || (value === 1 && side === 'client') ? 'invalid-enable-push' : undefined
      case settingIds.maxConcurrentStreams:
        this.maxConcurrentStreams = value
        return undefined
      case settingIds.initialWindowSize:
        if (value > maxWindowBytes) return 'invalid-initial-window'
        this.initialWindowBytes = value
        return undefined
      case settingIds.maxFrameSize:
        if (value < minFrameSize || value > maxFrameSize) return 'invalid-max-frame-size'
        this.frameBytes = value
        return undefined
      case settingIds.maxHeaderListSize:
        this.fieldSectionBytes = value
        return undefined
      case settingIds.enableConnectProtocol:
        if (value > 1 || (value === 0 && this.enableConnectProtocol)) return 'invalid-connect-protocol'
        this.enableConnectProtocol = value === 1
        return undefined
      default:
        return undefined
    }
  }
}
