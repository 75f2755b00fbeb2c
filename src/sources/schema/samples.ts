/** Valid resources that tests take apart. Every call gives new objects. */
export const samples: Readonly<Record<string, () => Record<string, unknown>>> = {
  Namespace: () => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } }),
  Service: () => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'cart', namespace: 'shop', labels: { app: 'cart' } },
    spec: { selector: { app: 'cart' }, ports: [{ name: 'http', port: 80, targetPort: 9080 }] },
  }),
  Secret: () => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'web', namespace: 'shop' },
    type: 'kubernetes.io/tls',
    data: { 'tls.crt': 'YQ==', 'tls.key': 'Yg==' },
  }),
  ConfigMap: () => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'ca', namespace: 'shop' },
    data: { 'ca.crt': 'text' },
  }),
  EndpointSlice: () => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'cart-1', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'cart' } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 9080 }],
    endpoints: [{ addresses: ['10.0.0.1'], zone: 'a' }],
  }),
  GatewayClass: () => ({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'GatewayClass',
    metadata: { name: 'heddle' },
    spec: { controllerName: 'heddle.dev/gateway-controller' },
  }),
  Gateway: () => ({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: { name: 'web', namespace: 'shop' },
    spec: {
      gatewayClassName: 'heddle',
      listeners: [
        { name: 'http', port: 80, protocol: 'HTTP' },
        { name: 'https', port: 443, protocol: 'HTTPS', tls: { certificateRefs: [{ name: 'web' }] } },
      ],
    },
  }),
  BackendTLSPolicy: () => ({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'BackendTLSPolicy',
    metadata: { name: 'cart', namespace: 'shop' },
    spec: {
      targetRefs: [{ group: '', kind: 'Service', name: 'cart', sectionName: 'https' }],
      validation: {
        caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'ca' }],
        hostname: 'cart.example',
        subjectAltNames: [
          { type: 'Hostname', hostname: 'cart.example' },
          { type: 'URI', uri: 'spiffe://mesh/cart' },
        ],
      },
      options: { 'heddle.dev/min-version': 'TLSv1.3' },
    },
  }),
  ListenerSet: () => ({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'ListenerSet',
    metadata: { name: 'extra', namespace: 'shop' },
    spec: { parentRef: { name: 'web' }, listeners: [{ name: 'http', port: 8080, protocol: 'HTTP' }] },
  }),
  HTTPRoute: () => ({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: 'cart', namespace: 'shop' },
    spec: {
      parentRefs: [{ name: 'web' }],
      rules: [{ backendRefs: [{ name: 'cart', port: 80 }] }],
    },
  }),
  TCPRoute: () => ({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'TCPRoute',
    metadata: { name: 'db', namespace: 'shop' },
    spec: { parentRefs: [{ name: 'web' }], rules: [{ backendRefs: [{ name: 'db', port: 5432 }] }] },
  }),
  UDPRoute: () => ({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'UDPRoute',
    metadata: { name: 'dns', namespace: 'shop' },
    spec: { parentRefs: [{ name: 'web' }], rules: [{ backendRefs: [{ name: 'dns', port: 53 }] }] },
  }),
  TLSRoute: () => ({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'TLSRoute',
    metadata: { name: 'vault', namespace: 'shop' },
    spec: {
      parentRefs: [{ name: 'web' }],
      hostnames: ['vault.shop.example'],
      rules: [{ backendRefs: [{ name: 'vault', port: 8200 }] }],
    },
  }),
  GRPCRoute: () => ({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'GRPCRoute',
    metadata: { name: 'cart', namespace: 'shop' },
    spec: {
      parentRefs: [{ name: 'web' }],
      rules: [{ matches: [{ method: { service: 'shop.Cart' } }], backendRefs: [{ name: 'cart', port: 80 }] }],
    },
  }),
  ReferenceGrant: () => ({
    apiVersion: 'gateway.networking.k8s.io/v1beta1',
    kind: 'ReferenceGrant',
    metadata: { name: 'grant', namespace: 'vault' },
    spec: {
      from: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace: 'shop' }],
      to: [{ group: '', kind: 'Service' }],
    },
  }),
  BackendPolicy: () => ({
    apiVersion: 'heddle.dev/v1alpha1',
    kind: 'BackendPolicy',
    metadata: { name: 'cart', namespace: 'shop' },
    spec: { targetRefs: [{ name: 'cart' }] },
  }),
  HTTPFilter: () => ({
    apiVersion: 'heddle.dev/v1alpha1',
    kind: 'HTTPFilter',
    metadata: { name: 'per-client', namespace: 'shop' },
    spec: { type: 'RateLimit', rateLimit: { requests: 100, per: '1m', by: [{ type: 'ClientAddress' }] } },
  }),
  NetworkPolicy: () => ({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'cart', namespace: 'shop' },
    spec: {
      podSelector: { matchLabels: { app: 'cart' } },
      policyTypes: ['Ingress'],
      ingress: [{ from: [{ podSelector: { matchLabels: { app: 'web' } } }], ports: [{ port: 9080 }] }],
    },
  }),
  Workload: () => ({
    apiVersion: 'heddle.dev/v1alpha1',
    kind: 'Workload',
    metadata: { name: 'cart-1', namespace: 'shop' },
    spec: { service: 'cart', port: 9080, process: { command: ['node', 'cart.js'] } },
  }),
}

/** The sample with `value` at `path` (`undefined` takes the field away). */
export function altered(kind: string, path: string, value: unknown): Record<string, unknown> {
  const sample = samples[kind]
  if (sample === undefined) throw new Error(`no sample of ${kind}`)
  const resource = sample()
  const segments = path.split(/[.[\]]+/).filter(part => part !== '')
  const last = segments.pop() ?? ''
  let at = resource
  for (const segment of segments) at = (at[segment] ??= {}) as Record<string, unknown>
  if (value === undefined) Reflect.deleteProperty(at, last)
  else at[last] = value
  return resource
}
