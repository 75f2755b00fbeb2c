import { X509Certificate } from 'node:crypto'
import type { ConfigMapResource } from '../schema/resource.ts'
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

/** Follows references to ConfigMaps with certificates in `ca.crt`; each is parsed once, as long as it is the same object. */
export class AuthorityResolver {
  readonly #parsed = new WeakMap<ConfigMapResource, AuthorityOutcome>()

  resolve(ref: AuthorityRef, configMaps: ReadonlyMap<string, ConfigMapResource>): AuthorityOutcome {
    if (ref.group !== '' || ref.kind !== 'ConfigMap') {
      const kind = ref.group === '' ? ref.kind : `${ref.group}/${ref.kind}`
      return { kind: 'wrong-kind', message: `authorities must be in a ConfigMap, not in ${kind}` }
    }
    const key = `${ref.namespace}/${ref.name}`
    const configMap = configMaps.get(key)
    if (configMap === undefined) {
      return { kind: 'invalid', message: `no ConfigMap ${key}${didYouMean(key, configMaps.keys())}` }
    }
    let outcome = this.#parsed.get(configMap)
    if (outcome === undefined) {
      outcome = parse(configMap, key)
      this.#parsed.set(configMap, outcome)
    }
    return outcome
  }
}

const certificateBlock = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g

function parse({ data }: ConfigMapResource, key: string): AuthorityOutcome {
  const text = Object.hasOwn(data, caKey) ? data[caKey] : undefined
  if (text === undefined) return { kind: 'invalid', message: `ConfigMap ${key} has no key ${caKey}` }
  const blocks = text.match(certificateBlock) ?? []
  if (blocks.length === 0) {
    return { kind: 'invalid', message: `ConfigMap ${key}: ${caKey} holds no certificate in PEM` }
  }
  for (const [index, block] of blocks.entries()) {
    try {
      void new X509Certificate(block)
    } catch {
      return { kind: 'invalid', message: `ConfigMap ${key}: certificate ${index + 1} of ${caKey} can't be read` }
    }
  }
  // Comments between the blocks are left out, so that they change nothing.
  return { kind: 'valid', pem: `${blocks.join('\n')}\n` }
}
