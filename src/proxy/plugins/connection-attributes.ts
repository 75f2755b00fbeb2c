import type { Connection } from '../transport/connection.ts'
import { readAltNames } from '../transport/peer-names.ts'
import type { PluginAttribute } from './http-plugins.ts'

let lastId = 0n
/** Only of those that somebody asked about. */
const ids = new WeakMap<Connection, bigint>()

/** A number that no other connection of this worker has had. */
export function idOf(connection: Connection): bigint {
  let id = ids.get(connection)
  if (id === undefined) ids.set(connection, (id = ++lastId))
  return id
}

/** What the client's certificate says, if one was asked for and an authority of ours signed it. */
export function peerAttribute(connection: Connection, path: string): PluginAttribute | undefined {
  const peer = path.endsWith('peer_certificate') || path === digest ? connection.tls?.peer : undefined
  if (peer === undefined) return undefined
  switch (path) {
    case digest:
      return peer.fingerprint256.replaceAll(':', '').toLowerCase()
    case 'connection.peer_certificate':
      return encodeURIComponent(peer.toString())
    case 'connection.subject_peer_certificate':
      // As RFC 2253 writes it: the last part first.
      return peer.subject.split('\n').toReversed().join(',')
    case 'connection.dns_san_peer_certificate':
      return readAltNames(peer.subjectAltName).dns[0]
    case 'connection.uri_san_peer_certificate':
      return readAltNames(peer.subjectAltName).uris[0]
    default:
      return undefined
  }
}

const digest = 'connection.sha256_peer_certificate_digest'
