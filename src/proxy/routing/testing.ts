import type { MeshSnapshot, RouteMatch } from '../../model/index.ts'
import { sketchRoute, sketchSnapshot } from './fixtures.ts'

/**
 * Tables in which one thing alone tells each route from the others: what must
 * not make a lookup dearer, however many routes there are. The tests count
 * steps in them, the benchmark takes the time.
 */
export interface RouteShape {
  readonly name: string
  /** Of the route at this place. @default any host */
  readonly hostname?: (index: number) => string
  readonly match: (index: number) => Partial<RouteMatch>
  /** A request for the route at this place. */
  readonly request: (index: number) => ShapedRequest
  /** Whether the requests fit no route. @default false */
  readonly isMiss?: boolean
}

export interface ShapedRequest {
  /** @default shop.example.com */
  readonly host?: string
  /** @default GET */
  readonly method?: string
  readonly path: string
  /** @default none */
  readonly query?: string
  /** Of the field `x-tenant`. @default none */
  readonly tenant?: string
  /** What in the request names the route: a map of all routes would be asked for it. */
  readonly key: string
}

const numbered = (index: number): string => String(index).padStart(5, '0')
const service = (index: number): string => `/service-${numbered(index)}`
const tenant = (index: number): string => `tenant-${numbered(index)}`
const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']

/** One to six elements, the first ones shared with many others. */
function nested(index: number): string {
  const shared = [`area-${index % 40}`, 'api', `v${index % 7}`, `team-${index % 300}`, 'items'].slice(0, index % 6)
  return `/${[...shared, `part-${numbered(index)}`].join('/')}`
}

function prefixShape(name: string, pathOf: (index: number) => string): RouteShape {
  return {
    name,
    match: index => ({ path: { kind: 'prefix', value: pathOf(index) } }),
    request: index => ({ path: `${pathOf(index)}/small`, key: pathOf(index) }),
  }
}

function regexShape(name: string, before: string, after: string): RouteShape {
  return {
    name,
    match: index => ({ path: { kind: 'regex', value: `${before}/${tenant(index)}${after}` } }),
    request: index => ({ path: `${before.replace('[0-9]+', '1')}/${tenant(index)}/v1/small`, key: tenant(index) }),
  }
}

export const routeShapes: readonly RouteShape[] = [
  prefixShape('path prefixes', service),
  prefixShape('prefixes of 1 to 6 elements', nested),
  {
    name: 'exact paths',
    match: index => ({ path: { kind: 'exact', value: `${service(index)}/small` } }),
    request: index => ({ path: `${service(index)}/small`, key: `${service(index)}/small` }),
  },
  {
    ...prefixShape('no route', service),
    request: index => ({ path: `${service(index)}x`, key: `${service(index)}x` }),
    isMiss: true,
  },
  {
    name: 'hostnames',
    hostname: index => `${tenant(index)}.example.com`,
    match: () => ({}),
    request: index => ({ host: `${tenant(index)}.example.com`, path: '/small', key: `${tenant(index)}.example.com` }),
  },
  {
    name: 'wildcard hostnames',
    hostname: index => `*.${tenant(index)}.example.com`,
    match: () => ({}),
    request: index => ({
      host: `www.${tenant(index)}.example.com`,
      path: '/small',
      key: `.${tenant(index)}.example.com`,
    }),
  },
  {
    name: 'methods',
    match: index => ({
      path: { kind: 'prefix', value: service(Math.floor(index / 5)) },
      method: methods[index % 5],
    }),
    request: index => ({
      path: `${service(Math.floor(index / 5))}/small`,
      method: methods[index % 5] ?? '',
      key: `${methods[index % 5]} ${service(Math.floor(index / 5))}`,
    }),
  },
  {
    name: 'a header',
    match: index => ({ headers: [{ kind: 'exact', name: 'x-tenant', value: tenant(index) }] }),
    request: index => ({ path: '/small', tenant: tenant(index), key: tenant(index) }),
  },
  {
    name: 'a query parameter',
    match: index => ({ query: [{ kind: 'exact', name: 'tenant', value: tenant(index) }] }),
    request: index => ({ path: '/small', query: `tenant=${tenant(index)}`, key: tenant(index) }),
  },
  regexShape('regular expressions', '', '/v[0-9]+/.*'),
  regexShape('regular expressions with a common beginning', '/api/v[0-9]+', '/.*'),
]

/** `count` routes of the shape on one listener; the name of each is its number. */
export function shapedSnapshot({ hostname, match }: RouteShape, count: number): MeshSnapshot {
  return sketchSnapshot(
    Array.from({ length: count }, (_, index) =>
      sketchRoute({
        name: String(index),
        hostnames: hostname === undefined ? [] : [hostname(index)],
        rules: [[match(index)]],
      }),
    ),
  )
}
