import type { ExternalAuth, HeaderValue } from '../../model/index.ts'
import { mayBecomeAnswerField, mayBecomeRequestField, noEdits, refusalStatus, type AuthDecision } from './decision.ts'

/** What of a request an authorizer may be told. */
export interface AuthFacts {
  readonly method: string
  readonly scheme: 'http' | 'https'
  /** As received. */
  readonly host: string
  /** In the form that was matched, with the query. */
  readonly target: string
  readonly clientAddress: string
  readonly requestId: string
  /** The value of a header by its lower case name, several joined with commas. */
  header(lowerName: string): string | undefined
}

/** A request to an authorizer that speaks HTTP; `content-length` is that of the body that goes along. */
export interface AuthRequest {
  readonly method: string
  readonly host: string
  readonly target: string
  /** Lower case names; without host and content-length. */
  readonly headers: readonly HeaderValue[]
}

/**
 * The request for an authorizer that speaks HTTP: the client's method, host and
 * path, the prefix before it, `authorization`, and the headers that the rule
 * names, and `clientFields`.
 *
 * @see Gateway API, HTTPAuthConfig
 */
export function authRequest(auth: ExternalAuth, facts: AuthFacts): AuthRequest {
  const headers = clientFields(facts)
  const written = new Set(headers.map(({ name }) => name))
  for (const name of ['authorization', ...(auth.requestHeaders ?? [])]) {
    if (written.has(name) || !mayBecomeAuthField(name)) continue
    written.add(name)
    const value = facts.header(name)
    if (value !== undefined) headers.push({ name, value })
  }
  return { method: facts.method, host: facts.host, target: auth.pathPrefix + facts.target, headers }
}

/** What we say of the client and the request, whoever asks: always ours, since the client could write anything there. */
export function clientFields(facts: AuthFacts): HeaderValue[] {
  return [
    { name: 'x-forwarded-for', value: facts.clientAddress },
    { name: 'x-forwarded-proto', value: facts.scheme },
    { name: 'x-forwarded-host', value: facts.host },
    { name: 'x-request-id', value: facts.requestId },
  ]
}

/** The body's coding goes along, as the body does; its length is written anew. */
function mayBecomeAuthField(name: string): boolean {
  return mayBecomeRequestField(name) || name === 'content-type' || name === 'content-encoding'
}

/**
 * 200 lets the request pass, with the authorizer's fields in it: those that the
 * rule names, or all where it names none. 5xx is no decision: the authorizer is
 * broken. Everything else is a refusal and goes to the client, so that a
 * redirect to a login page or a challenge works.
 *
 * @param headers of the authorizer's answer, lower case names
 */
export function decideByHttp(
  auth: ExternalAuth,
  status: number,
  headers: readonly HeaderValue[],
  body: Uint8Array,
): AuthDecision {
  if (status === 200) {
    const { responseHeaders } = auth
    const set = headers.filter(
      ({ name }) => mayBecomeRequestField(name) && (responseHeaders === undefined || responseHeaders.includes(name)),
    )
    return { kind: 'allow', request: { ...noEdits, set: joined(set) }, response: noEdits }
  }
  if (status >= 500) return { kind: 'unavailable', detail: `the authorizer answered ${status}` }
  return {
    kind: 'deny',
    status: refusalStatus(status),
    headers: headers.filter(({ name }) => mayBecomeAnswerField(name)),
    body,
  }
}

/** A field that stands twice becomes one, or the second would take the place of the first. */
function joined(headers: readonly HeaderValue[]): readonly HeaderValue[] {
  const values = new Map<string, string>()
  for (const { name, value } of headers) {
    const before = values.get(name)
    values.set(name, before === undefined ? value : `${before}, ${value}`)
  }
  return [...values].map(([name, value]) => ({ name, value }))
}
