import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readResource } from './read-resource.ts'
import type { ReadOutcome } from './read-resource.ts'
import type { AnyResource, Origin } from './resource.ts'
import { altered, samples } from './samples.ts'

const origin: Origin = { file: 'a.yaml', line: 1, locate: () => ({ line: 1, column: 1 }) }

function read(value: unknown): ReadOutcome {
  return readResource(value, origin)
}

function valid(value: unknown): AnyResource {
  const outcome = read(value)
  assert.equal(outcome.kind, 'resource', JSON.stringify(outcome.findings))
  assert.ok(outcome.kind === 'resource')
  return outcome.resource
}

/** `path: message` of each finding. */
function told(value: unknown): string[] {
  return read(value).findings.map(({ path, message }) => `${path}: ${message}`)
}

describe('defaults', () => {
  for (const kind of Object.keys(samples)) {
    test(`${kind} sample is valid without a word`, () => {
      assert.deepEqual(told(samples[kind]?.()), [])
    })
  }

  test('metadata gets namespace, labels, annotations and generation', () => {
    const resource = valid(altered('Service', 'metadata', { name: 'cart' }))
    assert.deepEqual(resource.metadata, {
      name: 'cart',
      namespace: 'default',
      labels: {},
      annotations: {},
      generation: 1,
    })
    assert.equal(valid(samples['GatewayClass']?.()).metadata.namespace, '')
    assert.equal(valid(altered('Service', 'metadata.generation', 7)).metadata.generation, 7)
  })

  test('HTTPRoute is filled in as the CRD does', () => {
    const resource = valid({
      ...samples['HTTPRoute']?.(),
      spec: {
        parentRefs: [{ name: 'web' }],
        rules: [
          {
            matches: [{ headers: [{ name: 'a', value: 'b' }], path: { value: '/x' } }, {}],
            filters: [
              { type: 'RequestRedirect', requestRedirect: {} },
              {
                type: 'RequestMirror',
                requestMirror: { backendRef: { name: 'm', port: 1 }, fraction: { numerator: 5 } },
              },
              { type: 'CORS', cors: {} },
            ],
            sessionPersistence: { absoluteTimeout: '1h', cookieConfig: {} },
          },
          { backendRefs: [{ name: 'cart', port: 80 }] },
        ],
      },
    })
    const everything = [{ path: { type: 'PathPrefix', value: '/' } }]
    assert.deepEqual('spec' in resource && resource.spec, {
      parentRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'web' }],
      rules: [
        {
          matches: [
            {
              path: { type: 'PathPrefix', value: '/x' },
              headers: [{ type: 'Exact', name: 'a', value: 'b' }],
            },
            ...everything,
          ],
          filters: [
            { type: 'RequestRedirect', requestRedirect: { statusCode: 302 } },
            {
              type: 'RequestMirror',
              requestMirror: {
                backendRef: { group: '', kind: 'Service', name: 'm', port: 1 },
                fraction: { numerator: 5, denominator: 100 },
              },
            },
            { type: 'CORS', cors: { maxAge: 5 } },
          ],
          sessionPersistence: { absoluteTimeout: '1h', type: 'Cookie', cookieConfig: { lifetimeType: 'Session' } },
        },
        {
          matches: everything,
          backendRefs: [{ group: '', kind: 'Service', name: 'cart', port: 80, weight: 1 }],
        },
      ],
    })
    const bare = valid(altered('HTTPRoute', 'spec', {}))
    assert.deepEqual('spec' in bare && bare.spec, { rules: [{ matches: everything }] })
  })

  test('Gateway is filled in as the CRD does', () => {
    const resource = valid({
      ...samples['Gateway']?.(),
      spec: {
        gatewayClassName: 'heddle',
        listeners: [
          { name: 'a', port: 443, protocol: 'HTTPS', tls: { certificateRefs: [{ name: 'web' }] } },
          { name: 'b', port: 80, protocol: 'HTTP', allowedRoutes: { kinds: [{ kind: 'HTTPRoute' }] } },
        ],
        addresses: [{ value: '127.0.0.1' }],
        allowedListeners: {},
        tls: {
          frontend: { default: { validation: { caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'ca' }] } } },
        },
      },
    })
    const namespaces = { from: 'Same' }
    assert.deepEqual('spec' in resource && resource.spec, {
      gatewayClassName: 'heddle',
      listeners: [
        {
          name: 'a',
          port: 443,
          protocol: 'HTTPS',
          tls: { mode: 'Terminate', certificateRefs: [{ group: '', kind: 'Secret', name: 'web' }] },
          allowedRoutes: { namespaces },
        },
        {
          name: 'b',
          port: 80,
          protocol: 'HTTP',
          allowedRoutes: { namespaces, kinds: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute' }] },
        },
      ],
      addresses: [{ type: 'IPAddress', value: '127.0.0.1' }],
      allowedListeners: { namespaces: { from: 'None' } },
      tls: {
        frontend: {
          default: {
            validation: {
              caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'ca' }],
              mode: 'AllowValidOnly',
            },
          },
        },
      },
    })
  })

  test('Service and EndpointSlice are filled in as Kubernetes does', () => {
    const service = valid(altered('Service', 'spec', { ports: [{ port: 80 }] }))
    assert.deepEqual('spec' in service && service.spec, {
      type: 'ClusterIP',
      ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }],
      publishNotReadyAddresses: false,
      sessionAffinity: 'None',
    })
    const slice = valid({
      ...samples['EndpointSlice']?.(),
      ports: [{ port: 9080 }],
      endpoints: [
        { addresses: ['10.0.0.1'] },
        { addresses: ['10.0.0.2'], conditions: { ready: false } },
        { addresses: ['10.0.0.3'], conditions: { ready: false, serving: true, terminating: true } },
      ],
    })
    assert.ok(slice.kind === 'EndpointSlice')
    assert.deepEqual(slice.ports, [{ name: '', port: 9080, protocol: 'TCP' }])
    assert.deepEqual(
      slice.endpoints.map(endpoint => endpoint.conditions),
      [
        { ready: true, serving: true, terminating: false },
        { ready: false, serving: false, terminating: false },
        { ready: false, serving: true, terminating: true },
      ],
    )
  })

  test('EndpointSlice takes null lists, as kubectl prints them', () => {
    const slice = valid({ ...samples['EndpointSlice']?.(), endpoints: null, ports: null })
    assert.ok(slice.kind === 'EndpointSlice')
    assert.deepEqual([slice.endpoints, slice.ports], [[], []])
  })

  test('Secret merges stringData, which wins', () => {
    const secret = valid({ ...samples['Secret']?.(), data: { a: 'YQ==', b: 'Yg==' }, stringData: { b: 'new' } })
    assert.ok(secret.kind === 'Secret')
    assert.deepEqual(secret.data, { a: 'YQ==', b: 'bmV3' })
  })

  test('status and the fields an API server adds are let through', () => {
    const value = {
      ...samples['HTTPRoute']?.(),
      metadata: {
        name: 'a',
        uid: 'x',
        resourceVersion: '12',
        managedFields: [{ manager: 'kubectl' }],
        creationTimestamp: null,
      },
      status: { parents: [] },
    }
    const resource = valid(value)
    assert.equal('status' in resource, false)
    assert.equal(resource.metadata.creationTimestamp, undefined)
  })

  test('BackendPolicy and Workload get every setting', () => {
    const policy = valid(samples['BackendPolicy']?.())
    assert.deepEqual('spec' in policy && policy.spec, {
      targetRefs: [{ group: '', kind: 'Service', name: 'cart' }],
      loadBalancing: { type: 'LeastRequest', minRingSize: 1024, tableSize: 65537, slowStart: '0s', locality: 'None' },
      outlierDetection: {
        consecutiveFailures: 5,
        consecutiveGatewayFailures: 5,
        baseEjection: '30s',
        maxEjection: '5m',
        maxEjectionPercent: 10,
      },
      panicThreshold: 50,
      circuitBreaker: {
        maxConnections: 10000,
        maxPending: 10000,
        maxRequests: 10000,
        retryBudget: { percent: 20, minConcurrency: 3 },
      },
      connectTimeout: '5s',
      idleTimeout: '1m',
      kernelHttp: 'Auto',
    })
    const partial = valid(altered('BackendPolicy', 'spec.circuitBreaker', { retryBudget: { percent: 50 } }))
    assert.ok(partial.kind === 'BackendPolicy')
    assert.deepEqual(partial.spec.circuitBreaker.retryBudget, { percent: 50, minConcurrency: 3 })
    const workload = valid(altered('Workload', 'spec.healthCheck', { http: {} }))
    assert.deepEqual('spec' in workload && workload.spec, {
      service: 'cart',
      port: 9080,
      address: '127.0.0.1',
      ports: [],
      process: { command: ['node', 'cart.js'], env: {}, restartBackoff: '1s' },
      healthCheck: {
        http: { path: '/', expectedStatuses: ['200-299'] },
        interval: '5s',
        timeout: '1s',
        healthyThreshold: 1,
        unhealthyThreshold: 3,
      },
      weight: 1,
    })
  })
})

const rule = 'spec.rules[0]'
const listeners = 'spec.listeners'
const backend = { name: 'cart', port: 80 }
const redirect = { type: 'RequestRedirect', requestRedirect: { scheme: 'https' } }
const rewrite = { type: 'URLRewrite', urlRewrite: { hostname: 'a.example' } }
const headers = { type: 'RequestHeaderModifier', requestHeaderModifier: { set: [{ name: 'a', value: 'b' }] } }
const toPrefix = { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/b' } }
const list = (count: number, item: unknown): unknown[] => Array.from({ length: count }, () => item)

/** Kind, where, what, and what must be told: `path: message`, as the beginning of it. */
const mistakes: readonly (readonly [string, string, unknown, ...string[]])[] = [
  // metadata
  ['Service', 'metadata.name', undefined, 'metadata.name: is required'],
  ['Service', 'metadata.name', 'Cart', 'metadata.name: expected a name'],
  ['Service', 'metadata.name', 'a.b', 'metadata.name: expected a name'],
  ['Service', 'metadata.name', 'a'.repeat(64), 'metadata.name: has 64 characters'],
  ['HTTPRoute', 'metadata.name', 'a'.repeat(254), 'metadata.name: has 254 characters'],
  ['HTTPRoute', 'metadata.namespace', 'a.b', 'metadata.namespace: expected a name'],
  ['HTTPRoute', 'metadata.labels', { 'a b': 'c' }, 'metadata.labels["a b"]: expected a key'],
  ['HTTPRoute', 'metadata.labels', { a: 'b c' }, 'metadata.labels.a: expected a label value'],
  ['HTTPRoute', 'metadata.labels', { a: 1 }, 'metadata.labels.a: expected a label value'],
  [
    'HTTPRoute',
    'metadata.annotations',
    { a: true },
    'metadata.annotations.a: expected text, found true; put it in quotes',
  ],
  ['HTTPRoute', 'metadata.creationTimestamp', 'today', 'metadata.creationTimestamp: expected a time'],
  ['HTTPRoute', 'metadata.nam', 'x', 'metadata.nam: unknown field "nam", did you mean name?'],
  ['HTTPRoute', 'specs', {}, 'specs: unknown field "specs", did you mean spec?'],
  ['HTTPRoute', 'spec', undefined, 'spec: is required'],
  ['HTTPRoute', 'spec', null, 'spec: is null'],

  // Service
  ['Service', 'spec.ports', [], 'spec.ports: needs at least one item'],
  ['Service', 'spec.ports[0].port', 0, 'spec.ports[0].port: expected a whole number from 1 to 65535'],
  ['Service', 'spec.ports[0].port', 65536, 'spec.ports[0].port: expected a whole number'],
  ['Service', 'spec.ports[0].targetPort', 'far too long a name', 'spec.ports[0].targetPort: expected'],
  ['Service', 'spec.ports[0].protocol', 'tcp', 'spec.ports[0].protocol: expected one of TCP, UDP, SCTP'],
  ['Service', 'spec.ports[1]', { port: 81 }, 'spec.ports[1]: needs a name'],
  ['Service', 'spec.ports[1]', { name: 'http', port: 81 }, 'spec.ports[1].name: repeats the name "http"'],
  ['Service', 'spec.ports[1]', { name: 'other', port: 80 }, 'spec.ports[1].port: repeats TCP 80'],
  ['Service', 'spec.type', 'ExternalName', 'spec.externalName: is required'],
  ['Service', 'spec.type', 'Headless', 'spec.type: expected one of ClusterIP'],
  ['Service', 'spec.selector', ['a'], 'spec.selector: expected an object'],

  // Secret, ConfigMap, EndpointSlice
  ['Secret', 'data', { a: '§' }, 'data.a: is not base64'],
  ['Secret', 'data', { 'a b': 'YQ==' }, 'data["a b"]: expected a key'],
  ['ConfigMap', 'data', { a: 1 }, 'data.a: expected text'],
  ['EndpointSlice', 'addressType', undefined, 'addressType: is required'],
  ['EndpointSlice', 'addressType', 'ipv4', 'addressType: expected one of IPv4'],
  ['EndpointSlice', 'endpoints', [{ addresses: [] }], 'endpoints[0].addresses: needs at least one item'],
  ['EndpointSlice', 'endpoints', list(1001, { addresses: ['1.1.1.1'] }), 'endpoints: has 1001 items'],
  ['EndpointSlice', 'ports', [{ name: 'a' }, { name: 'a' }], 'ports[1]: repeats the name of item [0]'],

  // GatewayClass, ReferenceGrant
  ['GatewayClass', 'spec.controllerName', 'heddle', 'spec.controllerName: expected a controller'],
  ['GatewayClass', 'spec.description', 'x'.repeat(65), 'spec.description: has 65 characters'],
  ['ReferenceGrant', 'spec.from', [], 'spec.from: needs at least one item'],
  ['ReferenceGrant', 'spec.to', list(17, { group: '', kind: 'Service' }), 'spec.to: has 17 items'],
  ['ReferenceGrant', 'spec.from[0].namespace', undefined, 'spec.from[0].namespace: is required'],
  ['ReferenceGrant', 'spec.to[0].group', undefined, 'spec.to[0].group: is required'],

  // Gateway
  ['Gateway', listeners, [], 'spec.listeners: needs at least one item'],
  ['Gateway', `${listeners}[0].protocol`, undefined, 'spec.listeners[0].protocol: is required'],
  ['Gateway', `${listeners}[0].hostname`, 'Shop.example', 'spec.listeners[0].hostname: expected a lower-case DNS name'],
  ['Gateway', `${listeners}[0].hostname`, 'a.*.example', 'spec.listeners[0].hostname: expected'],
  ['Gateway', `${listeners}[0].tls`, { mode: 'Passthrough' }, 'spec.listeners[0].tls: does not go with protocol HTTP'],
  ['Gateway', `${listeners}[1].tls`, { mode: 'Passthrough' }, 'spec.listeners[1].tls.mode: must be Terminate'],
  ['Gateway', `${listeners}[1].tls`, {}, 'spec.listeners[1].tls: needs certificateRefs'],
  ['Gateway', `${listeners}[1].protocol`, 'TCP', 'spec.listeners[1].tls: does not go with protocol TCP'],
  ['Gateway', `${listeners}[0].protocol`, 'TLS', 'spec.listeners[0].tls: is required for protocol TLS'],
  [
    'Gateway',
    `${listeners}[0]`,
    { name: 'a', port: 1, protocol: 'UDP', hostname: 'a.example' },
    'spec.listeners[0].hostname: does not go with protocol UDP',
  ],
  ['Gateway', `${listeners}[1].name`, 'http', 'spec.listeners[1].name: repeats the name of listeners[0]'],
  [
    'Gateway',
    `${listeners}[1]`,
    { name: 'b', port: 80, protocol: 'HTTP' },
    'spec.listeners[1]: has port 80, protocol HTTP and no hostname like listener "http"',
  ],
  [
    'Gateway',
    `${listeners}[0].allowedRoutes`,
    { namespaces: { from: 'Some' } },
    'spec.listeners[0].allowedRoutes.namespaces.from: expected one of All, Same, Selector, found "Some", did you mean Same?',
  ],
  [
    'Gateway',
    `${listeners}[0].allowedRoutes`,
    { namespaces: { from: 'Selector', selector: { matchExpressions: [{ key: 'a', operator: 'In' }] } } },
    'spec.listeners[0].allowedRoutes.namespaces.selector.matchExpressions[0].values: is required for operator In',
  ],
  [
    'Gateway',
    `${listeners}[0].allowedRoutes`,
    { namespaces: { from: 'Selector' } },
    'spec.listeners[0].allowedRoutes.namespaces.selector: is missing',
  ],
  ['Gateway', 'spec.addresses', list(2, { value: '1.1.1.1' }), 'spec.addresses[1]: repeats the address of item [0]'],
  ['Gateway', 'spec.addresses', [{ type: 'Hostname', value: 'A' }], 'spec.addresses[0].value: expected a lower-case'],
  ['Gateway', 'spec.infrastructure', { labels: { 'a b': 'c' } }, 'spec.infrastructure.labels["a b"]: expected a key'],
  [
    'Gateway',
    'spec.tls',
    { frontend: { default: {}, perPort: list(2, { port: 443, tls: {} }) } },
    'spec.tls.frontend.perPort[1]: repeats the port of item [0]',
  ],
  ['Gateway', 'spec.defaultScope', 'Some', 'spec.defaultScope: expected one of All, None'],

  // HTTPRoute: fields
  ['HTTPRoute', 'spec.hostnames', ['*'], 'spec.hostnames[0]: expected a lower-case DNS name'],
  ['HTTPRoute', 'spec.hostnames', ['a.example:80'], 'spec.hostnames[0]: expected'],
  ['HTTPRoute', 'spec.hostnames', list(17, 'a.example'), 'spec.hostnames: has 17 items'],
  ['HTTPRoute', 'spec.rules', [], 'spec.rules: needs at least one item'],
  ['HTTPRoute', 'spec.rules', list(17, {}), 'spec.rules: has 17 items'],
  [
    'HTTPRoute',
    `${rule}.backendRef`,
    [],
    'spec.rules[0].backendRef: unknown field "backendRef", did you mean backendRefs?',
  ],
  ['HTTPRoute', `${rule}.matches`, [{ method: 'get' }], 'spec.rules[0].matches[0].method: expected one of GET'],
  [
    'HTTPRoute',
    `${rule}.matches`,
    [{ path: { type: 'Prefix' } }],
    'spec.rules[0].matches[0].path.type: expected one of',
  ],
  [
    'HTTPRoute',
    `${rule}.matches`,
    [{ headers: list(2, { name: 'a', value: 'b' }) }],
    'spec.rules[0].matches[0].headers[1]: repeats the name of item [0]',
  ],
  [
    'HTTPRoute',
    `${rule}.matches`,
    [{ headers: [{ name: 'a b', value: 'c' }] }],
    'spec.rules[0].matches[0].headers[0].name: expected a header name',
  ],
  [
    'HTTPRoute',
    `${rule}.matches`,
    [{ headers: [{ name: 'a', value: 'b\r\nc' }] }],
    'spec.rules[0].matches[0].headers[0].value: expected a header value',
  ],
  [
    'HTTPRoute',
    `${rule}.matches`,
    [{ queryParams: [{ name: 'a' }] }],
    'spec.rules[0].matches[0].queryParams[0].value: is required',
  ],
  [
    'HTTPRoute',
    `${rule}.backendRefs[0].weight`,
    1_000_001,
    'spec.rules[0].backendRefs[0].weight: expected a whole number',
  ],
  [
    'HTTPRoute',
    `${rule}.backendRefs[0].port`,
    undefined,
    'spec.rules[0].backendRefs[0].port: is required for a Service',
  ],
  ['HTTPRoute', `${rule}.backendRefs[0].name`, '', 'spec.rules[0].backendRefs[0].name: must not be empty'],
  ['HTTPRoute', `${rule}.filters`, [{ type: 'Mirror' }], 'spec.rules[0].filters[0].type: expected one of'],
  ['HTTPRoute', `${rule}.filters`, [{ type: 'CORS' }], 'spec.rules[0].filters[0].cors: is required for type "CORS"'],
  [
    'HTTPRoute',
    `${rule}.filters`,
    [{ ...headers, cors: {} }],
    'spec.rules[0].filters[0].cors: only goes with type "CORS", not "RequestHeaderModifier"',
  ],
  [
    'HTTPRoute',
    `${rule}.filters`,
    [{ type: 'RequestHeaderModifier', requestHeaderModifier: { remove: ['a', 'a'] } }],
    'spec.rules[0].filters[0].requestHeaderModifier.remove[1]: repeats the value',
  ],
  ['HTTPRoute', `${rule}.timeouts`, { request: '10' }, 'spec.rules[0].timeouts.request: expected a duration'],
  [
    'HTTPRoute',
    `${rule}.retry`,
    { codes: [200] },
    'spec.rules[0].retry.codes[0]: expected a whole number from 400 to 599',
  ],
  ['HTTPRoute', `${rule}.retry`, { codes: [500, 500] }, 'spec.rules[0].retry.codes[1]: repeats the code'],
  ['HTTPRoute', `${rule}.retry`, { attempts: 0 }, 'spec.rules[0].retry.attempts: expected a whole number'],
  ['HTTPRoute', 'spec.useDefaultGateways', 'yes', 'spec.useDefaultGateways: expected one of All, None'],
  ['ListenerSet', 'spec.parentRef', undefined, 'spec.parentRef: is required'],
  ['ListenerSet', 'spec.parentRef.sectionName', 'http', 'spec.parentRef.sectionName: unknown field'],
  ['ListenerSet', 'spec.listeners', [], 'spec.listeners: needs at least one item'],
  ['ListenerSet', 'spec.listeners[0].port', 0, 'spec.listeners[0].port: expected a whole number'],
  [
    'ListenerSet',
    'spec.listeners[0].tls',
    { certificateRefs: [{ name: 'a' }] },
    'spec.listeners[0].tls: does not go with protocol HTTP',
  ],
  [
    'ListenerSet',
    'spec.listeners',
    [
      { name: 'a', port: 80, protocol: 'HTTP' },
      { name: 'a', port: 81, protocol: 'HTTP' },
    ],
    'spec.listeners[1].name: repeats the name of listeners[0]',
  ],
  [
    'ListenerSet',
    'spec.listeners',
    [
      { name: 'a', port: 80, protocol: 'HTTP' },
      { name: 'b', port: 80, protocol: 'HTTP' },
    ],
    'spec.listeners[1]: has port 80, protocol HTTP and no hostname like listener "a"',
  ],
  [
    'GRPCRoute',
    'spec.rules[0].matches[0].method',
    {},
    'spec.rules[0].matches[0].method: needs service or method, or both',
  ],
  [
    'GRPCRoute',
    'spec.rules[0].matches[0].method.service',
    'shop/Cart',
    'spec.rules[0].matches[0].method.service: must be a service',
  ],
  [
    'GRPCRoute',
    'spec.rules[0].matches[0].method.service',
    '',
    'spec.rules[0].matches[0].method.service: must be a service',
  ],
  [
    'GRPCRoute',
    'spec.rules[0].matches[0].method.method',
    'Add-Item',
    'spec.rules[0].matches[0].method.method: must be a method',
  ],
  [
    'GRPCRoute',
    'spec.rules[0].matches[0].method.type',
    'Prefix',
    'spec.rules[0].matches[0].method.type: expected one of',
  ],
  ['GRPCRoute', 'spec.rules[0].filters', [{ type: 'URLRewrite' }], 'spec.rules[0].filters[0].type: expected one of'],
  [
    'GRPCRoute',
    'spec.rules[0].filters',
    [
      { type: 'RequestHeaderModifier', requestHeaderModifier: {} },
      { type: 'RequestHeaderModifier', requestHeaderModifier: {} },
    ],
    'spec.rules[0].filters[1]: repeats RequestHeaderModifier',
  ],
  ['GRPCRoute', 'spec.rules[0].matches', Array.from({ length: 65 }, () => ({})), 'spec.rules[0].matches: has 65 items'],
  [
    'GRPCRoute',
    'spec.rules',
    Array.from({ length: 3 }, () => ({ matches: Array.from({ length: 50 }, () => ({})) })),
    'spec.rules: has 150 matches',
  ],
  [
    'GRPCRoute',
    'spec.rules[0].backendRefs[0].port',
    undefined,
    'spec.rules[0].backendRefs[0].port: is required for a Service',
  ],
  ['GRPCRoute', 'spec.rules[0].retry', {}, 'spec.rules[0].retry: unknown field'],
  ['TCPRoute', 'spec.rules', [], 'spec.rules: '],
  ['TCPRoute', 'spec.rules[0].backendRefs', undefined, 'spec.rules[0].backendRefs: is required'],
  [
    'UDPRoute',
    'spec.rules[0].backendRefs[0].port',
    undefined,
    'spec.rules[0].backendRefs[0].port: is required for a Service',
  ],
  ['TLSRoute', 'spec.hostnames', undefined, 'spec.hostnames: is required'],
  ['TLSRoute', 'spec.hostnames[0]', '10.0.0.1', 'spec.hostnames[0]: must be a name, not an IP address'],
  ['TLSRoute', 'spec.hostnames[0]', 'a.*.example', 'spec.hostnames[0]: '],

  // HTTPRoute: several fields together
  ...['a', '//', '/a/./b', '/a/../b', '/a%2fb', '/a%2Fb', '/a#b', '/a/.', '/a/..', '/a b', '/a%zz', '/ä'].map(
    value => ['HTTPRoute', `${rule}.matches`, [{ path: { value } }], 'spec.rules[0].matches[0].path.value: '] as const,
  ),
  ['HTTPRoute', `${rule}.filters`, [headers, headers], 'spec.rules[0].filters[1]: repeats RequestHeaderModifier'],
  ['HTTPRoute', `${rule}.filters`, [rewrite, rewrite], 'spec.rules[0].filters[1]: repeats URLRewrite'],
  ['HTTPRoute', `${rule}.filters`, [redirect], 'spec.rules[0].filters[0]: does not go with backendRefs'],
  [
    'HTTPRoute',
    'spec.rules',
    [{ filters: [redirect, rewrite] }],
    'spec.rules[0].filters[1]: does not go with RequestRedirect',
  ],
  ['HTTPRoute', 'spec.rules', [{ filters: [redirect, redirect] }], 'spec.rules[0].filters[1]: repeats RequestRedirect'],
  [
    'HTTPRoute',
    `${rule}.backendRefs[0].filters`,
    [rewrite, rewrite],
    'spec.rules[0].backendRefs[0].filters[1]: repeats URLRewrite',
  ],
  [
    'HTTPRoute',
    'spec.rules',
    [{ matches: [{}, {}], filters: [{ type: 'URLRewrite', urlRewrite: toPrefix }] }],
    'spec.rules[0].filters[0].urlRewrite.path: ReplacePrefixMatch needs',
  ],
  [
    'HTTPRoute',
    'spec.rules',
    [
      {
        matches: [{ path: { type: 'Exact', value: '/a' } }],
        filters: [{ type: 'RequestRedirect', requestRedirect: toPrefix }],
      },
    ],
    'spec.rules[0].filters[0].requestRedirect.path: ReplacePrefixMatch needs',
  ],
  [
    'HTTPRoute',
    'spec.rules',
    [{ matches: [], backendRefs: [{ ...backend, filters: [{ type: 'URLRewrite', urlRewrite: toPrefix }] }] }],
    'spec.rules[0].backendRefs[0].filters[0].urlRewrite.path: ReplacePrefixMatch needs',
  ],
  [
    'HTTPRoute',
    `${rule}.filters`,
    [{ type: 'URLRewrite', urlRewrite: { path: { type: 'ReplaceFullPath' } } }],
    'spec.rules[0].filters[0].urlRewrite.path.replaceFullPath: is required',
  ],
  [
    'HTTPRoute',
    `${rule}.filters`,
    [
      {
        type: 'URLRewrite',
        urlRewrite: { path: { type: 'ReplaceFullPath', replacePrefixMatch: '/', replaceFullPath: '/' } },
      },
    ],
    'spec.rules[0].filters[0].urlRewrite.path.replacePrefixMatch: only goes with',
  ],
  [
    'HTTPRoute',
    `${rule}.filters`,
    [{ type: 'RequestMirror', requestMirror: { backendRef: backend, percent: 5, fraction: { numerator: 1 } } }],
    'spec.rules[0].filters[0].requestMirror: may have only one of percent, fraction',
  ],
  [
    'HTTPRoute',
    `${rule}.filters`,
    [{ type: 'RequestMirror', requestMirror: { backendRef: backend, fraction: { numerator: 2, denominator: 1 } } }],
    'spec.rules[0].filters[0].requestMirror.fraction.numerator: is larger than the denominator',
  ],
  [
    'HTTPRoute',
    `${rule}.filters`,
    [{ type: 'RequestMirror', requestMirror: { backendRef: { name: 'm' } } }],
    'spec.rules[0].filters[0].requestMirror.backendRef.port: is required for a Service',
  ],
  ...(['allowOrigins', 'allowMethods', 'allowHeaders'] as const).map(
    field =>
      [
        'HTTPRoute',
        `${rule}.filters`,
        [{ type: 'CORS', cors: { [field]: ['*', field === 'allowOrigins' ? 'http://a' : 'GET'] } }],
        `spec.rules[0].filters[0].cors.${field}: must hold nothing else`,
      ] as const,
  ),
  [
    'HTTPRoute',
    `${rule}.filters`,
    [{ type: 'CORS', cors: { allowOrigins: ['a.example'] } }],
    'spec.rules[0].filters[0].cors.allowOrigins[0]: expected an origin',
  ],
  [
    'HTTPRoute',
    `${rule}.filters`,
    [{ type: 'ExternalAuth', externalAuth: { protocol: 'GRPC', backendRef: backend, http: {} } }],
    'spec.rules[0].filters[0].externalAuth.grpc: is required for protocol GRPC',
    'spec.rules[0].filters[0].externalAuth.http: does not go with protocol GRPC',
  ],
  [
    'HTTPRoute',
    `${rule}.timeouts`,
    { request: '1s', backendRequest: '1001ms' },
    'spec.rules[0].timeouts.backendRequest: is longer than the request timeout',
  ],
  [
    'HTTPRoute',
    `${rule}.sessionPersistence`,
    { cookieConfig: { lifetimeType: 'Permanent' } },
    'spec.rules[0].sessionPersistence.absoluteTimeout: is required for a Permanent cookie',
  ],
  [
    'HTTPRoute',
    `${rule}.sessionPersistence`,
    { type: 'Header', cookieConfig: {} },
    'spec.rules[0].sessionPersistence.cookieConfig: does not go with type Header',
  ],
  [
    'HTTPRoute',
    'spec.parentRefs',
    [{ name: 'a' }, { name: 'a' }],
    'spec.parentRefs[1]: names the same parent as item [0]',
  ],
  [
    'HTTPRoute',
    'spec.parentRefs',
    [{ name: 'a', sectionName: 'x' }, { name: 'a' }],
    'spec.parentRefs[1]: names the same parent as item [0]: both need',
  ],
  ['HTTPRoute', 'spec.rules', list(2, { name: 'a' }), 'spec.rules[1].name: repeats the name of rules[0]'],
  ['HTTPRoute', 'spec.rules', list(3, { matches: list(43, {}) }), 'spec.rules: has 129 matches in all'],

  // Our own kinds
  ['BackendPolicy', 'spec.retry', { grpcCodes: ['UNAVAILABLE'] }, 'spec.retry.grpcCodes[0]: expected one of'],
  ['BackendPolicy', 'spec.retry', { grpcCodes: ['ok'] }, 'spec.retry.grpcCodes[0]: expected one of'],
  ['BackendPolicy', 'spec.retry', { codes: [200] }, 'spec.retry.codes[0]: expected a whole number from 400 to 599'],
  ['BackendPolicy', 'spec.retry', { attempts: 0 }, 'spec.retry.attempts: expected a whole number'],
  ['BackendPolicy', 'spec.targetRefs', [], 'spec.targetRefs: needs at least one item'],
  ['BackendPolicy', 'spec.targetRefs', list(2, { name: 'a' }), 'spec.targetRefs[1]: repeats the target'],
  ['BackendPolicy', 'spec.targetRefs[0].kind', 'Pod', 'spec.targetRefs[0].kind: expected "Service"'],
  [
    'BackendPolicy',
    'spec.loadBalancing',
    { type: 'RingHash' },
    'spec.loadBalancing.hash: is required for type RingHash',
  ],
  ['BackendPolicy', 'spec.loadBalancing', { hash: { source: {} } }, 'spec.loadBalancing.hash: does not go with'],
  [
    'BackendPolicy',
    'spec.loadBalancing',
    { type: 'Maglev', hash: { source: {}, header: { name: 'a' } } },
    'spec.loadBalancing.hash: may have only one of header, source',
  ],
  ['BackendPolicy', 'spec.loadBalancing', { type: 'Maglev', hash: {} }, 'spec.loadBalancing.hash: needs one of'],
  ['BackendPolicy', 'spec.healthCheck', {}, 'spec.healthCheck: needs one of http, grpc, tcp'],
  [
    'BackendPolicy',
    'spec.healthCheck',
    { tcp: {}, interval: '1ms' },
    'spec.healthCheck.interval: is shorter than 100ms',
  ],
  [
    'BackendPolicy',
    'spec.healthCheck',
    { http: { expectedStatuses: ['299-200'] } },
    'spec.healthCheck.http.expectedStatuses[0]: ends before it starts',
  ],
  [
    'BackendPolicy',
    'spec.outlierDetection',
    { baseEjection: '2m', maxEjection: '1m' },
    'spec.outlierDetection.maxEjection: is shorter than baseEjection',
  ],
  ['BackendPolicy', 'spec.panicThreshold', 101, 'spec.panicThreshold: expected a whole number from 0 to 100'],
  ['BackendPolicy', 'spec.protocol', 'HTTP2', 'spec.protocol: expected one of HTTP1, H2C, TCP'],
  ['BackendPolicy', 'spec.connectTimeout', '0s', 'spec.connectTimeout: is shorter than 1ms'],
  ['BackendPolicy', 'spec.streamIdleTimeout', '10ms', 'spec.streamIdleTimeout: is shorter than 1s'],
  ['BackendPolicy', 'spec.connectTimeout', '2h', 'spec.connectTimeout: is longer than 1h'],
  ['Workload', 'spec.port', undefined, 'spec.port: is required'],
  ['Workload', 'spec.address', 'localhost', 'spec.address: expected an IP address'],
  ['Workload', 'spec.process', { command: [] }, 'spec.process.command: needs at least one item'],
  ['Workload', 'spec.process', { command: [''] }, 'spec.process.command[0]: must name a program'],
  ['Workload', 'spec.process', { command: ['a\0b'] }, 'spec.process.command[0]: expected text without NUL'],
  ['Workload', 'spec.process', { command: ['a'], env: { PORT: 80 } }, 'spec.process.env.PORT: expected text'],
  [
    'Workload',
    'spec.process',
    { command: ['a'], env: { 'A=B': 'x' } },
    'spec.process.env["A=B"]: expected a variable name',
  ],
  ['Workload', 'spec.weight', 0, 'spec.weight: expected a whole number from 1'],
]

describe('mistakes', () => {
  for (const [kind, path, value, ...expected] of mistakes) {
    test(`${kind} with ${path} ${JSON.stringify(value)?.slice(0, 60)}`, () => {
      const found = told(altered(kind, path, value))
      assert.equal(found.length, expected.length, JSON.stringify(found))
      for (const [index, start] of expected.entries()) {
        assert.ok(found[index]?.startsWith(start), `${found[index]} starts with ${start}`)
      }
    })
  }
})

/** What might look wrong and is not. */
const fine: readonly (readonly [string, string, unknown])[] = [
  ['HTTPRoute', 'spec.parentRefs', list(2, 0).map((_, i) => ({ name: 'a', sectionName: `s${i}` }))],
  ['HTTPRoute', 'spec.parentRefs', list(2, 0).map((_, i) => ({ name: 'a', port: 80 + i }))],
  ['HTTPRoute', 'spec.parentRefs', [{ name: 'a' }, { name: 'a', namespace: 'b' }]],
  ['HTTPRoute', 'spec.parentRefs', [{ group: '', kind: 'Service', name: 'cart', port: 80 }]],
  ['HTTPRoute', `${rule}.matches`, [{ path: { type: 'RegularExpression', value: '//[' } }]],
  ['HTTPRoute', `${rule}.matches`, [{ path: { value: '/a%20b/.c/..d' } }]],
  ['HTTPRoute', `${rule}.timeouts`, { request: '0s', backendRequest: '1h' }],
  ['HTTPRoute', `${rule}.backendRefs[0]`, { group: 'x.example', kind: 'Bucket', name: 'b' }],
  ['HTTPRoute', 'spec.rules', [{ filters: [redirect], backendRefs: [] }]],
  ['HTTPRoute', `${rule}.filters`, list(3, { type: 'RequestMirror', requestMirror: { backendRef: backend } })],
  ['HTTPRoute', `${rule}.filters`, [{ type: 'URLRewrite', urlRewrite: toPrefix }]],
  ['HTTPRoute', `${rule}.filters`, [{ type: 'CORS', cors: { allowOrigins: ['https://*.a.example:8443'] } }]],
  ['Gateway', `${listeners}[0].protocol`, 'example.com/own'],
  ['Gateway', `${listeners}[1].tls`, { options: { 'example.com/cert': 'x' } }],
  ['Gateway', `${listeners}[0]`, { name: 'p', port: 443, protocol: 'TLS', tls: { mode: 'Passthrough' } }],
  ['Service', 'spec', { type: 'ExternalName', externalName: 'a.example' }],
  ['Service', 'spec', { clusterIP: 'None' }],
  ['Secret', 'data', { a: 'YWFh\nYWFh' }],
]

describe('no mistakes', () => {
  for (const [kind, path, value] of fine) {
    test(`${kind} with ${path} ${JSON.stringify(value).slice(0, 80)}`, () => {
      assert.deepEqual(told(altered(kind, path, value)), [])
    })
  }
})

describe('kinds', () => {
  const kinds: readonly (readonly [unknown, unknown, string, string])[] = [
    ['gateway.networking.k8s.io/v1beta1', 'Gateway', 'invalid', 'spec: is required'],
    ['apps/v1', 'Deployment', 'unused', ': not used by Heddle yet'],
    ['networking.k8s.io/v1', 'Ingress', 'unused', ': not used by Heddle yet'],
    ['v1', 'Pod', 'unused', ': not used by Heddle yet'],
    ['serving.knative.dev/v1', 'Service', 'unused', ': not used by Heddle yet'],
    ['gateway.networking.k8s.io/v1', 'HttpRoute', 'invalid', 'kind: unknown kind "HttpRoute", did you mean HTTPRoute?'],
    [
      'heddle.dev/v1alpha1',
      'BackendPolice',
      'invalid',
      'kind: unknown kind "BackendPolice", did you mean BackendPolicy?',
    ],
    ['v1', 'Servce', 'invalid', 'kind: unknown kind "Servce", did you mean Service?'],
    ['v1', 'HTTPRoute', 'invalid', 'apiVersion: "v1" has no HTTPRoute; HTTPRoute is of gateway.networking.k8s.io/v1'],
    ['networking.k8s.io/v1', 'HTTPRoute', 'invalid', 'apiVersion: "networking.k8s.io/v1" has no HTTPRoute'],
    ['heddel.dev/v1alpha1', 'Workload', 'invalid', 'apiVersion: "heddel.dev/v1alpha1" has no Workload'],
    [
      'heddle.dev/v1',
      'Workload',
      'invalid',
      'apiVersion: "heddle.dev/v1" is not served; Workload is of heddle.dev/v1alpha1',
    ],
    [undefined, 'Workload', 'invalid', 'apiVersion: is required; Workload is of heddle.dev/v1alpha1'],
    ['v1', undefined, 'invalid', 'kind: is required'],
    [1, 'Service', 'invalid', 'apiVersion: expected text, found number 1'],
    ['v1', 'constructor', 'invalid', 'kind: unknown kind "constructor"'],
  ]
  for (const [apiVersion, kind, outcome, message] of kinds) {
    test(`${String(apiVersion)} ${String(kind)} is ${outcome}`, () => {
      const value = { apiVersion, kind, metadata: { name: 'a' } }
      assert.equal(read(value).kind, outcome)
      assert.ok(told(value)[0]?.startsWith(message), told(value)[0] ?? '')
    })
  }

  test('anything that is no object is told of', () => {
    for (const value of ['text', 5, [], true]) assert.equal(read(value).kind, 'invalid')
  })
})

test('readResource() does not show the value of a Secret', () => {
  assert.ok(!JSON.stringify(told(altered('Secret', 'data', { a: 'hunter2!' }))).includes('hunter2'))
})
