import net from 'node:net'
import { silentLogger, silentMeter, systemClock } from '../../src/core/index.ts'
import type { Meter } from '../../src/core/index.ts'
import { defaultBackendSettings } from '../../src/model/index.ts'
import type {
  AccessRecord,
  Backend,
  BackendSettings,
  Endpoint,
  Filter,
  HttpRoute,
  Listener,
  MeshSnapshot,
  RouteRule,
} from '../../src/model/index.ts'
import { DescriptorLedger, SocketTransport } from '../../src/kernel/index.ts'
import { Proxy } from '../../src/proxy/index.ts'
import type { ProxyLimits } from '../../src/proxy/index.ts'

/** A route rule in few words; the rest is the model's default. */
export interface RuleSketch extends Partial<Omit<RouteRule, 'backends' | 'matches'>> {
  readonly prefix?: string
  readonly exact?: string
  readonly backends?: readonly (
    | string
    | { readonly key: string; readonly weight: number; readonly filters?: readonly Filter[] }
  )[]
}

export interface BackendSketch {
  readonly ports: readonly number[]
  readonly settings?: Partial<BackendSettings>
}

export interface MeshSketch {
  readonly rules: readonly RuleSketch[]
  readonly backends: Readonly<Record<string, BackendSketch>>
  readonly kind?: Listener['kind']
  readonly version?: number
}

export interface TestProxy extends AsyncDisposable {
  readonly port: number
  readonly proxy: Proxy
  readonly log: AccessRecord[]
  apply(sketch: MeshSketch): Promise<void>
}

export const testVirtualHost = 'Gateway test/web/http'

/** Which sockets the proxies of this test process use; `nodeTransport.ts` suites switch to those of Node. */
export const testTransport: { kind: 'native' | 'node' } = { kind: 'native' }

/** Sockets for one proxy, to be disposed of after it; undefined for those of Node. */
export function openTestTransport(): SocketTransport | undefined {
  if (testTransport.kind === 'node') return undefined
  return new SocketTransport({ clock: systemClock, ledger: new DescriptorLedger(), readBufferBytes: 64 * 1024 })
}

/** A proxy in this process with one listener on a free port. */
export async function startProxy(
  sketch: MeshSketch,
  options: { limits?: Partial<ProxyLimits>; meter?: Meter } = {},
): Promise<TestProxy> {
  const port = await freePort()
  const log: AccessRecord[] = []
  const transport = openTestTransport()
  const proxy = new Proxy({
    meter: options.meter ?? silentMeter,
    accessLog: { write: record => log.push({ ...record }) },
    logger: silentLogger,
    clock: systemClock,
    zone: '',
    workers: 1,
    limits: options.limits ?? {},
    ...(transport === undefined ? {} : { transport }),
  })
  let version = 0
  const apply = async (next: MeshSketch): Promise<void> => {
    const failures = await proxy.apply(buildSnapshot(next, port, ++version))
    for (const [listener, reason] of failures) throw new Error(`${listener}: ${reason}`)
  }
  await apply(sketch)
  return {
    port,
    proxy,
    log,
    apply,
    [Symbol.asyncDispose]: async () => {
      await proxy[Symbol.asyncDispose]()
      transport?.[Symbol.dispose]()
    },
  }
}

export function buildSnapshot(sketch: MeshSketch, port: number, version: number): MeshSnapshot {
  const id = `127.0.0.1:${port}`
  const listener: Listener = {
    id,
    address: '127.0.0.1',
    port,
    kind: sketch.kind ?? 'gateway',
    protocol: 'HTTP',
    virtualHosts: [
      { id: testVirtualHost, hostname: undefined, certificates: [], tls: undefined, clientCertificate: undefined },
    ],
  }
  const route: HttpRoute = {
    key: 'HTTPRoute test/route',
    kind: 'HTTPRoute',
    namespace: 'test',
    name: 'route',
    createdMs: 0,
    attachments: [{ virtualHost: testVirtualHost, hostnames: [], clientNamespace: undefined }],
    rules: sketch.rules.map(buildRule),
  }
  const backends = Object.entries(sketch.backends).map(([key, backend]) => [key, buildBackend(key, backend)] as const)
  return {
    version,
    listeners: new Map([[id, listener]]),
    routes: new Map([[route.key, route]]),
    streamRoutes: new Map(),
    backends: new Map(backends),
  }
}

function buildRule(sketch: RuleSketch, index: number): RouteRule {
  const { prefix, exact, backends = [], ...rest } = sketch
  return {
    index,
    name: undefined,
    matches: [
      {
        path: exact === undefined ? { kind: 'prefix', value: prefix ?? '' } : { kind: 'exact', value: exact },
        method: undefined,
        headers: [],
        query: [],
      },
    ],
    filters: [],
    requestTimeoutMs: 0,
    backendRequestTimeoutMs: 0,
    retry: undefined,
    session: undefined,
    failure: undefined,
    ...rest,
    backends: backends.map(backend =>
      typeof backend === 'string'
        ? { weight: 1, target: { kind: 'backend', key: backend }, filters: [] }
        : { weight: backend.weight, target: { kind: 'backend', key: backend.key }, filters: backend.filters ?? [] },
    ),
  }
}

function buildBackend(key: string, sketch: BackendSketch): Backend {
  const [service = key, port = '80'] = key.split(':')
  return {
    key,
    namespace: 'test',
    service,
    port: Number(port),
    portName: 'http',
    protocol: 'http1',
    tls: undefined,
    endpoints: sketch.ports.map(buildEndpoint),
    settings: { ...defaultBackendSettings, ...sketch.settings },
  }
}

export function buildEndpoint(port: number): Endpoint {
  return {
    id: `127.0.0.1:${port}`,
    address: '127.0.0.1',
    port,
    weight: 1,
    zone: '',
    workload: '',
    healthy: true,
    draining: false,
  }
}

export async function freePort(): Promise<number> {
  const server = net.createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise<void>(resolve => server.close(() => resolve()))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
