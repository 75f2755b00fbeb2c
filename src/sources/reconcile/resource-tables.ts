import type { AnyResource, ResourceKind } from '../schema/resource.ts'

export type Tables = { readonly [Kind in ResourceKind]: ReadonlyMap<string, Extract<AnyResource, { kind: Kind }>> }

/** A resource that came, went or was replaced. */
export interface ResourceChange {
  readonly kind: ResourceKind
  /** `namespace/name`, or `name` for cluster scope. */
  readonly key: string
  readonly before: AnyResource | undefined
  readonly after: AnyResource | undefined
}

/** Resources by kind, kept current by what differs from the last set; a replaced object is a changed resource. */
export class ResourceTables {
  readonly #maps: { readonly [Kind in ResourceKind]: Map<string, AnyResource> } = {
    Namespace: new Map(),
    Service: new Map(),
    Secret: new Map(),
    ConfigMap: new Map(),
    EndpointSlice: new Map(),
    GatewayClass: new Map(),
    Gateway: new Map(),
    ListenerSet: new Map(),
    HTTPRoute: new Map(),
    GRPCRoute: new Map(),
    TCPRoute: new Map(),
    UDPRoute: new Map(),
    TLSRoute: new Map(),
    ReferenceGrant: new Map(),
    BackendTLSPolicy: new Map(),
    BackendPolicy: new Map(),
    HTTPFilter: new Map(),
    NetworkPolicy: new Map(),
    Workload: new Map(),
    WasmPlugin: new Map(),
    TrafficExtension: new Map(),
    EnvoyExtensionPolicy: new Map(),
  }
  #last: ReadonlyMap<string, AnyResource> = new Map()

  get tables(): Tables {
    // Each map holds its own kind: `#apply` files a resource under `resource.kind`.
    return this.#maps as Tables
  }

  /** Takes over the new set and tells what changed. */
  update(resources: ReadonlyMap<string, AnyResource>): readonly ResourceChange[] {
    if (resources === this.#last) return []
    const changes: ResourceChange[] = []
    let added = 0
    for (const [id, after] of resources) {
      const before = this.#last.get(id)
      if (before === after) continue
      if (before === undefined) added++
      changes.push({ kind: after.kind, key: keyOf(after), before, after })
    }
    // Without a removal the sizes add up, which spares the second pass.
    if (resources.size !== this.#last.size + added) {
      for (const [id, before] of this.#last) {
        if (!resources.has(id)) changes.push({ kind: before.kind, key: keyOf(before), before, after: undefined })
      }
    }
    for (const change of changes) this.#apply(change)
    this.#last = resources
    return changes
  }

  #apply({ kind, key, after }: ResourceChange): void {
    if (after === undefined) this.#maps[kind].delete(key)
    else this.#maps[kind].set(key, after)
  }
}

export function keyOf({ metadata }: AnyResource): string {
  return metadata.namespace === '' ? metadata.name : `${metadata.namespace}/${metadata.name}`
}
