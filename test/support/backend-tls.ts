import { defaultTlsParameters } from '../../src/model/index.ts'
import type { TlsToBackend } from '../../src/model/index.ts'
import type { TestAuthority } from './certificates.ts'

/** What a BackendTLSPolicy makes of a name and its authority: endpoints have to prove that they are `name`. */
export function tlsTo(name: string, authority: TestAuthority): TlsToBackend {
  return {
    ...defaultTlsParameters,
    kind: 'valid',
    serverName: name,
    names: [{ kind: 'dns', value: name }],
    authorities: authority.certificate,
  }
}
