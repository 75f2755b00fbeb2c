import { X509Certificate } from 'node:crypto'
import type { Certificate, VirtualHost } from '../../model/index.ts'
import { readAltNames } from '../transport/peer-names.ts'

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

/** Which certificates of a host are for a server name; each is parsed once. */
export class CertificateChooser {
  readonly #parsed = new WeakMap<Certificate, Parsed>()

  /**
   * Those made for the name exactly, else by wildcard, else all; of these the
   * first of each type of key, so that a client gets the one it can verify.
   */
  choose({ certificates }: VirtualHost, serverName: string): readonly Certificate[] {
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

  #parse(certificate: Certificate): Parsed {
    let parsed = this.#parsed.get(certificate)
    if (parsed === undefined) {
      parsed = parse(certificate.chain)
      this.#parsed.set(certificate, parsed)
    }
    return parsed
  }
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
