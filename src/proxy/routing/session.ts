import { hash } from 'node:crypto'
import type { SessionPersistence } from '../../model/index.ts'

/**
 * Session persistence (GEP-1619): the value of the cookie or header that leads
 * a client back to its endpoint. It is `TAG.ISSUED.USED`: a hash that names the
 * endpoint, and when the session began and was last used, in seconds since 1970
 * to base 36. No worker needs to keep anything, and the value holds after a
 * restart.
 *
 * The tag keeps addresses out of sight of people and logs; it is not encrypted,
 * and who knows the range of addresses can find the one that fits. A client
 * that changes its value can only pick another endpoint of the same rule or
 * lengthen its own session.
 */
export interface Session {
  /** What `sessionTag` gives for the endpoint. */
  readonly tag: string
  readonly issuedMs: number
  readonly usedMs: number
}

/** 96 bits: no two endpoints of a rule share one by chance. */
const tagLength = 16
const longestValue = 64
const millisecondsPerSecond = 1000

/** Costs a hash: the caller keeps it per endpoint. The same address under two backends has two tags. */
export function sessionTag(backendKey: string, endpointId: string): string {
  return hash('sha256', `${backendKey} ${endpointId}`, 'base64url').slice(0, tagLength)
}

export function encodeSession(session: Session): string {
  return `${session.tag}.${seconds(session.issuedMs)}.${seconds(session.usedMs)}`
}

/** Undefined for a value that we did not write, or whose time is over. */
export function decodeSession(value: string, policy: SessionPersistence, nowMs: number): Session | undefined {
  if (value.length > longestValue) return undefined
  const parts = /^([A-Za-z0-9_-]{16})\.([0-9a-z]{1,9})\.([0-9a-z]{1,9})$/.exec(value)
  if (parts === null) return undefined
  const [, tag = '', issued = '', used = ''] = parts
  const issuedMs = Number.parseInt(issued, 36) * millisecondsPerSecond
  const usedMs = Number.parseInt(used, 36) * millisecondsPerSecond
  // A time that lies ahead (another node's clock) counts as now, a forged one gains nothing.
  if (policy.absoluteTimeoutMs > 0 && nowMs - issuedMs >= policy.absoluteTimeoutMs) return undefined
  if (policy.idleTimeoutMs > 0 && nowMs - usedMs >= policy.idleTimeoutMs) return undefined
  return { tag, issuedMs, usedMs }
}

/** Whether a response has to carry a new value: only an idle timeout needs one each time. */
export function mustRenewSession(policy: SessionPersistence): boolean {
  return policy.idleTimeoutMs > 0
}

/**
 * The value of `Set-Cookie`. A permanent cookie lives as long as the session
 * may; a session cookie ends with the browser. It is of no use to scripts, so
 * they do not get it.
 */
export function sessionCookie(
  policy: SessionPersistence,
  session: Session,
  options: { readonly path: string; readonly secure: boolean; readonly nowMs: number },
): string {
  let cookie = `${policy.name}=${encodeSession(session)}; Path=${options.path}; HttpOnly; SameSite=Lax`
  if (options.secure) cookie += '; Secure'
  if (policy.permanent && policy.absoluteTimeoutMs > 0) {
    const leftMs = Math.max(0, session.issuedMs + policy.absoluteTimeoutMs - options.nowMs)
    cookie += `; Max-Age=${Math.ceil(leftMs / millisecondsPerSecond)}`
  }
  return cookie
}

function seconds(ms: number): string {
  return Math.floor(ms / millisecondsPerSecond).toString(36)
}
