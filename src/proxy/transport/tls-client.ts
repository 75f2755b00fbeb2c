import net from 'node:net'
import tls from 'node:tls'
import { messageOf } from '../../core/index.ts'
import type { BackendTls, Certificate, PeerName, TlsToBackend } from '../../model/index.ts'
import type { Connection, ConnectionHandler } from './connection.ts'
import { adoptSocket } from './node-connection.ts'
import { NodeClientTls } from './node-tls.ts'
import { describePeer, hasPeerName } from './peer-names.ts'
import type { ClientTarget, ClientTls, ClientTlsOptions, SessionStore, ShownPeer, TlsLibrary } from './tls-library.ts'
import { explainVerdict, tlsError } from './tls-problem.ts'

/** Sessions to resume per policy and certificate: one for each endpoint, the ones used last. */
const maxSessions = 1_024

export interface TlsTarget extends ClientTarget {
  readonly policy: BackendTls
  /** Shown when the endpoint asks for it. */
  readonly certificate: Certificate | undefined
}

/**
 * TLS towards the endpoints of one backend. A changed policy, CA or client
 * certificate, by identity, means that all begins anew, so that no session
 * which was verified by the old one is resumed.
 */
export class TlsToEndpoints implements Disposable {
  readonly #library: TlsLibrary
  #policy: TlsToBackend | undefined = undefined
  #certificate: Certificate | undefined = undefined
  #client: ClientTls | undefined = undefined

  constructor(library: TlsLibrary) {
    this.#library = library
  }

  /**
   * Connects, shakes hands and verifies; `onReady` says that all is well,
   * `handler.onClose` what was not. An invalid policy, and a policy or
   * certificate that the library refuses, makes a connection that fails with the
   * reason: nothing is sent.
   */
  connect(target: TlsTarget, handler: ConnectionHandler, onReady: () => void): Connection {
    const { policy, certificate } = target
    if (policy.kind === 'invalid') return adoptSocket(failedSocket(policy.message), handler)
    let client: ClientTls
    try {
      client = this.#clientFor(policy, certificate)
    } catch (error) {
      return adoptSocket(failedSocket(`the policy can't be used: ${messageOf(error)}`), handler)
    }
    return client.connect(target, handler, onReady)
  }

  #clientFor(policy: TlsToBackend, certificate: Certificate | undefined): ClientTls {
    if (this.#client !== undefined && this.#policy === policy && this.#certificate === certificate) return this.#client
    this[Symbol.dispose]()
    const client = this.#library.openClient(clientOptions(policy, certificate))
    this.#client = client
    this.#policy = policy
    this.#certificate = certificate
    return client
  }

  [Symbol.dispose](): void {
    this.#client?.[Symbol.dispose]()
    this.#client = undefined
  }
}

/** The same on sockets of Node's, for probes: what they ask with is Node's, too. */
export class NodeTlsClients {
  readonly #clients = new WeakMap<TlsToBackend, WeakMap<object, NodeClientTls>>()

  /** As `TlsToEndpoints` does; an error of the socket tells what was not well. */
  connect(target: TlsTarget, onReady: () => void): net.Socket {
    const { policy, certificate } = target
    if (policy.kind === 'invalid') return failedSocket(policy.message)
    let client: NodeClientTls
    try {
      client = this.#clientFor(policy, certificate)
    } catch (error) {
      return failedSocket(`the policy can't be used: ${messageOf(error)}`)
    }
    return client.open(target, onReady)
  }

  #clientFor(policy: TlsToBackend, certificate: Certificate | undefined): NodeClientTls {
    let clients = this.#clients.get(policy)
    if (clients === undefined) {
      clients = new WeakMap()
      this.#clients.set(policy, clients)
    }
    const key = certificate ?? noCertificate
    let client = clients.get(key)
    if (client === undefined) {
      client = new NodeClientTls(clientOptions(policy, certificate))
      clients.set(key, client)
    }
    return client
  }
}

const noCertificate: object = Object.freeze({})

function clientOptions(policy: TlsToBackend, certificate: Certificate | undefined): ClientTlsOptions {
  const { serverName, names, authorities, minVersion, maxVersion, ciphers } = policy
  return {
    minVersion,
    maxVersion,
    ciphers,
    authorities: authorities ?? systemAuthorities(),
    certificate,
    // An address is no server name (RFC 6066 section 3).
    serverName: net.isIP(serverName) === 0 ? serverName : '',
    sessions: new RecentSessions(),
    judge: peer => judgePeer(peer, names),
  }
}

class RecentSessions implements SessionStore {
  readonly #byKey = new Map<string, Buffer>()

  get(key: string): Buffer | undefined {
    return this.#byKey.get(key)
  }

  put(key: string, session: Buffer): void {
    this.#byKey.delete(key)
    this.#byKey.set(key, session)
    if (this.#byKey.size <= maxSessions) return
    for (const oldest of this.#byKey.keys()) {
      this.#byKey.delete(oldest)
      return
    }
  }

  delete(key: string): void {
    this.#byKey.delete(key)
  }
}

/** Why the endpoint is not the one that was asked for; undefined when it is. */
function judgePeer({ isResumed, certificate, verdict }: ShownPeer, names: readonly PeerName[]): Error | undefined {
  // The certificate is not sent again: only sessions that were verified, by the same policy, are kept.
  if (isResumed && verdict === undefined) return undefined
  if (certificate === undefined) return tlsError('the endpoint showed no certificate')
  const shown = `the endpoint's certificate`
  if (verdict !== undefined)
    return tlsError(`${shown} for ${describePeer(certificate)} ${explainVerdict(verdict, certificate)}`)
  if (hasPeerName(certificate, names)) return undefined
  const wanted = names.map(name => name.value).join(' or ')
  return tlsError(`${shown} is for ${describePeer(certificate)}, not for ${wanted}`)
}

/** The system's authorities; those that come with Node where the system has none, as in an empty container. */
function systemAuthorities(): string[] {
  const system = tls.getCACertificates('system')
  return system.length > 0 ? system : tls.getCACertificates('bundled')
}

function failedSocket(message: string): net.Socket {
  return new net.Socket().destroy(tlsError(message))
}
