import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { SessionPersistence } from '../../model/index.ts'
import { decodeSession, encodeSession, mustRenewSession, sessionCookie, sessionTag } from './session.ts'

const policy: SessionPersistence = {
  kind: 'cookie',
  name: 'S',
  absoluteTimeoutMs: 0,
  idleTimeoutMs: 0,
  permanent: false,
}
const startMs = 1_700_000_000_000
const session = { tag: sessionTag('shop/cart:80', '10.0.0.7:8080'), issuedMs: startMs, usedMs: startMs + 60_000 }
const value = encodeSession(session)

describe('sessionTag()', () => {
  it('is stable, hides the address and differs by backend and endpoint', () => {
    assert.equal(sessionTag('shop/cart:80', '10.0.0.7:8080'), session.tag)
    assert.match(session.tag, /^[A-Za-z0-9_-]{16}$/)
    assert.notEqual(sessionTag('shop/cart:81', '10.0.0.7:8080'), session.tag)
    assert.notEqual(sessionTag('shop/cart:80', '10.0.0.8:8080'), session.tag)
  })
})

describe('decodeSession()', () => {
  it('reads back what was written', () => assert.deepEqual(decodeSession(value, policy, startMs), session))

  const cases: readonly (readonly [
    name: string,
    policy: Partial<SessionPersistence>,
    afterMs: number,
    isKept: boolean,
  ])[] = [
    ['without timeouts it lasts', {}, 1e12, true],
    ['before the absolute timeout', { absoluteTimeoutMs: 100_000 }, 99_000, true],
    ['at the absolute timeout', { absoluteTimeoutMs: 100_000 }, 100_000, false],
    ['before the idle timeout, counted from the last use', { idleTimeoutMs: 50_000 }, 109_000, true],
    ['at the idle timeout', { idleTimeoutMs: 50_000 }, 110_000, false],
    ['with a clock behind the issuer', { absoluteTimeoutMs: 1000, idleTimeoutMs: 1000 }, -5000, true],
  ]
  for (const [name, parts, afterMs, isKept] of cases) {
    it(`${name}: ${isKept ? 'kept' : 'over'}`, () => {
      assert.equal(decodeSession(value, { ...policy, ...parts }, startMs + afterMs) !== undefined, isKept)
    })
  }

  for (const foreign of [
    '',
    'x',
    '10.0.0.7:8080',
    `${value}.1`,
    value.slice(1),
    value.toUpperCase() + '!',
    'a'.repeat(10_000),
  ]) {
    it(`ignores ${foreign.slice(0, 40) || 'an empty value'}`, () => {
      assert.equal(decodeSession(foreign, policy, startMs), undefined)
    })
  }
})

describe('sessionCookie()', () => {
  const options = { path: '/', secure: false, nowMs: startMs }
  it('ends with the browser', () => {
    assert.equal(sessionCookie(policy, session, options), `S=${value}; Path=/; HttpOnly; SameSite=Lax`)
  })
  it('is permanent until the absolute timeout, and secure on HTTPS', () => {
    const permanent = { ...policy, permanent: true, absoluteTimeoutMs: 3_600_000 }
    const cookie = sessionCookie(permanent, session, { path: '/shop', secure: true, nowMs: startMs + 600_000 })
    assert.equal(cookie, `S=${value}; Path=/shop; HttpOnly; SameSite=Lax; Secure; Max-Age=3000`)
  })
})

describe('mustRenewSession()', () => {
  it('says yes only with an idle timeout', () => {
    assert.equal(mustRenewSession(policy), false)
    assert.equal(mustRenewSession({ ...policy, idleTimeoutMs: 1 }), true)
  })
})
