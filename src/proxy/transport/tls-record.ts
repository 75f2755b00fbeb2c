import type { X509Certificate } from 'node:crypto'
import type { TlsRecord } from '../../model/index.ts'
import type { Connection } from './connection.ts'
import { readAltNames } from './peer-names.ts'

/** Names that are told of one certificate. */
const maxNames = 16

/** Who a certificate is about, as Envoy writes it into `x-forwarded-client-cert`. */
export interface PeerIdentity {
  /** RFC 2253 order, `CN=anna,O=shop`. */
  readonly subject: string
  /** SHA-256, lower-case hexadecimal. */
  readonly hash: string
  readonly uris: readonly string[]
  readonly dns: readonly string[]
}

export function peerIdentity(certificate: X509Certificate): PeerIdentity {
  const { dns, uris } = readAltNames(certificate.subjectAltName)
  return {
    // Node writes one attribute a line, RFC 2253 the last one first.
    subject: certificate.subject?.split('\n').toReversed().join(',') ?? '',
    hash: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    uris: uris.slice(0, maxNames),
    dns: dns.slice(0, maxNames),
  }
}

/** What the access log tells of a client's handshake; undefined without TLS. */
export function tlsRecordOf({ tls, alpn }: Connection): TlsRecord | undefined {
  if (tls === undefined) return undefined
  const peer = tls.peer === undefined ? undefined : peerIdentity(tls.peer)
  return {
    version: tls.version,
    cipher: tls.cipher,
    serverName: tls.serverName ?? '',
    protocol: alpn,
    isResumed: tls.isResumed,
    peerSubject: peer?.subject ?? '',
    peerUris: peer?.uris.join(',') ?? '',
    peerHash: peer?.hash ?? '',
  }
}
