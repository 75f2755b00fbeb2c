import type { Condition, ResourceStatus } from '../../model/index.ts'
import { noRates } from '../metrics/rates.ts'
import type { Flow, LiveRates } from '../metrics/rates.ts'
import type { EndpointStatus, RouteStatus, ServiceStatus, StatusDocument } from './status-document.ts'

/** Meshes to look at and to test the status page with. */
export function emptyStatus(): StatusDocument {
  return {
    agent: {
      version: '0.1.0',
      pid: 4711,
      uptimeSeconds: 12,
      transport: { active: 'native', reason: 'sockets by system calls' },
      tier: { active: 'user space', reason: 'the kernel tier is new, and taken with --tier kernel or auto' },
      workers: 2,
      configVersion: 1,
      dns: '127.0.0.1:15053',
      ready: false,
      awaiting: ['configuration'],
    },
    gateways: [],
    routes: [],
    services: [],
    networkPolicies: [],
    problems: [],
    certificates: [],
    flows: [],
    rates: noRates,
  }
}

/** @param atSecond moves the rates, as time does */
export function shopStatus(atSecond: number = 60): StatusDocument {
  const storefront = service('storefront', 3000, 2, 118, atSecond)
  const cart = service('cart', 8080, 3, 42, atSecond, { broken: 'unhealthy' })
  const reviews = service('reviews', 9080, 6, 64, atSecond, { broken: 'ejected', errorRatio: 0.012 })
  const payment = service('payment', 7000, 1, 6.4, atSecond, { errorRatio: 0.081 })
  const chat = service('chat', 9200, 2, 0.4, atSecond)
  const ledger = service('ledger', 9300, 0, 0, atSecond)
  const recommendations = service('recommendations-and-similar-items', 9400, 2, 0, atSecond, { broken: 'draining' })
  const services = [storefront, cart, reviews, payment, chat, ledger, recommendations]
  const web = 'Gateway shop/web/http'
  return {
    agent: { ...emptyStatus().agent, ready: true, awaiting: [], uptimeSeconds: 8133 + atSecond, configVersion: 14 },
    gateways: [gateway()],
    routes: [
      route('HTTPRoute shop/storefront', [web], ['shop.localhost'], [storefront], 118),
      route('HTTPRoute shop/cart', [web], ['shop.localhost'], [cart], 42),
      {
        ...route('HTTPRoute shop/reviews-canary', ['Service shop/reviews:9080'], [], [reviews], 64),
        rules: [
          {
            index: 0,
            name: 'testers',
            matches: ['header x-tester: yes', '/reviews/beta/*'],
            filters: ['set request header x-version: v3', 'mirror 10% to shop/ledger:9300'],
            backends: [{ key: reviews.key, weight: 1 }],
          },
          {
            index: 1,
            name: null,
            matches: ['/*'],
            filters: [],
            backends: [
              { key: reviews.key, weight: 90 },
              { key: recommendations.key, weight: 9 },
              { key: 'shop/reviews-v9:80', weight: 1, invalid: 'Service shop/reviews-v9 does not exist' },
            ],
          },
        ],
      },
      route('HTTPRoute shop/chat', [web], ['chat.shop.localhost', '*.chat.example'], [chat], 0.4),
      route('Service shop/payment:7000', ['Service shop/payment:7000'], [], [payment], 6.4),
    ],
    services,
    networkPolicies: [
      { name: 'shop/closed', selects: [], ingressRules: 0, egressRules: null, state: 'stand-in', isEnforced: false },
      {
        name: 'shop/reviews',
        selects: ['shop/reviews-v1', 'shop/reviews-v2'],
        ingressRules: 1,
        egressRules: 2,
        state: 'accepted',
        isEnforced: false,
      },
    ],
    problems: [
      {
        severity: 'error',
        resource: 'HTTPRoute shop/reviews-canary',
        path: 'spec.rules[1].backendRefs[2]',
        message: 'Service shop/reviews-v9 does not exist; did you mean shop/reviews',
        file: 'examples/shop/reviews.yaml',
        line: 31,
      },
      {
        severity: 'warning',
        resource: 'Service shop/ledger',
        path: '',
        message: 'it has no endpoints',
        file: 'ledger.yaml',
      },
    ],
    certificates: [],
    flows: [
      flow(web, 'HTTPRoute shop/storefront', storefront),
      flow(web, 'HTTPRoute shop/cart', cart),
      flow('Service shop/reviews:9080', 'HTTPRoute shop/reviews-canary', reviews),
      flow(web, 'HTTPRoute shop/chat', chat),
      flow('Service shop/payment:7000', 'Service shop/payment:7000', payment),
    ],
    rates: liveRates(230.8, 0.0063, atSecond),
  }
}

/** A mesh of many services behind one gateway. */
export function largeStatus(count: number, atSecond: number = 60): StatusDocument {
  const services = Array.from({ length: count }, (_, i) =>
    service(`service-${String(i).padStart(2, '0')}`, 8000 + i, (i % 4) + 1, i % 3 === 0 ? 0 : i * 7.3, atSecond, {
      errorRatio: i % 11 === 0 ? 0.02 : 0,
    }),
  )
  const web = 'Gateway shop/web/http'
  const routed = services.filter((_, i) => i % 2 === 0)
  return {
    ...shopStatus(atSecond),
    routes: routed.map(each =>
      route(`HTTPRoute shop/${each.name}`, [web], [`${each.name}.example`], [each], each.rates.requestsPerSecond),
    ),
    services,
    networkPolicies: [],
    problems: [],
    certificates: [],
    flows: services.map((each, i) =>
      i % 2 === 0
        ? flow(web, `HTTPRoute shop/${each.name}`, each)
        : flow(`Service ${each.key}`, `Service ${each.key}`, each),
    ),
    rates: liveRates(4821, 0.0012, atSecond),
  }
}

function liveRates(base: number, errorRatio: number, atSecond: number): LiveRates {
  if (base === 0) return { ...noRates, recent: Array.from({ length: 60 }, () => 0) }
  const at = (second: number): number =>
    Math.max(0, base * (1 + 0.18 * Math.sin(second / 5) + 0.07 * Math.sin(second * 2.1)))
  return {
    requestsPerSecond: at(atSecond),
    errorRatio,
    p50: 0.0021,
    p90: 0.0094,
    p99: 0.0312 + errorRatio * 3,
    recent: Array.from({ length: 60 }, (_, i) => at(atSecond - 59 + i)),
  }
}

function service(
  name: string,
  port: number,
  endpointCount: number,
  base: number,
  atSecond: number,
  options: { broken?: 'unhealthy' | 'ejected' | 'draining'; errorRatio?: number } = {},
): ServiceStatus {
  const rates = liveRates(base, options.errorRatio ?? 0, atSecond)
  const endpoints = Array.from({ length: endpointCount }, (_, i): EndpointStatus => {
    const broken = i === endpointCount - 1 ? options.broken : undefined
    const share = broken === undefined ? rates.requestsPerSecond / endpointCount : 0
    return {
      id: `127.0.0.1:${port + 10_000 + i}`,
      workload: i === 1 ? '' : `shop/${name}-${i + 1}`,
      zone: i % 2 === 0 ? 'home' : '',
      healthy: broken !== 'unhealthy',
      ejected: broken === 'ejected',
      draining: broken === 'draining',
      weight: 1,
      activeRequests: Math.round(share / 20),
      rates: { requestsPerSecond: share, errorRatio: rates.errorRatio, p50: null, p90: null, p99: null },
    }
  })
  return {
    key: `shop/${name}:${port}`,
    namespace: 'shop',
    name,
    port,
    protocol: name === 'chat' ? 'tcp' : 'http1',
    address: `127.1.0.${(port % 200) + 2}:${port}`,
    virtualAddresses: [],
    policy: 'least request, health check GET /healthz every 2 s, outlier detection',
    endpoints,
    rates,
  }
}

function route(
  key: string,
  virtualHosts: readonly string[],
  hostnames: readonly string[],
  backends: readonly ServiceStatus[],
  base: number,
): RouteStatus {
  return {
    key,
    virtualHosts,
    hostnames,
    rules: [
      {
        index: 0,
        name: null,
        matches: ['/*'],
        filters: [],
        backends: backends.map(backend => ({ key: backend.key, weight: 1 })),
      },
    ],
    rates: { ...(backends[0]?.rates ?? noRates), requestsPerSecond: base },
  }
}

function flow(virtualHost: string, routeKey: string, backend: ServiceStatus): Flow {
  const { requestsPerSecond, errorRatio, p50, p90, p99 } = backend.rates
  return { virtualHost, route: routeKey, backend: backend.key, requestsPerSecond, errorRatio, p50, p90, p99 }
}

function condition(type: string, status: Condition['status'], reason: string, message: string): Condition {
  return { type, status, reason, message, observedGeneration: 1 }
}

function gateway(): ResourceStatus {
  const kinds = [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute' }]
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    namespace: 'shop',
    name: 'web',
    generation: 1,
    conditions: [
      condition('Accepted', 'True', 'Accepted', 'Accepted'),
      condition('Programmed', 'True', 'Programmed', 'Listening'),
    ],
    addresses: ['127.0.0.1'],
    listeners: [
      {
        name: 'http',
        port: 8080,
        protocol: 'HTTP',
        hostname: undefined,
        attachedRoutes: 3,
        supportedKinds: kinds,
        conditions: [
          condition('Accepted', 'True', 'Accepted', ''),
          condition('Conflicted', 'False', 'NoConflicts', ''),
          condition('ResolvedRefs', 'True', 'ResolvedRefs', ''),
        ],
      },
      {
        name: 'https',
        port: 8443,
        protocol: 'HTTPS',
        hostname: '*.shop.localhost',
        attachedRoutes: 0,
        supportedKinds: kinds,
        conditions: [
          condition('Accepted', 'True', 'Accepted', ''),
          condition('ResolvedRefs', 'False', 'InvalidCertificateRef', 'Secret shop/web-cert does not exist'),
        ],
      },
    ],
    parents: [],
  }
}
