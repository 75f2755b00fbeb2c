import { X509Certificate } from 'node:crypto'
import tls from 'node:tls'
import type { Certificate, Listener, VirtualHost } from '../../model/index.ts'

const minVersion = 'TLSv1.2'

/**
 * Terminates TLS for an HTTPS listener. Certificates are looked up by server
 * name in the newest configuration, so that a changed one holds for the next
 * handshake and no connection is dropped.
 */
export class TlsServer {
  readonly server: tls.Server
  readonly #contexts = new WeakMap<Certificate, tls.SecureContext>()
  readonly #names = new WeakMap<Certificate, readonly string[]>()
  #listener: Listener
  #anonymous: Certificate | undefined = undefined

  /** @throws the TLS library's error for a certificate that it does not take */
  constructor(listener: Listener, onSocket: (socket: tls.TLSSocket) => void) {
    this.#listener = listener
    this.server = tls.createServer(
      {
        ALPNProtocols: ['http/1.1'],
        minVersion,
        SNICallback: (serverName, done) => {
          const outcome = this.#contextFor(serverName.toLowerCase())
          if (outcome instanceof Error) done(outcome)
          else done(null, outcome)
        },
      },
      socket => {
        socket.setNoDelay(true)
        onSocket(socket)
      },
    )
    this.update(listener)
  }

  /** @throws the TLS library's error for a certificate that it does not take */
  update(listener: Listener): void {
    this.#listener = listener
    // Clients that name no server, since they know an address only, are those of the listener for any host.
    const anonymous = listener.virtualHosts.find(host => host.hostname === undefined)?.certificates[0]
    if (anonymous === this.#anonymous) return
    this.#anonymous = anonymous
    const pair = anonymous === undefined ? {} : { cert: anonymous.chain, key: anonymous.key }
    this.server.setSecureContext({ ...pair, minVersion })
  }

  #contextFor(serverName: string): tls.SecureContext | Error {
    const host = chooseHost(this.#listener.virtualHosts, serverName)
    const certificate = host === undefined ? undefined : this.#chooseCertificate(host.certificates, serverName)
    if (certificate === undefined) return new Error('no certificate for this server name')
    const known = this.#contexts.get(certificate)
    if (known !== undefined) return known
    try {
      const context = tls.createSecureContext({ cert: certificate.chain, key: certificate.key, minVersion })
      this.#contexts.set(certificate, context)
      return context
    } catch (error) {
      // Thrown on, it would end the worker.
      return new Error(`certificate ${certificate.name} can't be used`, { cause: error })
    }
  }

  /** Of several certificates the one made for the name, exactly before by wildcard, else the first. */
  #chooseCertificate(certificates: readonly Certificate[], serverName: string): Certificate | undefined {
    const [first] = certificates
    if (certificates.length < 2) return first
    const wildcard = `*${serverName.slice(serverName.indexOf('.'))}`
    const madeFor = (name: string): Certificate | undefined =>
      certificates.find(certificate => this.#namesOf(certificate).includes(name))
    return madeFor(serverName) ?? madeFor(wildcard) ?? first
  }

  #namesOf(certificate: Certificate): readonly string[] {
    let names = this.#names.get(certificate)
    if (names === undefined) {
      names = dnsNames(certificate.chain)
      this.#names.set(certificate, names)
    }
    return names
  }
}

/** DNS names of a chain's first certificate, lower case. */
function dnsNames(chain: string): readonly string[] {
  try {
    const entries = new X509Certificate(chain).subjectAltName?.split(', ') ?? []
    return entries.filter(entry => entry.startsWith('DNS:')).map(entry => entry.slice('DNS:'.length).toLowerCase())
  } catch {
    // Made for no name; whether it can be used at all shows when it is.
    return []
  }
}

/** Exact name, then the wildcard with most labels, then none (Gateway API, listener choice). */
function chooseHost(hosts: readonly VirtualHost[], serverName: string): VirtualHost | undefined {
  let best: VirtualHost | undefined
  let bestLength = -1
  for (const host of hosts) {
    const { hostname } = host
    const length = hostname === undefined ? 0 : matchLength(hostname, serverName)
    if (length > bestLength) {
      best = host
      bestLength = length
    }
  }
  return best
}

/** How specific the match is; -1 for none. */
function matchLength(hostname: string, serverName: string): number {
  if (hostname === serverName) return Infinity
  return hostname.startsWith('*.') && serverName.endsWith(hostname.slice(1)) ? hostname.length : -1
}
