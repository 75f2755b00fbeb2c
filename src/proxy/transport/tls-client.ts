import net from 'node:net'
import tls from 'node:tls'
import { messageOf } from '../../core/index.ts'
import type { BackendTls, Certificate, PeerName, TlsToBackend } from '../../model/index.ts'
import { describePeer, hasPeerName } from './peer-names.ts'
import { explainVerdict, tlsError } from './tls-problem.ts'

/** Sessions to resume per context: one for each endpoint, the ones used last. */
const maxSessions = 1_024

export interface TlsTarget {
  readonly address: string
  readonly port: number
  readonly policy: BackendTls
  /** Shown when the endpoint asks for it. */
  readonly certificate: Certificate | undefined
  /** In order of preference; empty sends none. */
  readonly alpn: readonly string[]
}

/**
 * TLS towards backends, for one thread. Contexts and sessions belong to the
 * policy and the certificate that they were made for, by identity: a changed CA
 * or client certificate means a new context, so that no session which was
 * verified by the old one is resumed.
 */
export class TlsClients {
  readonly #clients = new WeakMap<TlsToBackend, WeakMap<object, TlsClient>>()

  /**
   * Connects, shakes hands and verifies; `onReady` says that all is well, an
   * error of the socket what was not. An invalid policy, and a policy or
   * certificate that the library refuses, makes a socket that fails with the
   * reason: nothing is sent.
   */
  connect(target: TlsTarget, onReady: () => void): net.Socket {
    const { policy, certificate } = target
    if (policy.kind === 'invalid') return failedSocket(policy.message)
    let client: TlsClient
    try {
      client = this.#clientFor(policy, certificate)
    } catch (error) {
      return failedSocket(`the policy can't be used: ${messageOf(error)}`)
    }
    return client.connect(target, onReady)
  }

  #clientFor(policy: TlsToBackend, certificate: Certificate | undefined): TlsClient {
    let clients = this.#clients.get(policy)
    if (clients === undefined) {
      clients = new WeakMap()
      this.#clients.set(policy, clients)
    }
    const key = certificate ?? noCertificate
    let client = clients.get(key)
    if (client === undefined) {
      client = new TlsClient(policy, certificate)
      clients.set(key, client)
    }
    return client
  }
}

const noCertificate: object = Object.freeze({})

class TlsClient {
  readonly #policy: TlsToBackend
  readonly #context: tls.SecureContext
  readonly #sessions = new Map<string, Buffer>()

  /** @throws the library's error for authorities, ciphers or a certificate that it does not take */
  constructor(policy: TlsToBackend, certificate: Certificate | undefined) {
    this.#policy = policy
    this.#context = tls.createSecureContext({
      ca: policy.authorities ?? systemAuthorities(),
      minVersion: policy.minVersion,
      maxVersion: policy.maxVersion,
      ...(policy.ciphers === undefined ? {} : { ciphers: policy.ciphers }),
      ...(certificate === undefined ? {} : { cert: certificate.chain, key: certificate.key }),
    })
  }

  connect({ address, port, alpn }: TlsTarget, onReady: () => void): tls.TLSSocket {
    const { serverName, names } = this.#policy
    const key = `${address} ${port}`
    const session = this.#sessions.get(key)
    const options: tls.ConnectionOptions & { readonly allowHalfOpen: boolean } = {
      host: address,
      port,
      secureContext: this.#context,
      // An address is no server name (RFC 6066 section 3).
      servername: net.isIP(serverName) === 0 ? serverName : '',
      // Looked at below, where the certificate is still at hand for the message.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
      allowHalfOpen: true,
      ...(alpn.length === 0 ? {} : { ALPNProtocols: [...alpn] }),
      ...(session === undefined ? {} : { session }),
    }
    const socket = tls.connect(options)
    socket.setNoDelay(true)
    let isVerified = false
    socket.on('session', (fresh: Buffer) => {
      if (isVerified) this.#keep(key, fresh)
    })
    // What did not work once is not tried again: the next handshake is a whole one.
    socket.once('error', () => this.#sessions.delete(key))
    socket.once('secureConnect', () => {
      const problem = judgePeer(socket, names)
      isVerified = problem === undefined
      if (problem === undefined) onReady()
      else socket.destroy(tlsError(problem))
    })
    return socket
  }

  #keep(key: string, session: Buffer): void {
    this.#sessions.delete(key)
    this.#sessions.set(key, session)
    if (this.#sessions.size <= maxSessions) return
    for (const oldest of this.#sessions.keys()) {
      this.#sessions.delete(oldest)
      return
    }
  }
}

/** Why the endpoint is not the one that was asked for; undefined when it is. */
function judgePeer(socket: tls.TLSSocket, names: readonly PeerName[]): string | undefined {
  // The certificate is not sent again: only sessions that were verified, by the same policy, are kept.
  if (socket.isSessionReused() && socket.authorized) return undefined
  const shown = socket.getPeerX509Certificate()
  if (shown === undefined) return 'the endpoint showed no certificate'
  if (!socket.authorized)
    return `the endpoint's certificate for ${describePeer(shown)} ${explainVerdict(socket, shown)}`
  if (hasPeerName(shown, names)) return undefined
  const wanted = names.map(name => name.value).join(' or ')
  return `the endpoint's certificate is for ${describePeer(shown)}, not for ${wanted}`
}

/** The system's authorities; those that come with Node where the system has none, as in an empty container. */
function systemAuthorities(): string[] {
  const system = tls.getCACertificates('system')
  return system.length > 0 ? system : tls.getCACertificates('bundled')
}

function failedSocket(message: string): net.Socket {
  return new net.Socket().destroy(tlsError(message))
}
