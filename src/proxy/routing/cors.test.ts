import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { CorsPolicy } from '../../model/index.ts'
import { allowsOrigin, corsDecision } from './cors.ts'
import type { CorsRequest } from './cors.ts'

const policy: CorsPolicy = {
  allowOrigins: ['https://www.foo.com', 'https://*.bar.com'],
  allowCredentials: true,
  allowMethods: ['GET', 'OPTIONS'],
  allowHeaders: ['x-header-1', 'x-header-2'],
  exposeHeaders: ['x-header-3'],
  maxAgeSeconds: 3600,
}
const open: CorsPolicy = {
  allowOrigins: ['*'],
  allowCredentials: false,
  allowMethods: ['*'],
  allowHeaders: ['*'],
  exposeHeaders: [],
  maxAgeSeconds: 5,
}
const preflight: CorsRequest = {
  method: 'OPTIONS',
  origin: 'https://www.foo.com',
  requestMethod: 'PUT',
  requestHeaders: 'x-a, x-b',
}
const simple: CorsRequest = {
  method: 'GET',
  origin: 'https://www.foo.com',
  requestMethod: undefined,
  requestHeaders: undefined,
}

function decided(rules: CorsPolicy, request: CorsRequest): Record<string, unknown> {
  const { kind, allowed, headers } = corsDecision(rules, request)
  return { kind, allowed, ...Object.fromEntries(headers.map(({ name, value }) => [name, value])) }
}

describe('corsDecision()', () => {
  const vary = 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers'

  it('answers a preflight with the configured lists', () => {
    assert.deepEqual(decided(policy, preflight), {
      kind: 'preflight',
      allowed: true,
      'access-control-allow-origin': 'https://www.foo.com',
      'access-control-allow-credentials': 'true',
      'access-control-allow-methods': 'GET, OPTIONS',
      'access-control-allow-headers': 'x-header-1, x-header-2',
      'access-control-expose-headers': 'x-header-3',
      'access-control-max-age': '3600',
      vary,
    })
  })

  for (const allowCredentials of [true, false]) {
    it(`echoes what was asked instead of a wildcard, ${allowCredentials ? 'with' : 'without'} credentials`, () => {
      assert.deepEqual(decided({ ...open, allowCredentials }, preflight), {
        kind: 'preflight',
        allowed: true,
        'access-control-allow-origin': 'https://www.foo.com',
        ...(allowCredentials ? { 'access-control-allow-credentials': 'true' } : {}),
        'access-control-allow-methods': 'PUT',
        'access-control-allow-headers': 'x-a, x-b',
        'access-control-max-age': '5',
        vary,
      })
    })
  }

  it('leaves out the allowed headers when none were asked for', () => {
    assert.equal('access-control-allow-headers' in decided(open, { ...preflight, requestHeaders: undefined }), false)
    assert.equal('access-control-allow-methods' in decided({ ...open, allowMethods: [] }, preflight), false)
  })

  it('gives an unknown origin no CORS field, and still answers its preflight', () => {
    const request = { ...preflight, origin: 'https://foobar.com' }
    assert.deepEqual(decided(policy, request), { kind: 'preflight', allowed: false, vary })
    assert.deepEqual(decided(policy, { ...simple, origin: 'https://foobar.com' }), {
      kind: 'forward',
      allowed: false,
      vary: 'Origin',
    })
  })

  it('adds its fields to the real response', () => {
    assert.deepEqual(decided(policy, simple), {
      kind: 'forward',
      allowed: true,
      'access-control-allow-origin': 'https://www.foo.com',
      'access-control-allow-credentials': 'true',
      'access-control-expose-headers': 'x-header-3',
      vary: 'Origin',
    })
  })

  it('forwards requests without Origin, and OPTIONS requests that are no preflight', () => {
    assert.deepEqual(decided(policy, { ...preflight, origin: undefined }), {
      kind: 'forward',
      allowed: false,
      vary: 'Origin',
    })
    assert.equal(decided(policy, { ...preflight, requestMethod: undefined })['kind'], 'forward')
    assert.equal(decided(policy, { ...preflight, method: 'GET' })['kind'], 'forward')
  })
})

describe('allowsOrigin()', () => {
  const cases: readonly (readonly [allowed: string, origin: string, fits: boolean])[] = [
    ['https://a.com', 'https://a.com', true],
    ['https://a.com', 'https://A.com', true],
    ['https://a.com', 'http://a.com', false],
    ['https://a.com', 'https://b.a.com', false],
    ['https://a.com', 'https://a.com.evil.com', false],
    ['https://a.com', 'https://a.com:443', true],
    ['https://a.com:443', 'https://a.com', true],
    ['http://a.com:80', 'http://a.com', true],
    ['https://a.com', 'https://a.com:8443', false],
    ['https://a.com:8443', 'https://a.com:8443', true],
    ['https://*.bar.com', 'https://www.bar.com', true],
    ['https://*.bar.com', 'https://xpto.www.bar.com', true],
    ['https://*.bar.com', 'https://bar.com', false],
    ['https://*.bar.com', 'https://.bar.com', false],
    ['https://*.bar.com', 'https://evilbar.com', false],
    ['https://*.bar.com', 'https://www.bar.com:8443', false],
    ['https://*.bar.com:8443', 'https://www.bar.com:8443', true],
    ['https://*', 'https://anything.test', true],
    ['https://*', 'http://anything.test', false],
    ['https://*.bar.com', 'https://evil.com/.bar.com', false],
    ['https://*.bar.com', 'https://evil.com#.bar.com', false],
    ['https://*.bar.com', 'https://user@www.bar.com', false],
    ['*', 'null', true],
    ['*', 'https://foobar.com:12345', true],
    ['https://a.com', 'null', false],
    ['https://a.com', '', false],
  ]
  for (const [allowed, origin, fits] of cases) {
    it(`${allowed} ${fits ? 'allows' : 'does not allow'} ${origin || 'an empty origin'}`, () => {
      assert.equal(allowsOrigin([allowed], origin), fits)
    })
  }
})
