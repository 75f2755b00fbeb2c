import type { Certificate } from '../../model/index.ts'
import type { GatewayResource, ListenerSetResource, SecretReference, SecretResource } from '../schema/resource.ts'
import { isGranted } from './facts.ts'
import { parseKeyPair, type KeyPair } from './key-pair.ts'
import { didYouMean } from './name-index.ts'
import type { ReferenceGrantSpec } from '../schema/resource.ts'

/** What certificate references are resolved against. */
export interface SecretTables {
  readonly secrets: ReadonlyMap<string, SecretResource>
  /** By namespace of the referent. */
  readonly grants: ReadonlyMap<string, readonly ReferenceGrantSpec[]>
}

export type ResolvedCertificate =
  | { readonly kind: 'valid'; readonly certificate: Certificate; readonly hostnames: readonly string[] }
  | { readonly kind: 'invalid'; readonly reason: 'InvalidCertificateRef' | 'RefNotPermitted'; readonly message: string }

/** Follows references to TLS Secrets; each Secret is parsed once, as long as it is the same object. */
export class CertificateResolver {
  readonly #parsed = new WeakMap<SecretResource, KeyPair>()

  resolve(
    from: GatewayResource | ListenerSetResource,
    ref: SecretReference,
    tables: SecretTables,
  ): ResolvedCertificate {
    const { namespace } = from.metadata
    const secretNamespace = ref.namespace ?? namespace
    const key = `${secretNamespace}/${ref.name}`
    if (ref.group !== '' || ref.kind !== 'Secret') {
      return invalid(`a certificate must be a Secret, not ${ref.group === '' ? ref.kind : `${ref.group}/${ref.kind}`}`)
    }
    if (secretNamespace !== namespace) {
      const granted = isGranted(
        tables.grants.get(secretNamespace) ?? [],
        { group: 'gateway.networking.k8s.io', kind: from.kind, namespace },
        { group: '', kind: 'Secret', namespace: secretNamespace, name: ref.name },
      )
      const message = `Secret ${key} is in another namespace, and no ReferenceGrant there admits it`
      if (!granted) return { kind: 'invalid', reason: 'RefNotPermitted', message }
    }
    const secret = tables.secrets.get(key)
    if (secret === undefined) return invalid(`no Secret ${key}${didYouMean(key, tables.secrets.keys())}`)
    const pair = this.#parse(secret)
    if (pair.kind === 'invalid') return invalid(`Secret ${key}: ${pair.message}`)
    const { chain, key: privateKey, hostnames } = pair
    return { kind: 'valid', certificate: { name: key, chain, key: privateKey }, hostnames }
  }

  #parse(secret: SecretResource): KeyPair {
    const known = this.#parsed.get(secret)
    if (known !== undefined) return known
    const pair = parseSecret(secret)
    this.#parsed.set(secret, pair)
    return pair
  }
}

function parseSecret({ type, data }: SecretResource): KeyPair {
  if (type !== 'kubernetes.io/tls') return { kind: 'invalid', message: `the type is ${type}, not kubernetes.io/tls` }
  const [chain, key] = [data['tls.crt'], data['tls.key']]
  if (chain === undefined || key === undefined) return { kind: 'invalid', message: 'tls.crt or tls.key is missing' }
  return parseKeyPair(Buffer.from(chain, 'base64').toString(), Buffer.from(key, 'base64').toString())
}

function invalid(message: string): ResolvedCertificate {
  return { kind: 'invalid', reason: 'InvalidCertificateRef', message }
}
