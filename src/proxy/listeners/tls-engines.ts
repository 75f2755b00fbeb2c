import { createHash } from 'node:crypto'
import tls from 'node:tls'
import type { Certificate, HostTls, VirtualHost } from '../../model/index.ts'
import { defaultTlsParameters } from '../../model/index.ts'
import { CertificateChooser } from './tls-certificates.ts'

export interface EngineOptions {
  readonly handshakeTimeoutMs: number
  readonly ticketKeys: () => Buffer
  /** Undefined agrees on nothing. */
  readonly chooseAlpn: ((protocols: readonly string[]) => string | undefined) | undefined
  readonly onSecured: (host: VirtualHost, socket: tls.TLSSocket) => void
  readonly onFailed: (error: Error, socket: tls.TLSSocket) => void
}

/**
 * What shakes hands, one server of Node's that listens nowhere for each host
 * and choice of its certificates: versions, ciphers, authorities and sessions
 * are the host's own, which one server with a callback for names could not do.
 * They are made when first asked for.
 */
export class TlsEngines {
  readonly #options: EngineOptions
  readonly #chooser = new CertificateChooser()
  readonly #byHost = new Map<VirtualHost, Map<string, tls.Server>>()

  constructor(options: EngineOptions) {
    this.#options = options
  }

  /**
   * @returns undefined for a host without certificates
   * @throws the TLS library's error for a certificate that it does not take
   */
  for(host: VirtualHost, serverName: string): tls.Server | undefined {
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
    for (const host of this.#byHost.keys()) if (!hosts.includes(host)) this.#byHost.delete(host)
  }

  setTicketKeys(keys: Buffer): void {
    for (const engines of this.#byHost.values()) for (const engine of engines.values()) engine.setTicketKeys(keys)
  }

  #make(host: VirtualHost, certificates: readonly Certificate[]): tls.Server {
    const { handshakeTimeoutMs, ticketKeys, chooseAlpn, onSecured, onFailed } = this.#options
    const { minVersion, maxVersion, ciphers, clients } = hostTls(host)
    const engine = tls.createServer({
      cert: certificates.map(({ chain }) => chain),
      key: certificates.map(({ key }) => key),
      minVersion,
      maxVersion,
      ...(ciphers === undefined ? {} : { ciphers }),
      ...(clients === undefined ? {} : { ca: clients.authorities }),
      requestCert: clients !== undefined,
      rejectUnauthorized: clients?.mode === 'require',
      sessionIdContext: sessionContext(host),
      handshakeTimeout: handshakeTimeoutMs,
      ...(chooseAlpn === undefined
        ? {}
        : { ALPNCallback: ({ protocols }: { readonly protocols: readonly string[] }) => chooseAlpn(protocols) }),
    })
    engine.setTicketKeys(ticketKeys())
    engine.on('secureConnection', socket => onSecured(host, socket))
    engine.on('tlsClientError', onFailed)
    return engine
  }
}

const plainHost: HostTls = { ...defaultTlsParameters, clients: undefined }

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
