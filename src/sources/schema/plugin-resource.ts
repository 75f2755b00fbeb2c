import type { LabelSelector, Resource } from './object.ts'

// Resources that attach Proxy-Wasm plugins: those of Istio and of Envoy Gateway.

export interface PluginTarget {
  readonly group: string
  readonly kind: string
  readonly name: string
  /** Istio: of Services elsewhere, which are not served. */
  readonly namespace?: string
  /** Envoy Gateway: a listener of a Gateway or ListenerSet. */
  readonly sectionName?: string
}

export type JsonObject = Readonly<Record<string, unknown>>

export type IstioPhase = 'UNSPECIFIED' | 'AUTHN' | 'AUTHZ' | 'STATS'

export interface TrafficSelector {
  /** `CLIENT`: what a Gateway sends on; `SERVER`: what a Service gets. */
  readonly mode: 'UNDEFINED' | 'CLIENT' | 'SERVER' | 'CLIENT_AND_SERVER'
  /** Ports of listeners and Services. @default every */
  readonly ports: readonly { readonly number: number }[]
}

/** How a module is had and run. */
export interface IstioWasm {
  readonly url: string
  readonly sha256: string
  readonly imagePullPolicy: 'UNSPECIFIED_POLICY' | 'IfNotPresent' | 'Always'
  readonly imagePullSecret: string
  readonly pluginName: string
  readonly pluginConfig?: JsonObject
  readonly failStrategy: 'FAIL_CLOSE' | 'FAIL_OPEN' | 'FAIL_RELOAD'
  readonly vmConfig?: {
    readonly env: readonly {
      readonly name: string
      readonly valueFrom: 'INLINE' | 'HOST'
      readonly value: string
    }[]
  }
  readonly type: 'UNSPECIFIED_PLUGIN_TYPE' | 'HTTP' | 'NETWORK'
}

/** Where and when. Neither selector nor targets: the whole namespace, unless a route names the resource. */
export interface IstioAttachment {
  readonly selector?: LabelSelector
  readonly targetRefs: readonly PluginTarget[]
  readonly phase: IstioPhase
  /** The highest first. */
  readonly priority: number
  readonly match: readonly TrafficSelector[]
}

export type WasmPluginSpec = IstioAttachment & IstioWasm
export type TrafficExtensionSpec = IstioAttachment & { readonly wasm: IstioWasm }

interface StandsIn {
  /** It holds the place of one with mistakes that never was right. */
  readonly isStandIn?: true
}

export type WasmPluginResource = Resource<'WasmPlugin', WasmPluginSpec> & StandsIn
export type TrafficExtensionResource = Resource<'TrafficExtension', TrafficExtensionSpec> & StandsIn

export interface ImageTls {
  readonly caCertificateRef: { readonly group: string; readonly kind: string; readonly name: string }
}

export interface EnvoyWasm {
  readonly name?: string
  readonly rootID?: string
  readonly config?: unknown
  readonly failOpen: boolean
  readonly code: {
    readonly type: 'HTTP' | 'Image'
    readonly http?: { readonly url: string; readonly sha256?: string; readonly tls?: ImageTls }
    readonly image?: {
      readonly url: string
      readonly sha256?: string
      readonly pullSecretRef?: { readonly group: string; readonly kind: string; readonly name: string }
      readonly tls?: ImageTls
    }
    readonly pullPolicy?: 'IfNotPresent' | 'Always'
  }
  readonly env?: { readonly hostKeys: readonly string[] }
}

export interface EnvoyExtensionPolicySpec {
  readonly targetRefs: readonly PluginTarget[]
  readonly targetSelectors: readonly ({ readonly group: string; readonly kind: string } & LabelSelector)[]
  readonly wasm: readonly EnvoyWasm[]
}

export type EnvoyExtensionPolicyResource = Resource<'EnvoyExtensionPolicy', EnvoyExtensionPolicySpec> & StandsIn

export type PluginResource = WasmPluginResource | TrafficExtensionResource | EnvoyExtensionPolicyResource
