import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openSslCalls } from './calls.ts'
import { verdictName } from './verdict-name.ts'

test('verdictName() names as Node does, and tells what it has no name for in words of OpenSSL', () => {
  using calls = openSslCalls()
  const cases: readonly [verdict: number, name: string | undefined, means: RegExp][] = [
    [0, undefined, /^ok$/],
    [2, 'UNABLE_TO_GET_ISSUER_CERT', /unable to get issuer certificate/],
    [10, 'CERT_HAS_EXPIRED', /expired/],
    [18, 'DEPTH_ZERO_SELF_SIGNED_CERT', /self-signed/],
    [20, 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', /unable to get local issuer/],
    [21, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', /unable to verify the first/],
    [23, 'CERT_REVOKED', /revoked/],
    [79, 'INVALID_CA', /invalid CA/],
    [24, "issuer certificate doesn't have a public key", /public key/],
    [26, 'INVALID_PURPOSE', /purpose/],
    [66, 'EE_KEY_TOO_SMALL', /key too weak/],
    [68, 'CA_MD_TOO_WEAK', /digest algorithm too weak/],
    [62, 'hostname mismatch', /hostname mismatch/],
  ]
  for (const [verdict, name, means] of cases) {
    assert.equal(verdictName(calls, verdict), name)
    // That the number is the one which is meant.
    assert.match(calls.textAt(calls.call.X509_verify_cert_error_string(BigInt(verdict))), means)
  }
})
