import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ExternalAuth } from '../../model/index.ts'
import { decideByGrpc, type AuthAnswer, type AuthHeader } from './grpc.ts'
import { authRequest, decideByHttp, type AuthFacts } from './http.ts'

const auth: ExternalAuth = {
  protocol: 'http',
  backend: 'shop/auth:80',
  pathPrefix: '',
  requestHeaders: [],
  responseHeaders: undefined,
  maxBodyBytes: 0,
  timeoutMs: 1000,
  failsOpen: false,
}

const headers: Readonly<Record<string, string>> = {
  authorization: 'Bearer t',
  cookie: 'a=b',
  'x-team': 'red',
  'x-forwarded-for': '6.6.6.6',
  'content-length': '1000',
  'transfer-encoding': 'chunked',
  connection: 'x-team',
  host: 'evil.example',
}

const facts: AuthFacts = {
  method: 'PUT',
  scheme: 'https',
  host: 'shop.example',
  target: '/cart?a=1',
  clientAddress: '10.0.0.9',
  requestId: 'id-1',
  header: name => headers[name],
}

const always = [
  'x-forwarded-for: 10.0.0.9',
  'x-forwarded-proto: https',
  'x-forwarded-host: shop.example',
  'x-request-id: id-1',
  'authorization: Bearer t',
]

function lines(list: readonly { name: string; value: string }[]): string[] {
  return list.map(({ name, value }) => `${name}: ${value}`)
}

describe('authRequest()', () => {
  const cases: readonly (readonly [about: string, changes: Partial<ExternalAuth>, target: string, more: string[]])[] = [
    ['sends what must always go', {}, '/cart?a=1', []],
    ['puts the prefix before the path', { pathPrefix: '/check' }, '/check/cart?a=1', []],
    ['sends the headers of the list', { requestHeaders: ['x-team', 'x-none'] }, '/cart?a=1', ['x-team: red']],
    ['does not repeat authorization', { requestHeaders: ['authorization', 'cookie'] }, '/cart?a=1', ['cookie: a=b']],
    ['does not believe the client about itself', { requestHeaders: ['x-forwarded-for'] }, '/cart?a=1', []],
    [
      'does not pass on how another message is framed, even when told to',
      { requestHeaders: ['content-length', 'transfer-encoding', 'connection', 'host'] },
      '/cart?a=1',
      [],
    ],
  ]
  for (const [about, changes, target, more] of cases) {
    test(about, () => {
      const request = authRequest({ ...auth, ...changes }, facts)
      assert.equal(request.method, 'PUT')
      assert.equal(request.host, 'shop.example')
      assert.equal(request.target, target)
      assert.deepEqual(lines(request.headers), [...always, ...more])
    })
  }
})

describe('decideByHttp()', () => {
  const answer = [
    { name: 'x-user', value: 'anna' },
    { name: 'x-group', value: 'a' },
    { name: 'x-group', value: 'b' },
    { name: 'host', value: 'evil.example' },
    { name: 'content-length', value: '12' },
    { name: 'content-type', value: 'text/html' },
    { name: 'transfer-encoding', value: 'chunked' },
    { name: 'www-authenticate', value: 'Bearer' },
  ]
  const body = Buffer.from('why')

  for (const [about, changes, expected] of [
    ['all fields', {}, ['x-user: anna', 'x-group: a, b', 'www-authenticate: Bearer']],
    ['those of the list', { responseHeaders: ['x-user', 'x-none'] }, ['x-user: anna']],
    ['no framing, even when told to', { responseHeaders: ['host', 'content-length', 'transfer-encoding'] }, []],
  ] as const) {
    test(`200 allows and puts into the request ${about}`, () => {
      const decision = decideByHttp({ ...auth, ...changes }, 200, answer, body)
      assert.ok(decision.kind === 'allow')
      assert.deepEqual(lines(decision.request.set), expected)
      assert.deepEqual([...decision.request.add, ...decision.request.remove, ...decision.response.set], [])
    })
  }

  for (const [given, status] of [
    [201, 403],
    [204, 403],
    [302, 302],
    [401, 401],
    [403, 403],
    [404, 404],
    [429, 429],
  ] as const) {
    test(`${given} refuses with ${status}, the fields and the body`, () => {
      const decision = decideByHttp(auth, given, answer, body)
      assert.ok(decision.kind === 'deny')
      assert.equal(decision.status, status)
      assert.equal(decision.body, body)
      assert.deepEqual(lines(decision.headers), [
        'x-user: anna',
        'x-group: a',
        'x-group: b',
        'content-type: text/html',
        'www-authenticate: Bearer',
      ])
    })
  }

  for (const status of [500, 503, 599]) {
    test(`${status} is no decision`, () => assert.equal(decideByHttp(auth, status, answer, body).kind, 'unavailable'))
  }
})

describe('decideByGrpc()', () => {
  const header = (name: string, value: string, append?: boolean, action = 0): AuthHeader => ({
    name,
    value,
    append,
    action,
  })
  const consent: AuthAnswer = {
    code: 0,
    message: '',
    requestHeaders: [],
    headersToRemove: [],
    responseHeaders: [],
    changesQuery: false,
    deniedStatus: 0,
    deniedHeaders: [],
    deniedBody: '',
  }

  test('code 0 allows, with the changes of the authorizer', () => {
    const decision = decideByGrpc({
      ...consent,
      requestHeaders: [header('X-User', 'anna'), header('x-group', 'a', true), header('Host', 'evil.example')],
      headersToRemove: ['Authorization', 'host', 'content-length'],
      responseHeaders: [
        header('x-a', '1'),
        header('x-b', '2', undefined, 2),
        header('x-c', '3', false),
        header('x-d', '4', true, 2),
        header('content-length', '5'),
      ],
      deniedStatus: 401,
    })
    assert.deepEqual(decision, {
      kind: 'allow',
      request: {
        set: [{ name: 'x-user', value: 'anna' }],
        add: [{ name: 'x-group', value: 'a' }],
        remove: ['authorization'],
      },
      response: {
        set: [
          { name: 'x-b', value: '2' },
          { name: 'x-c', value: '3' },
        ],
        add: [
          { name: 'x-a', value: '1' },
          { name: 'x-d', value: '4' },
        ],
        remove: [],
      },
    })
  })

  for (const [about, changes, status] of [
    ['without a status', { code: 7 }, 403],
    ['with its status', { code: 16, deniedStatus: 401 }, 401],
    ['with a status that is none', { code: 7, deniedStatus: 200 }, 403],
    ['even with a consent beside it', { code: 7, requestHeaders: [header('x-user', 'root')] }, 403],
    ['also by a code that nobody knows', { code: 99 }, 403],
  ] as const) {
    test(`another code refuses ${about}`, () => {
      const deniedHeaders = [header('X-Why', 'because'), header('transfer-encoding', 'chunked')]
      const decision = decideByGrpc({ ...consent, deniedHeaders, deniedBody: 'no', ...changes })
      assert.deepEqual(decision, {
        kind: 'deny',
        status,
        headers: [{ name: 'x-why', value: 'because' }],
        body: Buffer.from('no'),
      })
    })
  }

  for (const [about, changes] of [
    ['a line break in a header for the request', { requestHeaders: [header('x-a', 'b\r\nx-admin: 1')] }],
    ['a line break in a header for the answer', { responseHeaders: [header('x-a', 'b\nc')] }],
    ['an impossible name', { requestHeaders: [header(':path', '/admin')] }],
    ['an impossible header of a refusal', { code: 7, deniedHeaders: [header('', 'x')] }],
    ['changes of the query', { changesQuery: true }],
  ] as const) {
    test(`${about} is no decision`, () => {
      assert.equal(decideByGrpc({ ...consent, ...changes }).kind, 'unavailable')
    })
  }
})
