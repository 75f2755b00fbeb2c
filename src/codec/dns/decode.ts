import { formatIpAddress } from '../ip-address.ts'
import { dnsHeaderBytes, recordTypes } from './codes.ts'
import type { DnsData, DnsFlags, DnsMessage, DnsQuestion, DnsRecord, Edns } from './message.ts'
import { readName } from './name.ts'
import { dnsInvalid, type DnsInvalid, type DnsProblem } from './problems.ts'

/**
 * A record takes 11 bytes at least, so that 64 KiB might hold 5,957; each is an
 * object of ten times its bytes. No query has more than a few and no answer of
 * a resolver as many as this.
 */
const maxRecords = 4096

/** The head alone, which an error answer repeats although the rest cannot be read. */
export interface DnsHeader {
  readonly id: number
  readonly flags: DnsFlags
  /** The lower four bits. */
  readonly responseCode: number
  /** Questions, answers, authorities, additionals. */
  readonly counts: readonly [number, number, number, number]
}

/** @returns undefined for less than a head */
export function decodeDnsHeader(bytes: Uint8Array): DnsHeader | undefined {
  if (bytes.length < dnsHeaderBytes) return undefined
  const [high = 0, low = 0] = bytes.subarray(2, 4)
  return {
    id: u16(bytes, 0),
    flags: {
      isResponse: (high & 0x80) !== 0,
      opcode: (high >> 3) & 15,
      isAuthoritative: (high & 4) !== 0,
      isTruncated: (high & 2) !== 0,
      isRecursionDesired: (high & 1) !== 0,
      isRecursionAvailable: (low & 0x80) !== 0,
      isAuthenticData: (low & 0x20) !== 0,
      isCheckingDisabled: (low & 0x10) !== 0,
    },
    responseCode: low & 15,
    counts: [u16(bytes, 4), u16(bytes, 6), u16(bytes, 8), u16(bytes, 10)],
  }
}

export type DnsDecoded = { readonly kind: 'message'; readonly message: DnsMessage } | DnsInvalid

/** Reads one whole message; bytes that are none are an expected result. */
export function decodeDnsMessage(bytes: Uint8Array): DnsDecoded {
  const header = decodeDnsHeader(bytes)
  if (header === undefined) return dnsInvalid('short-header')
  const reading = new Reading(bytes, header)
  const message = reading.message()
  return message === undefined ? dnsInvalid(reading.problem ?? 'cut-off') : { kind: 'message', message }
}

/** A place in the bytes that moves on; everything answers undefined once there is a problem. */
class Reading {
  problem: DnsProblem | undefined
  readonly #bytes: Uint8Array
  readonly #header: DnsHeader
  #at = dnsHeaderBytes
  #edns: { readonly edns: Edns; readonly highCode: number } | undefined

  constructor(bytes: Uint8Array, header: DnsHeader) {
    this.#bytes = bytes
    this.#header = header
  }

  message(): DnsMessage | undefined {
    const { id, flags, responseCode, counts } = this.#header
    const [questionCount, answerCount, authorityCount, additionalCount] = counts
    if (questionCount + answerCount + authorityCount + additionalCount > maxRecords) {
      return this.#fail('too-many-records')
    }
    const questions = this.#list(questionCount, () => this.#question())
    const answers = this.#list(answerCount, () => this.#record('records'))
    const authorities = this.#list(authorityCount, () => this.#record('records'))
    const additionals = this.#list(additionalCount, () => this.#record('additional'))
    if (this.problem !== undefined) return undefined
    if (this.#at !== this.#bytes.length) return this.#fail('trailing-bytes')
    const { edns, highCode = 0 } = this.#edns ?? {}
    return {
      id,
      flags,
      responseCode: (highCode << 4) | responseCode,
      questions,
      answers,
      authorities,
      additionals,
      edns,
    }
  }

  #list<T>(count: number, read: () => T | 'opt' | undefined): T[] {
    const list: T[] = []
    for (let left = count; left > 0 && this.problem === undefined; left--) {
      const item = read()
      if (item !== undefined && item !== 'opt') list.push(item)
    }
    return list
  }

  #question(): DnsQuestion | undefined {
    const name = this.#name()
    if (name === undefined || !this.#has(4)) return undefined
    const question = { name, type: u16(this.#bytes, this.#at), class: u16(this.#bytes, this.#at + 2) }
    this.#at += 4
    return question
  }

  #record(section: 'records' | 'additional'): DnsRecord | 'opt' | undefined {
    const name = this.#name()
    if (name === undefined || !this.#has(10)) return undefined
    const [bytes, at] = [this.#bytes, this.#at]
    const type = u16(bytes, at)
    const length = u16(bytes, at + 8)
    this.#at += 10
    if (!this.#has(length)) return undefined
    const end = this.#at + length
    if (type === recordTypes.OPT) {
      if (section === 'records' || name !== '' || this.#edns !== undefined) return this.#fail('opt-misplaced')
      this.#edns = { edns: ednsAt(bytes, at, end), highCode: bytes[at + 4] ?? 0 }
      this.#at = end
      return 'opt'
    }
    const data = this.#data(type, end)
    if (data === undefined) return undefined
    if (this.#at !== end) return this.#fail('data-length')
    // A TTL with the highest bit set counts as zero (RFC 2181 section 8).
    const ttl = u32(bytes, at + 4)
    return { name, class: u16(bytes, at + 2), ttl: ttl > 0x7fff_ffff ? 0 : ttl, data }
  }

  #data(type: number, end: number): DnsData | undefined {
    const [bytes, at] = [this.#bytes, this.#at]
    switch (type) {
      case recordTypes.A:
      case recordTypes.AAAA: {
        const kind = type === recordTypes.A ? 'A' : 'AAAA'
        if (end - at !== (kind === 'A' ? 4 : 16)) return this.#fail('data-length')
        this.#at = end
        return { kind, address: formatIpAddress(bytes.subarray(at, end)) }
      }
      case recordTypes.CNAME:
      case recordTypes.PTR:
      case recordTypes.NS: {
        const target = this.#name()
        const kind = type === recordTypes.CNAME ? 'CNAME' : type === recordTypes.PTR ? 'PTR' : 'NS'
        return target === undefined ? undefined : { kind, target }
      }
      case recordTypes.SRV: {
        if (end - at < 7) return this.#fail('data-length')
        this.#at += 6
        const target = this.#name()
        if (target === undefined) return undefined
        return { kind: 'SRV', priority: u16(bytes, at), weight: u16(bytes, at + 2), port: u16(bytes, at + 4), target }
      }
      case recordTypes.SOA:
        return this.#authority(end)
      default:
        this.#at = end
        return { kind: 'opaque', type, bytes: new Uint8Array(bytes.subarray(at, end)) }
    }
  }

  #authority(end: number): DnsData | undefined {
    const primary = this.#name()
    const mailbox = primary === undefined ? undefined : this.#name()
    if (primary === undefined || mailbox === undefined) return undefined
    const [bytes, at] = [this.#bytes, this.#at]
    if (end - at !== 20) return this.#fail('data-length')
    this.#at = end
    const [serial, refresh, retry, expire, minimum] = [0, 4, 8, 12, 16].map(offset => u32(bytes, at + offset))
    return {
      kind: 'SOA',
      primary,
      mailbox,
      serial: serial ?? 0,
      refresh: refresh ?? 0,
      retry: retry ?? 0,
      expire: expire ?? 0,
      minimum: minimum ?? 0,
    }
  }

  #name(): string | undefined {
    const read = readName(this.#bytes, this.#at)
    if (read.kind === 'invalid') return this.#fail(read.problem)
    this.#at = read.end
    return read.name
  }

  #has(count: number): boolean {
    if (this.#at + count <= this.#bytes.length) return true
    this.problem ??= 'cut-off'
    return false
  }

  #fail(problem: DnsProblem): undefined {
    this.problem ??= problem
    return undefined
  }
}

/** @param at  of the type; the class is the size, the TTL the upper code, the version and the flags */
function ednsAt(bytes: Uint8Array, at: number, end: number): Edns {
  return {
    udpBytes: u16(bytes, at + 2),
    version: bytes[at + 5] ?? 0,
    isDnssecOk: ((bytes[at + 6] ?? 0) & 0x80) !== 0,
    options: new Uint8Array(bytes.subarray(at + 10, end)),
  }
}

function u16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
}

function u32(bytes: Uint8Array, at: number): number {
  return ((u16(bytes, at) << 16) | u16(bytes, at + 2)) >>> 0
}
