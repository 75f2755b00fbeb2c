import { silentLogger, silentMeter, systemClock } from '../../src/core/index.ts'
import type { Clock, Meter } from '../../src/core/index.ts'
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
import { DescriptorLedger, OpenSsl, SocketTransport } from '../../src/kernel/index.ts'
import { Proxy } from '../../src/proxy/index.ts'
import type { ProxyLimits, ProxyOptions } from '../../src/proxy/index.ts'
import type { PemPair } from './certificates.ts'
import { keepRecords } from './kept-records.ts'
import { freePort } from './ports.ts'

/** A route rule in few words; the rest is the model's default. */
export interface RuleSketch extends Partial<Omit<RouteRule, 'backends'>> {
  readonly prefix?: string
  readonly exact?: string
  readonly backends?: readonly (
    | string
    | { readonly key: string; readonly weight: number; readonly filters?: readonly Filter[] }
  )[]
}

export interface BackendSketch {
  readonly ports: readonly number[]
  /** @default http1 */
  readonly protocol?: Backend['protocol']
  readonly tls?: Backend['tls']
  readonly settings?: Partial<BackendSettings>
}

export interface MeshSketch {
  readonly rules: readonly RuleSketch[]
  readonly backends: Readonly<Record<string, BackendSketch>>
  readonly kind?: Listener['kind']
  /** @default HTTPRoute */
  readonly routeKind?: HttpRoute['kind']
  /** Of the listener, which is HTTPS then. */
  readonly certificate?: PemPair
  readonly version?: number
}

export interface TestProxy extends AsyncDisposable {
  readonly port: number
  readonly proxy: Proxy
  readonly log: AccessRecord[]
  apply(sketch: MeshSketch): Promise<void>
}

export const testVirtualHost = 'Gateway test/web/http'

/** Sockets of plain connections in the proxies under test; `npm test` runs their suites with both. */
const transportKind = process.env['HEDDLE_TEST_TRANSPORT'] ?? 'native'

/** A proxy on the sockets that this run of the tests is about; they go with it. It says nothing, unless a test says more. */
export class ProxyUnderTest extends Proxy {
  readonly #sockets: Sockets | undefined

  constructor(wishes: Partial<Omit<ProxyOptions, 'transport' | 'tls'>> = {}) {
    const sockets = openSockets()
    super({
      meter: silentMeter,
      accessLog: { write() {} },
      logger: silentLogger,
      clock: systemClock,
      zone: '',
      workers: 1,
      ...wishes,
      ...sockets,
    })
    this.#sockets = sockets
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]()
    this.#sockets?.transport[Symbol.dispose]()
    this.#sockets?.tls[Symbol.dispose]()
  }
}

interface Sockets {
  readonly transport: SocketTransport
  readonly tls: OpenSsl
}

/** Sockets of our own with TLS on them; the transport is disposed of first. */
export function openNative(): Sockets {
  const ledger = new DescriptorLedger()
  const transport = new SocketTransport({ clock: systemClock, ledger, readBufferBytes: 64 * 1024 })
  return { transport, tls: new OpenSsl(transport) }
}

function openSockets(): Sockets | undefined {
  if (transportKind === 'node') return undefined
  if (transportKind !== 'native') throw new Error(`HEDDLE_TEST_TRANSPORT is ${transportKind}, not native or node`)
  return openNative()
}

/** A proxy in this process with one listener on a free port. */
export async function startProxy(
  sketch: MeshSketch,
  options: { limits?: Partial<ProxyLimits>; meter?: Meter; clock?: Clock } = {},
): Promise<TestProxy> {
  const port = await freePort()
  const log: AccessRecord[] = []
  const proxy = new ProxyUnderTest({
    meter: options.meter ?? silentMeter,
    accessLog: keepRecords(log),
    clock: options.clock ?? systemClock,
    limits: options.limits ?? {},
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
    [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose](),
  }
}

export function buildSnapshot(sketch: MeshSketch, port: number, version: number): MeshSnapshot {
  const id = `127.0.0.1:${port}`
  const listener: Listener = {
    id,
    address: '127.0.0.1',
    port,
    kind: sketch.kind ?? 'gateway',
    protocol: sketch.certificate === undefined ? 'HTTP' : 'HTTPS',
    virtualHosts: [
      {
        id: testVirtualHost,
        hostname: undefined,
        certificates: sketch.certificate === undefined ? [] : [{ name: 'test/pair', ...sketch.certificate }],
        tls: undefined,
        clientCertificate: undefined,
      },
    ],
  }
  const route: HttpRoute = {
    key: `${sketch.routeKind ?? 'HTTPRoute'} test/route`,
    kind: sketch.routeKind ?? 'HTTPRoute',
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
    plugins: new Map(),
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
    requestTimeoutMs: undefined,
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
    protocol: sketch.protocol ?? 'http1',
    tls: sketch.tls,
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
