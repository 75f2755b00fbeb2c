import { grpcFormOf, grpcForms } from '../codec/index.ts'
import type { Backend, MeshSnapshot, BackendKey, Listener, ServiceAddress, StreamBackend } from '../model/index.ts'
import { explainRoute, normalizePath, RouteTable } from '../proxy/index.ts'
import type { RouteExplanation } from '../proxy/index.ts'
import type { ExplainRequest } from './admin-pages.ts'
import { isStream, StreamExplainer, streamProtocols } from './explain-stream.ts'
import type { ExplainedStream } from './explain-stream.ts'
import { knownPlugins, pluginsOfRule, pluginsOfStream } from './plugins/describe-plugins.ts'
import type { ExplainedPlugin } from './plugins/describe-plugins.ts'

/** The answer to `heddle explain`: what would happen to a request, and why. Nothing is sent. */
export interface ExplainDocument {
  readonly method: string
  readonly url: string
  readonly clientNamespace: string | null
  /** A gRPC client hears of what Heddle answers itself as a gRPC status. */
  readonly isGrpc: boolean
  /** How the listener was found, or why there is none. */
  readonly listener: ExplainedListener
  /** Null without a listener, and for a path that no request may have. */
  readonly explanation: RouteExplanation<null> | null
  /** Set when the proxy would refuse the request before it looks for a route. */
  readonly refused: string | null
  /** Of a connection or datagram that is forwarded as bytes, instead of `explanation`. */
  readonly stream: ExplainedStream | null
  /** That it passes first, in their order. */
  readonly plugins: readonly ExplainedPlugin[]
  /** Where requests of the chosen rule are answered, `kernel` or `user space: retries configured`; absent without HTTP in the kernel. */
  readonly kernelPath?: string
  /** Of the chosen rule or route. */
  readonly backends: readonly ExplainedBackend[]
}

export type ExplainedListener =
  | { readonly kind: 'found'; readonly id: string; readonly role: Listener['kind']; readonly why: string }
  | { readonly kind: 'none'; readonly why: string }

export interface ExplainedBackend {
  readonly key: BackendKey
  readonly weight: number
  /** Why the reference can't be used. */
  readonly invalid: string | null
  readonly policy: string
  /** How its endpoints are spoken with, where it is not plain HTTP/1.1. */
  readonly reached: readonly string[]
  readonly endpoints: readonly { readonly id: string; readonly healthy: boolean; readonly draining: boolean }[]
}

/** Explains by the snapshot in force. Its table is made at the first question and follows the snapshot from then on. */
export class Explainer {
  #table: RouteTable<null> = RouteTable.empty
  readonly #streams = new StreamExplainer()

  explain(request: ExplainRequest, snapshot: MeshSnapshot, addresses: readonly ServiceAddress[]): ExplainDocument {
    this.#table = this.#table.update(snapshot, () => null)
    const { url, method } = request
    const client = clientOf(request.from, snapshot, addresses)
    const clientNamespace = client.namespace
    const headers = headersOf(request)
    const isGrpc = grpcFormOf(headers.get('content-type')) !== grpcForms.none
    const base = { method, url: url.href, clientNamespace: clientNamespace ?? null, isGrpc, stream: null, plugins: [] }
    const listener = client.problem ?? findListener(request, clientNamespace, snapshot, addresses)
    if (listener.kind === 'none') return { ...base, listener, explanation: null, refused: null, backends: [] }
    if (isStream(url)) return this.#explainStream({ ...base, listener }, url, snapshot)
    const path = normalizePath(url.pathname)
    if (path.kind === 'refuse') {
      const refused = 'the path hides a dot segment, a null byte or a broken escape, and is answered 400'
      return { ...base, listener, explanation: null, refused, backends: [] }
    }
    const host = (headers.get('host') ?? url.hostname).replace(/:\d+$/, '').toLowerCase()
    const asked = {
      method,
      host,
      path: path.path,
      query: url.search.slice(1),
      header: (name: string) => headers.get(name),
    }
    const explanation = explainRoute(this.#table, listener.id, asked, clientNamespace)
    const found = { backends: backendsOf(explanation, snapshot), plugins: pluginsOn(explanation, snapshot) }
    return { ...base, listener, explanation, refused: null, ...found }
  }

  #explainStream(base: Asked, url: URL, snapshot: MeshSnapshot): ExplainDocument {
    const listener = snapshot.listeners.get(base.listener.id)
    const question = { hostname: hostOf(url), clientNamespace: base.clientNamespace ?? undefined }
    const found = listener === undefined ? undefined : this.#streams.explain({ ...question, listener }, snapshot)
    if (found === undefined) {
      const refused = 'HTTP is spoken there: ask with a method and a URL, such as GET http://shop.example:8080/cart'
      return { ...base, explanation: null, refused, backends: [] }
    }
    const backends = describeBackends(found.route?.backends ?? [], snapshot)
    const { route, stream } = found
    const plugins =
      route === undefined || stream.virtualHost === null
        ? []
        : pluginsOfStream(knownPlugins(snapshot), route, stream.virtualHost)
    return { ...base, explanation: null, refused: null, stream, plugins, backends }
  }
}

/** What is known before anything is explained. */
type Asked = Omit<ExplainDocument, 'explanation' | 'refused' | 'backends' | 'listener'> & {
  readonly listener: Extract<ExplainedListener, { readonly kind: 'found' }>
}

function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '').toLowerCase()
}

function headersOf(request: ExplainRequest): ReadonlyMap<string, string> {
  const headers = new Map<string, string>()
  for (const [name, value] of request.headers) {
    const key = name.toLowerCase()
    const before = headers.get(key)
    headers.set(key, before === undefined ? value : `${before}, ${value}`)
  }
  return headers
}

/**
 * Which listener a URL leads to. A client in the mesh (`--from`) means Services
 * first, anybody else Gateways first.
 */
function findListener(
  { url }: ExplainRequest,
  clientNamespace: string | undefined,
  snapshot: MeshSnapshot,
  addresses: readonly ServiceAddress[],
): ExplainedListener {
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port)
  const host = hostOf(url)
  const service = serviceListener({ host, port, protocol: url.protocol }, clientNamespace, snapshot, addresses)
  const gateway = gatewayListener(host, port, url.protocol, snapshot)
  const found = clientNamespace === undefined ? (gateway ?? service) : (service ?? gateway)
  if (found !== undefined) return found
  const gateways = [...snapshot.listeners.values()].filter(listener => listener.kind === 'gateway')
  const known = gateways.map(listener => `${listener.protocol} on ${listener.id}`).join(', ')
  const rest = known === '' ? 'there is no Gateway' : `Gateways listen for ${known}`
  return { kind: 'none', why: `nothing listens for ${url.protocol}//${host}:${port}; ${rest}` }
}

function serviceListener(
  { host, port, protocol }: { readonly host: string; readonly port: number; readonly protocol: string },
  clientNamespace: string | undefined,
  snapshot: MeshSnapshot,
  addresses: readonly ServiceAddress[],
): ExplainedListener | undefined {
  const [name = '', namespace = clientNamespace] = host.replace(/\.svc(\.cluster\.local)?\.?$/, '').split('.')
  const candidates = addresses.filter(
    address =>
      address.port === port &&
      (address.address === host ||
        (address.service === name && (namespace === undefined || address.namespace === namespace))),
  )
  const [found] = candidates
  if (found === undefined || (candidates.length > 1 && found.address !== host)) return undefined
  const listener = [...snapshot.listeners.values()].find(
    each =>
      each.kind === 'service' &&
      each.address === found.address &&
      each.port === port &&
      (each.protocol === 'UDP') === (protocol === 'udp:'),
  )
  if (listener === undefined) return undefined
  const why = `the virtual address of Service ${found.namespace}/${found.service}`
  return { kind: 'found', id: listener.id, role: 'service', why }
}

function gatewayListener(
  host: string,
  port: number,
  protocol: string,
  snapshot: MeshSnapshot,
): ExplainedListener | undefined {
  const wanted = streamProtocols.get(protocol) ?? (protocol === 'https:' ? ['HTTPS', 'TLS'] : ['HTTP'])
  const listeners = [...snapshot.listeners.values()].filter(
    listener => listener.kind === 'gateway' && listener.port === port && wanted.includes(listener.protocol),
  )
  const byAddress = listeners.find(listener => listener.address === host)
  const byName = listeners.find(listener => listener.virtualHosts.some(each => fitsHostname(each.hostname, host)))
  const found = byAddress ?? byName ?? listeners[0]
  if (found === undefined) return undefined
  return { kind: 'found', id: found.id, role: 'gateway', why: `the Gateway listener on port ${port}` }
}

function fitsHostname(hostname: string | undefined, host: string): boolean {
  if (hostname === undefined || hostname === host) return true
  return hostname.startsWith('*.') && host.endsWith(hostname.slice(1)) && host.length > hostname.length - 1
}

/** Who asks; `problem` when nobody can tell. */
interface Client {
  /** Undefined for a client outside of the mesh. */
  readonly namespace: string | undefined
  readonly problem?: ExplainedListener
}

/** `--from shop/web` and `--from web` mean a client of web's namespace, `--from shop` one of namespace shop. */
function clientOf(from: string | undefined, snapshot: MeshSnapshot, addresses: readonly ServiceAddress[]): Client {
  if (from === undefined || from === '') return { namespace: undefined }
  if (from.includes('/')) return { namespace: from.split('/')[0] }
  const homes = new Set(addresses.filter(({ service }) => service === from).map(({ namespace }) => namespace))
  const [home, ...others] = homes
  if (home === undefined) return clientOfNamespace(from, snapshot, addresses)
  if (others.length === 0) return { namespace: home }
  const which = [...homes].map(namespace => `${namespace}/${from}`).join(' or ')
  return {
    namespace: undefined,
    problem: { kind: 'none', why: `several Services are called ${from}: --from ${which}` },
  }
}

function clientOfNamespace(name: string, snapshot: MeshSnapshot, addresses: readonly ServiceAddress[]): Client {
  const holders = [addresses, snapshot.routes.values(), snapshot.streamRoutes.values()]
  const isKnown = holders.some(all => [...all].some(({ namespace }) => namespace === name))
  if (isKnown) return { namespace: name }
  return { namespace: undefined, problem: { kind: 'none', why: `--from ${name}: there is no Service ${name}` } }
}

function pluginsOn(explanation: RouteExplanation<null>, snapshot: MeshSnapshot): readonly ExplainedPlugin[] {
  if (explanation.kind !== 'routed' || explanation.decision === undefined) return []
  const { route, rule } = explanation.decision
  return pluginsOfRule(knownPlugins(snapshot), route, rule, explanation.virtualHost)
}

function backendsOf(explanation: RouteExplanation<null>, snapshot: MeshSnapshot): ExplainedBackend[] {
  return explanation.kind === 'routed' ? describeBackends(explanation.decision?.rule.backends ?? [], snapshot) : []
}

function describeBackends(backends: readonly StreamBackend[], snapshot: MeshSnapshot): ExplainedBackend[] {
  return backends.map(({ weight, target }) => {
    if (target.kind === 'invalid') {
      return { key: target.reason, weight, invalid: target.message, policy: '', reached: [], endpoints: [] }
    }
    const backend = snapshot.backends.get(target.key)
    if (backend === undefined) {
      return {
        key: target.key,
        weight,
        invalid: 'the Service has no such port',
        policy: '',
        reached: [],
        endpoints: [],
      }
    }
    const endpoints = backend.endpoints.map(({ id, healthy, draining }) => ({ id, healthy, draining }))
    const policy = backend.settings.loadBalancing.kind
    return { key: target.key, weight, invalid: null, policy, reached: reachedBy(backend), endpoints }
  })
}

function reachedBy({ protocol, tls, settings }: Backend): string[] {
  const ways: string[] = []
  if (protocol === 'h2c') ways.push('HTTP/2')
  if (tls?.kind === 'valid') ways.push(`TLS to ${tls.serverName}`)
  else if (tls !== undefined) ways.push('not reached, since its BackendTLSPolicy is invalid')
  if (settings.proxyProtocol !== undefined) ways.push(`PROXY header ${settings.proxyProtocol}`)
  return ways
}
