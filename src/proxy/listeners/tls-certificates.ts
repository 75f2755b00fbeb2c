import { X509Certificate } from 'node:crypto'
import tls from 'node:tls'
import type { Certificate, VirtualHost } from '../../model/index.ts'
import { readAltNames } from '../transport/peer-names.ts'
import { hostTls } from './tls-settings.ts'

/** Exact name, then the wildcard with most labels, then none (Gateway API, listener choice). */
export function chooseHost(hosts: readonly VirtualHost[], serverName: string): VirtualHost | undefined {
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

interface Parsed {
  readonly names: readonly string[]
  /** `rsa`, `ec`, … */
  readonly keyType: string
}

/** The secure contexts of a listener's hosts, made when first asked for and kept as long as their host is the same object. */
export class CertificateStore {
  readonly #parsed = new WeakMap<Certificate, Parsed>()
  readonly #contexts = new WeakMap<VirtualHost, Map<string, tls.SecureContext>>()

  /**
   * Certificates for a server name: those made for it exactly, else by
   * wildcard, else all; of these the first of each type of key, so that a
   * client gets the one it can verify.
   */
  choose(host: VirtualHost, serverName: string): readonly Certificate[] {
    const { certificates } = host
    if (certificates.length < 2) return certificates
    const wildcard = `*${serverName.slice(serverName.indexOf('.'))}`
    const madeFor = (name: string): readonly Certificate[] =>
      certificates.filter(certificate => this.#parse(certificate).names.includes(name))
    const exact = madeFor(serverName)
    const byWildcard = exact.length > 0 ? exact : madeFor(wildcard)
    return this.#oneOfEachType(byWildcard.length > 0 ? byWildcard : certificates)
  }

  #oneOfEachType(certificates: readonly Certificate[]): readonly Certificate[] {
    const byType = new Map<string, Certificate>()
    for (const certificate of certificates) {
      const { keyType } = this.#parse(certificate)
      if (!byType.has(keyType)) byType.set(keyType, certificate)
    }
    return [...byType.values()]
  }

  /** @throws the TLS library's error for a certificate that it does not take */
  contextFor(host: VirtualHost, serverName: string, sessionContext: string): tls.SecureContext | undefined {
    const chosen = this.choose(host, serverName)
    if (chosen.length === 0) return undefined
    let contexts = this.#contexts.get(host)
    if (contexts === undefined) {
      contexts = new Map()
      this.#contexts.set(host, contexts)
    }
    // What a client names decides between few contexts, however many names there are.
    const key = `${sessionContext} ${chosen.map(certificate => host.certificates.indexOf(certificate)).join(' ')}`
    let context = contexts.get(key)
    if (context === undefined) {
      const authorities = hostTls(host).clients?.authorities
      context = tls.createSecureContext({
        ...pairs(chosen),
        sessionIdContext: sessionContext,
        ...(authorities === undefined ? {} : { ca: authorities }),
      })
      contexts.set(key, context)
    }
    return context
  }

  #parse(certificate: Certificate): Parsed {
    let parsed = this.#parsed.get(certificate)
    if (parsed === undefined) {
      parsed = parse(certificate.chain)
      this.#parsed.set(certificate, parsed)
    }
    return parsed
  }
}

export function pairs(certificates: readonly Certificate[]): { readonly cert: string[]; readonly key: string[] } {
  return { cert: certificates.map(({ chain }) => chain), key: certificates.map(({ key }) => key) }
}

function parse(chain: string): Parsed {
  try {
    const certificate = new X509Certificate(chain)
    const { dns } = readAltNames(certificate.subjectAltName)
    return { names: dns, keyType: certificate.publicKey.asymmetricKeyType ?? 'unknown' }
  } catch {
    // Made for no name; whether it can be used at all shows when it is.
    return { names: [], keyType: 'unknown' }
  }
}
