import type { DnsMessage } from './message.ts'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)

/** One of everything that a message may hold, for tests. */
export const sampleDnsMessage: DnsMessage = {
  id: 0xbeef,
  flags: {
    isResponse: true,
    opcode: 0,
    isAuthoritative: true,
    isTruncated: false,
    isRecursionDesired: true,
    isRecursionAvailable: true,
    isAuthenticData: true,
    isCheckingDisabled: true,
  },
  responseCode: 0,
  questions: [{ name: '_http._tcp.Reviews.shop.svc.cluster.local', type: 33, class: 1 }],
  answers: [
    {
      name: '_http._tcp.Reviews.shop.svc.cluster.local',
      class: 1,
      ttl: 5,
      data: { kind: 'SRV', priority: 0, weight: 100, port: 9080, target: 'Reviews.shop.svc.cluster.local' },
    },
    { name: 'alias.shop', class: 1, ttl: 5, data: { kind: 'CNAME', target: 'Reviews.shop.svc.cluster.local' } },
    {
      name: '1.0.77.127.in-addr.arpa',
      class: 1,
      ttl: 5,
      data: { kind: 'PTR', target: 'Reviews.shop.svc.cluster.local' },
    },
    { name: 'cluster.local', class: 1, ttl: 5, data: { kind: 'opaque', type: 16, bytes: text('\u00051.1.0') } },
  ],
  authorities: [
    { name: 'cluster.local', class: 1, ttl: 5, data: { kind: 'NS', target: 'ns.dns.cluster.local' } },
    {
      name: 'cluster.local',
      class: 1,
      ttl: 5,
      data: {
        kind: 'SOA',
        primary: 'ns.dns.cluster.local',
        mailbox: 'host\\.master.cluster.local',
        serial: 4_000_000_000,
        refresh: 7200,
        retry: 1800,
        expire: 86_400,
        minimum: 5,
      },
    },
  ],
  additionals: [
    { name: 'Reviews.shop.svc.cluster.local', class: 1, ttl: 5, data: { kind: 'A', address: '127.77.0.1' } },
    { name: 'Reviews.shop.svc.cluster.local', class: 1, ttl: 5, data: { kind: 'AAAA', address: 'fd68:6564:646c::1' } },
  ],
  edns: { udpBytes: 1232, version: 0, isDnssecOk: true, options: Uint8Array.of(0, 10, 0, 1, 7) },
}
