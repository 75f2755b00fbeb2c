import type { Problem } from '../../core/index.ts'
import type { BackendKey, BackendProtocol, ResourceStatus, RouteKey } from '../../model/index.ts'
import type { Flow, LiveRates, Rates } from '../metrics/rates.ts'

/**
 * What `/status.json` answers and the status page shows: the mesh at one
 * moment. Rates are those of the last few seconds, of all workers together.
 */
export interface StatusDocument {
  readonly agent: AgentStatus
  /** Resources of the kinds Gateway and ListenerSet. */
  readonly gateways: readonly ResourceStatus[]
  readonly routes: readonly RouteStatus[]
  readonly services: readonly ServiceStatus[]
  /** Those that listeners and Gateways use, by name. */
  readonly certificates: readonly CertificateStatus[]
  /** Sorted by name. */
  readonly networkPolicies: readonly NetworkPolicyStatus[]
  readonly problems: readonly Problem[]
  /** The edges of the picture: rates by virtual host, route and backend; those without traffic may be left out. */
  readonly flows: readonly Flow[]
  /** Everything together. */
  readonly rates: LiveRates
}

export interface KeeperSummary {
  readonly pid: number
  /** Of what it is asked by. */
  readonly version: number
  readonly sockets: number
  readonly programs: number
  /** Its own, without what it shares with the agent. */
  readonly memoryBytes: number
}

export interface AgentStatus {
  readonly version: string
  readonly pid: number
  readonly uptimeSeconds: number
  /** Which data path is in force, `user space`, and why that one. */
  readonly tier: { readonly active: string; readonly reason: string }
  /** Which sockets carry plain connections, `native` or `node`, and why those. */
  readonly transport: { readonly active: string; readonly reason: string }
  /** Worker threads that run now. */
  readonly workers: number
  readonly configVersion: number
  /** Where names of the mesh are answered, `127.0.0.1:15053`; null when they are not. */
  readonly dns: string | null
  /** The process that holds what outlives the agent; absent where there is none. */
  readonly keeper?: KeeperSummary
  readonly ready: boolean
  /** What readiness still waits for; empty when ready. */
  readonly awaiting: readonly string[]
}

export interface CertificateStatus {
  /** `namespace/name` of its Secret. */
  readonly name: string
  /** Subject alternative names. */
  readonly names: readonly string[]
  /** Milliseconds since 1970. */
  readonly notAfterMs: number
  /** `expires-soon` within 14 days. */
  readonly state: 'valid' | 'expires-soon' | 'expired' | 'not-yet-valid'
  /** Ids of virtual hosts. */
  readonly usedBy: readonly string[]
}

export interface NetworkPolicyStatus {
  /** `namespace/name` */
  readonly name: string
  /** Names of Workloads, `namespace/name`. */
  readonly selects: readonly string[]
  /** How many rules allow something in; null where the policy says nothing about ingress. */
  readonly ingressRules: number | null
  readonly egressRules: number | null
  /** `stand-in`: it has mistakes and no good version; `overfull`: no room for its rules. Both close all that it selects. */
  readonly state: 'accepted' | 'stand-in' | 'overfull'
  /** False: connections are made as if it were not there. */
  readonly isEnforced: boolean
}

export interface RouteStatus {
  /** `HTTPRoute shop/cart`, or `Service shop/cart:8080` for the route that every service has by itself. */
  readonly key: RouteKey
  /** Ids of the virtual hosts it takes part in: `Gateway shop/web/http`, `ListenerSet shop/extra/http`, `Service shop/reviews:9080`. */
  readonly virtualHosts: readonly string[]
  /** Empty means any host. */
  readonly hostnames: readonly string[]
  readonly rules: readonly RuleStatus[]
  readonly rates: LiveRates
}

export interface RuleStatus {
  readonly index: number
  readonly name: string | null
  /** One text per match, any of which is enough: `GET /cart/* with header x-user: anna`. */
  readonly matches: readonly string[]
  /** One text per filter, in order: `redirect to https, 301`. */
  readonly filters: readonly string[]
  readonly backends: readonly RuleBackendStatus[]
  /** `kernel`, or why its requests are answered in user space; absent without HTTP in the kernel. */
  readonly kernelPath?: string
}

export interface RuleBackendStatus {
  /** For an invalid reference the name as written. */
  readonly key: BackendKey
  readonly weight: number
  /** Why the reference can't be used; its share of the requests is answered with an error. */
  readonly invalid?: string
}

/** One port of a Service. */
export interface ServiceStatus {
  readonly key: BackendKey
  readonly namespace: string
  readonly name: string
  readonly port: number
  readonly protocol: BackendProtocol
  /** The virtual address that workloads of the mesh connect to, `127.1.0.4:9080`; null when it has none. */
  readonly address: string | null
  /** The Service's own, IPv4 before IPv6; empty when it has none. */
  readonly virtualAddresses: readonly string[]
  /** Load balancing and what else deviates from the defaults, one short text. */
  readonly policy: string
  readonly endpoints: readonly EndpointStatus[]
  readonly rates: LiveRates
}

export interface EndpointStatus {
  /** `address:port` */
  readonly id: string
  /** Empty when unknown. */
  readonly workload: string
  /** Empty when unknown. */
  readonly zone: string
  readonly healthy: boolean
  readonly ejected: boolean
  readonly draining: boolean
  readonly weight: number
  readonly activeRequests: number
  /** Of the tries sent to it; there is no latency per endpoint. */
  readonly rates: Rates
}
