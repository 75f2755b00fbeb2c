import type { X509Certificate } from 'node:crypto'
import { readAltNames } from '../transport/peer-names.ts'

/** Names that are passed on of one certificate. */
const maxNames = 16

/**
 * A client's certificate as `x-forwarded-client-cert` tells it, in the form
 * that Envoy gave the field: `Hash=…;Subject="CN=anna";URI=spiffe://…;DNS=…`.
 * Whatever could end a value or a field is quoted or replaced.
 */
export function clientCertificateValue(certificate: X509Certificate): string {
  const { dns, uris } = readAltNames(certificate.subjectAltName)
  const hash = certificate.fingerprint256.replaceAll(':', '').toLowerCase()
  // Node writes one attribute a line, RFC 2253 the last one first.
  const subject = certificate.subject?.split('\n').toReversed().join(',') ?? ''
  const parts = [
    `Hash=${hash}`,
    `Subject="${visible(subject).replaceAll(/["\\]/g, '\\$&')}"`,
    ...uris.slice(0, maxNames).map(uri => `URI=${value(uri)}`),
    ...dns.slice(0, maxNames).map(name => `DNS=${value(name)}`),
  ]
  return parts.join(';')
}

function value(text: string): string {
  const clean = visible(text)
  return /[,;="\\]/.test(clean) ? `"${clean.replaceAll(/["\\]/g, '\\$&')}"` : clean
}

function visible(text: string): string {
  return text.replaceAll(/[^ -~]/g, '?')
}
