/** A DNS message as a value (RFC 1035 section 4.1). Names are texts as `name.ts` says. */
export interface DnsMessage {
  readonly id: number
  readonly flags: DnsFlags
  /** 0 to 15; with EDNS up to 4095. */
  readonly responseCode: number
  readonly questions: readonly DnsQuestion[]
  readonly answers: readonly DnsRecord[]
  readonly authorities: readonly DnsRecord[]
  /** Without the OPT record, which is `edns`. */
  readonly additionals: readonly DnsRecord[]
  readonly edns: Edns | undefined
}

export interface DnsFlags {
  readonly isResponse: boolean
  readonly opcode: number
  readonly isAuthoritative: boolean
  readonly isTruncated: boolean
  readonly isRecursionDesired: boolean
  readonly isRecursionAvailable: boolean
  /** AD and CD of DNSSEC (RFC 4035 section 3). */
  readonly isAuthenticData: boolean
  readonly isCheckingDisabled: boolean
}

export interface DnsQuestion {
  readonly name: string
  readonly type: number
  readonly class: number
}

export interface DnsRecord {
  readonly name: string
  readonly class: number
  /** Seconds. */
  readonly ttl: number
  readonly data: DnsData
}

export type DnsData =
  | { readonly kind: 'A' | 'AAAA'; readonly address: string }
  | { readonly kind: 'CNAME' | 'PTR' | 'NS'; readonly target: string }
  | {
      readonly kind: 'SRV'
      readonly priority: number
      readonly weight: number
      readonly port: number
      readonly target: string
    }
  | {
      readonly kind: 'SOA'
      readonly primary: string
      readonly mailbox: string
      readonly serial: number
      /** Seconds, as are the next three. */
      readonly refresh: number
      readonly retry: number
      readonly expire: number
      /** How long a negative answer may be kept (RFC 2308 section 4). */
      readonly minimum: number
    }
  /** Any other type, TXT too: its data as they are. */
  | { readonly kind: 'opaque'; readonly type: number; readonly bytes: Uint8Array }

/** The OPT record (RFC 6891 section 6.1.2). */
export interface Edns {
  /** The largest datagram that the sender takes. */
  readonly udpBytes: number
  readonly version: number
  /** DO: DNSSEC records are wanted. */
  readonly isDnssecOk: boolean
  /** Options as they are: pairs of code and length with their data. */
  readonly options: Uint8Array
}
