import { randomUUID } from 'node:crypto'
import type { HashSource, SessionPersistence } from '../../model/index.ts'
import type { EndpointState } from '../balancing/endpoint-state.ts'
import { hashString } from '../balancing/hash.ts'
import { queryValue } from '../routing/query.ts'
import { decodeSession, encodeSession, mustRenewSession, sessionCookie, sessionTag } from '../routing/session.ts'
import type { Session } from '../routing/session.ts'
import type { BackendRuntime } from '../upstream/backend-runtime.ts'
import type { IncomingRequest } from './incoming-request.ts'

/** What binds one request to an endpoint: a consistent hash of something in it, or a session that it continues. */
export class Affinity {
  /** 32 bits, or -1 for a request without. */
  hash = -1
  /** Endpoint of the session that the client continues. */
  preferred: EndpointState | undefined = undefined
  #policy: SessionPersistence | undefined = undefined
  #backend: BackendRuntime | undefined = undefined
  #session: Session | undefined = undefined

  /** @returns header lines for the answer */
  begin(
    policy: SessionPersistence | undefined,
    backend: BackendRuntime,
    request: IncomingRequest,
    client: { readonly clientAddress: string },
    nowWallMs: number,
  ): string {
    this.hash = -1
    this.preferred = undefined
    this.#policy = policy
    this.#backend = backend
    this.#session = undefined
    if (policy !== undefined) this.#readSession(policy, backend, request, nowWallMs)
    const balancing = backend.backend?.settings.loadBalancing
    if (balancing?.kind !== 'RingHash' && balancing?.kind !== 'Maglev') return ''
    return this.#readHash(balancing.source, request, client)
  }

  #readSession(policy: SessionPersistence, backend: BackendRuntime, request: IncomingRequest, nowWallMs: number): void {
    const value = policy.kind === 'cookie' ? request.cookie(policy.name) : request.header(policy.name.toLowerCase())
    if (value === undefined) return
    const session = decodeSession(value, policy, nowWallMs)
    if (session === undefined) return
    this.preferred = backend.endpointByTag(session.tag)
    if (this.preferred !== undefined) this.#session = session
  }

  #readHash(source: HashSource, request: IncomingRequest, client: { readonly clientAddress: string }): string {
    switch (source.kind) {
      case 'header':
        this.#setHash(request.header(source.name))
        return ''
      case 'query':
        this.#setHash(queryValue(request.query, source.name))
        return ''
      case 'source':
        this.#setHash(client.clientAddress)
        return ''
      case 'cookie': {
        const value = request.cookie(source.name)
        this.#setHash(value)
        if (value !== undefined || source.ttlMs <= 0) return ''
        // The first request of a client makes the cookie that keeps it at its endpoint.
        const made = randomUUID()
        this.#setHash(made)
        const maxAge = Math.ceil(source.ttlMs / 1000)
        return `set-cookie: ${source.name}=${made}; Path=${source.path === '' ? '/' : source.path}; Max-Age=${maxAge}; HttpOnly\r\n`
      }
    }
  }

  #setHash(value: string | undefined): void {
    if (value !== undefined) this.hash = hashString(value)
  }

  /** Lines for an answer of `endpoint`: the session's new value where the client needs one. */
  answerLines(endpoint: EndpointState | undefined, options: { secure: boolean; nowMs: number }): string {
    const policy = this.#policy
    if (policy === undefined || endpoint === undefined || this.#backend === undefined) return ''
    const isContinued = this.#session !== undefined && endpoint === this.preferred
    if (isContinued && !mustRenewSession(policy)) return ''
    const session: Session = {
      tag: sessionTag(this.#backend.key, endpoint.id),
      issuedMs: isContinued ? (this.#session?.issuedMs ?? options.nowMs) : options.nowMs,
      usedMs: options.nowMs,
    }
    if (policy.kind === 'header') return `${policy.name}: ${encodeSession(session)}\r\n`
    return `set-cookie: ${sessionCookie(policy, session, { path: '/', secure: options.secure, nowMs: options.nowMs })}\r\n`
  }
}
