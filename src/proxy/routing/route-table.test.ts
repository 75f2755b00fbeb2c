import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Attachment, HttpRoute, MeshSnapshot, RouteMatch } from '../../model/index.ts'
import { hostId, listenerId, sketchListener, sketchRequest, sketchRoute, sketchSnapshot } from './fixtures.ts'
import type { RouteSketch } from './fixtures.ts'
import type { RouteRequest } from './request.ts'
import { RouteTable } from './route-table.ts'

/** Target of a rule: `route#rule`. */
const compileRule = (route: HttpRoute, rule: { readonly index: number }): string => `${route.name}#${rule.index}`

function tableOf(snapshot: MeshSnapshot): RouteTable<string> {
  return (RouteTable.empty as RouteTable<string>).update(snapshot, compileRule)
}

function answer(table: RouteTable<string>, request: RouteRequest, clientNamespace?: string): string | undefined {
  return table.virtualHost(listenerId, request.host)?.match(request, clientNamespace)?.target
}

const exact = (value: string): Partial<RouteMatch> => ({ path: { kind: 'exact', value } })
const prefix = (value: string): Partial<RouteMatch> => ({ path: { kind: 'prefix', value } })
const regex = (value: string): Partial<RouteMatch> => ({ path: { kind: 'regex', value } })
const header = (name: string, value: string, kind: 'exact' | 'regex' = 'exact') => ({ kind, name, value })

type Case = readonly [request: string, expected: string | undefined, fields?: Readonly<Record<string, string>>]

function checkTable(name: string, routes: readonly RouteSketch[], cases: readonly Case[]): void {
  describe(name, () => {
    const table = tableOf(sketchSnapshot(routes.map(sketchRoute)))
    for (const [line, expected, fields] of cases) {
      const shown = fields === undefined ? line : `${line} ${JSON.stringify(fields)}`
      it(`${shown} → ${expected ?? '404'}`, () => {
        assert.equal(answer(table, sketchRequest(line, fields)), expected)
      })
    }
  })
}

checkTable(
  'hostnames of routes',
  [
    { name: 'exact', hostnames: ['a.example.com'], rules: [[prefix('')]] },
    { name: 'deep', hostnames: ['*.b.example.com'], rules: [[prefix('')]] },
    { name: 'wide', hostnames: ['*.example.com'], rules: [[prefix('')]] },
    { name: 'several', hostnames: ['one.test', 'two.test', '*.three.test'], rules: [[prefix('')]] },
  ],
  [
    ['GET a.example.com/', 'exact#0'],
    ['GET x.a.example.com/', 'wide#0'],
    ['GET x.b.example.com/', 'deep#0'],
    ['GET y.x.b.example.com/', 'deep#0'],
    ['GET b.example.com/', 'wide#0'],
    ['GET z.y.x.example.com/', 'wide#0'],
    ['GET example.com/', undefined],
    ['GET .example.com/', undefined],
    ['GET badexample.com/', undefined],
    ['GET one.test/', 'several#0'],
    ['GET two.test/', 'several#0'],
    ['GET x.three.test/', 'several#0'],
    ['GET three.test/', undefined],
    ['GET /', undefined],
    [`GET ${'x.'.repeat(200)}example.com/`, undefined],
  ],
)

checkTable(
  'a more specific hostname goes before everything else',
  [
    { name: 'any', rules: [[exact('/cart')]] },
    { name: 'wildcard', hostnames: ['*.example.com'], rules: [[{ ...prefix('/cart'), method: 'GET' }]] },
    { name: 'exact', hostnames: ['shop.example.com'], rules: [[{ ...prefix(''), headers: [header('x-beta', '1')] }]] },
  ],
  [
    ['GET shop.example.com/cart', 'exact#0', { 'x-beta': '1' }],
    // Where nothing of the best hostname fits, the next one is asked.
    ['GET shop.example.com/cart', 'wildcard#0'],
    ['POST shop.example.com/cart', 'any#0'],
    ['POST shop.example.com/cart/1', undefined],
    ['GET other.test/cart', 'any#0'],
  ],
)

checkTable(
  'paths',
  [
    {
      name: 'r',
      rules: [
        [prefix('')],
        [prefix('/foo')],
        [prefix('/foo/bar')],
        [exact('/foo')],
        [exact('/foo/bar/')],
        [regex('/foo/[0-9]+')],
        [regex('/foo/[0-9]+/x.*')],
        [prefix('/%7Euser')],
        [exact('/caf%c3%a9')],
        [prefix('/a/b/c/d')],
      ],
    },
  ],
  [
    ['GET h/', 'r#0'],
    ['GET h/foo', 'r#3'],
    ['GET h/foo/', 'r#1'],
    ['GET h/foo/x', 'r#1'],
    ['GET h/foobar', 'r#0'],
    ['GET h/FOO', 'r#0'],
    ['GET h/foo/bar', 'r#2'],
    ['GET h/foo/bar/', 'r#4'],
    ['GET h/foo/bar/baz', 'r#2'],
    ['GET h/foo/barbaz', 'r#1'],
    ['GET h//foo', 'r#0'],
    ['GET h/foo//bar', 'r#1'],
    ['GET h/foo/12', 'r#5'],
    ['GET h/foo/12/', 'r#1'],
    ['GET h/x/foo/12', 'r#0'],
    ['GET h/foo/12/xyz', 'r#6'],
    ['GET h/~user/x', 'r#7'],
    ['GET h/caf%C3%A9', 'r#8'],
    ['GET h/a/b/c/d/e', 'r#9'],
    ['GET h/a/b/c', 'r#0'],
    [`GET h/foo/${'1'.repeat(9000)}`, 'r#1'],
  ],
)

checkTable(
  'kinds of path: exact, then regular expression, then prefix',
  [
    {
      name: 'r',
      rules: [[prefix('/a/very/long/prefix')], [regex('/a/.*')], [exact('/a/very/long/prefix')], [regex('/a/very/.*')]],
    },
  ],
  [
    ['GET h/a/very/long/prefix', 'r#2'],
    ['GET h/a/very/long/prefix/x', 'r#3'],
    ['GET h/a/x', 'r#1'],
    ['GET h/b', undefined],
  ],
)

checkTable(
  'a pattern that cannot be used matches nothing and harms nobody',
  [
    {
      name: 'r',
      rules: [[regex('/a(')], [regex('/(?=a).*')], [{ headers: [header('x', '[', 'regex')] }], [prefix('/a')]],
    },
  ],
  [
    ['GET h/a(', undefined],
    ['GET h/a/b', 'r#3', { x: '[' }],
  ],
)

checkTable(
  'methods, headers and query parameters',
  [
    {
      name: 'r',
      rules: [
        [{ ...prefix('/m'), method: 'POST' }],
        [{ ...prefix('/m'), headers: [header('x-a', '1'), header('x-b', '2')] }],
        [{ ...prefix('/m'), headers: [header('x-a', '1')], query: [header('q', '1'), header('p', '1')] }],
        [{ ...prefix('/m'), query: [header('q', '1')] }],
        [{ ...prefix('/m'), query: [header('q', '1'), header('p', '[0-9]+', 'regex')] }],
        [{ ...prefix('/h'), headers: [header('X-Version', '2')] }],
        [{ ...prefix('/h'), headers: [header('x-version', '[3-9]', 'regex')] }],
        [{ ...prefix('/h'), headers: [header('x-one', '1'), header('X-One', '2')] }],
        [{ ...prefix('/q'), query: [header('Name', 'a b')] }],
        [{ ...prefix('/q'), query: [header('n', '1'), header('n', '2')] }],
      ],
    },
  ],
  [
    ['POST h/m', 'r#0', { 'x-a': '1', 'x-b': '2' }],
    ['GET h/m', 'r#1', { 'x-a': '1', 'x-b': '2' }],
    ['GET h/m?q=1&p=1', 'r#1', { 'x-a': '1', 'x-b': '2' }],
    ['GET h/m?q=1&p=1', 'r#2', { 'x-a': '1' }],
    ['GET h/m?q=1&p=1', 'r#4'],
    ['GET h/m?q=1&p=x', 'r#3'],
    ['GET h/m?q=2', undefined],
    ['post h/m', undefined],
    ['GET h/m', undefined, { 'x-a': '1' }],
    ['GET h/h', 'r#5', { 'x-version': '2' }],
    ['GET h/h', 'r#6', { 'x-version': '3' }],
    ['GET h/h', undefined, { 'x-version': '33' }],
    ['GET h/h', undefined, { 'x-version': '2, 2' }],
    ['GET h/h', undefined],
    // Names that are equivalent: only the first entry counts.
    ['GET h/h', 'r#7', { 'x-one': '1' }],
    ['GET h/h', undefined, { 'x-one': '2' }],
    ['GET h/q?Name=a+b', 'r#8'],
    ['GET h/q?N%61me=a%20b', 'r#8'],
    ['GET h/q?name=a+b', undefined],
    ['GET h/q?Name=x&Name=a+b', undefined],
    ['GET h/q?Name=a+b&Name=x', 'r#8'],
    ['GET h/q?n=1', 'r#9'],
    ['GET h/q?n=2', undefined],
  ],
)

checkTable(
  'a longer prefix that does not fit whole leaves the request to a shorter one',
  [
    {
      name: 'r',
      rules: [
        [{ ...exact('/a/b'), method: 'PUT' }],
        [{ ...prefix('/a/b'), method: 'POST' }],
        [{ ...prefix('/a'), headers: [header('x', '1')] }],
        [prefix('')],
      ],
    },
  ],
  [
    ['PUT h/a/b', 'r#0'],
    ['POST h/a/b', 'r#1'],
    ['GET h/a/b', 'r#2', { x: '1' }],
    ['GET h/a/b', 'r#3'],
  ],
)

describe('ties', () => {
  const cases: readonly { name: string; routes: readonly RouteSketch[]; winner: string }[] = [
    {
      name: 'the older route wins',
      routes: [
        { name: 'a', createdMs: 2000, rules: [[{}]] },
        { name: 'b', createdMs: 1000, rules: [[{}]] },
      ],
      winner: 'b#0',
    },
    {
      name: 'of the same age namespace/name decides, as one text',
      routes: [
        { name: 'x', namespace: 'a', rules: [[{}]] },
        { name: 'y', namespace: 'a-b', rules: [[{}]] },
      ],
      winner: 'y#0',
    },
    {
      name: 'then the name',
      routes: [
        { name: 'b', rules: [[{}]] },
        { name: 'a', rules: [[{}]] },
      ],
      winner: 'a#0',
    },
    {
      name: 'within a route the first rule wins',
      routes: [{ name: 'r', rules: [[prefix('/x')], [{}], [{}]] }],
      winner: 'r#1',
    },
    {
      name: 'more headers go before age',
      routes: [
        { name: 'old', createdMs: 1, rules: [[{}]] },
        { name: 'new', createdMs: 2, rules: [[{ headers: [header('h', '1')] }]] },
      ],
      winner: 'new#0',
    },
    {
      name: 'a method goes before headers',
      routes: [
        { name: 'headers', rules: [[{ headers: [header('h', '1')], query: [header('q', '1')] }]] },
        { name: 'method', rules: [[{ method: 'GET' }]] },
      ],
      winner: 'method#0',
    },
  ]
  for (const { name, routes, winner } of cases) {
    it(name, () => {
      for (const order of [routes, routes.toReversed()]) {
        const table = tableOf(sketchSnapshot(order.map(sketchRoute)))
        assert.equal(answer(table, sketchRequest('GET h/?q=1', { h: '1' })), winner)
      }
    })
  }

  it('within a rule the first match wins', () => {
    const route = sketchRoute({ name: 'r', rules: [[prefix('/x'), {}, {}]] })
    const decision = tableOf(sketchSnapshot([route]))
      .virtualHost(listenerId, 'h')
      ?.match(sketchRequest('GET h/'), undefined)
    assert.equal(decision?.match, route.rules[0]?.matches[1])
  })
})

describe('decision', () => {
  const route = sketchRoute({ name: 'r', rules: [[prefix('/foo')], [prefix('')], [exact('/e')], [prefix('/%7Eu')]] })
  const table = tableOf(sketchSnapshot([route]))
  const decide = (line: string) => table.virtualHost(listenerId, 'h')?.match(sketchRequest(line), undefined)

  it('names route, rule, match and the matched prefix in normal form', () => {
    const decision = decide('GET h/foo/x')
    assert.equal(decision?.route, route)
    assert.equal(decision.rule, route.rules[0])
    assert.equal(decision.match, route.rules[0]?.matches[0])
    const prefixes = ['/foo/x', '/other', '/e', '/~u/x'].map(path => decide(`GET h${path}`)?.matchedPrefix)
    assert.deepEqual(prefixes, ['/foo', '', '', '/~u'])
  })

  it('is frozen and the same value each time', () => {
    assert.ok(Object.isFrozen(decide('GET h/foo')))
    assert.equal(decide('GET h/foo'), decide('GET h/foo/x'))
  })
})

describe('virtualHost()', () => {
  const ids = { exact: 'shop.example.com', deep: '*.a.example.com', wide: '*.example.com', any: undefined }
  const routeOn = (id: string): HttpRoute =>
    sketchRoute({
      name: id,
      attachments: [{ virtualHost: id, hostnames: [], clientNamespace: undefined }],
      rules: [[prefix(`/${id}`)]],
    })
  const routes = ['exact', 'deep', 'wide', 'any'].map(routeOn)
  const table = tableOf(sketchSnapshot(routes, [sketchListener(ids)]))
  const cases: readonly (readonly [host: string, id: string])[] = [
    ['shop.example.com', 'exact'],
    ['x.a.example.com', 'deep'],
    ['y.x.a.example.com', 'deep'],
    ['a.example.com', 'wide'],
    ['example.com', 'any'],
    ['', 'any'],
  ]
  for (const [host, id] of cases) {
    it(`${host || 'no host'} → ${id}`, () => assert.equal(table.virtualHost(listenerId, host)?.id, id))
  }

  it('counts only the routes of the chosen listener', () => {
    assert.equal(answer(table, sketchRequest('GET shop.example.com/exact')), 'exact#0')
    assert.equal(answer(table, sketchRequest('GET shop.example.com/wide')), undefined)
    assert.equal(answer(table, sketchRequest('GET shop.example.com/any')), undefined)
  })

  it('is undefined for a host that no listener takes, and for an unknown socket', () => {
    const strict = tableOf(sketchSnapshot([], [sketchListener({ exact: 'shop.example.com' })]))
    assert.equal(strict.virtualHost(listenerId, 'other.test'), undefined)
    assert.equal(strict.virtualHost('127.0.0.1:1', 'shop.example.com'), undefined)
  })

  it('is there for a listener without routes, and matches nothing', () => {
    const bare = tableOf(sketchSnapshot([]))
    assert.equal(bare.virtualHost(listenerId, 'h')?.match(sketchRequest('GET h/'), undefined), undefined)
  })

  it('takes the first of two virtual hosts with one hostname', () => {
    const clash = tableOf(sketchSnapshot([], [sketchListener({ first: 'h', second: 'h' })]))
    assert.equal(clash.virtualHost(listenerId, 'h')?.id, 'first')
  })
})

describe('mesh routes', () => {
  const service = 'Service shop/reviews:9080'
  const attach = (clientNamespace: string | undefined): readonly Attachment[] => [
    { virtualHost: service, hostnames: [], clientNamespace },
  ]
  const producer = sketchRoute({ name: 'producer', attachments: attach(undefined), rules: [[prefix('')]] })
  const second = sketchRoute({ name: 'second', attachments: attach(undefined), rules: [[prefix('/v2')]] })
  const consumer = sketchRoute({
    name: 'consumer',
    namespace: 'web',
    attachments: attach('web'),
    rules: [[prefix('/c')]],
  })
  const other = sketchRoute({ name: 'other', namespace: 'web', attachments: attach('web'), rules: [[exact('/c/o')]] })
  const table = tableOf(sketchSnapshot([producer, second, consumer, other], [sketchListener({ [service]: undefined })]))
  const cases: readonly (readonly [client: string | undefined, path: string, expected: string | undefined])[] = [
    ['shop', '/c', 'producer#0'],
    [undefined, '/c', 'producer#0'],
    ['elsewhere', '/v2', 'second#0'],
    ['web', '/c', 'consumer#0'],
    ['web', '/c/o', 'other#0'],
    // Consumer routes replace the producer's, they are not added to them.
    ['web', '/v2', undefined],
  ]
  for (const [client, path, expected] of cases) {
    it(`${client ?? 'an unknown client'} ${path} → ${expected ?? '404'}`, () => {
      assert.equal(answer(table, sketchRequest(`GET any.host${path}`), client), expected)
    })
  }

  it('go back to the producer routes with the last consumer route', () => {
    const next = table.update(
      sketchSnapshot([producer, second], [sketchListener({ [service]: undefined })]),
      compileRule,
    )
    assert.equal(answer(next, sketchRequest('GET any.host/v2'), 'web'), 'second#0')
  })
})

describe('many candidates on one path', () => {
  const tenants = Array.from({ length: 300 }, (_, at) => at)
  const routes = tenants.map(at =>
    sketchRoute({
      name: `t${at}`,
      createdMs: at,
      rules: [[{ headers: [header('x-tenant', `${at % 150}`)], ...(at < 150 ? {} : { method: 'PUT' }) }]],
    }),
  )
  const special = [
    sketchRoute({ name: 'regex', rules: [[{ headers: [header('x-tenant', '1[0-9]', 'regex'), header('x-b', '1')] }]] }),
    sketchRoute({ name: 'query', rules: [[{ query: [header('beta', '1')] }]] }),
    sketchRoute({ name: 'rest', rules: [[{}]] }),
  ]
  const table = tableOf(sketchSnapshot([...routes, ...special]))
  const cases: readonly Case[] = [
    ['GET h/', 't17#0', { 'x-tenant': '17' }],
    ['PUT h/', 't167#0', { 'x-tenant': '17' }],
    ['GET h/', 'regex#0', { 'x-tenant': '17', 'x-b': '1' }],
    ['PUT h/', 't167#0', { 'x-tenant': '17', 'x-b': '1' }],
    ['GET h/', 'regex#0', { 'x-tenant': '19', 'x-b': '1' }],
    ['GET h/?beta=1', 'query#0', { 'x-tenant': '999' }],
    ['GET h/?beta=1', 't5#0', { 'x-tenant': '5' }],
    ['GET h/', 'rest#0'],
  ]
  for (const [line, expected, fields] of cases) {
    it(`${line} ${JSON.stringify(fields ?? {})} → ${expected}`, () => {
      assert.equal(answer(table, sketchRequest(line, fields)), expected)
    })
  }

  it('asks a header once or twice, not once per candidate', () => {
    let asked = 0
    const request: RouteRequest = {
      ...sketchRequest('GET h/'),
      header: name => {
        asked++
        return name === 'x-tenant' ? '42' : undefined
      },
    }
    assert.equal(answer(table, request), 't42#0')
    assert.ok(asked <= 10, `${asked} questions`)
  })
})

describe('update()', () => {
  const targets: string[] = []
  const compile = (route: HttpRoute, rule: { readonly index: number }, virtualHost: string): { name: string } => {
    targets.push(`${virtualHost} ${route.name}#${rule.index}`)
    return { name: route.name }
  }
  const cart = sketchRoute({
    name: 'cart',
    hostnames: ['a.test', 'b.test'],
    rules: [[prefix('/cart'), exact('/basket')], [{}]],
  })
  const home = sketchRoute({ name: 'home', hostnames: ['a.test'], rules: [[prefix('/home')]] })
  const before = sketchSnapshot([cart, home])
  const first = (RouteTable.empty as RouteTable<{ name: string }>).update(before, compile)

  it('compiles each rule once per virtual host, whatever the number of matches and hostnames', () => {
    targets.length = 0
    tableTargets(before)
    assert.deepEqual(targets.toSorted(), [`${hostId} cart#0`, `${hostId} cart#1`, `${hostId} home#0`])
  })

  function tableTargets(snapshot: MeshSnapshot): void {
    ;(RouteTable.empty as RouteTable<{ name: string }>).update(snapshot, compile)
  }

  it('compiles only what changed and keeps the rest by identity', () => {
    targets.length = 0
    const changed = { ...home, rules: sketchRoute({ name: 'home', rules: [[prefix('/house')]] }).rules }
    const next = first.update({ ...before, routes: new Map([...before.routes, [home.key, changed]]) }, compile)
    assert.deepEqual(targets, [`${hostId} home#0`])
    const decide = (table: typeof first, line: string) =>
      table.virtualHost(listenerId, 'a.test')?.match(sketchRequest(line), undefined)
    assert.equal(decide(next, 'GET a.test/cart'), decide(first, 'GET a.test/cart'))
    assert.equal(decide(next, 'GET a.test/house')?.target.name, 'home')
    assert.equal(decide(next, 'GET a.test/home')?.target.name, 'cart')
    assert.equal(decide(first, 'GET a.test/home')?.target.name, 'home', 'the earlier table is as it was')
    assert.equal(decide(first, 'GET a.test/house')?.target.name, 'cart')
  })

  it('is the same table when nothing that matters changed', () => {
    assert.equal(first.update({ ...before, version: 2, backends: new Map() }, compile), first)
    assert.equal(
      first.update({ ...before, routes: new Map(before.routes), listeners: new Map(before.listeners) }, compile),
      first,
    )
  })

  it('keeps virtual hosts whose routes did not change', () => {
    const attachments = [{ virtualHost: 'second', hostnames: [], clientNamespace: undefined }]
    const apart = sketchRoute({ name: 'apart', attachments, rules: [[{}]] })
    const listeners = [sketchListener(), sketchListener({ second: undefined }, '127.0.0.1:81')]
    const both = first.update(sketchSnapshot([cart, home, apart], listeners), compile)
    assert.equal(both.virtualHost(listenerId, 'h')?.id, hostId)
    const after = both.update(sketchSnapshot([cart, home, { ...apart }], listeners), compile)
    assert.equal(after.virtualHost(listenerId, 'h'), both.virtualHost(listenerId, 'h'))
    assert.notEqual(after.virtualHost('127.0.0.1:81', 'h'), both.virtualHost('127.0.0.1:81', 'h'))
  })

  it('takes out routes, listeners and whole hostnames', () => {
    const next = first.update(sketchSnapshot([home]), compile)
    assert.equal(next.virtualHost(listenerId, 'b.test')?.match(sketchRequest('GET b.test/cart'), undefined), undefined)
    assert.equal(next.update(sketchSnapshot([], []), compile).virtualHost(listenerId, 'a.test'), undefined)
  })

  it('finds a route whose listener comes later', () => {
    const early = (RouteTable.empty as RouteTable<{ name: string }>).update(sketchSnapshot([home], []), compile)
    assert.equal(early.virtualHost(listenerId, 'a.test'), undefined)
    const late = early.update({ ...before, routes: new Map([[home.key, home]]) }, compile)
    assert.equal(
      late.virtualHost(listenerId, 'a.test')?.match(sketchRequest('GET a.test/home'), undefined)?.target.name,
      'home',
    )
  })
})
