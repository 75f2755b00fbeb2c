import type { BackendKey, ServiceKey } from './backend.ts'

/** Where Services get their virtual IPv6 addresses from: `hedl` in ASCII behind the first byte of unique local ones (RFC 4193). */
export const virtualIpv6Network: string = 'fd68:6564:646c::/48'

/** A Service as its name leads to it: what the names of the mesh are answered from. */
export interface NamedService {
  readonly key: ServiceKey
  readonly namespace: string
  readonly name: string
  /** With virtual addresses, with its endpoints' addresses, or another name for a host elsewhere. */
  readonly kind: 'cluster-ip' | 'headless' | 'external-name'
  /** Virtual addresses, IPv4 before IPv6; empty unless it has them. */
  readonly addresses: readonly string[]
  /** As written; empty unless it is the kind. */
  readonly externalName: string
  /** A client's next connection goes where its last one went unless that is longer ago; 0 for wherever. */
  readonly affinitySeconds: number
  readonly ports: readonly NamedServicePort[]
}

export interface NamedServicePort {
  /** Empty for an only port without a name. */
  readonly name: string
  readonly port: number
  readonly carrier: 'tcp' | 'udp' | 'sctp'
  /** What knows its endpoints; nothing has this key when the mesh does not carry the port. */
  readonly backend: BackendKey
}
