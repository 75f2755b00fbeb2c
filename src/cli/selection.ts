import type { Problem } from '../core/index.ts'
import type { RouteStatus, ServiceStatus, StatusDocument } from '../daemon/index.ts'
import { flagValue } from './verb.ts'
import type { Call, Flag } from './verb.ts'

/** What of the mesh a command shows; undefined members choose nothing out. */
export interface Selection {
  readonly namespace: string | undefined
  /** `reviews`, `shop/reviews` or with its port. */
  readonly service: string | undefined
  /** `cart`, `shop/cart` or `HTTPRoute shop/cart`. */
  readonly route: string | undefined
}

export const selectionFlags: readonly Flag[] = [
  { name: 'namespace', short: 'n', value: 'NAME', about: 'Only what is in this namespace.' },
  { name: 'service', value: 'NAME', about: 'Only this service, and the routes that lead to it.' },
  { name: 'route', value: 'NAME', about: 'Only this route, and the services it leads to.' },
]

export function selectionOf(call: Call): Selection {
  return {
    namespace: flagValue(call, 'namespace'),
    service: flagValue(call, 'service'),
    route: flagValue(call, 'route'),
  }
}

export function isWhole({ namespace, service, route }: Selection): boolean {
  return namespace === undefined && service === undefined && route === undefined
}

/** Whether the selection names something that is not there. */
export function isMissing(document: StatusDocument, { service, route }: Selection): boolean {
  return (
    (service !== undefined && document.services.length === 0) || (route !== undefined && document.routes.length === 0)
  )
}

/**
 * The part of the mesh that is asked for. Gateways and the problems of other
 * resources are left out when a service or a route is named; problems of files
 * that could not be read stay, since nobody knows what they would have held.
 */
export function select(document: StatusDocument, selection: Selection): StatusDocument {
  if (isWhole(selection)) return document
  const { namespace, service, route } = selection
  const isHere = (name: string) => namespace === undefined || name === namespace
  const named = document.services.filter(
    each => isHere(each.namespace) && (service === undefined || isService(each, service)),
  )
  const namedKeys = new Set(named.map(({ key }) => key))
  const routes = selectRoutes(document.routes, { ...selection, service: undefined }).filter(
    each => service === undefined || backendsOf(each).some(key => namedKeys.has(key)),
  )
  const reached = new Set(routes.flatMap(backendsOf))
  const services =
    route === undefined
      ? named
      : document.services.filter(each => reached.has(each.key) && (service === undefined || namedKeys.has(each.key)))
  const isSpecific = service !== undefined || route !== undefined
  const wanted = new Set([
    ...routes.map(({ key }) => key),
    ...services.map(each => `Service ${each.namespace}/${each.name}`),
  ])
  const isWanted = ({ resource }: Problem) =>
    resource === undefined || (isSpecific ? wanted.has(resource) : isHere(namespaceOf(resource)))
  return {
    ...document,
    gateways: isSpecific ? [] : document.gateways.filter(each => isHere(each.namespace)),
    routes,
    services,
    networkPolicies: isSpecific ? [] : document.networkPolicies.filter(({ name }) => isHere(namespaceOf(name))),
    certificates: isSpecific ? [] : document.certificates.filter(({ name }) => isHere(namespaceOf(name))),
    problems: document.problems.filter(isWanted),
    flows: document.flows.filter(flow => routes.some(({ key }) => key === flow.route)),
  }
}

/** By namespace, name, and the service they lead to. */
export function selectRoutes(routes: readonly RouteStatus[], selection: Selection): readonly RouteStatus[] {
  const { namespace, service, route } = selection
  return routes.filter(
    each =>
      (namespace === undefined || namespaceOf(each.key) === namespace) &&
      (route === undefined || fitsName(each.key, route)) &&
      (service === undefined || backendsOf(each).some(key => isServiceKey(key, service))),
  )
}

/** `HTTPRoute shop/cart` is called so, `shop/cart` or `cart`. */
export function fitsName(key: string, name: string): boolean {
  return key === name || key.endsWith(` ${name}`) || key.endsWith(`/${name}`)
}

function isService({ key }: ServiceStatus, name: string): boolean {
  return isServiceKey(key, name)
}

/** `shop/reviews:9080` is called so, or without namespace or port. */
function isServiceKey(key: string, name: string): boolean {
  const slash = key.indexOf('/')
  const colon = key.lastIndexOf(':')
  return [key, key.slice(slash + 1), key.slice(0, colon), key.slice(slash + 1, colon)].includes(name)
}

function backendsOf(route: RouteStatus): readonly string[] {
  return route.rules.flatMap(rule => rule.backends.map(({ key }) => key))
}

/** Of `HTTPRoute shop/cart`; empty for what has none. */
function namespaceOf(resource: string): string {
  const name = resource.slice(resource.indexOf(' ') + 1)
  const slash = name.indexOf('/')
  return slash < 0 ? '' : name.slice(0, slash)
}
