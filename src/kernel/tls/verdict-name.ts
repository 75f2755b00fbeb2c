import type { OpenSslCalls } from './calls.ts'

/** X509_V_ERR_… of x509_vfy.h, as Node names them; the numbers are part of OpenSSL's interface. */
const names: Readonly<Record<number, string>> = {
  2: 'UNABLE_TO_GET_ISSUER_CERT',
  7: 'CERT_SIGNATURE_FAILURE',
  9: 'CERT_NOT_YET_VALID',
  10: 'CERT_HAS_EXPIRED',
  18: 'DEPTH_ZERO_SELF_SIGNED_CERT',
  19: 'SELF_SIGNED_CERT_IN_CHAIN',
  20: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  21: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  22: 'CERT_CHAIN_TOO_LONG',
  23: 'CERT_REVOKED',
  25: 'PATH_LENGTH_EXCEEDED',
  26: 'INVALID_PURPOSE',
  27: 'CERT_UNTRUSTED',
  28: 'CERT_REJECTED',
  66: 'EE_KEY_TOO_SMALL',
  67: 'CA_KEY_TOO_SMALL',
  68: 'CA_MD_TOO_WEAK',
  79: 'INVALID_CA',
}

/** A verdict on a certificate; undefined when all is well. */
export function verdictName(calls: OpenSslCalls, verdict: number): string | undefined {
  return verdict === 0
    ? undefined
    : (names[verdict] ?? calls.textAt(calls.call.X509_verify_cert_error_string(BigInt(verdict))))
}
