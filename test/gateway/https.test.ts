import assert from 'node:assert/strict'
import https from 'node:https'
import tls from 'node:tls'
import { describe, it } from 'node:test'
import { otherPair, shopPair } from '../../src/sources/reconcile/test-pairs.ts'
import { gateway, GatewayBed, route, tlsSecret, wellGateway, wellListener, wellParent } from '../support/gateway.ts'
import { prefix } from './cases.ts'
import { freePort } from '../support/ports.ts'

// Tests of the Gateway API's conformance suite, v1.6, by their names there: HTTPS listeners.

const [v1, v2] = ['infra/v1', 'infra/v2'] as const
const toV1 = 'backendRefs: [{name: v1, port: SERVICE_PORT}]'
const toV2 = 'backendRefs: [{name: v2, port: SERVICE_PORT}]'
const shop = { servername: 'shop.example', ca: shopPair.chain }
const deep = { servername: 'deep.shop.example', ca: shopPair.chain }
const other = { servername: 'other.example', ca: otherPair.chain }

function httpsListener(name: string, port: number, secrets: string, hostname?: string): string {
  const host = hostname === undefined ? '' : `, hostname: '${hostname}'`
  return `{name: ${name}, port: ${port}, protocol: HTTPS${host}, tls: {certificateRefs: [${secrets}]}}`
}

/** Both test certificates as Secrets `shop` and `other`. */
async function openSecrets(): Promise<{ bed: GatewayBed; port: number }> {
  const bed = await GatewayBed.open(v1, v2)
  await bed.put('secrets', tlsSecret('infra/shop', shopPair), tlsSecret('infra/other', otherPair))
  return { bed, port: await freePort() }
}

/** Common and alternative names that a server shows for a server name. */
async function shownNames(bed: GatewayBed, port: number, options: tls.ConnectionOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ host: bed.address, port, rejectUnauthorized: false, ...options }, () => {
      resolve(socket.getPeerCertificate().subjectaltname ?? '')
      socket.destroy()
    })
    socket.on('error', reject)
  })
}

describe('HTTPRouteHTTPSListener', () => {
  it('routes what came by TLS, and the endpoint learns of it', async () => {
    const { bed, port } = await openSecrets()
    await using _ = bed
    await bed.put('gateway', gateway('infra/web', [httpsListener('https', port, '{name: shop}')]))
    await bed.put(
      'route',
      route('infra/r', { parents: 'web', hostnames: ['shop.example'], rules: [toV1] }),
      route('infra/any', { parents: 'web', rules: [`matches: [{${prefix('/any')}}], ${toV2}`] }),
    )
    assert.equal(bed.conditions('Gateway infra/web'), wellGateway)
    assert.deepEqual(bed.listeners('infra/web'), { https: `${wellListener} routes=2 kinds=HTTPRoute,GRPCRoute` })
    assert.deepEqual(bed.parents('infra/r'), { 'infra/web': wellParent })
    await bed.expect(port, [
      [
        { at: 'shop.example/', tls: shop },
        { by: v1, host: 'shop.example', request: { 'x-forwarded-proto': 'https' } },
      ],
      [{ at: 'POST shop.example/', tls: shop, body: 'x'.repeat(200_000) }, v1],
      [{ at: 'elsewhere.example/', tls: shop }, 404],
      [{ at: 'elsewhere.example/any', tls: shop }, v2],
    ])
    await assert.rejects(bed.ask(port, 'shop.example/'))
  })

  it('a Gateway with HTTP and HTTPS serves both', async () => {
    const { bed, port } = await openSecrets()
    await using _ = bed
    const plain = await freePort()
    await bed.put(
      'gateway',
      gateway('infra/web', [
        `{name: http, port: ${plain}, protocol: HTTP}`,
        httpsListener('https', port, '{name: shop}'),
      ]),
    )
    await bed.put(
      'routes',
      route('infra/redirect', {
        parents: '{name: web, sectionName: http}',
        rules: [`filters: [{type: RequestRedirect, requestRedirect: {scheme: https, port: ${port}, statusCode: 308}}]`],
      }),
      route('infra/r', { parents: '{name: web, sectionName: https}', rules: [toV1] }),
    )
    await bed.expect(plain, [
      ['shop.example/a', { status: 308, response: { location: `https://shop.example:${port}/a` } }],
    ])
    await bed.expect(port, [[{ at: 'shop.example/a', tls: shop }, v1]])
  })
})

describe('HTTPRouteHTTPSListener: certificates', () => {
  it('the server name chooses the listener: exact, then wildcard, then any', async () => {
    const { bed, port } = await openSecrets()
    await using _ = bed
    await bed.put(
      'gateway',
      gateway('infra/web', [
        httpsListener('any', port, '{name: other}'),
        httpsListener('wild', port, '{name: shop}', '*.shop.example'),
        httpsListener('exact', port, '{name: other}', 'exact.shop.example'),
      ]),
    )
    assert.deepEqual(bed.conditions('Gateway infra/web'), wellGateway)
    const overlapping = `${wellListener} OverlappingTLSConfig=True/OverlappingHostnames routes=0 kinds=HTTPRoute,GRPCRoute`
    assert.deepEqual(bed.listeners('infra/web'), { any: overlapping, wild: overlapping, exact: overlapping })
    const shopNames = 'DNS:shop.example, DNS:*.shop.example'
    for (const [servername, names] of [
      ['other.example', 'DNS:other.example'],
      ['a.shop.example', shopNames],
      ['A.Shop.Example', shopNames],
      ['a.b.shop.example', shopNames],
      ['exact.shop.example', 'DNS:other.example'],
      ['shop.example', 'DNS:other.example'],
    ] as const) {
      assert.equal(await shownNames(bed, port, { servername }), names, servername)
    }
  })

  it('a client without a server name gets the listener for any host', async () => {
    const { bed, port } = await openSecrets()
    await using _ = bed
    await bed.put(
      'gateway',
      gateway('infra/web', [
        httpsListener('wild', port, '{name: shop}', '*.shop.example'),
        httpsListener('any', port, '{name: other}'),
      ]),
    )
    assert.equal(await shownNames(bed, port, {}), 'DNS:other.example')
  })

  it('a server name that no listener has is refused', async () => {
    const { bed, port } = await openSecrets()
    await using _ = bed
    await bed.put('gateway', gateway('infra/web', [httpsListener('only', port, '{name: shop}', 'shop.example')]))
    assert.equal(await shownNames(bed, port, { servername: 'shop.example' }), 'DNS:shop.example, DNS:*.shop.example')
    await assert.rejects(shownNames(bed, port, { servername: 'other.example' }))
    await assert.rejects(shownNames(bed, port, {}))
  })

  it('of several certificates of a listener the one for the server name is shown', async () => {
    const { bed, port } = await openSecrets()
    await using _ = bed
    await bed.put('gateway', gateway('infra/web', [httpsListener('https', port, '{name: shop}, {name: other}')]))
    await bed.put('route', route('infra/r', { parents: 'web', rules: [toV1] }))
    await bed.expect(port, [
      [{ at: 'shop.example/', tls: shop }, v1],
      [{ at: 'deep.shop.example/', tls: deep }, v1],
      [{ at: 'other.example/', tls: other }, v1],
    ])
    // What none is made for gets the first.
    assert.equal(await shownNames(bed, port, { servername: 'third.example' }), 'DNS:shop.example, DNS:*.shop.example')
  })

  it('one good certificate among bad ones is served', async () => {
    const { bed, port } = await openSecrets()
    await using _ = bed
    await bed.put('gateway', gateway('infra/web', [httpsListener('https', port, '{name: nowhere}, {name: shop}')]))
    await bed.put('route', route('infra/r', { parents: 'web', rules: [toV1] }))
    assert.deepEqual(bed.listeners('infra/web'), {
      https:
        'Accepted=True/Accepted Programmed=True/Programmed ResolvedRefs=False/InvalidCertificateRef Conflicted=False/NoConflicts routes=1 kinds=HTTPRoute,GRPCRoute',
    })
    await bed.expect(port, [[{ at: 'shop.example/', tls: shop }, v1]])
  })

  it('a changed certificate holds for the next handshake, and open connections go on', async () => {
    const { bed, port } = await openSecrets()
    await using _ = bed
    await bed.put('gateway', gateway('infra/web', [httpsListener('https', port, '{name: shop}')]))
    await bed.put('route', route('infra/r', { parents: 'web', rules: [toV1] }))
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1 })
    const sockets = new Set<unknown>()
    const ask = async (): Promise<number> =>
      new Promise((resolve, reject) => {
        const options = { host: bed.address, port, agent, servername: 'shop.example', ca: shopPair.chain }
        const request = https.get({ ...options, headers: { host: 'shop.example' } }, response => {
          sockets.add(response.socket)
          response.resume()
          response.on('end', () => resolve(response.statusCode ?? 0))
        })
        request.on('error', reject)
      })
    assert.equal(await ask(), 200)
    await bed.put('secrets', tlsSecret('infra/shop', otherPair))
    assert.equal(await shownNames(bed, port, { servername: 'shop.example' }), 'DNS:other.example')
    assert.equal(await shownNames(bed, port, {}), 'DNS:other.example')
    assert.equal(await ask(), 200)
    assert.equal(sockets.size, 1)
    // A certificate that goes takes the listener with it.
    await bed.remove('secrets')
    assert.match(
      bed.listeners('infra/web')['https'] ?? '',
      /Programmed=False\/Invalid ResolvedRefs=False\/InvalidCertificateRef/,
    )
    await assert.rejects(shownNames(bed, port, { servername: 'shop.example' }), { code: 'ECONNREFUSED' })
    agent.destroy()
  })
})

describe('HTTPRouteHTTPSListener: protocol', () => {
  it('HTTP/2 is agreed upon with clients that offer it, HTTP/1.1 with all others', async () => {
    const { bed, port } = await openSecrets()
    await using _ = bed
    await bed.put('gateway', gateway('infra/web', [httpsListener('https', port, '{name: shop}')]))
    const agreed = async (ALPNProtocols: string[]): Promise<string | false | null> =>
      new Promise((resolve, reject) => {
        const socket = tls.connect({ host: bed.address, port, ...shop, ALPNProtocols }, () => {
          resolve(socket.alpnProtocol)
          socket.destroy()
        })
        socket.on('error', reject)
      })
    assert.equal(await agreed(['http/1.1', 'h2']), 'h2')
    assert.equal(await agreed(['http/1.1']), 'http/1.1')
    assert.equal(await agreed(['h2']), 'h2')
    await assert.rejects(agreed(['spdy/3']))
    // A client without ALPN speaks HTTP/1.1.
    assert.equal(await shownNames(bed, port, { servername: 'shop.example' }), 'DNS:shop.example, DNS:*.shop.example')
  })

  it('TLS before 1.2 is refused', async () => {
    const { bed, port } = await openSecrets()
    await using _ = bed
    await bed.put('gateway', gateway('infra/web', [httpsListener('https', port, '{name: shop}')]))
    const old: tls.ConnectionOptions = {
      servername: 'shop.example',
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    }
    await assert.rejects(shownNames(bed, port, old))
    assert.ok(await shownNames(bed, port, { servername: 'shop.example', maxVersion: 'TLSv1.2' }))
  })
})

describe('HTTP and HTTPS listeners of one Gateway', () => {
  it('HTTP and HTTPS on one port are both off, others go on', async () => {
    const { bed, port } = await openSecrets()
    await using _ = bed
    const free = await freePort()
    await bed.put(
      'gateway',
      gateway('infra/web', [
        `{name: http, port: ${port}, protocol: HTTP}`,
        httpsListener('https', port, '{name: shop}'),
        `{name: upper, port: ${free}, protocol: HTTP, hostname: same.example}`,
      ]),
    )
    await bed.put('route', route('infra/r', { parents: 'web', rules: [toV1] }))
    const conflict = (reason: string): string =>
      `Accepted=False/${reason} Programmed=False/Invalid ResolvedRefs=True/ResolvedRefs Conflicted=True/${reason} routes=1 kinds=HTTPRoute,GRPCRoute`
    assert.deepEqual(bed.listeners('infra/web'), {
      http: conflict('ProtocolConflict'),
      https: conflict('ProtocolConflict'),
      upper: `${wellListener} routes=1 kinds=HTTPRoute,GRPCRoute`,
    })
    assert.equal(
      bed.conditions('Gateway infra/web'),
      'Accepted=True/ListenersNotValid Programmed=True/Programmed ResolvedRefs=True/ResolvedRefs',
    )
    await bed.expect(free, [['same.example/', v1]])
    await assert.rejects(bed.ask(port, '/'), { code: 'ECONNREFUSED' })
  })
})
