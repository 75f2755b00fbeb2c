import { defaultBackendSettings, type Backend, type Endpoint, type NamedService } from '../model/index.ts'
import type { NamesView } from './directory.ts'

/** An endpoint that is well; tests only. */
export function endpoint(address: string, port: number, changes: Partial<Endpoint> = {}): Endpoint {
  const id = `${address}:${port}`
  return { id, address, port, weight: 1, zone: '', workload: '', healthy: true, draining: false, ...changes }
}

export function backend(key: string, endpoints: readonly Endpoint[]): Backend {
  return {
    key,
    namespace: '',
    service: '',
    port: 0,
    portName: '',
    protocol: 'tcp',
    tls: undefined,
    endpoints,
    settings: defaultBackendSettings,
  }
}

export function service(key: string, changes: Partial<NamedService> = {}): NamedService {
  const [namespace = '', name = ''] = key.split('/')
  return {
    key,
    namespace,
    name,
    kind: 'cluster-ip',
    addresses: [],
    externalName: '',
    affinitySeconds: 0,
    ports: [],
    ...changes,
  }
}

/** A mesh with a Service of each kind. */
export function sampleView(): NamesView {
  const http = { name: 'http', port: 9080, carrier: 'tcp', backend: 'default/reviews:9080' } as const
  const dns = { name: 'dns', port: 53, carrier: 'udp', backend: 'default/reviews:53/udp' } as const
  const db = { name: 'pg', port: 5432, carrier: 'tcp', backend: 'shop/db:5432' } as const
  const services = [
    service('default/reviews', { addresses: ['127.77.1.2', 'fd68:6564:646c::7f4d:102'], ports: [http, dns] }),
    service('shop/cart', { addresses: ['127.77.1.3', 'fd68:6564:646c::7f4d:103'], ports: [{ ...http, name: '' }] }),
    service('shop/db', { kind: 'headless', ports: [db] }),
    service('shop/empty', { kind: 'headless', ports: [{ ...db, backend: 'shop/empty:5432' }] }),
    service('shop/far', { kind: 'external-name', externalName: 'db.example.com' }),
    service('shop/near', { kind: 'external-name', externalName: 'cart.shop.svc.cluster.local.' }),
    service('shop/loop', { kind: 'external-name', externalName: 'loop.shop.svc.cluster.local' }),
  ]
  const endpoints = [
    endpoint('10.0.0.1', 5432, { workload: 'db-0' }),
    endpoint('10.0.0.2', 5433),
    endpoint('fd00::3', 5432),
    endpoint('10.0.0.4', 5432, { healthy: false }),
    endpoint('10.0.0.5', 5432, { draining: true }),
  ]
  return { services, backends: new Map([['shop/db:5432', backend('shop/db:5432', endpoints)]]) }
}
