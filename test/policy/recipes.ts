/** Policies everybody writes sooner or later, and mistakes everybody makes once: what each of them allows. */
export interface Recipe {
  readonly name: string
  /** YAML of the `spec`s of policies, `namespace/name: {…}`. */
  readonly policies: string
  /** Lines of `from > to [PROTOCOL/]PORT`, after the verdict. */
  readonly allowed: readonly string[]
  readonly denied: readonly string[]
}

/**
 * shop: web, api (port 80 is `http`, 9000 is `admin`), db; ops: prom, cron; lab: tester. Addresses are 10.0.0.1 to
 * 10.0.0.6 in this order; 192.0.2.9 is a client from outside.
 */
export const world = `
namespaces:
  - metadata: { name: shop, labels: { purpose: production } }
  - metadata: { name: ops, labels: { purpose: monitoring } }
workloads:
  - metadata: { name: web, namespace: shop, labels: { app: web } }
    spec: { address: 10.0.0.1, port: 80 }
  - metadata: { name: api, namespace: shop, labels: { app: api, role: backend } }
    spec: { address: 10.0.0.2, port: 80, ports: [{ name: http, port: 80 }, { name: admin, port: 9000 }] }
  - metadata: { name: db, namespace: shop, labels: { app: db } }
    spec: { address: 10.0.0.3, port: 5432 }
  - metadata: { name: prom, namespace: ops, labels: { type: monitoring } }
    spec: { address: 10.0.0.4, port: 9090, ports: [{ name: http, port: 9090 }] }
  - metadata: { name: cron, namespace: ops, labels: { type: batch } }
    spec: { address: 10.0.0.5, port: 80 }
  - metadata: { name: tester, namespace: lab, labels: { app: web, type: monitoring } }
    spec: { address: 10.0.0.6, port: 80 }
`

export const recipes: readonly Recipe[] = [
  {
    name: 'nothing is selected: everybody may talk to everybody',
    policies: '{}',
    allowed: [
      'shop/web > shop/api 80',
      'lab/tester > shop/db UDP/53',
      '192.0.2.9 > shop/db 5432',
      'shop/db > 192.0.2.9 443',
    ],
    denied: [],
  },
  {
    name: 'nobody may talk to one application',
    policies: 'shop/p: { podSelector: { matchLabels: { app: api } }, ingress: [] }',
    allowed: [
      'shop/web > shop/db 5432',
      'shop/api > shop/web 80',
      'shop/api > 192.0.2.9 443',
      'shop/api > shop/api 80',
    ],
    denied: [
      'shop/web > shop/api 80',
      'lab/tester > shop/api 80',
      '192.0.2.9 > shop/api 80',
      'shop/db > shop/api UDP/80',
    ],
  },
  {
    name: 'only some pods of the namespace may talk to an application',
    policies:
      'shop/p: { podSelector: { matchLabels: { app: db } }, ingress: [{ from: [{ podSelector: { matchLabels: { app: api } } }] }] }',
    allowed: ['shop/api > shop/db 5432', 'shop/api > shop/db UDP/1'],
    denied: ['shop/web > shop/db 5432', 'ops/prom > shop/db 5432', '10.0.0.2 > shop/db 5432'],
  },
  {
    name: 'all may talk to an application in spite of a policy that closes the namespace',
    policies: `{ shop/deny: { podSelector: {} }, shop/open: { podSelector: { matchLabels: { app: web } }, ingress: [{}] } }`,
    allowed: ['192.0.2.9 > shop/web 80', 'lab/tester > shop/web UDP/53', 'shop/web > ops/cron 80'],
    denied: ['shop/web > shop/api 80', '192.0.2.9 > shop/db 5432'],
  },
  {
    name: 'whatever is not allowed into the namespace is denied',
    policies: 'shop/p: { podSelector: {} }',
    allowed: ['shop/web > ops/prom 9090', 'shop/web > shop/web 80', 'ops/prom > ops/cron 80'],
    denied: ['shop/web > shop/db 5432', 'ops/prom > shop/web 80', '192.0.2.9 > shop/web 80'],
  },
  {
    name: 'other namespaces are kept out',
    policies: 'shop/p: { podSelector: {}, ingress: [{ from: [{ podSelector: {} }] }] }',
    allowed: ['shop/web > shop/db 5432', 'shop/db > shop/web 80'],
    denied: ['ops/prom > shop/web 80', 'lab/tester > shop/web 80', '192.0.2.9 > shop/web 80'],
  },
  {
    name: 'an application is open to every namespace, and not to the world',
    policies:
      'shop/p: { podSelector: { matchLabels: { app: web } }, ingress: [{ from: [{ namespaceSelector: {} }] }] }',
    allowed: ['ops/prom > shop/web 80', 'lab/tester > shop/web 80', 'shop/db > shop/web 80'],
    denied: ['192.0.2.9 > shop/web 80', '10.0.0.4 > shop/web 80'],
  },
  {
    name: 'one namespace is let in, by its label',
    policies:
      'shop/p: { podSelector: { matchLabels: { app: web } }, ingress: [{ from: [{ namespaceSelector: { matchLabels: { purpose: monitoring } } }] }] }',
    allowed: ['ops/prom > shop/web 80', 'ops/cron > shop/web 80'],
    denied: ['shop/api > shop/web 80', 'lab/tester > shop/web 80'],
  },
  {
    name: 'one namespace is let in, by its name, though no Namespace resource exists',
    policies:
      'shop/p: { podSelector: {}, ingress: [{ from: [{ namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: lab } } }] }] }',
    allowed: ['lab/tester > shop/web 80'],
    denied: ['ops/prom > shop/web 80', 'shop/api > shop/web 80'],
  },
  {
    name: 'some pods of another namespace are let in: both selectors of one peer have to fit',
    policies: `shop/p: { podSelector: { matchLabels: { app: web } }, ingress: [{ from: [{
      namespaceSelector: { matchLabels: { purpose: monitoring } }, podSelector: { matchLabels: { type: monitoring } } }] }] }`,
    allowed: ['ops/prom > shop/web 80'],
    denied: ['ops/cron > shop/web 80', 'lab/tester > shop/web 80', 'shop/api > shop/web 80'],
  },
  {
    name: 'the same selectors as two peers: either is enough, and the pod selector means the own namespace',
    policies: `shop/p: { podSelector: { matchLabels: { app: api } }, ingress: [{ from: [
      { namespaceSelector: { matchLabels: { purpose: monitoring } } }, { podSelector: { matchLabels: { app: web } } }] }] }`,
    allowed: ['ops/prom > shop/api 80', 'ops/cron > shop/api 80', 'shop/web > shop/api 80'],
    denied: ['lab/tester > shop/api 80', 'shop/db > shop/api 80'],
  },
  {
    name: 'an application is open to clients from outside',
    policies: 'shop/p: { podSelector: { matchLabels: { app: web } }, ingress: [{ from: [] }] }',
    allowed: ['192.0.2.9 > shop/web 80', 'lab/tester > shop/web 8080'],
    denied: [],
  },
  {
    name: 'only one port of an application is reached',
    policies: `shop/p: { podSelector: { matchLabels: { app: api } }, ingress: [{
      ports: [{ port: 9000 }], from: [{ podSelector: { matchLabels: { app: web } } }] }] }`,
    allowed: ['shop/web > shop/api 9000'],
    denied: ['shop/web > shop/api 80', 'shop/web > shop/api UDP/9000', 'shop/db > shop/api 9000'],
  },
  {
    name: 'several selectors each let somebody in',
    policies: `shop/p: { podSelector: { matchLabels: { app: db } }, ingress: [{ from: [
      { podSelector: { matchLabels: { app: api } } }, { podSelector: { matchExpressions: [{ key: app, operator: In, values: [web, cart] }] } }] }] }`,
    allowed: ['shop/api > shop/db 5432', 'shop/web > shop/db 5432'],
    denied: ['ops/prom > shop/db 5432', 'lab/tester > shop/db 5432'],
  },
  {
    name: 'an application may not talk to anybody, not even to name servers',
    policies: 'shop/p: { podSelector: { matchLabels: { app: web } }, policyTypes: [Egress], egress: [] }',
    allowed: ['192.0.2.9 > shop/web 80', 'shop/api > shop/web 80', 'shop/web > shop/web 80'],
    denied: ['shop/web > shop/api 80', 'shop/web > 192.0.2.9 443', 'shop/web > 192.0.2.9 UDP/53'],
  },
  {
    name: 'an application may ask for names and nothing else',
    policies: `shop/p: { podSelector: { matchLabels: { app: web } }, policyTypes: [Egress],
      egress: [{ ports: [{ port: 53, protocol: UDP }, { port: 53, protocol: TCP }] }] }`,
    allowed: ['shop/web > 192.0.2.9 UDP/53', 'shop/web > 192.0.2.9 53', 'shop/web > ops/cron 53'],
    denied: ['shop/web > shop/api 80', 'shop/web > 192.0.2.9 443', 'shop/web > 192.0.2.9 SCTP/53'],
  },
  {
    name: 'whatever is not allowed out of the namespace is denied',
    policies: 'shop/p: { podSelector: {}, policyTypes: [Egress] }',
    allowed: ['ops/prom > shop/web 80', 'lab/tester > 192.0.2.9 443'],
    denied: ['shop/web > shop/db 5432', 'shop/db > 192.0.2.9 443'],
  },
  {
    name: 'an application may talk within the mesh, and not to the world',
    policies: `shop/p: { podSelector: { matchLabels: { app: web } }, policyTypes: [Egress],
      egress: [{ ports: [{ port: 53, protocol: UDP }] }, { to: [{ namespaceSelector: {} }] }] }`,
    allowed: ['shop/web > shop/api 80', 'shop/web > ops/prom 9090', 'shop/web > 192.0.2.9 UDP/53'],
    denied: ['shop/web > 192.0.2.9 443'],
  },
  {
    name: 'both ends have to agree',
    policies: `{ shop/out: { podSelector: { matchLabels: { app: web } }, policyTypes: [Egress], egress: [{ to: [{ podSelector: {} }] }] },
      shop/in: { podSelector: { matchLabels: { app: db } }, ingress: [{ from: [{ podSelector: { matchLabels: { app: api } } }] }] } }`,
    allowed: ['shop/web > shop/api 80', 'shop/api > shop/db 5432'],
    denied: ['shop/web > shop/db 5432', 'shop/web > ops/cron 80'],
  },
  {
    name: 'policies add up and never take away',
    policies: `{ shop/one: { podSelector: {}, ingress: [{ ports: [{ port: 80 }] }] },
      shop/two: { podSelector: { matchLabels: { app: api } }, ingress: [{ from: [{ podSelector: { matchLabels: { app: db } } }] }] },
      shop/three: { podSelector: {}, ingress: [] } }`,
    allowed: ['shop/web > shop/api 80', 'shop/db > shop/api 9000', '192.0.2.9 > shop/web 80'],
    denied: ['shop/web > shop/api 9000', 'shop/api > shop/db 5432'],
  },
  {
    name: 'without policyTypes: ingress always, egress only with egress rules',
    policies: `{ shop/a: { podSelector: { matchLabels: { app: web } }, egress: [] },
      shop/b: { podSelector: { matchLabels: { app: api } }, egress: [{ to: [{ podSelector: { matchLabels: { app: db } } }] }] } }`,
    allowed: ['shop/web > shop/db 5432', 'shop/api > shop/db 5432'],
    denied: ['shop/db > shop/web 80', 'shop/db > shop/api 80', 'shop/api > 192.0.2.9 443'],
  },
  {
    name: 'policyTypes with Egress alone leave ingress open, also with ingress rules',
    policies:
      'shop/p: { podSelector: {}, policyTypes: [Egress], ingress: [{ from: [{ podSelector: {} }] }], egress: [{}] }',
    allowed: ['192.0.2.9 > shop/web 80', 'shop/web > 192.0.2.9 443'],
    denied: [],
  },
  {
    name: 'an empty policyTypes is an absent one',
    policies: 'shop/p: { podSelector: {}, policyTypes: [] }',
    allowed: ['shop/web > ops/cron 80'],
    denied: ['ops/cron > shop/web 80'],
  },
  {
    name: 'empty lists of peers and of ports are absent ones',
    policies:
      'shop/p: { podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{ from: [], ports: [] }], egress: [{ to: [], ports: [] }] }',
    allowed: ['192.0.2.9 > shop/web SCTP/7', 'shop/web > 192.0.2.9 UDP/9', 'ops/cron > shop/db 1'],
    denied: [],
  },
  {
    name: 'a selector that nothing fits lets nobody in',
    policies: 'shop/p: { podSelector: {}, ingress: [{ from: [{ podSelector: { matchLabels: { app: nobody } } }] }] }',
    allowed: [],
    denied: ['shop/web > shop/api 80', '192.0.2.9 > shop/api 80'],
  },
  {
    name: 'absent labels fit NotIn and DoesNotExist',
    policies: `shop/p: { podSelector: { matchExpressions: [{ key: role, operator: DoesNotExist }] },
      ingress: [{ from: [{ podSelector: { matchExpressions: [{ key: role, operator: NotIn, values: [backend] }] } }] }] }`,
    allowed: ['shop/web > shop/db 5432', 'lab/tester > shop/api 80'],
    denied: ['shop/api > shop/db 5432', 'lab/tester > shop/db 5432'],
  },
  {
    name: 'a port without number is every port of its protocol, TCP unless another is named',
    policies: 'shop/p: { podSelector: {}, ingress: [{ ports: [{}] }] }',
    allowed: ['192.0.2.9 > shop/web 1', '192.0.2.9 > shop/web 65535'],
    denied: ['192.0.2.9 > shop/web UDP/53', '192.0.2.9 > shop/web SCTP/53'],
  },
  {
    name: 'a range includes both of its ends',
    policies: 'shop/p: { podSelector: {}, ingress: [{ ports: [{ port: 32000, endPort: 32768, protocol: UDP }] }] }',
    allowed: ['ops/cron > shop/web UDP/32000', 'ops/cron > shop/web UDP/32500', 'ops/cron > shop/web UDP/32768'],
    denied: ['ops/cron > shop/web UDP/31999', 'ops/cron > shop/web UDP/32769', 'ops/cron > shop/web 32500'],
  },
  {
    name: 'a named port is what the destination calls so',
    policies: `{ shop/in: { podSelector: {}, ingress: [{ ports: [{ port: http }] }] },
      lab/out: { podSelector: {}, policyTypes: [Egress], egress: [{ ports: [{ port: http }] }] } }`,
    allowed: ['shop/web > shop/api 80', 'lab/tester > shop/api 80', 'lab/tester > ops/prom 9090'],
    denied: [
      'shop/api > shop/web 80',
      'shop/web > shop/api 9000',
      'lab/tester > ops/cron 80',
      'lab/tester > 192.0.2.9 80',
      'shop/web > shop/api UDP/80',
    ],
  },
  {
    name: 'a named port with a network is what the workloads there call so',
    policies: `lab/out: { podSelector: {}, policyTypes: [Egress], egress: [{
      to: [{ ipBlock: { cidr: 10.0.0.0/24, except: [10.0.0.4/32] } }], ports: [{ port: http }, { port: admin }] }] }`,
    allowed: ['lab/tester > shop/api 80', 'lab/tester > shop/api 9000', 'lab/tester > 10.0.0.2 9000'],
    denied: ['lab/tester > ops/prom 9090', 'lab/tester > shop/web 80', 'lab/tester > 10.0.0.9 80'],
  },
  {
    name: 'a network without its exceptions',
    policies: `shop/p: { podSelector: { matchLabels: { app: web } }, ingress: [{ from: [
      { ipBlock: { cidr: 192.0.0.0/16, except: [192.0.2.0/24] } }] }] }`,
    allowed: ['192.0.3.1 > shop/web 80', '192.0.1.255 > shop/web 80'],
    denied: [
      '192.0.2.9 > shop/web 80',
      '192.1.0.1 > shop/web 80',
      '2001:db8::1 > shop/web 80',
      'shop/api > shop/web 80',
    ],
  },
  {
    name: 'what one network excepts another may let in',
    policies: `{ shop/wide: { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: 0.0.0.0/0, except: [192.0.2.0/24] } }], ports: [{ port: 80 }] }] },
      shop/narrow: { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: 192.0.2.8/29 } }], ports: [{ port: 443 }] }] } }`,
    allowed: ['192.0.3.1 > shop/web 80', '192.0.2.9 > shop/web 443'],
    denied: ['192.0.2.9 > shop/web 80', '192.0.2.1 > shop/web 443', '192.0.3.1 > shop/web 443'],
  },
  {
    name: 'a network fits workloads by their address, too',
    policies:
      'shop/p: { podSelector: { matchLabels: { app: db } }, ingress: [{ from: [{ ipBlock: { cidr: 10.0.0.4/31 } }] }] }',
    allowed: ['ops/prom > shop/db 5432', 'ops/cron > shop/db 5432'],
    denied: ['shop/api > shop/db 5432', 'lab/tester > shop/db 5432'],
  },
  {
    name: 'IPv4 networks hold no IPv6 addresses and the other way round',
    policies: `{ shop/four: { podSelector: { matchLabels: { app: web } }, ingress: [{ from: [{ ipBlock: { cidr: 0.0.0.0/0 } }] }] },
      shop/six: { podSelector: { matchLabels: { app: db } }, ingress: [{ from: [{ ipBlock: { cidr: '::/0', except: ['2001:db8::/32'] } }] }] } }`,
    allowed: ['192.0.2.9 > shop/web 80', '2001:db9::1 > shop/db 5432'],
    denied: ['2001:db9::1 > shop/web 80', '192.0.2.9 > shop/db 5432', '2001:db8::1 > shop/db 5432'],
  },
  {
    name: 'the policies of a namespace say nothing about another',
    policies: 'ops/p: { podSelector: {}, policyTypes: [Ingress, Egress] }',
    allowed: ['lab/tester > shop/web 80', '192.0.2.9 > shop/web 80'],
    denied: ['shop/web > ops/prom 9090', 'ops/prom > shop/web 80', 'ops/prom > ops/cron 80'],
  },
  {
    name: 'a policy without a podSelector closes its namespace',
    policies: 'shop/p: {}',
    allowed: ['shop/web > ops/prom 9090'],
    denied: ['ops/prom > shop/web 80'],
  },
]
