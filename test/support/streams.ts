import dgram from 'node:dgram'
import net from 'node:net'
import { silentLogger, systemClock } from '../../src/core/index.ts'
import { defaultBackendSettings } from '../../src/model/index.ts'
import type {
  AccessRecord,
  Backend,
  BackendSettings,
  BackendTls,
  Listener,
  MeshSnapshot,
  Plugin,
  StreamRoute,
  StreamRouteKind,
  VirtualHost,
} from '../../src/model/index.ts'
import { MetricRegistry } from '../../src/observe/index.ts'
import { Proxy } from '../../src/proxy/index.ts'
import type { CallerSource, PluginRunner, ProxyLimits } from '../../src/proxy/index.ts'
import { keepRecords } from './kept-records.ts'
import { until } from './until.ts'
import { buildEndpoint, openNative } from './proxy.ts'
import { freePort } from './ports.ts'

export interface HostSketch extends Partial<Omit<VirtualHost, 'id'>> {
  readonly id: string
}

export interface ListenerSketch {
  readonly protocol: Listener['protocol']
  readonly kind?: Listener['kind']
  readonly hosts: readonly HostSketch[]
  readonly proxyProtocol?: boolean
}

export interface StreamRouteSketch {
  readonly kind?: StreamRouteKind
  readonly name?: string
  readonly createdMs?: number
  /** Id of the virtual host. */
  readonly on: string
  readonly hostnames?: readonly string[]
  readonly clientNamespace?: string
  /** Keys of backends with their weights; a key that there is not stands for a reference that can't be used. */
  readonly to: Readonly<Record<string, number>>
}

export interface StreamBackendSketch {
  readonly ports: readonly number[]
  readonly settings?: Partial<BackendSettings>
  readonly tls?: BackendTls
}

export interface StreamSketch {
  /** By name. */
  readonly listeners: Readonly<Record<string, ListenerSketch>>
  readonly routes: readonly StreamRouteSketch[]
  readonly backends: Readonly<Record<string, StreamBackendSketch>>
  readonly plugins?: ReadonlyMap<string, Plugin>
}

export interface StreamBedOptions {
  readonly transport?: 'native' | 'node'
  readonly limits?: Partial<ProxyLimits>
  readonly callers?: CallerSource
  /** @default 1 */
  readonly workers?: number
  /** Runs those of `StreamSketch`. */
  readonly runner?: PluginRunner
}

/** Proxies in this process, as many as there would be workers, that share their ports. */
export class StreamBed implements AsyncDisposable {
  readonly proxies: readonly Proxy[]
  readonly log: AccessRecord[] = []
  readonly metrics: MetricRegistry
  readonly #transports: readonly (ReturnType<typeof openNative> | undefined)[]
  readonly #ports = new Map<string, number>()
  #version = 0

  private constructor({ transport = 'node', limits = {}, callers, workers = 1, runner }: StreamBedOptions) {
    this.metrics = new MetricRegistry()
    this.#transports = Array.from({ length: workers }, () => (transport === 'native' ? openNative() : undefined))
    this.proxies = this.#transports.map(
      sockets =>
        new Proxy({
          meter: this.metrics,
          accessLog: keepRecords(this.log),
          logger: silentLogger,
          clock: systemClock,
          zone: '',
          workers,
          limits,
          ...(callers === undefined ? {} : { callers }),
          ...(runner === undefined ? {} : { plugins: runner }),
          ...(sockets === undefined ? {} : sockets),
        }),
    )
  }

  static async start(sketch: StreamSketch, options: StreamBedOptions = {}): Promise<StreamBed> {
    const bed = new StreamBed(options)
    try {
      await bed.apply(sketch)
    } catch (error) {
      await bed[Symbol.asyncDispose]()
      throw error
    }
    return bed
  }

  async apply(sketch: StreamSketch): Promise<void> {
    for (const [name, { protocol }] of Object.entries(sketch.listeners)) {
      if (!this.#ports.has(name)) this.#ports.set(name, protocol === 'UDP' ? await freePort() : await freePort())
    }
    const snapshot = buildStreams(sketch, this.#ports, ++this.#version)
    for (const proxy of this.proxies) {
      for (const [listener, reason] of await proxy.apply(snapshot)) throw new Error(`${listener}: ${reason}`)
    }
  }

  /** Of the first listener, or by name. */
  port(name?: string): number {
    return (name === undefined ? [...this.#ports.values()][0] : this.#ports.get(name)) ?? 0
  }

  counter(name: string, labels: Readonly<Record<string, string>>): number {
    return this.metrics.counter(name, labels).value
  }

  gauge(name: string, labels: Readonly<Record<string, string>>): number {
    return this.metrics.gauge(name, labels).value
  }

  /** Waits for the log to have so many records. */
  async logged(count: number): Promise<readonly AccessRecord[]> {
    await until(() => this.log.length >= count)
    return this.log
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const proxy of this.proxies) await proxy[Symbol.asyncDispose]()
    for (const sockets of this.#transports) {
      sockets?.transport[Symbol.dispose]()
      sockets?.tls[Symbol.dispose]()
    }
  }
}

export function buildStreams(sketch: StreamSketch, ports: ReadonlyMap<string, number>, version: number): MeshSnapshot {
  const listeners = Object.entries(sketch.listeners).map(([name, listener]): Listener => {
    const { protocol, kind = 'gateway', hosts, proxyProtocol } = listener
    const port = ports.get(name) ?? 0
    return {
      id: `127.0.0.1:${port}${protocol === 'UDP' ? '/udp' : ''}`,
      address: '127.0.0.1',
      port,
      kind,
      protocol,
      ...(proxyProtocol === undefined ? {} : { proxyProtocol }),
      virtualHosts: hosts.map(host => ({
        hostname: undefined,
        certificates: [],
        tls: undefined,
        clientCertificate: undefined,
        ...host,
      })),
    }
  })
  const routes = sketch.routes.map((route, at): StreamRoute => {
    const { kind = 'TCPRoute', name = `route-${at}`, createdMs = at, on, hostnames = [], clientNamespace, to } = route
    return {
      key: `${kind} test/${name}`,
      kind,
      namespace: 'test',
      name,
      createdMs,
      attachments: [{ virtualHost: on, hostnames, clientNamespace }],
      ruleName: undefined,
      backends: Object.entries(to).map(([key, weight]) => ({
        weight,
        target:
          sketch.backends[key] === undefined
            ? { kind: 'invalid', status: 500, reason: 'BackendNotFound', message: `there is no ${key}` }
            : { kind: 'backend', key },
      })),
    }
  })
  const backends = Object.entries(sketch.backends).map(([key, { ports: endpoints, settings, tls }]): Backend => {
    const [service = key, port = '80'] = key.split(':')
    return {
      key,
      namespace: 'test',
      service,
      port: Number.parseInt(port, 10),
      portName: '',
      protocol: 'tcp',
      tls,
      endpoints: endpoints.map(buildEndpoint),
      settings: { ...defaultBackendSettings, ...settings },
    }
  })
  return {
    version,
    listeners: new Map(listeners.map(listener => [listener.id, listener])),
    routes: new Map(),
    plugins: sketch.plugins ?? new Map(),
    streamRoutes: new Map(routes.map(route => [route.key, route])),
    backends: new Map(backends.map(backend => [backend.key, backend])),
  }
}

/** A server of TCP that calls `onConnection` and closes everything at its end. */
export class TcpServer implements AsyncDisposable {
  readonly port: number
  readonly sockets: Set<net.Socket>
  readonly #server: net.Server

  private constructor(server: net.Server, sockets: Set<net.Socket>) {
    this.#server = server
    this.sockets = sockets
    this.port = (server.address() as net.AddressInfo).port
  }

  static async start(onConnection: (socket: net.Socket) => void, port = 0): Promise<TcpServer> {
    const sockets = new Set<net.Socket>()
    const server = net.createServer({ allowHalfOpen: true, noDelay: true }, socket => {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
      // Resets are part of several tests.
      socket.on('error', () => {})
      onConnection(socket)
    })
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, '127.0.0.1', resolve)
    })
    return new TcpServer(server, sockets)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>(resolve => this.#server.close(() => resolve()))
    for (const socket of this.sockets) socket.destroy()
    await closed
  }
}

/** Says its name first, then sends back what it is sent, and ends when the client does. */
export function named(name: string): (socket: net.Socket) => void {
  return socket => {
    socket.write(`${name}\n`)
    socket.on('data', chunk => socket.write(chunk))
    socket.on('end', () => socket.end())
  }
}

/** A server of UDP that answers each datagram with what `answer` makes of it. */
export class UdpServer implements AsyncDisposable {
  readonly port: number
  readonly socket: dgram.Socket
  /** Ports that datagrams came from. */
  readonly peers: Set<number> = new Set<number>()
  received = 0

  private constructor(socket: dgram.Socket) {
    this.socket = socket
    this.port = socket.address().port
  }

  static async start(answer: (datagram: Buffer) => readonly Buffer[], port = 0): Promise<UdpServer> {
    const socket = dgram.createSocket('udp4')
    await new Promise<void>(resolve => socket.bind(port, '127.0.0.1', resolve))
    const server = new UdpServer(socket)
    socket.on('message', (datagram, from) => {
      server.received++
      server.peers.add(from.port)
      for (const each of answer(datagram)) socket.send(each, from.port, from.address)
    })
    return server
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>(resolve => this.socket.close(() => resolve()))
  }
}

/** A client of UDP with one address for its whole life. */
export class UdpClient implements AsyncDisposable {
  readonly answers: Buffer[] = []
  readonly #socket: dgram.Socket
  readonly #port: number
  readonly #address: string

  private constructor(socket: dgram.Socket, port: number, address: string) {
    this.#socket = socket
    this.#port = port
    this.#address = address
    socket.on('message', datagram => this.answers.push(datagram))
    socket.on('error', () => {})
  }

  static async open(port: number, address = '127.0.0.1'): Promise<UdpClient> {
    const socket = dgram.createSocket('udp4')
    await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve))
    return new UdpClient(socket, port, address)
  }

  send(datagram: string | Buffer): void {
    this.#socket.send(datagram, this.#port, this.#address)
  }

  /** Sends it until something comes back, since UDP may lose either. */
  async ask(datagram: string): Promise<string> {
    const before = this.answers.length
    this.send(datagram)
    await until(() => this.answers.length > before)
    return this.answers[before]?.toString() ?? ''
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>(resolve => this.#socket.close(() => resolve()))
  }
}
