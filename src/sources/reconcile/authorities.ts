import { X509Certificate } from 'node:crypto'
import type { ConfigMapResource, SecretResource } from '../schema/resource.ts'
import { didYouMean } from './name-index.ts'

/** A reference to certificates of authorities, and where its own resource is. */
export interface AuthorityRef {
  readonly group: string
  readonly kind: string
  readonly name: string
  readonly namespace: string
}

export type AuthorityOutcome =
  | { readonly kind: 'valid'; readonly pem: string }
  | { readonly kind: 'wrong-kind' | 'invalid'; readonly message: string }

const caKey = 'ca.crt'

/** Follows references to ConfigMaps, and to Secrets where they may be such, with certificates in `ca.crt`; each is parsed once, as long as it is the same object. */
export class AuthorityResolver {
  readonly #parsed = new WeakMap<ConfigMapResource | SecretResource, AuthorityOutcome>()

  /** @param secrets  where the reference may name one */
  resolve(
    ref: AuthorityRef,
    configMaps: ReadonlyMap<string, ConfigMapResource>,
    secrets?: ReadonlyMap<string, SecretResource>,
  ): AuthorityOutcome {
    const isSecret = ref.kind === 'Secret' && secrets !== undefined
    if (ref.group !== '' || (ref.kind !== 'ConfigMap' && !isSecret)) {
      const kind = ref.group === '' ? ref.kind : `${ref.group}/${ref.kind}`
      const places = secrets === undefined ? 'a ConfigMap' : 'a ConfigMap or Secret'
      return { kind: 'wrong-kind', message: `authorities must be in ${places}, not in ${kind}` }
    }
    const resources: ReadonlyMap<string, ConfigMapResource | SecretResource> = isSecret ? secrets : configMaps
    const key = `${ref.namespace}/${ref.name}`
    const resource = resources.get(key)
    if (resource === undefined) {
      return { kind: 'invalid', message: `no ${ref.kind} ${key}${didYouMean(key, resources.keys())}` }
    }
    let outcome = this.#parsed.get(resource)
    if (outcome === undefined) {
      outcome = parse(resource, `${ref.kind} ${key}`)
      this.#parsed.set(resource, outcome)
    }
    return outcome
  }
}

const certificateBlock = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g

function parse({ kind, data }: ConfigMapResource | SecretResource, where: string): AuthorityOutcome {
  const value = Object.hasOwn(data, caKey) ? data[caKey] : undefined
  if (value === undefined) return { kind: 'invalid', message: `${where} has no key ${caKey}` }
  const text = kind === 'Secret' ? Buffer.from(value, 'base64').toString() : value
  const blocks = text.match(certificateBlock) ?? []
  if (blocks.length === 0) {
    return { kind: 'invalid', message: `${where}: ${caKey} holds no certificate in PEM` }
  }
  for (const [index, block] of blocks.entries()) {
    try {
      void new X509Certificate(block)
    } catch {
      return { kind: 'invalid', message: `${where}: certificate ${index + 1} of ${caKey} can't be read` }
    }
  }
  // Comments between the blocks are left out, so that they change nothing.
  return { kind: 'valid', pem: `${blocks.join('\n')}\n` }
}
