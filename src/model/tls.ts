export type TlsVersion = 'TLSv1.2' | 'TLSv1.3'

/** What may be negotiated. Versions before 1.2 never are. */
export interface TlsParameters {
  readonly minVersion: TlsVersion
  readonly maxVersion: TlsVersion
  /** OpenSSL's names with colons between them, for both versions; undefined for the library's choice. */
  readonly ciphers: string | undefined
}

export const defaultTlsParameters: TlsParameters = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3', ciphers: undefined }

/** PEM texts. Never logged or shown: `/config` masks `key`. */
export interface Certificate {
  readonly name: string
  readonly chain: string
  readonly key: string
}

/** How clients have to show who they are. */
export interface ClientValidation {
  /** Certificates of the authorities, PEM, one after the other. */
  readonly authorities: string
  /** `fallback` admits clients without a certificate or with a wrong one, too (AllowInsecureFallback). */
  readonly mode: 'require' | 'fallback'
}

/** How a virtual host of an HTTPS listener terminates TLS. */
export interface HostTls extends TlsParameters {
  /**
   * What may be agreed upon by ALPN, our favourite first. Undefined for h2 and http/1.1 where HTTP is spoken, and where
   * bytes are forwarded for nothing: clients choose by themselves.
   */
  readonly alpn: readonly string[] | undefined
  readonly clients: ClientValidation | undefined
}

/** A name that a certificate must hold: `shop.example`, `*.shop.example`, or `spiffe://mesh/ns/shop/sa/cart`. */
export interface PeerName {
  readonly kind: 'dns' | 'uri'
  readonly value: string
}

/**
 * How connections to a backend are made with TLS. An `invalid` policy makes no
 * connection at all: what was to be protected is never sent as plain text.
 */
export type BackendTls = TlsToBackend | { readonly kind: 'invalid'; readonly message: string }

export interface TlsToBackend extends TlsParameters {
  readonly kind: 'valid'
  /** Name of the server that is asked for (SNI). */
  readonly serverName: string
  /** The certificate must hold one of these as subject alternative name; never empty. */
  readonly names: readonly PeerName[]
  /** Certificates of the authorities, PEM; undefined for those of the system. */
  readonly authorities: string | undefined
}
