/** Numbers of the DNS that are used here, by their names at IANA (https://www.iana.org/assignments/dns-parameters). */

/** Types of records and of questions. */
export const recordTypes = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
} as const

/** What became of a query; those above 15 need EDNS (RFC 6891 section 6.1.3). */
export const responseCodes = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  BADVERS: 16,
} as const

export const recordClasses = { IN: 1, CH: 3, ANY: 255 } as const

export const opcodes = { QUERY: 0 } as const

/** Bytes of a message's head (RFC 1035 section 4.1.1). */
export const dnsHeaderBytes: number = 12

/** Without EDNS no datagram may be larger (RFC 1035 section 2.3.4). */
export const plainUdpBytes: number = 512

/** The length field of TCP has 16 bits (RFC 1035 section 4.2.2). */
export const maxDnsMessageBytes: number = 65_535
