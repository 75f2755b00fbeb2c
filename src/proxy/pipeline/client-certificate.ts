import type { X509Certificate } from 'node:crypto'
import { peerIdentity } from '../transport/tls-record.ts'

/**
 * A client's certificate as `x-forwarded-client-cert` tells it, in the form
 * that Envoy gave the field: `Hash=…;Subject="CN=anna";URI=spiffe://…;DNS=…`.
 * Whatever could end a value or a field is quoted or replaced.
 */
export function clientCertificateValue(certificate: X509Certificate): string {
  const { hash, subject, uris, dns } = peerIdentity(certificate)
  const parts = [
    `Hash=${hash}`,
    `Subject="${visible(subject).replaceAll(/["\\]/g, '\\$&')}"`,
    ...uris.map(uri => `URI=${value(uri)}`),
    ...dns.map(name => `DNS=${value(name)}`),
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
