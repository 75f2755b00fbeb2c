import { createHash } from 'node:crypto'
import type { Certificate, HostTls, VirtualHost } from '../../model/index.ts'
import { defaultTlsParameters } from '../../model/index.ts'
import type { ServerTls, ServerTlsOptions, TlsLibrary } from '../transport/tls-library.ts'
import { firstShared } from './alpn.ts'
import { CertificateChooser } from './tls-certificates.ts'

export interface EngineOptions {
  readonly library: TlsLibrary
  readonly ticketKeys: () => Buffer
  /** Of hosts that name no protocols of their own. */
  readonly chooseAlpn: ServerTlsOptions['chooseAlpn']
}

/**
 * What shakes hands, one for each host and choice of its certificates:
 * versions, ciphers, authorities and sessions are the host's own, which one for
 * all with a callback for names could not do. They are made when first asked for.
 */
export class TlsEngines implements Disposable {
  readonly #options: EngineOptions
  readonly #chooser = new CertificateChooser()
  readonly #byHost = new Map<VirtualHost, Map<string, ServerTls>>()

  constructor(options: EngineOptions) {
    this.#options = options
  }

  /**
   * @returns undefined for a host without certificates
   * @throws the TLS library's error for a certificate that it does not take
   */
  for(host: VirtualHost, serverName: string): ServerTls | undefined {
    const chosen = this.#chooser.choose(host, serverName)
    if (chosen.length === 0) return undefined
    let engines = this.#byHost.get(host)
    if (engines === undefined) {
      engines = new Map()
      this.#byHost.set(host, engines)
    }
    // What a client names decides between few engines, however many names there are.
    const key = chosen.map(certificate => host.certificates.indexOf(certificate)).join(' ')
    let engine = engines.get(key)
    if (engine === undefined) {
      engine = this.#make(host, chosen)
      engines.set(key, engine)
    }
    return engine
  }

  /** Forgets those of other hosts; what they have under way goes on. */
  keepOnly(hosts: readonly VirtualHost[]): void {
    for (const [host, engines] of this.#byHost) {
      if (hosts.includes(host)) continue
      this.#byHost.delete(host)
      for (const engine of engines.values()) engine[Symbol.dispose]()
    }
  }

  setTicketKeys(keys: Buffer): void {
    for (const engines of this.#byHost.values()) for (const engine of engines.values()) engine.setTicketKeys(keys)
  }

  #make(host: VirtualHost, certificates: readonly Certificate[]): ServerTls {
    const { library, ticketKeys, chooseAlpn } = this.#options
    const { minVersion, maxVersion, ciphers, alpn, clients } = hostTls(host)
    return library.openServer({
      certificates,
      minVersion,
      maxVersion,
      ciphers,
      clients,
      sessionContext: sessionContext(host),
      ticketKeys: ticketKeys(),
      chooseAlpn: alpn === undefined ? chooseAlpn : protocols => firstShared(alpn, protocols),
    })
  }

  [Symbol.dispose](): void {
    this.keepOnly([])
  }
}

const plainHost: HostTls = { ...defaultTlsParameters, alpn: undefined, clients: undefined }

export function hostTls(host: VirtualHost): HostTls {
  return host.tls ?? plainHost
}

/** A session of another host, or from before clients had to show another certificate, opens nothing. */
function sessionContext(host: VirtualHost): string {
  return createHash('sha256')
    .update(JSON.stringify([host.id, hostTls(host)]))
    .digest('hex')
    .slice(0, 32)
}
