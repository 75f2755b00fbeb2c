import {
  decodeDnsHeader,
  encodeDnsMessage,
  plainUdpBytes,
  recordClasses,
  recordTypes,
  responseCodes,
  type DnsMessage,
  type DnsRecord,
} from '../codec/index.ts'
import { clusterDomain, namesTtl, type Found, type FoundRecord } from './directory.ts'

/** What the answers to a query have in common. */
const noRecords = { answers: [], authorities: [], additionals: [] } as const

/** @param found  records, no data or no name @param serial  of the configuration */
export function replyTo(
  query: DnsMessage,
  found: Exclude<Found, { kind: 'elsewhere' | 'alias' }>,
  serial: number,
): DnsMessage {
  const name = query.questions[0]?.name ?? ''
  const record = (each: FoundRecord): DnsRecord => recordOf(each.name ?? name, each)
  if (found.kind === 'records') {
    return {
      ...errorTo(query, responseCodes.NOERROR),
      flags: { ...errorTo(query, 0).flags, isAuthoritative: true },
      answers: found.answers.map(record),
      additionals: found.additionals.map(record),
    }
  }
  const code = found.kind === 'no-name' ? responseCodes.NXDOMAIN : responseCodes.NOERROR
  const soa = authority(found.zone ?? name, serial)
  // Who asks for the authority itself has it in the answer.
  const isAsked = query.questions[0]?.type === recordTypes.SOA && found.zone === name.toLowerCase()
  return {
    ...errorTo(query, code),
    flags: { ...errorTo(query, 0).flags, isAuthoritative: true },
    ...(isAsked ? { answers: [soa] } : { authorities: [soa] }),
  }
}

function recordOf(name: string, { data }: FoundRecord): DnsRecord {
  return { name, class: recordClasses.IN, ttl: namesTtl, data }
}

/** Tells how long it may be remembered that there is nothing (RFC 2308). */
function authority(zone: string, serial: number): DnsRecord {
  const data = {
    kind: 'SOA',
    primary: `ns.dns.${clusterDomain}`,
    mailbox: `hostmaster.${clusterDomain}`,
    serial,
    refresh: 7_200,
    retry: 1_800,
    expire: 86_400,
    minimum: namesTtl,
  } as const
  return { name: zone, class: recordClasses.IN, ttl: namesTtl, data }
}

/**
 * The other name, and what is behind it.
 *
 * @param reply  to a query for the target; undefined when nobody answered, or the type has no data elsewhere
 */
export function aliasReply(query: DnsMessage, target: string, reply: DnsMessage | undefined): DnsMessage {
  const name = query.questions[0]?.name ?? ''
  const alias = recordOf(name, { name, data: { kind: 'CNAME', target } })
  return {
    ...errorTo(query, reply?.responseCode ?? responseCodes.NOERROR),
    answers: [alias, ...(reply?.answers ?? [])],
    authorities: reply?.authorities.filter(({ data }) => data.kind === 'SOA') ?? [],
  }
}

/** A query for the target of an alias, with what the client said of itself. */
export function aliasQuery(query: DnsMessage): Uint8Array {
  return encodeDnsMessage({ ...query, ...noRecords })
}

/** An answer without records. */
export function errorTo(query: DnsMessage, responseCode: number): DnsMessage {
  const { id, questions, edns } = query
  return {
    id,
    questions,
    ...noRecords,
    responseCode,
    flags: {
      ...query.flags,
      isResponse: true,
      isAuthoritative: false,
      isTruncated: false,
      isRecursionAvailable: true,
      isAuthenticData: false,
    },
    edns:
      edns === undefined
        ? undefined
        : { udpBytes: 1232, version: 0, isDnssecOk: edns.isDnssecOk, options: new Uint8Array() },
  }
}

/** An answer to bytes that could not be read further than their head; undefined when they were no query at all. */
export function malformedReply(bytes: Uint8Array): Uint8Array | undefined {
  const header = decodeDnsHeader(bytes)
  if (header === undefined || header.flags.isResponse) return undefined
  const { id, flags } = header
  return encodeDnsMessage(
    errorTo({ id, flags, responseCode: 0, questions: [], ...noRecords, edns: undefined }, responseCodes.FORMERR),
  )
}

/** How large a datagram the client takes (RFC 6891 section 6.2.3). */
export function udpLimit(query: DnsMessage, mostBytes: number): number {
  return Math.min(Math.max(query.edns?.udpBytes ?? plainUdpBytes, plainUdpBytes), mostBytes)
}

/** A resolver's answer that is larger than its client takes: the question alone, and that there is more by TCP. */
export function truncatedReply(query: DnsMessage, reply: Uint8Array): Uint8Array {
  const header = decodeDnsHeader(reply)
  const empty = errorTo(query, header?.responseCode ?? responseCodes.NOERROR)
  return encodeDnsMessage({ ...empty, flags: { ...(header?.flags ?? empty.flags), isTruncated: true } })
}
