import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultBackendSettings, type Backend, type Listener } from '../../model/index.ts'
import { Reconciler, type Reconciled } from './reconcile.ts'
import { brief, problemsOf, reconciled, resourcesOf, statusOf } from './testing.ts'

function service(spec: string, name = 'cart'): string {
  return `
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: shop }
spec: { ${spec} }
---
`
}

function slice(name: string, ports: string, endpoints: string, service = 'cart', type = 'IPv4'): string {
  return `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: ${name}, namespace: shop, labels: { kubernetes.io/service-name: ${service} } }
addressType: ${type}
ports: [${ports}]
endpoints: [${endpoints}]
---
`
}

function workload(name: string, spec: string, labels = ''): string {
  return `
apiVersion: heddle.dev/v1alpha1
kind: Workload
metadata: { name: ${name}, namespace: shop, labels: { ${labels} } }
spec: { ${spec} }
---
`
}

function policy(name: string, spec: string, created = '2026-01-01T00:00:00Z'): string {
  return `
apiVersion: heddle.dev/v1alpha1
kind: BackendPolicy
metadata: { name: ${name}, namespace: shop, generation: 2, creationTimestamp: "${created}" }
spec: { ${spec} }
---
`
}

function backendOf(result: Reconciled, key = 'shop/cart:80'): Backend {
  const found = result.snapshot.backends.get(key)
  assert.ok(found !== undefined, `no backend ${key}`)
  return found
}

test('a Service has a virtual address, a listener per HTTP port and an address for its clients', () => {
  const result = reconciled(service('ports: [{ name: http, port: 80 }, { name: admin, port: 81 }]'))
  const [first, second] = [...result.snapshot.listeners.values()]
  assert.ok(first !== undefined && second !== undefined)
  assert.match(first.id, /^127\.77\.\d+\.\d+:80$/)
  assert.equal(first.address, second.address)
  assert.equal(first.kind, 'service')
  assert.deepEqual(first.virtualHosts, [
    { id: 'Service shop/cart:80', hostname: undefined, certificates: [], tls: undefined, clientCertificate: undefined },
  ])
  assert.deepEqual(result.serviceAddresses, [
    { namespace: 'shop', service: 'cart', address: first.address, port: 80, portName: 'http' },
    { namespace: 'shop', service: 'cart', address: first.address, port: 81, portName: 'admin' },
  ])
})

test('spec.clusterIP is kept on loopback only, and never where a Gateway listens', () => {
  const rows: [string, RegExp, string[]][] = [
    ['127.3.2.1', /^127\.3\.2\.1$/, []],
    ['10.96.0.10', /^127\.77\./, []],
    ['127.0.0.1', /^127\.77\./, ['127.0.0.1 is taken by a Gateway or another Service; the Service has ']],
  ]
  for (const [clusterIp, expected, problems] of rows) {
    const result = reconciled(service(`clusterIP: ${clusterIp}, ports: [{ port: 80 }]`))
    assert.match(result.serviceAddresses[0]?.address ?? '', expected)
    assert.equal(result.problems.length, problems.length)
    for (const [at, problem] of problems.entries()) assert.ok(result.problems[at]?.message.startsWith(problem))
  }
})

test('a Service of two families has the addresses that it asks for, where they can be had', () => {
  const rows: [string, RegExp, RegExp][] = [
    ['clusterIP: 127.3.2.1, clusterIPs: [127.3.2.1, "FD00::5"]', /^127\.3\.2\.1$/, /^fd00::5$/],
    ['clusterIP: "fd00::5", clusterIPs: ["fd00::5", 127.3.2.1]', /^127\.3\.2\.1$/, /^fd00::5$/],
    ['clusterIP: 10.96.0.10, clusterIPs: [10.96.0.10, "2001:db8::1"]', /^127\.77\./, /^fd68:6564:646c::7f4d:/],
  ]
  for (const [addresses, ipv4, ipv6] of rows) {
    const [named] = reconciled(service(`${addresses}, ports: [{ port: 80 }]`)).namedServices
    assert.match(named?.addresses[0] ?? '', ipv4, addresses)
    assert.match(named?.addresses[1] ?? '', ipv6, addresses)
  }
})

test('names know the kind of a Service, its ports and what knows their endpoints', () => {
  const result = reconciled(
    service('ports: [{ name: http, port: 80 }, { name: dns, port: 53, protocol: UDP }]') +
      service('clusterIP: None, ports: [{ port: 80 }]', 'db') +
      service('type: ExternalName, externalName: db.example.com', 'far'),
  )
  assert.deepEqual(
    result.namedServices.map(({ addresses, ...rest }) => ({ ...rest, addresses: addresses.length })),
    [
      {
        key: 'shop/cart',
        namespace: 'shop',
        name: 'cart',
        kind: 'cluster-ip',
        externalName: '',
        affinitySeconds: 0,
        ports: [
          { name: 'http', port: 80, carrier: 'tcp', backend: 'shop/cart:80' },
          { name: 'dns', port: 53, carrier: 'udp', backend: 'shop/cart:53/udp' },
        ],
        addresses: 2,
      },
      {
        key: 'shop/db',
        namespace: 'shop',
        name: 'db',
        kind: 'headless',
        externalName: '',
        affinitySeconds: 0,
        ports: [{ name: '', port: 80, carrier: 'tcp', backend: 'shop/db:80' }],
        addresses: 0,
      },
      {
        key: 'shop/far',
        namespace: 'shop',
        name: 'far',
        kind: 'external-name',
        externalName: 'db.example.com',
        affinitySeconds: 0,
        ports: [],
        addresses: 0,
      },
    ],
  )
})

test('a Service keeps its address when another comes and goes, and after a restart with what was remembered', () => {
  const network = { serviceCidr: '127.9.0.0/30' }
  const addressOf = (result: Reconciled, name: string): string | undefined =>
    result.serviceAddresses.find(each => each.service === name)?.address
  // Two places: of three Services two at least begin at the same.
  const spec = 'ports: [{ port: 80 }]'
  const pairs = [
    ['a', 'b'],
    ['a', 'c'],
    ['b', 'c'],
  ] as const
  const pair = pairs.find(names => {
    const [one, two] = names.map(name =>
      addressOf(new Reconciler(network).reconcile(resourcesOf(service(spec, name))), name),
    )
    return one === two
  })
  const [first, second] = pair ?? assert.fail()
  const reconciler = new Reconciler(network)
  const before = addressOf(reconciler.reconcile(resourcesOf(service(spec, second))), second)
  const both = reconciler.reconcile(resourcesOf(service(spec, first), service(spec, second)))
  assert.equal(addressOf(both, second), before)
  assert.deepEqual([...both.displacedAddresses.keys()], [`shop/${first}`])
  const again = new Reconciler({ ...network, keptAddresses: both.displacedAddresses }).reconcile(
    resourcesOf(service(spec, first), service(spec, second)),
  )
  assert.deepEqual(again.serviceAddresses, both.serviceAddresses)
})

test('a port is served with what it speaks, and told when that can not be', () => {
  const rows: [string, Backend['protocol'] | undefined, Listener['protocol'] | undefined][] = [
    ['{ port: 80 }', 'http1', 'HTTP'],
    ['{ port: 80, appProtocol: http }', 'http1', 'HTTP'],
    ['{ port: 80, appProtocol: HTTP }', 'http1', 'HTTP'],
    ['{ port: 80, appProtocol: kubernetes.io/ws }', 'http1', 'HTTP'],
    ['{ port: 80, appProtocol: kubernetes.io/h2c }', 'h2c', 'HTTP'],
    ['{ port: 80, appProtocol: grpc }', 'h2c', 'HTTP'],
    ['{ port: 80, name: grpc }', 'h2c', 'HTTP'],
    ['{ port: 80, name: grpc-api }', 'h2c', 'HTTP'],
    ['{ port: 80, name: http2 }', 'h2c', 'HTTP'],
    ['{ port: 80, name: grpcweb }', 'http1', 'HTTP'],
    ['{ port: 80, name: grpc, appProtocol: http }', 'http1', 'HTTP'],
    ['{ port: 80, appProtocol: tcp }', 'tcp', 'TCP'],
    ['{ port: 80, appProtocol: redis }', 'tcp', 'TCP'],
    ['{ port: 80, appProtocol: https }', 'tcp', 'TLS'],
    ['{ port: 80, protocol: UDP }', 'udp', 'UDP'],
    ['{ port: 80, protocol: SCTP }', undefined, undefined],
  ]
  for (const [port, protocol, listens] of rows) {
    const result = reconciled(service(`ports: [${port}]`))
    const isServed = listens !== undefined
    assert.equal([...result.snapshot.backends.values()][0]?.protocol, protocol, port)
    assert.equal([...result.snapshot.listeners.values()][0]?.protocol, listens, port)
    assert.equal(result.snapshot.routes.size, listens === 'HTTP' ? 1 : 0, port)
    assert.equal(result.snapshot.streamRoutes.size, isServed && listens !== 'HTTP' ? 1 : 0, port)
    assert.equal(result.serviceAddresses.length, isServed ? 1 : 0, port)
    assert.deepEqual(
      result.problems.map(problem => [problem.severity, problem.path]),
      isServed ? [] : [['warning', 'spec.ports[0]']],
      port,
    )
  }
})

test('headless Services have backends and no address, ExternalName ones have nothing', () => {
  const headless = reconciled(service('clusterIP: None, ports: [{ port: 80 }]'))
  assert.equal(headless.snapshot.listeners.size, 0)
  assert.equal(backendOf(headless).protocol, 'http1')
  const external = reconciled(service('type: ExternalName, externalName: example.com, ports: [{ port: 80 }]'))
  assert.equal(external.snapshot.listeners.size, 0)
  assert.equal(external.snapshot.backends.size, 0)
})

test('endpoints come from slices by the name of the port, with their conditions', () => {
  const result = reconciled(
    service('ports: [{ name: http, port: 80 }, { name: admin, port: 81 }]') +
      slice(
        'a',
        '{ name: admin, port: 9081 }, { name: http, port: 9080 }',
        `{ addresses: [10.0.0.1], zone: z1, targetRef: { kind: Pod, name: cart-1 } },
         { addresses: [10.0.0.2], conditions: { ready: false } },
         { addresses: [10.0.0.3], conditions: { ready: false, serving: true, terminating: true } },
         { addresses: [10.0.0.4], conditions: { ready: false, serving: false, terminating: true } }`,
      ) +
      slice(
        'b',
        '{ name: http, port: 9080 }',
        '{ addresses: [10.0.0.2] }, { addresses: [10.0.0.1], conditions: { ready: false } }',
      ) +
      slice('c', '{ name: http, port: 9080 }', '{ addresses: ["fd00::1"] }', 'cart', 'IPv6') +
      slice('other', '{ name: http, port: 9080 }', '{ addresses: [10.0.0.9] }', 'cart2') +
      service('ports: [{ name: http, port: 80 }]', 'cart2'),
  )
  assert.deepEqual(
    backendOf(result).endpoints.map(one => [one.id, one.zone, one.workload, one.healthy, one.draining]),
    [
      ['10.0.0.1:9080', 'z1', 'cart-1', true, false],
      ['10.0.0.2:9080', '', '', true, false],
      ['10.0.0.3:9080', '', '', true, true],
      ['10.0.0.4:9080', '', '', false, true],
      ['[fd00::1]:9080', '', '', true, false],
    ],
  )
  assert.deepEqual(
    backendOf(result, 'shop/cart:81').endpoints.map(one => one.port),
    [9081, 9081, 9081, 9081],
  )
  assert.deepEqual(problemsOf(result), [])
})

test('slices that reach nothing are told', () => {
  const rows: [string, RegExp][] = [
    [
      slice('a', '{ name: web, port: 1 }', '{ addresses: [10.0.0.1] }'),
      /ports\[0\]: Service shop\/cart has no port named web, only http/,
    ],
    [slice('a', '{ name: http }', '{ addresses: [10.0.0.1] }'), /a port without a number is not used/],
    [
      slice('a', '{ name: http, port: 1 }', '{ addresses: [x.example] }', 'cart', 'FQDN'),
      /addresses of type FQDN are not used/,
    ],
    [
      slice('a', '{ name: http, port: 1 }', '{ addresses: [10.0.0.1] }', 'carts'),
      /there is no shop\/carts, did you mean shop\/cart\?/,
    ],
  ]
  for (const [text, expected] of rows) {
    const result = reconciled(service('ports: [{ name: http, port: 80 }]') + text)
    assert.deepEqual(backendOf(result).endpoints, [])
    assert.match(problemsOf(result).join('\n'), expected)
    assert.match(problemsOf(result).join('\n'), /^warning EndpointSlice shop\/a: /)
  }
})

test('Workloads are endpoints of the Service they name and of those that select them', () => {
  const result = reconciled(
    service('ports: [{ port: 80 }]') +
      service('ports: [{ port: 80 }], selector: { app: cart, version: v2 }', 'cart-v2') +
      service('ports: [{ port: 80 }], selector: { app: cart }', 'all') +
      workload('w1', 'service: cart, port: 9001') +
      workload('w2', 'port: 9002, weight: 3, zone: z9', 'app: cart, version: v2') +
      workload('w3', 'port: 9003, service: cart', 'app: cart, version: v3'),
  )
  const ids = (key: string): string[] => backendOf(result, key).endpoints.map(one => one.id)
  assert.deepEqual(ids('shop/cart:80'), ['127.0.0.1:9001', '127.0.0.1:9003'])
  assert.deepEqual(ids('shop/cart-v2:80'), ['127.0.0.1:9002'])
  assert.deepEqual(ids('shop/all:80'), ['127.0.0.1:9002', '127.0.0.1:9003'])
  const [second] = backendOf(result, 'shop/cart-v2:80').endpoints
  assert.deepEqual([second?.weight, second?.zone, second?.workload], [3, 'z9', 'w2'])
  assert.deepEqual(
    result.workloads.map(one => one.key),
    ['shop/w1', 'shop/w2', 'shop/w3'],
  )
  assert.deepEqual(problemsOf(result), [])
})

test('a Workload that no Service has is told', () => {
  const result = reconciled(
    service('ports: [{ port: 80 }]') + workload('w1', 'service: carts, port: 9001') + workload('w2', 'port: 9002'),
  )
  assert.deepEqual(problemsOf(result), [
    'error Workload shop/w1: spec.service: no Service shop/carts, did you mean shop/cart?',
    'warning Workload shop/w2: metadata.labels: no Service selects the Workload, so nobody reaches it; set spec.service or labels',
  ])
})

test('a Workload is handed to the supervisor with absolute paths and milliseconds', () => {
  const [one] = reconciled(
    service('ports: [{ port: 80 }]') +
      workload(
        'w',
        'service: cart, port: 9001, process: { command: [node, cart.js], workingDirectory: sub, restartBackoff: 250ms }, healthCheck: { tcp: {}, interval: 2s }',
      ),
  ).workloads
  assert.deepEqual(one?.process?.command, ['node', 'cart.js'])
  assert.match(one?.process?.workingDirectory ?? '', /^\/.*\/sub$/)
  assert.equal(one?.process?.restartBackoffMs, 250)
  assert.equal(one?.healthCheck?.kind, 'TCP')
  assert.equal(one?.healthCheck?.intervalMs, 2_000)
})

test('the health check that all Workloads share is the backend’s, unless a policy has one', () => {
  const check = 'healthCheck: { http: { path: /healthz } }'
  const two = (first: string, second: string): string =>
    service('ports: [{ port: 80 }]') +
    workload('w1', `service: cart, port: 9001, ${first}`) +
    workload('w2', `service: cart, port: 9002, ${second}`)
  assert.equal(backendOf(reconciled(two(check, check))).settings.healthCheck?.kind, 'HTTP')
  assert.equal(backendOf(reconciled(two(check, 'weight: 1'))).settings.healthCheck, undefined)
  const withPolicy = two(check, check) + policy('p', 'targetRefs: [{ name: cart }], healthCheck: { tcp: {} }')
  assert.equal(backendOf(reconciled(withPolicy)).settings.healthCheck?.kind, 'TCP')
})

test('a BackendPolicy becomes the settings of its ports', () => {
  const result = reconciled(
    service('ports: [{ name: http, port: 80 }, { name: admin, port: 81 }]') +
      policy(
        'p',
        `targetRefs: [{ name: cart, sectionName: http }],
         loadBalancing: { type: RingHash, hash: { header: { name: X-User } }, slowStart: 10s, locality: PreferLocal },
         healthCheck: { http: { path: /up, expectedStatuses: ["200", "300-399"] }, interval: 3s },
         outlierDetection: { consecutiveFailures: 2, baseEjection: 1s },
         circuitBreaker: { maxRequests: 7, retryBudget: { percent: 5 } },
         panicThreshold: 10, connectTimeout: 1s, idleTimeout: 2s,
         streamIdleTimeout: 10m, proxyProtocol: V2`,
      ),
  )
  assert.deepEqual(backendOf(result).settings, {
    loadBalancing: { kind: 'RingHash', source: { kind: 'header', name: 'x-user' }, minRingSize: 1024 },
    healthCheck: {
      kind: 'HTTP',
      path: '/up',
      host: '',
      expected: [
        [200, 200],
        [300, 399],
      ],
      intervalMs: 3_000,
      timeoutMs: 1_000,
      healthyThreshold: 1,
      unhealthyThreshold: 3,
    },
    outlierDetection: { ...defaultBackendSettings.outlierDetection, consecutiveFailures: 2, baseEjectionMs: 1_000 },
    circuitBreaker: { ...defaultBackendSettings.circuitBreaker, maxRequests: 7, retryBudgetPercent: 5 },
    panicThresholdPercent: 10,
    slowStartMs: 10_000,
    preferLocalZone: true,
    connectTimeoutMs: 1_000,
    streamIdleTimeoutMs: 600_000,
    proxyProtocol: 'v2',
    idleTimeoutMs: 2_000,
  })
  assert.deepEqual(backendOf(result, 'shop/cart:81').settings, defaultBackendSettings)
})

test('a BackendPolicy that sets nothing leaves the defaults of the model', () => {
  const result = reconciled(service('ports: [{ port: 80 }]') + policy('p', 'targetRefs: [{ name: cart }]'))
  assert.deepEqual(backendOf(result).settings, defaultBackendSettings)
})

test('every kind of hash and balancing reaches the model', () => {
  const rows: [string, unknown][] = [
    ['type: RoundRobin', { kind: 'RoundRobin' }],
    ['type: PeakEwma', { kind: 'PeakEwma' }],
    ['type: Random', { kind: 'Random' }],
    ['type: Maglev, hash: { source: {} }', { kind: 'Maglev', source: { kind: 'source' }, tableSize: 65_537 }],
    [
      'type: Maglev, hash: { query: { name: Q } }',
      { kind: 'Maglev', source: { kind: 'query', name: 'Q' }, tableSize: 65_537 },
    ],
    [
      'type: RingHash, hash: { cookie: { name: c, ttl: 1m } }',
      { kind: 'RingHash', source: { kind: 'cookie', name: 'c', ttlMs: 60_000, path: '/' }, minRingSize: 1024 },
    ],
  ]
  for (const [spec, expected] of rows) {
    const result = reconciled(
      service('ports: [{ port: 80 }]') + policy('p', `targetRefs: [{ name: cart }], loadBalancing: { ${spec} }`),
    )
    assert.deepEqual(backendOf(result).settings.loadBalancing, expected, spec)
  }
})

test('of two BackendPolicies the one for the port decides, of equal ones the older', () => {
  const text =
    service('ports: [{ name: http, port: 80 }, { name: admin, port: 81 }]') +
    policy('young', 'targetRefs: [{ name: cart }], panicThreshold: 1', '2026-03-01T00:00:00Z') +
    policy('old', 'targetRefs: [{ name: cart }], panicThreshold: 2', '2026-01-01T00:00:00Z') +
    policy('port', 'targetRefs: [{ name: cart, sectionName: admin }], panicThreshold: 3', '2026-05-01T00:00:00Z')
  const result = reconciled(text)
  assert.equal(backendOf(result, 'shop/cart:80').settings.panicThresholdPercent, 2)
  assert.equal(backendOf(result, 'shop/cart:81').settings.panicThresholdPercent, 3)
  assert.equal(brief(statusOf(result, 'BackendPolicy shop/young').conditions), 'Accepted=False/Conflicted')
  assert.equal(brief(statusOf(result, 'BackendPolicy shop/old').conditions), 'Accepted=True/Accepted')
  assert.equal(brief(statusOf(result, 'BackendPolicy shop/port').conditions), 'Accepted=True/Accepted')
  assert.equal(statusOf(result, 'BackendPolicy shop/old').conditions[0]?.observedGeneration, 2)
  assert.deepEqual(problemsOf(result), [
    'error BackendPolicy shop/young: spec.targetRefs[0]: BackendPolicy shop/old already holds for Service shop/cart',
  ])
})

test('a BackendPolicy without its target is told', () => {
  const rows: [string, RegExp][] = [
    ['{ name: carts }', /no Service shop\/carts, did you mean shop\/cart\?/],
    ['{ name: cart, sectionName: htp }', /Service shop\/cart has no port named htp, did you mean http\?/],
  ]
  for (const [target, expected] of rows) {
    const result = reconciled(service('ports: [{ name: http, port: 80 }]') + policy('p', `targetRefs: [${target}]`))
    assert.equal(brief(statusOf(result, 'BackendPolicy shop/p').conditions), 'Accepted=False/TargetNotFound')
    assert.match(problemsOf(result).join('\n'), expected)
  }
})

test('a BackendPolicy decides what a port speaks', () => {
  const rows: [string, string, Backend['protocol']][] = [
    ['TCP', 'http', 'tcp'],
    ['H2C', 'http', 'h2c'],
    ['HTTP1', 'redis', 'http1'],
  ]
  for (const [protocol, appProtocol, expected] of rows) {
    const result = reconciled(
      service(`ports: [{ port: 80, appProtocol: ${appProtocol} }]`) +
        policy('p', `targetRefs: [{ name: cart }], protocol: ${protocol}`),
    )
    assert.equal(backendOf(result).protocol, expected)
    assert.equal(result.snapshot.listeners.size, 1)
  }
})
