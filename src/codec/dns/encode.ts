import { parseIpAddress } from '../ip-address.ts'
import { dnsHeaderBytes, maxDnsMessageBytes, recordTypes } from './codes.ts'
import type { DnsData, DnsFlags, DnsMessage, DnsRecord, Edns } from './message.ts'
import { DnsWriter } from './writer.ts'

/** An OPT record before its options. */
const optBytes = 11

export interface DnsEncodeOptions {
  /** What may be sent at most. @default 65535 */
  readonly limitBytes?: number
}

/**
 * Bytes of a message. What does not fit is left out from the end: additional
 * records silently, others with the flag TC set (RFC 2181 section 9). The
 * question and OPT are always there.
 *
 * @throws MeshError MESH_DNS_NAME for a text that is no name
 */
export function encodeDnsMessage(message: DnsMessage, options: DnsEncodeOptions = {}): Uint8Array {
  const { edns } = message
  const ednsBytes = edns === undefined ? 0 : optBytes + edns.options.length
  const limit = (options.limitBytes ?? maxDnsMessageBytes) - ednsBytes
  const writer = new DnsWriter()
  writer.u16(message.id)
  writer.u16(flagBits(message.flags) | (message.responseCode & 15))
  writer.bytes(new Uint8Array(dnsHeaderBytes - 4))
  writer.patch16(4, message.questions.length)
  for (const question of message.questions) {
    writer.name(question.name, 'compressed')
    writer.u16(question.type)
    writer.u16(question.class)
  }
  const answers = writeRecords(writer, message.answers, limit)
  const isAllAnswered = answers === message.answers.length
  const authorities = isAllAnswered ? writeRecords(writer, message.authorities, limit) : 0
  const isWhole = isAllAnswered && authorities === message.authorities.length
  const additionals = isWhole ? writeRecords(writer, message.additionals, limit) : 0
  if (!isWhole) writer.patch16(2, flagBits({ ...message.flags, isTruncated: true }) | (message.responseCode & 15))
  writer.patch16(6, answers)
  writer.patch16(8, authorities)
  writer.patch16(10, additionals + (edns === undefined ? 0 : 1))
  if (edns !== undefined) writeEdns(writer, edns, message.responseCode)
  return writer.finish()
}

/** @returns how many there was room for */
function writeRecords(writer: DnsWriter, records: readonly DnsRecord[], limit: number): number {
  for (const [index, record] of records.entries()) {
    const start = writer.length
    writeRecord(writer, record)
    if (writer.length <= limit) continue
    writer.cut(start)
    return index
  }
  return records.length
}

function writeRecord(writer: DnsWriter, record: DnsRecord): void {
  const { data } = record
  writer.name(record.name, 'compressed')
  writer.u16(data.kind === 'opaque' ? data.type : recordTypes[data.kind])
  writer.u16(record.class)
  writer.u32(record.ttl)
  const lengthAt = writer.length
  writer.u16(0)
  writeData(writer, data)
  writer.patch16(lengthAt, writer.length - lengthAt - 2)
}

function writeData(writer: DnsWriter, data: DnsData): void {
  switch (data.kind) {
    case 'A':
    case 'AAAA': {
      const size = data.kind === 'A' ? 4 : 16
      const address = parseIpAddress(data.address)
      // Whoever made the record has the address from a parser.
      writer.bytes(address?.length === size ? address : new Uint8Array(size))
      return
    }
    case 'CNAME':
    case 'PTR':
    case 'NS':
      writer.name(data.target, 'compressed')
      return
    case 'SRV':
      writer.u16(data.priority)
      writer.u16(data.weight)
      writer.u16(data.port)
      writer.name(data.target, 'full')
      return
    case 'SOA':
      writer.name(data.primary, 'compressed')
      writer.name(data.mailbox, 'compressed')
      for (const value of [data.serial, data.refresh, data.retry, data.expire, data.minimum]) writer.u32(value)
      return
    case 'opaque':
      writer.bytes(data.bytes)
  }
}

function writeEdns(writer: DnsWriter, edns: Edns, responseCode: number): void {
  writer.u8(0)
  writer.u16(recordTypes.OPT)
  writer.u16(edns.udpBytes)
  writer.u8((responseCode >> 4) & 0xff)
  writer.u8(edns.version)
  writer.u16(edns.isDnssecOk ? 0x8000 : 0)
  writer.u16(edns.options.length)
  writer.bytes(edns.options)
}

function flagBits(flags: DnsFlags): number {
  return (
    (flags.isResponse ? 0x8000 : 0) |
    ((flags.opcode & 15) << 11) |
    (flags.isAuthoritative ? 0x400 : 0) |
    (flags.isTruncated ? 0x200 : 0) |
    (flags.isRecursionDesired ? 0x100 : 0) |
    (flags.isRecursionAvailable ? 0x80 : 0) |
    (flags.isAuthenticData ? 0x20 : 0) |
    (flags.isCheckingDisabled ? 0x10 : 0)
  )
}
