import type { LiveRates, StatusDocument } from '../daemon/index.ts'

/** A mesh with one of everything that the commands show; for their tests. */

const idle: LiveRates = { requestsPerSecond: 0, errorRatio: 0, p50: null, p90: null, p99: null, recent: [] }
const busy: LiveRates = {
  requestsPerSecond: 1234.5,
  errorRatio: 0.025,
  p50: 0.0004,
  p90: 0.0123,
  p99: 1.25,
  recent: [0, 10, 20, 40],
}

const condition = (type: string, status: 'True' | 'False', reason: string) => ({
  type,
  status,
  reason,
  message: '',
  observedGeneration: 1,
})

const endpoint = {
  workload: '',
  zone: '',
  healthy: true,
  ejected: false,
  draining: false,
  weight: 1,
  activeRequests: 0,
  rates: idle,
}

export const sampleStatus: StatusDocument = {
  agent: {
    version: '0.1.0',
    pid: 42,
    uptimeSeconds: 185,
    transport: { active: 'native', reason: 'sockets by system calls' },
    tier: { active: 'user space', reason: 'as --tier user wants it' },
    workers: 2,
    configVersion: 7,
    dns: '127.0.0.1:15053',
    ready: true,
    awaiting: [],
  },
  gateways: [
    {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'Gateway',
      namespace: 'shop',
      name: 'web',
      generation: 1,
      conditions: [condition('Accepted', 'True', 'Accepted'), condition('Programmed', 'True', 'Programmed')],
      addresses: ['127.0.0.1'],
      listeners: [
        {
          name: 'http',
          port: 8080,
          protocol: 'HTTP',
          hostname: '*.shop.example',
          attachedRoutes: 1,
          supportedKinds: [],
          conditions: [condition('Conflicted', 'False', 'NoConflicts')],
        },
      ],
      parents: [],
    },
    {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'Gateway',
      namespace: 'shop',
      name: 'broken',
      generation: 1,
      conditions: [condition('Accepted', 'True', 'Accepted'), condition('Programmed', 'False', 'AddressNotUsable')],
      addresses: [],
      listeners: [],
      parents: [],
    },
  ],
  routes: [
    {
      key: 'HTTPRoute shop/reviews',
      virtualHosts: ['Gateway shop/web/http'],
      hostnames: ['www.shop.example'],
      rules: [
        {
          index: 0,
          name: null,
          matches: ['GET /reviews/*', '/stars'],
          filters: ['rewrite prefix to /'],
          backends: [
            { key: 'shop/reviews:9080', weight: 9 },
            { key: 'BackendNotFound', weight: 1, invalid: 'there is no Service shop/reviws' },
          ],
        },
      ],
      rates: busy,
    },
    {
      key: 'Service shop/reviews:9080',
      virtualHosts: ['Service shop/reviews:9080'],
      hostnames: [],
      rules: [],
      rates: idle,
    },
  ],
  services: [
    {
      key: 'shop/reviews:9080',
      namespace: 'shop',
      name: 'reviews',
      port: 9080,
      protocol: 'http1',
      address: '127.77.1.2:9080',
      virtualAddresses: ['127.77.1.2', 'fd68:6564:646c::7f01:4'],
      policy: 'LeastRequest, health check /healthz',
      endpoints: [
        { ...endpoint, id: '127.0.0.1:9001', workload: 'reviews-v1', activeRequests: 3, rates: busy },
        { ...endpoint, id: '127.0.0.1:9002', workload: 'reviews-v2', healthy: false },
        { ...endpoint, id: '127.0.0.1:9003', zone: 'west', ejected: true, weight: 5 },
        { ...endpoint, id: '127.0.0.1:9004', draining: true },
      ],
      rates: busy,
    },
    {
      key: 'shop/empty:80',
      namespace: 'shop',
      name: 'empty',
      port: 80,
      protocol: 'http1',
      address: null,
      virtualAddresses: [],
      policy: 'RoundRobin',
      endpoints: [],
      rates: idle,
    },
  ],
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
      resource: 'HTTPRoute shop/reviews',
      path: 'spec.rules[0].backendRefs[1]',
      message: 'there is no Service shop/reviws, did you mean reviews?',
      file: 'routes.yaml',
      line: 12,
    },
    { severity: 'warning', path: '', message: 'bell \u0007 and \u001b[31mcolour', file: 'x.yaml' },
  ],
  certificates: [],
  flows: [],
  rates: busy,
}
