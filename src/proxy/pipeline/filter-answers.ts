import type { CorsPolicy, HeaderValue, ReplyReason } from '../../model/index.ts'
import { corsDecision } from '../routing/cors.ts'
import { redirectLocation } from '../routing/redirect-location.ts'
import type { CompiledRule, RedirectFilter } from './compiled-rule.ts'
import type { RequestView } from './request-view.ts'

export interface FilterRequest {
  readonly view: RequestView
  readonly scheme: 'http' | 'https'
  /** `Host` as received. */
  readonly rawHost: string
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

/** What the rule's own filters do before any backend is chosen: an answer, or lines for the answer to come. */
export function applyRuleFilters(rule: CompiledRule, request: FilterRequest): FilterAnswer | string {
  const { failure } = rule.rule
  if (failure !== undefined) {
    return { reason: 'invalid-filter', status: failure.status, detail: failure.message, lines: '' }
  }
  let lines = ''
  if (rule.cors !== undefined) {
    const cors = applyCors(rule.cors, request.view)
    if (typeof cors !== 'string') return cors
    lines = cors
  }
  return rule.redirect === undefined ? lines : redirect(rule.redirect, request, lines)
}

export function redirect(filter: RedirectFilter, request: FilterRequest, lines: string): FilterAnswer {
  const { view, scheme, rawHost: host, listenerPort, matchedPrefix } = request
  const location = redirectLocation(filter, {
    scheme,
    host,
    listenerPort,
    path: view.path,
    query: view.query,
    matchedPrefix,
  })
  return { reason: 'redirect', status: filter.status, detail: '', lines: `${lines}location: ${location}\r\n` }
}

function applyCors(policy: CorsPolicy, view: RequestView): FilterAnswer | string {
  const decision = corsDecision(policy, {
    method: view.method,
    origin: view.header('origin'),
    requestMethod: view.header('access-control-request-method'),
    requestHeaders: view.header('access-control-request-headers'),
  })
  const lines = toLines(decision.headers)
  return decision.kind === 'preflight' ? { reason: 'preflight', status: 204, detail: '', lines } : lines
}

function toLines(headers: readonly HeaderValue[]): string {
  return headers.map(({ name, value }) => `${name}: ${value}\r\n`).join('')
}
