import assert from 'node:assert/strict'
import http from 'node:http'
import https from 'node:https'
import type { AccessRecord, Condition, ResourceStatus } from '../../src/model/index.ts'
import { controllerName } from '../../src/model/index.ts'
import type { Proxy } from '../../src/proxy/index.ts'
import { FileSource } from '../../src/sources/index.ts'
import { openEcho } from './gateway-echo.ts'
import type { Echo, Seen } from './gateway-echo.ts'
import { ProxyUnderTest } from './proxy.ts'
import { keepRecords } from './kept-records.ts'
import { freePort } from './ports.ts'

/** Conditions of what is wholly well, in the order in which they stand. */
export const wellGateway = 'Accepted=True/Accepted Programmed=True/Programmed ResolvedRefs=True/ResolvedRefs'
export const wellListener: string = `${wellGateway} Conflicted=False/NoConflicts`
export const wellParent = 'Accepted=True/Accepted ResolvedRefs=True/ResolvedRefs'

export const gatewayClass: string = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: test}
spec: {controllerName: ${controllerName}}
`

/**
 * One mesh in this process, from YAML to sockets: documents go into a
 * `FileSource`, its snapshots into a `Proxy`, and endpoints are echo servers.
 * Gateways and virtual addresses of Services live in a part of 127.0.0.0/8 that
 * no other test process uses.
 */
export class GatewayBed implements AsyncDisposable {
  /** Where Gateways without `spec.addresses` listen. */
  readonly address: string
  /** The first three numbers of all addresses of this bed, with their stop. */
  readonly network: string
  /** Port of every Service made by `service`. */
  readonly servicePort: number
  readonly source: FileSource
  readonly proxy: Proxy
  readonly log: AccessRecord[] = []
  readonly echoes: Map<string, Echo> = new Map<string, Echo>()

  private constructor(source: FileSource, network: string, servicePort: number) {
    this.source = source
    this.network = network
    this.address = `${network}1`
    this.servicePort = servicePort
    this.proxy = new ProxyUnderTest({
      accessLog: keepRecords(this.log),
    })
  }

  /** @param services `namespace/name`, each with one echo pod */
  static async open(...services: string[]): Promise<GatewayBed> {
    const network = `127.${128 + ((process.pid >> 8) % 100)}.${process.pid % 256}.`
    const source = await FileSource.open({ paths: [], bindAddress: `${network}1`, serviceCidr: `${network}128/25` })
    const bed = new GatewayBed(source, network, await freePort())
    await bed.put('class', gatewayClass)
    for (const service of services) await bed.service(service)
    return bed
  }

  /**
   * Puts documents in force, for the source and then for the proxy, under a
   * name that replaces and removes them. SERVICE_PORT in them is the port.
   */
  async put(name: string, ...documents: string[]): Promise<void> {
    this.source.put(name, documents.join('\n---\n').replaceAll('SERVICE_PORT', String(this.servicePort)))
    await this.#apply()
  }

  async remove(name: string): Promise<void> {
    this.source.remove(name)
    await this.#apply()
  }

  async #apply(): Promise<void> {
    this.source.setListenFailures(await this.proxy.apply(this.source.current.snapshot))
  }

  /** A Service with echo pods behind an EndpointSlice. */
  async service(id: string, options: { pods?: number; spec?: string; ports?: string } = {}): Promise<void> {
    const [namespace = '', name = ''] = id.split('/')
    const echo = await openEcho(namespace, name, options.pods ?? 1)
    this.echoes.set(id, echo)
    const slices = echo.pods.map(({ pod, port }) => slice({ namespace, name, pod, port }))
    const ports = options.ports ?? `[{name: http, port: ${this.servicePort}}]`
    await this.put(`service ${id}`, service(id, { ports, spec: options.spec ?? '' }), ...slices)
  }

  echo(id: string): Echo {
    const echo = this.echoes.get(id)
    assert.ok(echo, `no echo ${id}`)
    return echo
  }

  /** The virtual address of a Service. */
  virtualAddress(id: string): string {
    const found = this.source.current.serviceAddresses.find(entry => `${entry.namespace}/${entry.service}` === id)
    assert.ok(found, `no address of ${id}`)
    return found.address
  }

  status(id: string): ResourceStatus {
    const found = this.source.current.statuses.find(status => idOf(status) === id)
    assert.ok(found, `no status of ${id}: ${JSON.stringify(this.source.current.problems, undefined, 1)}`)
    return found
  }

  /** Conditions of a Gateway or a GatewayClass. */
  conditions(id: string): string {
    const { conditions, generation } = this.status(id)
    return brief(conditions, generation)
  }

  /** By listener: its conditions, then the number of routes, then the kinds that it takes. */
  listeners(id: string): Record<string, string> {
    const { listeners, generation } = this.status(`Gateway ${id}`)
    return Object.fromEntries(
      listeners.map(listener => {
        const kinds = listener.supportedKinds.map(({ group, kind }) => {
          assert.equal(group, 'gateway.networking.k8s.io')
          return kind
        })
        const conditions = brief(listener.conditions, generation)
        return [listener.name, `${conditions} routes=${listener.attachedRoutes} kinds=${kinds.join(',')}`]
      }),
    )
  }

  /** By parent, `infra/web/http:80` with namespace, section and port: its conditions. */
  parents(id: string): Record<string, string> {
    const { parents, generation } = this.status(`HTTPRoute ${id}`)
    return Object.fromEntries(
      parents.map(parent => {
        assert.equal(parent.controllerName, controllerName)
        const { kind, namespace, name, sectionName, port } = parent.parentRef
        const what = kind === 'Gateway' ? '' : `${kind} `
        const section = sectionName === undefined ? '' : `/${sectionName}`
        const where = `${what}${namespace}/${name}${section}${port === undefined ? '' : `:${port}`}`
        return [where, brief(parent.conditions, generation)]
      }),
    )
  }

  /** Sends a request over a connection of its own. */
  async ask(port: number, what: Ask): Promise<Answer> {
    const request = requestOf(what)
    const { tls } = request
    const options: https.RequestOptions = {
      host: request.address ?? this.address,
      port,
      agent: false,
      method: request.method ?? 'GET',
      path: request.path,
      headers: { host: request.host, ...request.headers },
      ...(tls === undefined
        ? {}
        : {
            servername: tls.servername,
            ca: tls.ca,
            rejectUnauthorized: tls.ca !== undefined,
            ALPNProtocols: ['http/1.1'],
          }),
    }
    return new Promise((resolve, reject) => {
      const outgoing = (tls === undefined ? http : https).request(options, incoming => {
        let body = ''
        incoming.setEncoding('utf8')
        incoming.on('data', (chunk: string) => (body += chunk))
        incoming.on('error', reject)
        incoming.on('end', () => resolve(answerOf(incoming, body)))
      })
      outgoing.on('error', reject)
      outgoing.end(request.body)
    })
  }

  /** Asks for each row and compares what comes back with what the row says; see `Expected`. */
  async expect(port: number, rows: readonly (readonly [Ask, Expected])[]): Promise<void> {
    for (const [what, expected] of rows) {
      const answer = await this.ask(port, what)
      compare(JSON.stringify(what), answer, expected)
    }
  }

  /** Shares of `count` answers by the Service that gave them, or by status where no Service did. */
  async shares(port: number, what: Ask, count: number): Promise<Record<string, number>> {
    const counts: Record<string, number> = {}
    for (let sent = 0; sent < count; sent += concurrency) {
      const batch = Array.from({ length: Math.min(concurrency, count - sent) }, async () => this.ask(port, what))
      for (const { status, seen } of await Promise.all(batch)) {
        const key = seen === undefined ? String(status) : seen.service
        counts[key] = (counts[key] ?? 0) + 1
      }
    }
    return Object.fromEntries(Object.entries(counts).map(([key, value]) => [key, value / count]))
  }

  /**
   * Holds 500 requests against the shares that weights ask for, five points
   * more or less. Chance may miss them, so it has ten tries: each fails with a
   * probability below 3 %, all ten never.
   */
  async expectShares(port: number, what: Ask, expected: Readonly<Record<string, number>>): Promise<void> {
    const seen: Record<string, number>[] = []
    for (let tries = 0; tries < 10; tries++) {
      const shares = await this.shares(port, what, 500)
      seen.push(shares)
      const keys = new Set([...Object.keys(shares), ...Object.keys(expected)])
      if ([...keys].every(key => isNear(shares[key], expected[key]))) return
    }
    assert.fail(`wanted ${JSON.stringify(expected)}, got ${JSON.stringify(seen)}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.proxy[Symbol.asyncDispose]()
    await this.source[Symbol.asyncDispose]()
    for (const echo of this.echoes.values()) await echo[Symbol.asyncDispose]()
  }
}

const concurrency = 25

/** What weighs nothing gets nothing, not even within the tolerance. */
function isNear(share: number | undefined, expected: number | undefined): boolean {
  if (expected === undefined || expected === 0) return share === undefined
  return Math.abs((share ?? 0) - expected) <= 0.05
}

/** `example.com/path`, `PUT example.com/path`, `/path` (any host) or the whole request. */
export type Ask = string | Request

export interface Request {
  /** Without host: `example.net`. */
  readonly at: string
  readonly headers?: http.OutgoingHttpHeaders
  readonly body?: string
  /** Another address than the bed's. */
  readonly address?: string
  readonly tls?: { readonly servername: string; readonly ca?: string }
}

function requestOf(what: Ask): Omit<Request, 'at'> & { method: string; host: string; path: string } {
  const request = typeof what === 'string' ? { at: what } : what
  const parts = /^(?:([A-Z]+) )?([^/ ]*)(\/\S*)$/.exec(request.at)
  assert.ok(parts, `not a request: ${request.at}`)
  const [, method = 'GET', host = '', path = ''] = parts
  return { ...request, method, host: host === '' ? 'example.net' : host, path }
}

export interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
  /** What the endpoint saw; undefined when no endpoint answered. */
  readonly seen: Seen | undefined
}

function answerOf(incoming: http.IncomingMessage, body: string): Answer {
  const { statusCode = 0, headers } = incoming
  const isEcho = headers['x-echo'] !== undefined && body !== ''
  return { status: statusCode, headers, body, seen: isEcho ? (JSON.parse(body) as Seen) : undefined }
}

/**
 * A status that no endpoint gave; `namespace/name` of the Service that answers
 * 200; or several things at once. Headers that must be absent are null.
 */
export type Expected = number | string | ExpectedParts

export interface ExpectedParts {
  readonly status?: number
  readonly by?: string
  /** What the endpoint saw. */
  readonly path?: string
  readonly host?: string
  readonly method?: string
  readonly request?: Readonly<Record<string, string | null>>
  /** Fields of the answer. */
  readonly response?: Readonly<Record<string, string | null>>
}

function compare(title: string, answer: Answer, expected: Expected): void {
  if (typeof expected === 'number') {
    assert.deepEqual({ status: answer.status, by: serviceOf(answer) }, { status: expected, by: undefined }, title)
    return
  }
  const parts: ExpectedParts = typeof expected === 'string' ? { by: expected } : expected
  const { status = 200, by, path, host, method, request = {}, response = {} } = parts
  assert.deepEqual({ status: answer.status, by: serviceOf(answer) }, { status, by }, title)
  const { seen } = answer
  if (path !== undefined) assert.equal(seen?.path, path, title)
  if (host !== undefined) assert.equal(seen?.host, host, title)
  if (method !== undefined) assert.equal(seen?.method, method, title)
  for (const [name, value] of Object.entries(request)) {
    assert.equal(seen?.headers[name] ?? null, value, `${title}: ${name} of the request`)
  }
  for (const [name, value] of Object.entries(response)) {
    const field = answer.headers[name]
    assert.equal(Array.isArray(field) ? field.join(', ') : (field ?? null), value, `${title}: ${name} of the answer`)
  }
}

function serviceOf({ seen }: Answer): string | undefined {
  return seen === undefined ? undefined : `${seen.namespace}/${seen.service}`
}

function idOf({ kind, namespace, name }: ResourceStatus): string {
  return namespace === '' ? `${kind} ${name}` : `${kind} ${namespace}/${name}`
}

/** `Accepted=True/Accepted …`; every condition must be of the newest generation. */
function brief(conditions: readonly Condition[], generation: number): string {
  return conditions
    .map(({ type, status, reason, observedGeneration }) => {
      assert.equal(observedGeneration, generation, `observedGeneration of ${type}`)
      return `${type}=${status}/${reason}`
    })
    .join(' ')
}

/** @param listeners in YAML's flow style, `{name: http, port: 80, protocol: HTTP}` */
export function gateway(id: string, listeners: readonly string[], more = ''): string {
  const [namespace = '', name = ''] = id.split('/')
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: ${name}, namespace: ${namespace}}
spec:
  gatewayClassName: test
  listeners:
${listeners.map(listener => `  - ${listener}`).join('\n')}
  ${more}
`
}

export interface RouteSketch {
  /** `web`, or whole references in flow style. */
  readonly parents: string
  readonly hostnames?: readonly string[]
  /** In flow style, without their braces: `matches: […], backendRefs: […]`. */
  readonly rules: readonly string[]
  readonly created?: string
}

export function route(id: string, sketch: RouteSketch): string {
  const [namespace = '', name = ''] = id.split('/')
  const { parents, hostnames, rules, created } = sketch
  const metadata = [`name: ${name}`, `namespace: ${namespace}`]
  if (created !== undefined) metadata.push(`creationTimestamp: '${created}'`)
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {${metadata.join(', ')}}
spec:
  parentRefs: [${parents.startsWith('{') ? parents : `{name: ${parents}}`}]
  ${hostnames === undefined ? '' : `hostnames: [${hostnames.map(hostname => `'${hostname}'`).join(', ')}]`}
  rules:
${rules.map(rule => `  - {${rule}}`).join('\n')}
`
}

/** A reference to a Service as the parent of a route of the mesh. */
export function serviceParent(name: string, more = ''): string {
  return `{group: '', kind: Service, name: ${name}${more}}`
}

export function grant(id: string, from: string, to: string): string {
  const [namespace = '', name = ''] = id.split('/')
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: {name: ${name}, namespace: ${namespace}}
spec:
  from: [${from}]
  to: [${to}]
`
}

export function namespace(name: string, labels = ''): string {
  return `{apiVersion: v1, kind: Namespace, metadata: {name: ${name}, labels: {${labels}}}}`
}

export function tlsSecret(id: string, pair: { readonly chain: string; readonly key: string }): string {
  const [secretNamespace = '', name = ''] = id.split('/')
  const encode = (text: string): string => Buffer.from(text).toString('base64')
  return `
apiVersion: v1
kind: Secret
metadata: {name: ${name}, namespace: ${secretNamespace}}
type: kubernetes.io/tls
data:
  tls.crt: ${encode(pair.chain)}
  tls.key: ${encode(pair.key)}
`
}

export function service(id: string, options: { ports: string; spec?: string }): string {
  const [serviceNamespace = '', name = ''] = id.split('/')
  return `
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: ${serviceNamespace}}
spec:
  ports: ${options.ports}
  ${options.spec ?? ''}
`
}

export interface SliceSketch {
  readonly namespace: string
  /** Of the Service. */
  readonly name: string
  readonly pod: string
  readonly port: number
  readonly portName?: string
  readonly address?: string
}

export function slice(sketch: SliceSketch): string {
  const { namespace: sliceNamespace, name, pod, port, portName = 'http', address = '127.0.0.1' } = sketch
  const addressType = address.includes(':') ? 'IPv6' : 'IPv4'
  return `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${pod}-${portName}, namespace: ${sliceNamespace}, labels: {kubernetes.io/service-name: ${name}}}
addressType: ${addressType}
ports: [{name: ${portName}, port: ${port}}]
endpoints: [{addresses: ['${address}'], conditions: {ready: true}, targetRef: {kind: Pod, name: ${pod}}}]
`
}
