import { X509Certificate } from 'node:crypto'
import type { Problem } from '../core/index.ts'
import type { Certificate, MeshSnapshot } from '../model/index.ts'
import type { CertificateStatus } from '../observe/index.ts'

/** Who renews by hand needs days to notice; machines that renew are done long before. */
const warningMs = 14 * 86_400_000

interface Parsed {
  readonly names: readonly string[]
  readonly notBeforeMs: number
  readonly notAfterMs: number
}

/** The certificates that are in use, each parsed once. */
export class CertificateList {
  readonly #parsed = new WeakMap<Certificate, Parsed>()

  /** By name; what is used in several places stands once. */
  list({ listeners }: MeshSnapshot, wallMs: number): readonly CertificateStatus[] {
    const found = new Map<string, CertificateStatus & { usedBy: string[] }>()
    const add = (certificate: Certificate, user: string): void => {
      const known = found.get(certificate.name)
      if (known !== undefined) {
        if (!known.usedBy.includes(user)) known.usedBy.push(user)
        return
      }
      const { names, notBeforeMs, notAfterMs } = this.#parse(certificate)
      const state = stateOf(notBeforeMs, notAfterMs, wallMs)
      found.set(certificate.name, { name: certificate.name, names, notAfterMs, state, usedBy: [user] })
    }
    for (const { virtualHosts } of listeners.values()) {
      for (const { id, certificates, clientCertificate } of virtualHosts) {
        for (const certificate of certificates) add(certificate, id)
        if (clientCertificate !== undefined) add(clientCertificate, `${id} towards backends`)
      }
    }
    return [...found.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1))
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
  // Whatever is in a snapshot was read before.
  const certificate = new X509Certificate(chain)
  const names = (certificate.subjectAltName ?? '')
    .split(', ')
    .map(name => name.replace(/^(DNS|URI|IP Address):/, ''))
    .filter(name => name !== '')
  return { names, notBeforeMs: Date.parse(certificate.validFrom), notAfterMs: Date.parse(certificate.validTo) }
}

function stateOf(notBeforeMs: number, notAfterMs: number, wallMs: number): CertificateStatus['state'] {
  if (notAfterMs <= wallMs) return 'expired'
  if (notBeforeMs > wallMs) return 'not-yet-valid'
  return notAfterMs - wallMs < warningMs ? 'expires-soon' : 'valid'
}

/** What an operator has to do something about. They are served all the same: a client may accept them. */
export function certificateProblems(certificates: readonly CertificateStatus[], wallMs: number): readonly Problem[] {
  return certificates.flatMap((certificate): readonly Problem[] => {
    const message = describeState(certificate, wallMs)
    if (message === undefined) return []
    const severity = certificate.state === 'expires-soon' ? 'warning' : 'error'
    return [{ severity, resource: `Secret ${certificate.name}`, path: 'data["tls.crt"]', message }]
  })
}

function describeState({ state, notAfterMs, usedBy }: CertificateStatus, wallMs: number): string | undefined {
  const date = new Date(notAfterMs).toISOString().slice(0, 10)
  const users = `; used by ${usedBy.join(', ')}`
  switch (state) {
    case 'valid':
      return undefined
    case 'expired':
      return `the certificate expired on ${date}${users}`
    case 'not-yet-valid':
      return `the certificate is not valid yet${users}`
    case 'expires-soon': {
      const days = Math.floor((notAfterMs - wallMs) / 86_400_000)
      const when = days === 0 ? 'within a day' : days === 1 ? 'in 1 day' : `in ${days} days`
      return `the certificate expires ${when}, on ${date}${users}`
    }
  }
}
