/** What `heddle status` shows; the shapes of Kubernetes' own status fields. */
export interface Condition {
  readonly type: string
  readonly status: 'True' | 'False' | 'Unknown'
  readonly reason: string
  readonly message: string
  readonly observedGeneration: number
}

export interface ResourceStatus {
  readonly apiVersion: string
  readonly kind: string
  readonly namespace: string
  readonly name: string
  readonly generation: number
  /** Gateway: how many ListenerSets it has accepted. @default 0 */
  readonly attachedListenerSets?: number
  /** GatewayClass, Gateway, ListenerSet, policies. */
  readonly conditions: readonly Condition[]
  /** Gateway: where it is reached, once Programmed. */
  readonly addresses: readonly string[]
  /** Gateway, ListenerSet. */
  readonly listeners: readonly ListenerStatus[]
  /** Routes: one entry per parentRef that exists. */
  readonly parents: readonly ParentStatus[]
}

export interface ListenerStatus {
  readonly name: string
  readonly port: number
  readonly protocol: string
  readonly hostname: string | undefined
  readonly attachedRoutes: number
  readonly supportedKinds: readonly { readonly group: string; readonly kind: string }[]
  readonly conditions: readonly Condition[]
}

export interface ParentStatus {
  readonly parentRef: {
    readonly group: string
    readonly kind: string
    readonly namespace: string
    readonly name: string
    readonly sectionName?: string
    readonly port?: number
  }
  readonly controllerName: string
  readonly conditions: readonly Condition[]
}

/** Our name in `GatewayClass.spec.controllerName` and in every status entry. */
export const controllerName = 'heddle.dev/gateway-controller'
