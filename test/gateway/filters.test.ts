import assert from 'node:assert/strict'
import net from 'node:net'
import { describe, it } from 'node:test'
import { shopPair } from '../../src/sources/reconcile/test-pairs.ts'
import { gateway, GatewayBed, route, tlsSecret, wellParent } from '../support/gateway.ts'
import type { Ask, Expected, ExpectedParts } from '../support/gateway.ts'
import {
  filters,
  headerEdits,
  location,
  modifications,
  redirect,
  redirects,
  requestHeaders,
  to,
  under,
} from './cases.ts'
import { freePort } from '../support/ports.ts'

// Tests of the Gateway API's conformance suite, v1.6, by their names there: filters.

interface Web {
  readonly bed: GatewayBed
  readonly port: number
}

/** A Gateway `infra/web` with one listener and one route that has these rules. */
async function openWeb(rules: readonly string[]): Promise<Web> {
  const bed = await GatewayBed.open('infra/v1', 'infra/v2')
  const port = await freePort()
  const web = { bed, port }
  await bed.put('gateway', gateway('infra/web', [`{name: http, port: ${port}, protocol: HTTP}`]))
  await bed.put('route', route('infra/r', { parents: 'web', rules }))
  assert.deepEqual(bed.parents('infra/r'), { 'infra/web': wellParent })
  return web
}

const [v1, v2] = ['infra/v1', 'infra/v2'] as const

for (const { test, rules, rows } of [...redirects, ...modifications]) {
  describe(test, () => {
    it('answers each request as the filters say', async () => {
      const web = await openWeb(rules)
      await using bed = web.bed
      await bed.expect(web.port, rows(web.port))
    })
  })
}

/** Why nobody here may listen on a port: it is below 1024, or taken. */
async function obstacleOf(address: string, port: number): Promise<string | undefined> {
  const server = net.createServer()
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, address, resolve)
    })
  } catch (error) {
    return String(error)
  }
  await new Promise<void>(resolve => server.close(() => resolve()))
  return undefined
}

describe('HTTPRouteRedirectPortAndScheme', () => {
  const variants: Readonly<Record<string, string>> = {
    'nil-nil': '',
    'nil-80': 'port: 80, ',
    'nil-443': 'port: 443, ',
    'nil-8080': 'port: 8080, ',
    'nil-8443': 'port: 8443, ',
    'http-nil': 'scheme: http, ',
    'http-80': 'scheme: http, port: 80, ',
    'http-8080': 'scheme: http, port: 8080, ',
    'https-nil': 'scheme: https, ',
    'https-443': 'scheme: https, port: 443, ',
    'https-8443': 'scheme: https, port: 8443, ',
  }
  /** What does not depend on the listener. */
  const fixed: Readonly<Record<string, string>> = {
    'http-nil': 'http://example.org',
    'http-80': 'http://example.org',
    'http-8080': 'http://example.org:8080',
    'https-nil': 'https://example.org',
    'https-443': 'https://example.org',
    'https-8443': 'https://example.org:8443',
  }
  const kinds: readonly { title: string; scheme: 'http' | 'https'; port: number | undefined }[] = [
    { title: 'an HTTP listener', scheme: 'http', port: undefined },
    { title: 'an HTTPS listener', scheme: 'https', port: undefined },
    { title: 'an HTTP listener on port 80', scheme: 'http', port: 80 },
    { title: 'an HTTPS listener on port 443', scheme: 'https', port: 443 },
  ]
  for (const { title, scheme, port: wanted } of kinds) {
    it(`the port is the filter's, else the scheme's, else the one of ${title}`, async t => {
      await using bed = await GatewayBed.open()
      const obstacle = wanted === undefined ? undefined : await obstacleOf(bed.address, wanted)
      if (obstacle !== undefined) {
        t.skip(obstacle)
        return
      }
      const port = wanted ?? (await freePort())
      const tls = scheme === 'https' ? ', tls: {certificateRefs: [{name: certificate}]}' : ''
      await bed.put('secret', tlsSecret('infra/certificate', shopPair))
      await bed.put(
        'gateway',
        gateway('infra/web', [`{name: only, port: ${port}, protocol: ${scheme.toUpperCase()}${tls}}`]),
        route('infra/r', {
          parents: 'web',
          rules: Object.entries(variants).map(
            ([path, more]) => `${under(`/${path}`)}, ${filters(redirect(`${more}hostname: example.org`))}`,
          ),
        }),
      )
      assert.deepEqual(bed.parents('infra/r'), { 'infra/web': wellParent })
      const known = scheme === 'http' ? 80 : 443
      const of = (number: number): string => `${scheme}://example.org${number === known ? '' : `:${number}`}`
      const expected: Readonly<Record<string, string>> = {
        ...fixed,
        'nil-nil': of(port),
        'nil-80': of(80),
        'nil-443': of(443),
        'nil-8080': of(8080),
        'nil-8443': of(8443),
      }
      await bed.expect(
        port,
        Object.keys(variants).map((path): [Ask, Expected] => [
          {
            at: `shop.example/${path}`,
            ...(scheme === 'https' ? { tls: { servername: 'shop.example', ca: shopPair.chain } } : {}),
          },
          location(`${expected[path]}/${path}`),
        ]),
      )
    })
  }
})

describe('HTTPRouteRequestHeaderModifierBackendWeights', () => {
  it('each share of the traffic has the headers of its own backend', async () => {
    const web = await openWeb([
      `backendRefs: [{name: v1, port: SERVICE_PORT, weight: 1, filters: [${requestHeaders('set: [{name: Backend, value: v1}]')}]}, {name: v2, port: SERVICE_PORT, weight: 1, filters: [${requestHeaders('set: [{name: Backend, value: v2}]')}]}]`,
    ])
    await using bed = web.bed
    const services = new Set<string>()
    // Both are met with all but 2^-63 probability.
    for (let count = 0; count < 64; count++) {
      const { seen } = await bed.ask(web.port, '/')
      assert.equal(seen?.headers['backend'], seen?.service)
      services.add(seen?.service ?? '')
    }
    assert.deepEqual([...services].toSorted(), ['v1', 'v2'])
  })
})

const mirror = (service: string, more = ''): string =>
  `{type: RequestMirror, requestMirror: {backendRef: {name: ${service}, port: SERVICE_PORT}${more}}}`

describe('HTTPRouteRequestMirror', () => {
  it('the mirror sees the request with its edits, and its answer is ignored', async () => {
    const web = await openWeb([
      `${under('/mirror')}, ${filters(mirror('v2'))}, ${to('v1')}`,
      `${under('/mirror-and-modify')}, ${filters(requestHeaders(headerEdits), mirror('v2'))}, ${to('v1')}`,
    ])
    await using bed = web.bed
    await bed.expect(web.port, [['/mirror?status=500&q=1', { by: v1, status: 500 }]])
    await bed.echo(v2).until(seen => seen.length === 1)
    assert.equal(bed.echo(v2).seen[0]?.path, '/mirror?status=500&q=1')
    await bed.expect(web.port, [
      [
        {
          at: 'POST example.com/mirror-and-modify',
          body: 'cargo',
          headers: { 'X-Header-Remove': 'x', 'X-Header-Append': 'one' },
        },
        { by: v1, request: { 'x-header-append': 'one,more', 'x-header-remove': null } },
      ],
    ])
    await bed.echo(v2).until(seen => seen.length === 2)
    const copy = bed.echo(v2).seen[1]
    assert.equal(copy?.method, 'POST')
    assert.equal(copy?.body, 'cargo')
    assert.equal(copy?.host, 'example.com')
    assert.equal(copy?.headers['x-header-append'], 'one,more')
    assert.equal(copy?.headers['x-header-remove'], undefined)
    assert.equal(bed.echo(v1).seen.length, 2)
  })
})

describe('HTTPRouteRequestMultipleMirrors', () => {
  it('each mirror sees each request once', async () => {
    const web = await openWeb([`${under('/mirrors')}, ${filters(mirror('v2'), mirror('v1'))}, ${to('v1')}`])
    await using bed = web.bed
    for (let count = 1; count <= 5; count++) {
      await bed.expect(web.port, [[`/mirrors/${count}`, v1]])
      await bed.echo(v2).until(seen => seen.length === count)
      await bed.echo(v1).until(seen => seen.length === 2 * count)
    }
    assert.deepEqual(
      bed.echo(v2).seen.map(seen => seen.path),
      ['/mirrors/1', '/mirrors/2', '/mirrors/3', '/mirrors/4', '/mirrors/5'],
    )
  })
})

describe('HTTPRouteRequestPercentageMirror', () => {
  const cases: readonly (readonly [string, number])[] = [
    ['percent: 20', 0.2],
    ['fraction: {numerator: 1, denominator: 2}', 0.5],
    ['fraction: {numerator: 35}', 0.35],
    ['percent: 0', 0],
    ['percent: 100', 1],
  ]
  for (const [share, expected] of cases) {
    it(`mirrors the share of ${share}`, async () => {
      const web = await openWeb([`${filters(mirror('v2', `, ${share}`))}, ${to('v1')}`])
      await using bed = web.bed
      const count = 500
      // Three standard deviations, as the suite allows; they miss once in 370 times, five times in a row never.
      const deviation = 3 * Math.sqrt((expected * (1 - expected)) / count)
      const seen: number[] = []
      for (let tries = 0; tries < 5; tries++) {
        const before = bed.echo(v2).seen.length
        await bed.shares(web.port, '/', count)
        // Copies leave after their request; a last one that must be mirrored shows that all have arrived.
        await bed.put('route', route('infra/r', { parents: 'web', rules: [`${filters(mirror('v2'))}, ${to('v1')}`] }))
        await bed.expect(web.port, [['/last', v1]])
        await bed.echo(v2).until(list => list.some((one, at) => at >= before && one.path === '/last'))
        await bed.put(
          'route',
          route('infra/r', { parents: 'web', rules: [`${filters(mirror('v2', `, ${share}`))}, ${to('v1')}`] }),
        )
        const got = (bed.echo(v2).seen.length - before - 1) / count
        seen.push(got)
        if (Math.abs(got - expected) <= deviation) return
      }
      assert.fail(`wanted ${expected}, got ${seen.join(', ')}`)
    })
  }
})

describe('HTTPRouteCORS', () => {
  const cors = (more: string): string => `{type: CORS, cors: {${more}}}`
  const preflight = (path: string, origin: string, method: string, headers?: string): Ask => ({
    at: `OPTIONS ${path}`,
    headers: {
      origin,
      'access-control-request-method': method,
      ...(headers === undefined ? {} : { 'access-control-request-headers': headers }),
    },
  })
  const from = (at: string, origin: string): Ask => ({ at, headers: { origin } })
  const rules: readonly string[] = [
    `${under('/lists')}, ${filters(
      cors(
        "allowOrigins: ['https://www.foo.com', 'https://*.bar.com', 'http://plain.com:8080'], allowMethods: [GET, OPTIONS], allowHeaders: [x-header-1, x-header-2], exposeHeaders: [x-header-3, x-header-4], allowCredentials: true, maxAge: 3600",
      ),
    )}, ${to('v1')}`,
    `${under('/any-method')}, ${filters(cors("allowOrigins: ['https://www.foo.com'], allowMethods: ['*']"))}, ${to('v1')}`,
    `${under('/any-origin')}, ${filters(cors("allowOrigins: ['*'], allowMethods: [PUT], allowCredentials: false"))}, ${to('v1')}`,
    `${under('/anything')}, ${filters(
      cors("allowOrigins: ['*'], allowMethods: ['*'], allowHeaders: ['*'], allowCredentials: true"),
    )}, ${to('v1')}`,
  ]
  const none = {
    'access-control-allow-origin': null,
    'access-control-allow-methods': null,
    'access-control-allow-headers': null,
    'access-control-allow-credentials': null,
    'access-control-max-age': null,
  }
  const lists = (origin: string): ExpectedParts => ({
    status: 204,
    response: {
      'access-control-allow-origin': origin,
      'access-control-allow-methods': 'GET, OPTIONS',
      'access-control-allow-headers': 'x-header-1, x-header-2',
      'access-control-expose-headers': 'x-header-3, x-header-4',
      'access-control-allow-credentials': 'true',
      'access-control-max-age': '3600',
    },
  })
  const tables: Readonly<Record<string, readonly (readonly [Ask, Expected])[]>> = {
    'preflights are answered by the gateway': [
      [preflight('/lists', 'https://www.foo.com', 'GET', 'x-header-1, x-header-2'), lists('https://www.foo.com')],
      [preflight('/lists', 'https://www.bar.com', 'GET'), lists('https://www.bar.com')],
      [preflight('/lists', 'https://xpto.www.bar.com', 'GET'), lists('https://xpto.www.bar.com')],
      [preflight('/lists', 'https://www.foo.com:443', 'GET'), lists('https://www.foo.com:443')],
      [preflight('/lists', 'http://plain.com:8080', 'GET'), lists('http://plain.com:8080')],
      [
        preflight('/any-method', 'https://www.foo.com', 'POST'),
        {
          status: 204,
          response: {
            'access-control-allow-origin': 'https://www.foo.com',
            'access-control-allow-methods': 'POST',
            'access-control-allow-credentials': null,
            'access-control-max-age': '5',
          },
        },
      ],
      [
        preflight('/any-origin', 'https://foobar.com:12345', 'PUT'),
        {
          status: 204,
          response: {
            'access-control-allow-origin': 'https://foobar.com:12345',
            'access-control-allow-methods': 'PUT',
            'access-control-allow-credentials': null,
          },
        },
      ],
      [
        preflight('/anything', 'https://other.foo.com', 'PUT', 'x-header-1, x-header-2'),
        {
          status: 204,
          response: {
            'access-control-allow-origin': 'https://other.foo.com',
            'access-control-allow-methods': 'PUT',
            'access-control-allow-headers': 'x-header-1, x-header-2',
            'access-control-allow-credentials': 'true',
          },
        },
      ],
    ],
    'origins that are not allowed get no CORS fields': [
      [preflight('/lists', 'https://foobar.com', 'GET'), { status: 204, response: none }],
      [preflight('/lists', 'https://bar.com', 'GET'), { status: 204, response: none }],
      [preflight('/lists', 'http://www.foo.com', 'GET'), { status: 204, response: none }],
      [preflight('/lists', 'https://www.foo.com:8443', 'GET'), { status: 204, response: none }],
      [preflight('/lists', 'http://plain.com', 'GET'), { status: 204, response: none }],
      [preflight('/lists', 'null', 'GET'), { status: 204, response: none }],
      [from('/lists', 'https://foobar.com'), { by: v1, response: none }],
    ],
    'answers of endpoints carry the fields of simple requests': [
      [
        from('/lists', 'https://www.foo.com'),
        {
          by: v1,
          response: {
            'access-control-allow-origin': 'https://www.foo.com',
            'access-control-allow-credentials': 'true',
            'access-control-expose-headers': 'x-header-3, x-header-4',
          },
        },
      ],
      [
        from('/lists', 'https://www.bar.com'),
        { by: v1, response: { 'access-control-allow-origin': 'https://www.bar.com' } },
      ],
      [
        from('PUT /any-origin', 'https://foobar.com:12345'),
        {
          by: v1,
          response: {
            'access-control-allow-origin': 'https://foobar.com:12345',
            'access-control-allow-credentials': null,
          },
        },
      ],
      [
        from('/lists?status=500', 'https://www.foo.com'),
        { by: v1, status: 500, response: { 'access-control-allow-origin': 'https://www.foo.com' } },
      ],
      ['/lists', { by: v1, response: none }],
      // OPTIONS without the fields of a preflight is a request like any other.
      ['OPTIONS /lists', { by: v1, method: 'OPTIONS' }],
      [from('OPTIONS /lists', 'https://www.foo.com'), { by: v1, method: 'OPTIONS' }],
    ],
    'what an endpoint says of CORS itself is replaced': [
      [
        from(
          '/lists?set=access-control-allow-origin:*&set=access-control-allow-credentials:false',
          'https://www.foo.com',
        ),
        {
          by: v1,
          response: {
            'access-control-allow-origin': 'https://www.foo.com',
            'access-control-allow-credentials': 'true',
          },
        },
      ],
      [from('/lists?set=access-control-allow-origin:*', 'https://foobar.com'), { by: v1, response: none }],
    ],
  }
  for (const [title, rows] of Object.entries(tables)) {
    it(title, async () => {
      const web = await openWeb(rules)
      await using bed = web.bed
      await bed.expect(web.port, rows)
    })
  }
})
