import type { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import type { PeerName } from '../../model/index.ts'

/** What a certificate says it is for, beside its names. */
export interface PeerNames {
  /** Lower case. */
  readonly dns: readonly string[]
  readonly uris: readonly string[]
}

/**
 * Reads Node's text of the subject alternative names:
 * `DNS:a.example, URI:spiffe://mesh/x, IP Address:10.0.0.1`; values that could
 * be taken for more than one entry are quoted as in JSON.
 */
export function readAltNames(text: string | undefined): PeerNames {
  const dns: string[] = []
  const uris: string[] = []
  for (const [, type, quoted, plain = ''] of (text ?? '').matchAll(altName)) {
    const value = quoted === undefined ? plain : unquote(quoted)
    if (type === 'DNS') dns.push(value.toLowerCase())
    else if (type === 'URI') uris.push(value)
  }
  return { dns, uris }
}

const altName = /([A-Za-z][A-Za-z ]*):(?:("(?:[^"\\]|\\.)*")|([^,]*))(?:, |$)/g

function unquote(text: string): string {
  try {
    return String(JSON.parse(text))
  } catch {
    // No name that anybody could have asked for.
    return ''
  }
}

/** Whether a certificate holds one of the names as subject alternative name; its common name never counts (RFC 9525 section 2). */
export function hasPeerName(certificate: X509Certificate, names: readonly PeerName[]): boolean {
  let held: PeerNames | undefined
  return names.some(({ kind, value }) => {
    if (kind === 'dns' && isIP(value) !== 0) return certificate.checkIP(value) !== undefined
    if (kind === 'dns' && !value.startsWith('*.')) {
      return certificate.checkHost(value, { subject: 'never', partialWildcards: false }) !== undefined
    }
    held ??= readAltNames(certificate.subjectAltName)
    if (kind === 'uri') return held.uris.includes(value)
    // A wildcard that is asked for is satisfied by any name below it, as with hostnames of listeners.
    return held.dns.some(name => name.endsWith(value.slice(1)))
  })
}

/** `shop.example, spiffe://mesh/x` or what else there is to tell people who a certificate is for. */
export function describePeer(certificate: X509Certificate): string {
  const { dns, uris } = readAltNames(certificate.subjectAltName)
  const names = [...dns, ...uris]
  if (names.length > 0) return names.slice(0, 5).join(', ') + (names.length > 5 ? ', …' : '')
  return certificate.subjectAltName ?? 'no subject alternative name'
}
