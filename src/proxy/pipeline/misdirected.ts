/** As much of the route table as is asked. */
export interface HostLookup {
  virtualHost(listenerId: string, host: string): object | undefined
}

/**
 * Whether a request has come over a connection that was made for another
 * listener than the one its Host belongs to (Gateway API, `Listener.tls`; RFC
 * 9110 section 15.5.20): with HTTP/2 clients use a connection for every name
 * that its certificate covers, and what that listener asked of them, as a client
 * certificate, must not open the other one.
 *
 * A host that no listener has is no such case: the answer is 404.
 *
 * @param serverName  what the client named in its handshake; empty for nothing
 * @param host        of the request, without port, lower case
 */
export function isMisdirected(table: HostLookup, listenerId: string, serverName: string, host: string): boolean {
  const wanted = table.virtualHost(listenerId, host)
  return wanted !== undefined && wanted !== table.virtualHost(listenerId, serverName)
}
