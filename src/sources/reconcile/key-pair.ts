import { createPrivateKey, X509Certificate } from 'node:crypto'
import tls from 'node:tls'
import { messageOf } from '../../core/index.ts'

/** A certificate chain and its key that have been seen to belong together. */
export type KeyPair =
  | {
      readonly kind: 'valid'
      readonly chain: string
      readonly key: string
      /** DNS names of the first certificate, lower case. */
      readonly hostnames: readonly string[]
      readonly notAfterMs: number
    }
  | { readonly kind: 'invalid'; readonly message: string }

/**
 * Parses the two halves of a `kubernetes.io/tls` Secret. Whether a certificate
 * has expired is not judged here: it depends on the time, and a client that
 * still accepts it should not find a closed port.
 *
 * @param chain  PEM, the server's own certificate first
 * @param key    PEM, not encrypted
 */
export function parseKeyPair(chain: string, key: string): KeyPair {
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(chain)
  } catch (error) {
    return { kind: 'invalid', message: `tls.crt holds no certificate in PEM (${messageOf(error)})` }
  }
  try {
    const privateKey = createPrivateKey(key)
    if (!certificate.checkPrivateKey(privateKey)) {
      return { kind: 'invalid', message: 'tls.key is not the key of the certificate in tls.crt' }
    }
  } catch (error) {
    return { kind: 'invalid', message: `tls.key holds no private key in PEM (${messageOf(error)})` }
  }
  try {
    tls.createSecureContext({ cert: chain, key })
  } catch (error) {
    // Among them keys that are too short, and certificates further down the chain.
    return { kind: 'invalid', message: `the certificate can't be used for TLS (${messageOf(error)})` }
  }
  return {
    kind: 'valid',
    chain,
    key,
    hostnames: dnsNames(certificate.subjectAltName ?? ''),
    notAfterMs: Date.parse(certificate.validTo),
  }
}

/** @param subjectAltName `DNS:a.example, DNS:*.b.example, IP Address:10.0.0.1`, as Node writes it */
function dnsNames(subjectAltName: string): string[] {
  return subjectAltName
    .split(', ')
    .filter(name => name.startsWith('DNS:'))
    .map(name => name.slice('DNS:'.length).toLowerCase())
}
