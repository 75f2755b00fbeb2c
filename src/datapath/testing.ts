import { defaultBackendSettings } from '../model/index.ts'
import type { Backend, Endpoint, Listener, NamedService, StreamRoute } from '../model/index.ts'
import type { MapWrite } from './map-write.ts'
import type { ServiceInput } from './services.ts'

export interface TestService {
  readonly name: string
  readonly addresses: readonly string[]
  readonly port: number
  readonly carrier?: 'tcp' | 'udp'
  readonly endpoints?: readonly Partial<Endpoint>[]
  readonly backend?: Partial<Backend>
  readonly listener?: Listener['protocol']
  /** @default 'Service' */
  readonly route?: StreamRoute['kind']
  readonly affinitySeconds?: number
  /** Keys, of its port. */
  readonly plugins?: readonly string[]
}

/** What the mesh would say of these Services, in the namespace `shop`. */
export function meshOf(services: readonly TestService[]): ServiceInput {
  const backends = new Map<string, Backend>()
  const listeners = new Map<string, Listener>()
  const streamRoutes = new Map<string, StreamRoute>()
  const namedServices: NamedService[] = []
  for (const service of services) {
    const { name, addresses, port, carrier = 'tcp' } = service
    const key = `shop/${name}:${port}${carrier === 'udp' ? '/udp' : ''}`
    const [address = ''] = addresses
    const host = `Service ${key}`
    backends.set(key, { ...backendOf(key, service), ...service.backend })
    listeners.set(`${address}:${port}`, {
      id: `${address}:${port}`,
      address,
      port,
      kind: 'service',
      protocol: service.listener ?? (carrier === 'udp' ? 'UDP' : 'TCP'),
      virtualHosts: [
        {
          id: host,
          hostname: undefined,
          certificates: [],
          tls: undefined,
          clientCertificate: undefined,
          ...(service.plugins === undefined ? {} : { plugins: service.plugins }),
        },
      ],
    })
    const kind = service.route ?? 'Service'
    streamRoutes.set(`${kind} ${key}`, {
      key: `${kind} ${key}`,
      kind,
      namespace: 'shop',
      name,
      createdMs: 0,
      attachments: [{ virtualHost: host, hostnames: [], clientNamespace: undefined }],
      ruleName: undefined,
      backends: [],
    })
    namedServices.push({
      key: `shop/${name}`,
      namespace: 'shop',
      name,
      kind: 'cluster-ip',
      addresses,
      externalName: '',
      affinitySeconds: service.affinitySeconds ?? 0,
      ports: [{ name: '', port, carrier, backend: key }],
    })
  }
  return { snapshot: { backends, listeners, streamRoutes }, namedServices }
}

function backendOf(key: string, { name, port, carrier = 'tcp', endpoints = [] }: TestService): Backend {
  return {
    key,
    namespace: 'shop',
    service: name,
    port,
    portName: '',
    protocol: carrier,
    tls: undefined,
    endpoints: endpoints.map((endpoint, at) => ({
      id: String(at),
      address: '127.0.0.1',
      port: 7000 + at,
      weight: 1,
      zone: '',
      workload: '',
      healthy: true,
      draining: false,
      ...endpoint,
    })),
    settings: defaultBackendSettings,
  }
}

/** Maps of the kernel as plain ones, keys as text. */
export class FakeMaps {
  readonly maps: Map<string, Map<string, unknown>> = new Map<string, Map<string, unknown>>()

  apply(write: MapWrite): void {
    const map = this.of(write.map)
    const key = textOf(write.key)
    if (write.kind === 'set') map.set(key, write.value)
    else if (!map.delete(key)) throw new Error(`${write.map} has no ${key}`)
  }

  of(name: string): Map<string, unknown> {
    const map = this.maps.get(name) ?? new Map<string, unknown>()
    this.maps.set(name, map)
    return map
  }
}

export function textOf(key: unknown): string {
  return JSON.stringify(key, (_, value: unknown) =>
    value instanceof Uint8Array ? Buffer.from(value).toString('hex') : typeof value === 'bigint' ? `${value}` : value,
  )
}
