import type { Endpoint, Listener } from '../../model/index.ts'
import type { EndpointSliceResource, SliceEndpoint, WorkloadResource } from '../schema/resource.ts'

/** Where the endpoints of a Service come from, each list in a fixed order. */
export interface EndpointSources {
  readonly slices: readonly EndpointSliceResource[]
  readonly workloads: readonly WorkloadResource[]
  readonly publishNotReady: boolean
  /** What carries the port. */
  readonly carrier: 'TCP' | 'UDP'
}

/**
 * The endpoints of one port of a Service. A slice's port is matched by name,
 * never by number; a Workload has one port, which serves every port of its
 * Service. An address that stands in several slices counts once, and as ready if
 * one of them says so.
 *
 * @param before  endpoints of the last run by id; equal ones are handed on, so that identity tells what changed
 */
export function collectEndpoints(
  sources: EndpointSources,
  portName: string,
  before: ReadonlyMap<string, Endpoint>,
): readonly Endpoint[] {
  const byId = new Map<string, Endpoint>()
  const add = (endpoint: Endpoint): void => {
    const twin = byId.get(endpoint.id)
    if (twin !== undefined && (isUsable(twin) || !isUsable(endpoint))) return
    const old = before.get(endpoint.id)
    byId.set(endpoint.id, old !== undefined && isSameEndpoint(old, endpoint) ? old : endpoint)
  }
  for (const slice of sources.slices) {
    if (slice.addressType === 'FQDN') continue
    const port = slice.ports.find(
      candidate => candidate.name === portName && candidate.protocol === sources.carrier,
    )?.port
    if (port === undefined) continue
    for (const endpoint of slice.endpoints) {
      for (const address of endpoint.addresses) add(fromSlice(endpoint, address, port, sources.publishNotReady))
    }
  }
  for (const workload of sources.workloads) add(fromWorkload(workload))
  return [...byId.values()]
}

function fromSlice(endpoint: SliceEndpoint, address: string, port: number, publishNotReady: boolean): Endpoint {
  const { ready, serving, terminating } = endpoint.conditions
  return {
    id: endpointId(address, port),
    address,
    port,
    weight: 1,
    zone: endpoint.zone ?? '',
    workload: endpoint.targetRef?.name ?? endpoint.hostname ?? '',
    // One that ends is never `ready`; whether it still answers is what `serving` says.
    healthy: publishNotReady || ready || (terminating && serving),
    draining: terminating,
  }
}

function fromWorkload({ metadata, spec }: WorkloadResource): Endpoint {
  return {
    id: endpointId(spec.address, spec.port),
    address: spec.address,
    port: spec.port,
    weight: spec.weight,
    zone: spec.zone ?? metadata.labels['topology.kubernetes.io/zone'] ?? '',
    workload: metadata.name,
    healthy: true,
    draining: false,
  }
}

/** `10.0.0.1:80`, `[fd00::1]:80` */
export function endpointId(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

/** `127.0.0.1:80`; `127.0.0.1:53/udp`, since both may be there at once. */
export function listenerId(address: string, port: number, protocol: Listener['protocol']): string {
  return protocol === 'UDP' ? `${endpointId(address, port)}/udp` : endpointId(address, port)
}

function isUsable(endpoint: Endpoint): boolean {
  return endpoint.healthy && !endpoint.draining
}

function isSameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return (
    a.id === b.id &&
    a.weight === b.weight &&
    a.zone === b.zone &&
    a.workload === b.workload &&
    a.healthy === b.healthy &&
    a.draining === b.draining
  )
}
