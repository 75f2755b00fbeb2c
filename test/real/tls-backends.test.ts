import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { TestAuthority } from '../support/certificates.ts'
import type { PemPair } from '../support/certificates.ts'
import { gateway, GatewayBed, route, service, slice, tlsSecret } from '../support/gateway.ts'
import { TestNginx } from '../support/nginx.ts'
import { freePort } from '../support/ports.ts'

// BackendTLSPolicy against an nginx that serves TLS.

const ca = 'caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]'

function policy(validation: string, more = '', name = 'tls'): string {
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: ${name}, namespace: infra}
spec:
  targetRefs: [{group: "", kind: Service, name: back}]
  validation: {${validation}}
  ${more}
`
}

function configMap(name: string, certificate: string): string {
  return `{apiVersion: v1, kind: ConfigMap, metadata: {name: ${name}, namespace: infra}, data: {ca.crt: ${JSON.stringify(certificate)}}}`
}

/** One server of nginx that tells what it saw of the handshake. */
function server(port: number, pair: PemPair, more = ''): string {
  const told = '"$ssl_protocol $ssl_cipher $ssl_server_name $ssl_session_reused $ssl_client_verify $ssl_client_s_dn"'
  return `server {
  listen 127.0.0.1:${port} ssl;
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_certificate ${pair.chain};
  ssl_certificate_key ${pair.key};
  ${more}
  location / { return 200 ${told}; }
  location /close { keepalive_timeout 0; return 200 ${told}; }
}`
}

interface Backdrop extends AsyncDisposable {
  readonly bed: GatewayBed
  readonly port: number
  ask(path?: string): Promise<{ status: number; body: string; reason: string }>
}

/** A Gateway with a route to Service infra/back, whose endpoint is at this port. */
async function open(backendPort: number, more = ''): Promise<Backdrop> {
  const bed = await GatewayBed.open()
  const port = await freePort()
  const place = { namespace: 'infra', name: 'back', pod: 'back-1', port: backendPort }
  await bed.put('back', service('infra/back', { ports: '[{name: http, port: 443, appProtocol: https}]' }), slice(place))
  await bed.put('gateway', gateway('infra/web', [`{name: http, port: ${port}, protocol: HTTP}`], more))
  await bed.put('route', route('infra/r', { parents: 'web', rules: ['backendRefs: [{name: back, port: 443}]'] }))
  return {
    bed,
    port,
    ask: async (path = '/') => {
      const { status, body, headers } = await bed.ask(port, `shop.example${path}`)
      return { status, body, reason: `${String(headers['x-heddle-reason'] ?? '')} ${body}`.trim() }
    },
    [Symbol.asyncDispose]: () => bed[Symbol.asyncDispose](),
  }
}

describe('BackendTLSPolicy and nginx', () => {
  it('reaches the endpoint by TLS, with its hostname as server name, and resumes sessions', async () => {
    using authority = new TestAuthority()
    const port = await freePort()
    const pair = authority.issueFiles({ names: ['back.example'] })
    await using _nginx = await TestNginx.start(server(port, pair, 'ssl_session_cache shared:a:1m;'), port)
    await using back = await open(port)
    assert.equal((await back.ask()).status, 500, 'no policy, no plain text')
    await back.bed.put('ca', configMap('ca', authority.certificate))
    await back.bed.put('policy', policy(`hostname: back.example, ${ca}`))
    const first = await back.ask('/close')
    assert.match(first.body, /^TLSv1\.3 TLS_AES_256_GCM_SHA384 back\.example \. NONE/, first.reason)
    const again = await back.ask('/close')
    assert.match(again.body, /^TLSv1\.3 \S+ back\.example r NONE/)
    await back.bed.put('policy', policy(`hostname: back.example, ${ca}`, 'options: {heddle.dev/max-version: TLSv1.2}'))
    assert.match((await back.ask()).body, /^TLSv1\.2 /)
    assert.deepEqual(
      back.bed.log.map(({ upstreamTls, tls }) => [upstreamTls, tls]),
      ['', 'TLSv1.3', 'TLSv1.3', 'TLSv1.2'].map(version => [version, undefined]),
    )
    await back.bed.put(
      'policy',
      policy(`hostname: back.example, ${ca}`, 'options: {heddle.dev/ciphers: TLS_CHACHA20_POLY1305_SHA256}'),
    )
    assert.match((await back.ask()).body, /^TLSv1\.3 TLS_CHACHA20_POLY1305_SHA256 /)
    const { parents } = back.bed.status('BackendTLSPolicy infra/tls')
    assert.deepEqual(
      parents.map(({ parentRef, conditions }) => `${parentRef.name} ${conditions.map(each => each.status).join()}`),
      ['web True,True'],
    )
  })

  it('names decide: the hostname, or the subject alternative names instead of it', async () => {
    using authority = new TestAuthority()
    const port = await freePort()
    const uri = 'spiffe://mesh.example/ns/infra/sa/back'
    const pair = authority.issueFiles({
      names: ['back.example', '*.wild.example'],
      uris: [uri],
      subject: '/CN=common.example',
    })
    await using _nginx = await TestNginx.start(server(port, pair), port)
    await using back = await open(port)
    await back.bed.put('ca', configMap('ca', authority.certificate))
    const rows: [string, number][] = [
      ['hostname: back.example', 200],
      ['hostname: a.wild.example', 200],
      ['hostname: a.b.wild.example', 502],
      ['hostname: other.example', 502],
      // The common name is nobody's name.
      ['hostname: common.example', 502],
      [`hostname: other.example, subjectAltNames: [{type: URI, uri: "${uri}"}]`, 200],
      ['hostname: other.example, subjectAltNames: [{type: Hostname, hostname: back.example}]', 200],
      ['hostname: other.example, subjectAltNames: [{type: Hostname, hostname: "*.example"}]', 200],
      [`hostname: back.example, subjectAltNames: [{type: URI, uri: "${uri}x"}]`, 502],
      ['hostname: back.example, subjectAltNames: [{type: URI, uri: "spiffe://mesh.example/ns/infra"}]', 502],
      [
        `hostname: x.example, subjectAltNames: [{type: URI, uri: "spiffe://no"}, {type: Hostname, hostname: back.example}]`,
        200,
      ],
    ]
    for (const [validation, status] of rows) {
      await back.bed.put('policy', policy(`${validation}, ${ca}`))
      const answer = await back.ask()
      assert.equal(answer.status, status, `${validation}: ${answer.reason}`)
      if (status === 200) continue
      assert.match(
        answer.reason,
        /^upstream-tls-failed .*certificate is for back\.example, \*\.wild\.example, spiffe:.*, not for /,
      )
    }
  })

  it('authorities decide, and why a certificate is refused can be read', async () => {
    using authority = new TestAuthority()
    using stranger = new TestAuthority('stranger')
    const [good, expired, foreign] = [await freePort(), await freePort(), await freePort()]
    const names = ['back.example']
    const servers = [
      server(good, authority.issueFiles({ names })),
      server(expired, authority.issueFiles({ names, days: 0 })),
      server(foreign, { chain: stranger.certificateFile, key: `${stranger.directory}/ca.key` }),
    ]
    await using _nginx = await TestNginx.start(servers.join('\n'), good)
    const rows: [number, string, RegExp][] = [
      [
        expired,
        `hostname: back.example, ${ca}`,
        /certificate for back\.example has expired \(valid until \d{4}-\d\d-\d\d\)/,
      ],
      [foreign, `hostname: back.example, ${ca}`, /is self-signed and not among the authorities/],
      [good, 'hostname: back.example, wellKnownCACertificates: System', /is of an authority that is not among those/],
    ]
    for (const [port, validation, reason] of rows) {
      await using back = await open(port)
      await back.bed.put('ca', configMap('ca', authority.certificate))
      await back.bed.put('policy', policy(validation))
      const answer = await back.ask()
      assert.equal(answer.status, 502)
      assert.match(answer.reason, reason)
      assert.match(answer.reason, /^upstream-tls-failed /)
      assert.equal(back.bed.log.at(-1)?.reason, 'upstream-tls-failed')
    }
    // Another authority holds for the next connection.
    await using back = await open(good)
    await back.bed.put('ca', configMap('ca', stranger.certificate))
    await back.bed.put('policy', policy(`hostname: back.example, ${ca}`))
    assert.equal((await back.ask()).status, 502)
    await back.bed.put('ca', configMap('ca', authority.certificate))
    assert.equal((await back.ask()).status, 200)
    await back.bed.put('ca', configMap('ca', stranger.certificate))
    assert.equal((await back.ask()).status, 502, 'the connection that was made by the old authority is used no more')
  })

  it('an invalid policy answers 5xx and sends nothing', async () => {
    const port = await freePort()
    await using nginx = await TestNginx.start(
      `server { listen 127.0.0.1:${port}; location / { return 200 plain; } }`,
      port,
    )
    await using back = await open(port)
    await back.bed.put('policy', policy(`hostname: back.example, ${ca}`))
    const answer = await back.ask()
    assert.equal(answer.status, 502)
    assert.match(answer.reason, /^upstream-tls-failed .*BackendTLSPolicy infra\/tls: no ConfigMap infra\/ca/)
    // And one that speaks no TLS at all gets no request either.
    await back.bed.put('policy', policy('hostname: back.example, wellKnownCACertificates: System'))
    assert.match((await back.ask()).reason, /^upstream-tls-failed .*the endpoint does not speak TLS/)
    assert.ok(nginx)
  })

  it("shows the Gateway's client certificate, a newer one for new connections", async () => {
    using authority = new TestAuthority()
    const port = await freePort()
    const more = `ssl_client_certificate ${authority.certificateFile}; ssl_verify_client on;`
    const pair = authority.issueFiles({ names: ['back.example'] })
    await using _nginx = await TestNginx.start(server(port, pair, more), port)
    const shown = 'tls: {backend: {clientCertificateRef: {name: client}}}'
    await using back = await open(port, shown)
    await back.bed.put('ca', configMap('ca', authority.certificate))
    await back.bed.put('policy', policy(`hostname: back.example, ${ca}`))
    const none = await back.ask()
    assert.equal(none.status, 400, 'nginx answers itself')
    await back.bed.put('client', tlsSecret('infra/client', authority.issue({ subject: '/CN=gateway-1' })))
    assert.match((await back.ask('/close')).body, / SUCCESS CN=gateway-1$/)
    await back.bed.put('client', tlsSecret('infra/client', authority.issue({ subject: '/CN=gateway-2' })))
    assert.match((await back.ask('/close')).body, / SUCCESS CN=gateway-2$/)
    using stranger = new TestAuthority('stranger')
    await back.bed.put('client', tlsSecret('infra/client', stranger.issue({ subject: '/CN=eve' })))
    assert.equal((await back.ask('/close')).status, 400)
  })
})
