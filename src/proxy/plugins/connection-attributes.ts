import type { X509Certificate } from 'node:crypto'
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

/** `10.0.0.1:4567`; undefined when it is not known any more. */
export function localAddressOf(connection: Connection | undefined): string | undefined {
  if (connection === undefined || connection.localAddress === '') return undefined
  return formatEndpoint(connection.localAddress, connection.localPort)
}

export function formatEndpoint(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

type Reader = (certificate: X509Certificate) => PluginAttribute | undefined

/** What certificates say: of the peer, if an authority of ours signed it, and of our own. */
const peerReaders: Readonly<Record<string, Reader>> = {
  sha256_peer_certificate_digest: ({ fingerprint256 }) => fingerprint256.replaceAll(':', '').toLowerCase(),
  peer_certificate: certificate => encodeURIComponent(certificate.toString()),
  subject_peer_certificate: subjectOf,
  dns_san_peer_certificate: dnsOf,
  uri_san_peer_certificate: uriOf,
}
const ownReaders: Readonly<Record<string, Reader>> = {
  subject_local_certificate: subjectOf,
  dns_san_local_certificate: dnsOf,
  uri_san_local_certificate: uriOf,
}

/** @param name  as below `connection` and `upstream`; undefined for what is not there, or says nothing of the kind */
export function certificateAttribute(connection: Connection | undefined, name: string): PluginAttribute | undefined {
  const ofPeer = Object.hasOwn(peerReaders, name) ? peerReaders[name] : undefined
  const ofOwn = Object.hasOwn(ownReaders, name) ? ownReaders[name] : undefined
  if (ofPeer === undefined && ofOwn === undefined) return undefined
  const certificate = ofPeer === undefined ? connection?.tls?.own : connection?.tls?.peer
  return certificate === undefined ? undefined : (ofPeer ?? ofOwn)?.(certificate)
}

/** As RFC 2253 writes it: the last part first. */
function subjectOf({ subject }: X509Certificate): string | undefined {
  // A certificate without one has none, whatever the types say.
  return (subject as string | undefined)?.split('\n').toReversed().join(',')
}

function dnsOf({ subjectAltName }: X509Certificate): string | undefined {
  return readAltNames(subjectAltName).dns[0]
}

function uriOf({ subjectAltName }: X509Certificate): string | undefined {
  return readAltNames(subjectAltName).uris[0]
}
