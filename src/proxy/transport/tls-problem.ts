import type { X509Certificate } from 'node:crypto'
import { MeshError } from '../../core/index.ts'

/** A failure of TLS towards an endpoint, in words. */
export function tlsError(message: string, cause?: unknown): MeshError {
  return new MeshError('MESH_UPSTREAM_TLS', message, { source: 'upstream', retry: 'safe', cause })
}

export function isTlsError(error: unknown): error is MeshError {
  return error instanceof MeshError && error.code === 'MESH_UPSTREAM_TLS'
}

/** What OpenSSL's verdicts on a certificate mean to whoever has to put it right. */
const verdicts: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'has expired',
  CERT_NOT_YET_VALID: 'is not valid yet',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'is self-signed and not among the authorities',
  SELF_SIGNED_CERT_IN_CHAIN: 'is of an authority that is not among those of the policy',
  UNABLE_TO_GET_ISSUER_CERT: 'is of an authority that is not among those of the policy',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'is of an authority that is not among those of the policy',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'is of an authority that is not among those of the policy',
  CERT_SIGNATURE_FAILURE: 'has a signature that its authority did not make',
  CERT_REVOKED: 'was revoked',
  INVALID_PURPOSE: 'is not made for servers',
  CA_MD_TOO_WEAK: 'has a signature that is too weak',
  EE_KEY_TOO_SMALL: 'has a key that is too small',
}

/** What the peer's alerts and other errors of the library most often come from. */
const alerts: readonly (readonly [RegExp, string])[] = [
  [/WRONG_VERSION_NUMBER|HTTP_REQUEST|PACKET_LENGTH_TOO_LONG/, 'the endpoint does not speak TLS'],
  [/CERTIFICATE_REQUIRED/, 'the endpoint wants a client certificate'],
  [
    /ALERT_(BAD_CERTIFICATE|CERTIFICATE_UNKNOWN|UNKNOWN_CA|CERTIFICATE_EXPIRED)/,
    'the endpoint refused the client certificate',
  ],
  [
    /ALERT_HANDSHAKE_FAILURE/,
    'the endpoint refused the handshake: no common cipher, or a client certificate is wanted',
  ],
  [/ALERT_PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL/, 'no common TLS version'],
  [/UNRECOGNIZED_NAME/, 'the endpoint has no certificate for the server name'],
  [/NO_APPLICATION_PROTOCOL/, 'no common protocol (ALPN)'],
]

/** What is wrong with a certificate that was shown, to be put behind its name. */
export function explainVerdict(code: string, shown: X509Certificate): string {
  const verdict = verdicts[code]
  if (verdict === undefined) return `can't be trusted: ${code}`
  return code === 'CERT_HAS_EXPIRED' ? `${verdict} (valid until ${dateOf(shown)})` : verdict
}

function dateOf(certificate: X509Certificate): string {
  const date = new Date(certificate.validTo)
  return Number.isNaN(date.getTime()) ? 'an unreadable date' : date.toISOString().slice(0, 10)
}

/** One sentence for an error of a socket; undefined when it is none of TLS but of the connection below it. */
export function explainTlsError(error: Error): string | undefined {
  if (isTlsError(error)) return error.message
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  // Node has no code of its own for it.
  if (code === 'ECONNRESET' && error.message.includes('TLS'))
    return 'the endpoint closed the connection in the handshake'
  if (!code.startsWith('ERR_SSL_') && !code.startsWith('ERR_TLS_') && code !== 'EPROTO') return undefined
  const text = `${code} ${error.message}`
  return alerts.find(([pattern]) => pattern.test(text))?.[1] ?? `TLS failed: ${code}`
}
