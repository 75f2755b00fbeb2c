import { createHash } from 'node:crypto'
import tls from 'node:tls'
import type { ClientValidation, HostTls, VirtualHost } from '../../model/index.ts'
import { defaultTlsParameters } from '../../model/index.ts'

/** What a whole listening socket negotiates, before a server name is known. */
export interface SocketSettings {
  readonly minVersion: HostTls['minVersion']
  readonly maxVersion: HostTls['maxVersion']
  readonly ciphers: string | undefined
  readonly asksClients: boolean
  /** Whether a handshake without a valid certificate fails in any case. */
  readonly requiresClients: boolean
  /** Whether all hosts ask for the same. Only then sessions are resumed: one of a lax host would open a strict one. */
  readonly isUniform: boolean
  /** Sessions made under other settings are not resumed. */
  readonly sessionContext: string
}

const plainHost: HostTls = { ...defaultTlsParameters, clients: undefined }

export function hostTls(host: VirtualHost): HostTls {
  return host.tls ?? plainHost
}

/**
 * The loosest settings of all hosts: OpenSSL holds a handshake against them,
 * and `findObjection` holds it against those of the host that the client named.
 */
export function joinHosts(hosts: readonly VirtualHost[]): SocketSettings {
  const all = hosts.map(hostTls)
  const minVersion = all.some(host => host.minVersion === 'TLSv1.2') ? 'TLSv1.2' : 'TLSv1.3'
  const maxVersion = all.some(host => host.maxVersion === 'TLSv1.3') ? 'TLSv1.3' : 'TLSv1.2'
  const [first = plainHost] = all
  return {
    minVersion,
    maxVersion,
    ciphers: joinCiphers(all),
    asksClients: all.some(host => host.clients !== undefined),
    requiresClients: all.length > 0 && all.every(host => host.clients?.mode === 'require'),
    isUniform: all.every(host => isSame(host, first)),
    sessionContext: createHash('sha256').update(JSON.stringify(first)).digest('hex').slice(0, 32),
  }
}

function joinCiphers(all: readonly HostTls[]): string | undefined {
  const lists = new Set(all.map(host => host.ciphers))
  if (lists.size === 1) return [...lists][0]
  const named = [...lists].filter(list => list !== undefined)
  const joined = lists.has(undefined) ? [tls.DEFAULT_CIPHERS, ...named] : named
  return joined.length === 0 ? undefined : joined.join(':')
}

function isSame(a: HostTls, b: HostTls): boolean {
  return (
    a.minVersion === b.minVersion &&
    a.maxVersion === b.maxVersion &&
    a.ciphers === b.ciphers &&
    isSameValidation(a.clients, b.clients)
  )
}

function isSameValidation(a: ClientValidation | undefined, b: ClientValidation | undefined): boolean {
  return a?.mode === b?.mode && a?.authorities === b?.authorities
}

/** What was agreed upon in a handshake. */
export interface Handshake {
  readonly version: string
  readonly cipher: string
  /** Whether the client showed a certificate that one of the host's authorities signed. */
  readonly isClientValid: boolean
}

export type Objection = 'version' | 'cipher' | 'client-certificate'

/** Why the host that the client named does not take the handshake; undefined when it does. */
export function findObjection(host: HostTls, handshake: Handshake): Objection | undefined {
  const { version, cipher } = handshake
  // The names of versions are in their order.
  if (version < host.minVersion || version > host.maxVersion) return 'version'
  if (host.ciphers !== undefined && !host.ciphers.split(':').includes(cipher)) return 'cipher'
  return host.clients?.mode === 'require' && !handshake.isClientValid ? 'client-certificate' : undefined
}
