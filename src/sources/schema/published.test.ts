import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { BackendTLSPolicy } from '@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/BackendTLSPolicy'
import { Gateway } from '@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/Gateway'
import { GatewayClass } from '@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/GatewayClass'
import { GRPCRoute } from '@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/GRPCRoute'
import { HTTPRoute } from '@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/HTTPRoute'
import { TLSRoute } from '@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/TLSRoute'
import { TCPRoute } from '@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1alpha2/TCPRoute'
import { UDPRoute } from '@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1alpha2/UDPRoute'
import { ListenerSet } from '@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/ListenerSet'
import { ReferenceGrant } from '@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/ReferenceGrant'
import { EndpointSlice } from 'kubernetes-models/discovery.k8s.io/v1/EndpointSlice'
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy'
import { ConfigMap } from 'kubernetes-models/v1/ConfigMap'
import { Namespace } from 'kubernetes-models/v1/Namespace'
import { Secret } from 'kubernetes-models/v1/Secret'
import { Service } from 'kubernetes-models/v1/Service'
import { parseAllDocuments } from 'yaml'
import { readResource } from './read-resource.ts'
import { samples } from './samples.ts'

// The schemas that others publish, as a second opinion: what they refuse, we refuse.
// They are laxer than the CRDs (null, unknown fields, no rules over several fields),
// so the reverse does not hold.

const published: Readonly<Record<string, new (data: never) => { validate(): void }>> = {
  Namespace,
  Service,
  Secret,
  ConfigMap,
  EndpointSlice,
  GatewayClass,
  Gateway,
  ListenerSet,
  HTTPRoute,
  GRPCRoute,
  TLSRoute,
  TCPRoute,
  UDPRoute,
  BackendTLSPolicy,
  ReferenceGrant,
  NetworkPolicy,
}

/** What is wrong in the eyes of the published schema; undefined if nothing. */
function publishedComplaint(resource: Record<string, unknown>): string | undefined {
  const model = published[String(resource['kind'])]
  assert.ok(model !== undefined)
  // The models set these themselves and refuse to be told of another version.
  const { apiVersion: _a, kind: _k, ...data } = resource
  try {
    new model(data as never).validate()
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

function isAccepted(resource: Record<string, unknown>): boolean {
  const outcome = readResource(resource, { file: '', line: 1, locate: () => ({ line: 1, column: 1 }) })
  return outcome.kind === 'resource'
}

/** With nearly every field there is. */
const rich: readonly Record<string, unknown>[] = [
  {
    ...samples['HTTPRoute']?.(),
    spec: {
      parentRefs: [
        {
          name: 'web',
          namespace: 'shop',
          sectionName: 'http',
          port: 80,
          group: 'gateway.networking.k8s.io',
          kind: 'Gateway',
        },
      ],
      hostnames: ['*.shop.example'],
      rules: [
        {
          name: 'first',
          matches: [
            {
              path: { type: 'PathPrefix', value: '/a' },
              headers: [{ type: 'Exact', name: 'x-a', value: 'b' }],
              queryParams: [{ type: 'RegularExpression', name: 'q', value: 'b.*' }],
              method: 'GET',
            },
          ],
          filters: [
            {
              type: 'RequestHeaderModifier',
              requestHeaderModifier: {
                set: [{ name: 'a', value: 'b' }],
                add: [{ name: 'c', value: 'd' }],
                remove: ['e'],
              },
            },
            { type: 'ResponseHeaderModifier', responseHeaderModifier: { set: [{ name: 'a', value: 'b' }] } },
            {
              type: 'RequestMirror',
              requestMirror: {
                backendRef: { name: 'm', port: 80, namespace: 'shop' },
                fraction: { numerator: 1, denominator: 2 },
              },
            },
            { type: 'RequestMirror', requestMirror: { backendRef: { name: 'm', port: 80 }, percent: 5 } },
            {
              type: 'URLRewrite',
              urlRewrite: { hostname: 'a.example', path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/b' } },
            },
            {
              type: 'CORS',
              cors: {
                allowOrigins: ['https://a.example'],
                allowCredentials: true,
                allowMethods: ['GET'],
                allowHeaders: ['a'],
                exposeHeaders: ['b'],
                maxAge: 10,
              },
            },
            { type: 'ExtensionRef', extensionRef: { group: 'a.example', kind: 'Thing', name: 'x' } },
          ],
          backendRefs: [{ name: 'cart', port: 80, weight: 5, namespace: 'shop', group: '', kind: 'Service' }],
          timeouts: { request: '10s', backendRequest: '5s' },
          retry: { codes: [500, 503], attempts: 2, backoff: '10ms' },
          sessionPersistence: {
            sessionName: 'shop',
            absoluteTimeout: '1h',
            type: 'Cookie',
            cookieConfig: { lifetimeType: 'Permanent' },
          },
        },
        {
          filters: [
            {
              type: 'RequestRedirect',
              requestRedirect: {
                scheme: 'https',
                hostname: 'a.example',
                port: 443,
                statusCode: 301,
                path: { type: 'ReplaceFullPath', replaceFullPath: '/x' },
              },
            },
          ],
        },
      ],
    },
  },
  ...['TCPRoute', 'UDPRoute', 'TLSRoute'].map(kind => ({
    ...samples[kind]?.(),
    spec: {
      parentRefs: [
        {
          name: 'web',
          namespace: 'shop',
          sectionName: 'raw',
          port: 80,
          group: 'gateway.networking.k8s.io',
          kind: 'Gateway',
        },
      ],
      ...(kind === 'TLSRoute' ? { hostnames: ['*.shop.example', 'vault.example'] } : {}),
      rules: [
        {
          name: 'only',
          backendRefs: [
            { name: 'db', port: 80, weight: 5, namespace: 'shop', group: '', kind: 'Service' },
            { name: 'db-2', port: 80, weight: 0 },
          ],
        },
      ],
    },
  })),
  {
    ...samples['ListenerSet']?.(),
    spec: {
      parentRef: { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'web', namespace: 'infra' },
      listeners: [
        {
          name: 'https',
          hostname: '*.example',
          port: 443,
          protocol: 'HTTPS',
          tls: { mode: 'Terminate', certificateRefs: [{ name: 'web', namespace: 'shop' }], options: { a: 'b' } },
          allowedRoutes: {
            namespaces: { from: 'Selector', selector: { matchLabels: { a: 'b' } } },
            kinds: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute' }],
          },
        },
      ],
    },
  },
  {
    ...samples['GRPCRoute']?.(),
    spec: {
      parentRefs: [{ name: 'web', namespace: 'shop', sectionName: 'http', port: 80 }],
      hostnames: ['*.shop.example'],
      rules: [
        {
          name: 'first',
          matches: [
            {
              method: { type: 'Exact', service: 'shop.Cart', method: 'AddItem' },
              headers: [{ type: 'RegularExpression', name: 'x-a', value: 'b.*' }],
            },
            { method: { type: 'RegularExpression', service: 'shop\\..*' } },
          ],
          filters: [
            { type: 'RequestHeaderModifier', requestHeaderModifier: { set: [{ name: 'a', value: 'b' }] } },
            { type: 'ResponseHeaderModifier', responseHeaderModifier: { remove: ['a'] } },
            { type: 'RequestMirror', requestMirror: { backendRef: { name: 'm', port: 80 }, percent: 5 } },
            { type: 'ExtensionRef', extensionRef: { group: 'a.example', kind: 'Thing', name: 'x' } },
          ],
          backendRefs: [
            {
              name: 'cart',
              port: 80,
              weight: 5,
              namespace: 'shop',
              filters: [{ type: 'RequestHeaderModifier', requestHeaderModifier: { add: [{ name: 'a', value: 'b' }] } }],
            },
          ],
          sessionPersistence: { sessionName: 'shop', type: 'Header' },
        },
      ],
    },
  },
  {
    ...samples['Gateway']?.(),
    spec: {
      gatewayClassName: 'heddle',
      addresses: [{ type: 'Hostname', value: 'a.example' }],
      infrastructure: {
        labels: { a: 'b' },
        annotations: { c: 'd' },
        parametersRef: { group: 'a.example', kind: 'Thing', name: 'x' },
      },
      allowedListeners: { namespaces: { from: 'Selector', selector: { matchLabels: { a: 'b' } } } },
      tls: {
        backend: { clientCertificateRef: { name: 'client', namespace: 'shop' } },
        frontend: {
          default: {
            validation: { caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'ca' }], mode: 'AllowValidOnly' },
          },
          perPort: [
            { port: 443, tls: { validation: { caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'ca' }] } } },
          ],
        },
      },
      listeners: [
        {
          name: 'https',
          hostname: '*.example',
          port: 443,
          protocol: 'HTTPS',
          tls: { mode: 'Terminate', certificateRefs: [{ name: 'web', namespace: 'shop' }], options: { a: 'b' } },
          allowedRoutes: {
            namespaces: {
              from: 'Selector',
              selector: { matchExpressions: [{ key: 'a', operator: 'In', values: ['b'] }] },
            },
            kinds: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute' }],
          },
        },
      ],
    },
  },
  {
    ...samples['NetworkPolicy']?.(),
    spec: {
      podSelector: { matchLabels: { app: 'cart' }, matchExpressions: [{ key: 'tier', operator: 'In', values: ['a'] }] },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [
        {
          from: [
            { podSelector: {}, namespaceSelector: { matchLabels: { a: 'b' } } },
            { ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } },
          ],
          ports: [{ protocol: 'UDP', port: 53 }, { port: 'http' }, { port: 8000, endPort: 9000 }],
        },
      ],
      egress: [{ to: [{ podSelector: { matchLabels: { app: 'db' } } }], ports: [{ port: 5432 }] }],
    },
  },
  {
    ...samples['EndpointSlice']?.(),
    ports: [{ name: 'http', port: 9080, protocol: 'TCP', appProtocol: 'http' }],
    endpoints: [
      {
        addresses: ['10.0.0.1'],
        conditions: { ready: true, serving: true, terminating: false },
        hostname: 'a',
        nodeName: 'n',
        zone: 'z',
        targetRef: { kind: 'Pod', name: 'p', namespace: 'shop', uid: 'u' },
        hints: { forZones: [{ name: 'z' }] },
      },
    ],
  },
  {
    ...samples['Service']?.(),
    spec: {
      type: 'NodePort',
      clusterIP: '10.0.0.1',
      clusterIPs: ['10.0.0.1'],
      selector: { app: 'cart' },
      ports: [{ name: 'http', port: 80, targetPort: 'http', protocol: 'TCP', appProtocol: 'http', nodePort: 30000 }],
      publishNotReadyAddresses: true,
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 5 } },
      internalTrafficPolicy: 'Local',
      externalTrafficPolicy: 'Cluster',
      trafficDistribution: 'PreferClose',
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      externalIPs: ['10.0.0.2'],
      allocateLoadBalancerNodePorts: true,
      healthCheckNodePort: 30001,
      loadBalancerClass: 'a',
      loadBalancerIP: '10.0.0.3',
      loadBalancerSourceRanges: ['10.0.0.0/8'],
    },
  },
]

const all: readonly Record<string, unknown>[] = [
  ...rich,
  ...Object.entries(samples)
    .filter(([kind]) => kind in published)
    .map(([, make]) => make()),
]

describe('published schemas', () => {
  for (const [index, resource] of all.entries()) {
    test(`accept ${String(resource['kind'])} ${index} as we do`, () => {
      assert.equal(isAccepted(resource), true)
      assert.equal(publishedComplaint(resource), undefined)
    })
  }

  const directory = join(import.meta.dirname, '../../../test/fixtures/mistakes')
  for (const name of readdirSync(directory)) {
    test(`accept what we accept of ${name}`, () => {
      for (const document of parseAllDocuments(readFileSync(join(directory, name), 'utf8'))) {
        if (!('toJS' in document) || document.errors.length > 0 || name === 'aliases.yaml') continue
        const resource: unknown = document.toJS()
        if (typeof resource !== 'object' || resource === null || !('kind' in resource)) continue
        if (!(String(resource.kind) in published)) continue
        const record = resource as Record<string, unknown>
        if (isAccepted(record)) assert.equal(publishedComplaint(record), undefined)
      }
    })
  }

  for (const [index, resource] of all.entries()) {
    test(`refuse no change of ${String(resource['kind'])} ${index} that we accept`, () => {
      let refused = 0
      for (const [path, changed] of changes(resource)) {
        const complaint = publishedComplaint(changed)
        if (complaint === undefined) continue
        refused++
        assert.equal(isAccepted(changed), false, `${path}: ${complaint}`)
      }
      assert.ok(refused > 0, 'some changes are refused')
    })
  }
})

/** Null is left out: the published schemas take it, and so do not count. */
function substitutes(value: unknown): unknown[] {
  if (Array.isArray(value)) return ['x', {}, 5, [], Array.from({ length: 2000 }, () => value[0]), [5], [[]]]
  if (typeof value === 'object' && value !== null) return ['x', [], 5, true, {}]
  if (typeof value === 'number') return [-1, 0, 1.5, 70_000, 2_000_000_000, '1', true, [], {}]
  if (typeof value === 'boolean') return ['true', 1, [], {}]
  return ['', 'x'.repeat(5000), 'Not valid!', '-a', 'a b\n', 5, true, [], {}]
}

/** Copies of the resource with one member replaced, or taken away. */
function* changes(resource: Record<string, unknown>): Iterable<[string, Record<string, unknown>]> {
  for (const path of paths(resource)) {
    if (path[0] === 'apiVersion' || path[0] === 'kind') continue
    const original = path.reduce<unknown>((at, part) => (at as Record<string, unknown>)[part], resource)
    for (const substitute of [...substitutes(original), undefined]) {
      const copy = structuredClone(resource)
      const parent = path.slice(0, -1).reduce<unknown>((at, part) => (at as Record<string, unknown>)[part], copy)
      const last = path.at(-1) ?? ''
      if (substitute !== undefined) (parent as Record<string, unknown>)[last] = substitute
      else if (!Array.isArray(parent)) Reflect.deleteProperty(parent as object, last)
      yield [`${path.join('.')} = ${JSON.stringify(substitute)?.slice(0, 40)}`, copy]
    }
  }
}

function* paths(value: unknown, above: readonly string[] = []): Iterable<readonly string[]> {
  if (typeof value !== 'object' || value === null) return
  for (const [key, member] of Object.entries(value)) {
    yield [...above, key]
    yield* paths(member, [...above, key])
  }
}
