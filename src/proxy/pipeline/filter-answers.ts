import type { CorsPolicy, HeaderValue, ReplyReason } from '../../model/index.ts'
import { corsDecision } from '../routing/cors.ts'
import { redirectLocation } from '../routing/redirect-location.ts'
import type { CompiledRule, RedirectFilter } from './compiled-rule.ts'
import type { IncomingRequest } from './incoming-request.ts'

export interface FilterRequest {
  readonly request: IncomingRequest
  readonly scheme: 'http' | 'https'
  readonly listenerPort: number
  readonly matchedPrefix: string
}

/** An answer that a filter gives instead of a backend. */
export interface FilterAnswer {
  readonly reason: ReplyReason
  readonly status: number
  readonly detail: string
  /** Header lines, each with its CRLF. */
  readonly lines: string
}

/** What comes before all else: an answer, or lines for the answer to come. */
export function answerEarly(rule: CompiledRule, request: IncomingRequest): FilterAnswer | string {
  const { failure } = rule.rule
  if (failure !== undefined) {
    return { reason: 'invalid-filter', status: failure.status, detail: failure.message, lines: '' }
  }
  return rule.cors === undefined ? '' : applyCors(rule.cors, request)
}

export function redirect(filter: RedirectFilter, asked: FilterRequest): FilterAnswer {
  const { request, scheme, listenerPort, matchedPrefix } = asked
  const location = redirectLocation(filter, {
    scheme,
    host: request.rawHost ?? '',
    listenerPort,
    path: request.path,
    query: request.query,
    matchedPrefix,
  })
  return { reason: 'redirect', status: filter.status, detail: '', lines: `location: ${location}\r\n` }
}

function applyCors(policy: CorsPolicy, request: IncomingRequest): FilterAnswer | string {
  const decision = corsDecision(policy, {
    method: request.method,
    origin: request.header('origin'),
    requestMethod: request.header('access-control-request-method'),
    requestHeaders: request.header('access-control-request-headers'),
  })
  const lines = toLines(decision.headers)
  return decision.kind === 'preflight' ? { reason: 'preflight', status: 204, detail: '', lines } : lines
}

export function toLines(headers: readonly HeaderValue[]): string {
  return headers.map(({ name, value }) => `${name}: ${value}\r\n`).join('')
}
