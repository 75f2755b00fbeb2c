import type { LocalObjectReference, Resource, StringMap } from './object.ts'

export type SubjectAltNameSpec =
  | { readonly type: 'Hostname'; readonly hostname: string }
  | { readonly type: 'URI'; readonly uri: string }

export interface BackendTlsPolicySpec {
  readonly targetRefs: readonly (LocalObjectReference & {
    /** Name of a port of the Service. */
    readonly sectionName?: string
  })[]
  readonly validation: {
    /** Either these or `wellKnownCACertificates`. */
    readonly caCertificateRefs?: readonly LocalObjectReference[]
    /** `System`, or an implementation's own set. */
    readonly wellKnownCACertificates?: string
    readonly hostname: string
    readonly subjectAltNames?: readonly SubjectAltNameSpec[]
  }
  readonly options?: StringMap
}

export interface BackendTLSPolicyResource extends Resource<'BackendTLSPolicy', BackendTlsPolicySpec> {
  /** It stands for one that could not be read: nothing is sent to its targets. */
  readonly isStandIn?: true
}
