import tls from 'node:tls'
import type { Certificate, Listener, VirtualHost } from '../../model/index.ts'

/**
 * Terminates TLS for an HTTPS listener. Certificates are looked up by server
 * name in the newest configuration, so that a changed one holds for the next
 * handshake and no connection is dropped.
 */
export function createTlsServer(current: () => Listener, onSocket: (socket: tls.TLSSocket) => void): tls.Server {
  const contexts = new WeakMap<Certificate, tls.SecureContext>()
  const contextFor = (serverName: string): tls.SecureContext | undefined => {
    const certificate = chooseHost(current().virtualHosts, serverName)?.certificates[0]
    if (certificate === undefined) return undefined
    let context = contexts.get(certificate)
    if (context === undefined) {
      context = tls.createSecureContext({ cert: certificate.chain, key: certificate.key, minVersion: 'TLSv1.2' })
      contexts.set(certificate, context)
    }
    return context
  }
  return tls.createServer(
    {
      ALPNProtocols: ['http/1.1'],
      minVersion: 'TLSv1.2',
      SNICallback: (serverName, done) => {
        const context = contextFor(serverName.toLowerCase())
        if (context === undefined) done(new Error('no certificate for this server name'))
        else done(null, context)
      },
    },
    socket => {
      socket.setNoDelay(true)
      onSocket(socket)
    },
  )
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
