import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HostTls } from '../../model/index.ts'
import { brief, listenersOf, problemsOf, reconciled, statusOf } from './testing.ts'
import { otherPair, shopPair } from './test-pairs.ts'

const fine = 'Accepted=True/Accepted Programmed=True/Programmed ResolvedRefs=True/ResolvedRefs'

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}

function configMap(id: string, data: string): string {
  const [namespace, name] = id.split('/')
  return `
apiVersion: v1
kind: ConfigMap
metadata: { name: ${name}, namespace: ${namespace} }
data: ${data}
---
`
}

const resources = `
apiVersion: v1
kind: Secret
metadata: { name: good, namespace: shop }
type: kubernetes.io/tls
data: { tls.crt: ${base64(shopPair.chain)}, tls.key: ${base64(shopPair.key)} }
---
${configMap('shop/ca', JSON.stringify({ 'ca.crt': otherPair.chain }))}
${configMap('shop/broken', '{ ca.crt: "-----BEGIN CERTIFICATE-----\\nYWJj\\n-----END CERTIFICATE-----" }')}
${configMap('shop/empty', '{ other: text }')}
${configMap('certs/far', JSON.stringify({ 'ca.crt': otherPair.chain }))}
${configMap('open/far', JSON.stringify({ 'ca.crt': otherPair.chain }))}
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: { name: cas, namespace: open }
spec:
  from: [{ group: gateway.networking.k8s.io, kind: Gateway, namespace: shop }]
  to: [{ group: "", kind: ConfigMap }]
---
`

function gateway(listeners: string, tls = ''): string {
  return `${resources}
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: web, namespace: shop }
spec: { gatewayClassName: heddle, listeners: [${listeners}]${tls === '' ? '' : `, tls: ${tls}`} }
---
`
}

function https(port: number, options = ''): string {
  const more = options === '' ? '' : `, options: ${options}`
  return `{ name: https-${port}, port: ${port}, protocol: HTTPS, tls: { certificateRefs: [{ name: good }]${more} } }`
}

const http = '{ name: http, port: 80, protocol: HTTP }'

function hostTls(text: string, id = '127.0.0.1:443'): HostTls | undefined {
  return reconciled(text).snapshot.listeners.get(id)?.virtualHosts[0]?.tls
}

function asksFor(refs: string, mode = ''): string {
  return `{ frontend: { default: { validation: { caCertificateRefs: [${refs}]${mode} } } } }`
}

test('options of a listener say versions and ciphers', () => {
  assert.deepEqual(hostTls(gateway(https(443))), {
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
    ciphers: undefined,
    alpn: undefined,
    clients: undefined,
  })
  const options =
    '{ heddle.dev/min-version: "TLSv1.3", heddle.dev/ciphers: TLS_AES_128_GCM_SHA256, example.com/own: "1" }'
  const text = gateway(https(443, options))
  assert.deepEqual(hostTls(text), {
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    ciphers: 'TLS_AES_128_GCM_SHA256',
    alpn: undefined,
    clients: undefined,
  })
  assert.deepEqual(problemsOf(reconciled(text)), [
    'warning Gateway shop/web: spec.listeners[0].tls.options["example.com/own"]: is of another implementation and not used',
  ])
})

test('protocols of ALPN are in the order of the option; bytes that are forwarded may be of any', () => {
  assert.deepEqual(hostTls(gateway(https(443, '{ heddle.dev/alpn: http/1.1 }')))?.alpn, ['http/1.1'])
  const options = 'options: { heddle.dev/alpn: "postgresql, x-db" }'
  const listener = `{ name: db, port: 443, protocol: TLS, tls: { certificateRefs: [{ name: good }], ${options} } }`
  assert.deepEqual(hostTls(gateway(listener))?.alpn, ['postgresql', 'x-db'])
})

test('an option that cannot be done takes the listener off', () => {
  const rows: [string, string][] = [
    ['{ heddle.dev/min-version: SSLv3 }', 'must be TLSv1.2 or TLSv1.3, not SSLv3'],
    [
      '{ heddle.dev/min-version: TLSv1.3, heddle.dev/max-version: TLSv1.2 }',
      'is above heddle.dev/max-version, TLSv1.2',
    ],
    ['{ heddle.dev/min-versoin: TLSv1.3 }', 'is not known, did you mean heddle.dev/min-version?'],
    ['{ min-version: TLSv1.3 }', 'is not known'],
    ['{ heddle.dev/ciphers: "ECDHE-RSA-AES128-GCM-SHA265" }', 'names the unknown cipher ECDHE-RSA-AES128-GCM-SHA265'],
    ['{ heddle.dev/ciphers: "HIGH:!aNULL" }', 'names the unknown cipher HIGH'],
    ['{ heddle.dev/alpn: "h2,imap" }', 'names imap: a listener of protocol HTTPS speaks h2 and http/1.1'],
    ['{ heddle.dev/alpn: "" }', 'names "", which is no protocol'],
    ['{ heddle.dev/apln: h2 }', 'is not known, did you mean heddle.dev/alpn?'],
    ['{ heddle.dev/ciphers: "" }', 'names the unknown cipher ""'],
  ]
  for (const [options, message] of rows) {
    const result = reconciled(gateway(`${https(443, options)}, ${http}`))
    const { 'https-443': secure, http: plain } = listenersOf(result, 'Gateway shop/web')
    assert.match(secure ?? '', /^Accepted=False\/UnsupportedValue Programmed=False\/Invalid/, options)
    assert.match(plain ?? '', new RegExp(`^${fine}`), options)
    assert.deepEqual([...result.snapshot.listeners.keys()], ['127.0.0.1:80'])
    assert.ok(
      problemsOf(result).some(problem => problem.startsWith('error ') && problem.includes(message)),
      options,
    )
  }
})

test('client certificates: the default holds for all HTTPS listeners, a port may have its own', () => {
  const perPort =
    '{ frontend: { default: { validation: { caCertificateRefs: [{ group: "", kind: ConfigMap, name: ca }] } },' +
    ' perPort: [{ port: 444, tls: {} }, { port: 445, tls: { validation: { mode: AllowInsecureFallback,' +
    ' caCertificateRefs: [{ group: "", kind: ConfigMap, name: far, namespace: open }] } } }] } }'
  const text = gateway(`${https(443)}, ${https(444)}, ${https(445)}, ${http}`, perPort)
  assert.equal(hostTls(text)?.clients?.mode, 'require')
  assert.equal(hostTls(text)?.clients?.authorities.trim(), otherPair.chain.trim())
  assert.equal(hostTls(text, '127.0.0.1:444')?.clients, undefined)
  assert.equal(hostTls(text, '127.0.0.1:445')?.clients?.mode, 'fallback')
  assert.equal(hostTls(text, '127.0.0.1:80'), undefined)
  assert.equal(
    brief(statusOf(reconciled(text), 'Gateway shop/web').conditions),
    `${fine} InsecureFrontendValidationMode=True/ConfigurationChanged`,
  )
})

test('authorities that cannot be had take HTTPS listeners off and leave HTTP alone', () => {
  const ref = (name: string, more = ''): string => `{ group: "", kind: ConfigMap, name: ${name}${more} }`
  const rows: [string, string][] = [
    [ref('missing'), 'InvalidCACertificateRef'],
    [ref('empty'), 'InvalidCACertificateRef'],
    [ref('broken'), 'InvalidCACertificateRef'],
    ['{ group: "", kind: Secret, name: good }', 'InvalidCACertificateKind'],
    ['{ group: example.com, kind: ConfigMap, name: ca }', 'InvalidCACertificateKind'],
    [ref('far', ', namespace: certs'), 'RefNotPermitted'],
  ]
  for (const [wrong, reason] of rows) {
    const result = reconciled(gateway(`${https(443)}, ${https(444)}, ${http}`, asksFor(wrong)))
    const listeners = listenersOf(result, 'Gateway shop/web')
    for (const name of ['https-443', 'https-444']) {
      assert.match(
        listeners[name] ?? '',
        new RegExp(`^Accepted=False/NoValidCACertificate Programmed=False/Invalid ResolvedRefs=False/${reason} `),
      )
    }
    assert.match(listeners['http'] ?? '', new RegExp(`^${fine}`))
    assert.deepEqual([...result.snapshot.listeners.keys()], ['127.0.0.1:80'])
    assert.equal(problemsOf(result).length, 1, 'told once')
  }
})

test('one good authority among bad ones is used', () => {
  const refs = '{ group: "", kind: ConfigMap, name: missing }, { group: "", kind: ConfigMap, name: ca }'
  const text = gateway(https(443), asksFor(refs))
  assert.equal(hostTls(text)?.clients?.authorities.trim(), otherPair.chain.trim())
  assert.match(
    listenersOf(reconciled(text), 'Gateway shop/web')['https-443'] ?? '',
    /^Accepted=True\/Accepted Programmed=True\/Programmed ResolvedRefs=False\/InvalidCACertificateRef/,
  )
})
