import { messageOf } from '../core/index.ts'
import { failure, json, text } from './admin-answer.ts'
import type { AdminAnswer } from './admin-answer.ts'
import { isStream } from './explain-stream.ts'
import { nearest } from './nearest.ts'
import type { ResourceQuery } from './resource-status.ts'
import { isLoopback } from './settings.ts'

/** What the pages show; the agent implements it. */
export interface AdminView {
  readonly pid: number
  readonly version: string
  readonly isReady: boolean
  readonly awaited: readonly string[]
  /** Prometheus text with its content type. */
  metrics(): Promise<{ readonly contentType: string; readonly body: string }>
  config(): unknown
  status(): Promise<unknown>
  routes(): Promise<unknown>
  /** What each worker says of its plugins. */
  plugins(): Promise<unknown>
  /** Statuses of single resources. */
  resource(query: ResourceQuery): unknown
  explain(request: ExplainRequest): unknown
  /** The status page, with its content security policy among the headers. */
  console(): { readonly html: string; readonly headers: Readonly<Record<string, string>> }
}

export interface ExplainRequest {
  readonly method: string
  readonly url: URL
  readonly headers: readonly (readonly [string, string])[]
  /** `namespace/name` of the Service or the namespace of the client; undefined for a request from outside. */
  readonly from: string | undefined
}

export interface AdminRequest {
  readonly method: string
  /** Path and query as received. */
  readonly target: string
  readonly host: string | undefined
  /** True on the Unix socket, whose peer needs no name for the agent. */
  readonly isLocal: boolean
}

const pages = [
  '/',
  '/healthz',
  '/readyz',
  '/metrics',
  '/config',
  '/status.json',
  '/routes.json',
  '/plugins.json',
  '/resource.json',
  '/explain',
] as const

/** Answers every request that only reads. */
export async function answerPage(request: AdminRequest, view: AdminView): Promise<AdminAnswer> {
  // A page of the internet may resolve its own name to 127.0.0.1 and read these pages through the operator's browser.
  if (!request.isLocal && !isLoopbackHost(request.host)) {
    return failure(
      403,
      'MESH_ADMIN_HOST',
      `the admin pages do not answer to the host ${JSON.stringify(request.host ?? '')}`,
      'ask for 127.0.0.1, [::1] or localhost',
    )
  }
  const url = URL.parse(request.target, 'http://agent')
  if (url === null) return failure(400, 'MESH_ADMIN_REQUEST', 'the request target is not a path')
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    const answer = failure(405, 'MESH_ADMIN_METHOD', 'the admin pages can only be read, with GET')
    return { ...answer, headers: { allow: 'GET, HEAD' } }
  }
  try {
    return await answerPath(url, view)
  } catch (error) {
    return failure(500, 'MESH_INTERNAL', messageOf(error))
  }
}

/** A loopback address or `localhost`, with any port. */
export function isLoopbackHost(host: string | undefined): boolean {
  const name = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+))(?::\d{1,5})?$/.exec(host ?? '')
  const found = name?.[1] ?? name?.[2]
  return found !== undefined && (found.toLowerCase() === 'localhost' || isLoopback(found))
}

async function answerPath(url: URL, view: AdminView): Promise<AdminAnswer> {
  switch (url.pathname) {
    case '/': {
      const { html, headers } = view.console()
      return { status: 200, contentType: 'text/html; charset=utf-8', headers, body: html }
    }
    case '/healthz':
      return json({ status: 'ok', pid: view.pid, version: view.version })
    case '/readyz':
      return view.isReady ? text('ready') : text(`awaiting: ${view.awaited.join(', ')}`, 503)
    case '/metrics':
      return { status: 200, ...(await view.metrics()) }
    case '/config':
      return json(view.config())
    case '/status.json':
      return json(await view.status())
    case '/routes.json':
      return json(await view.routes())
    case '/plugins.json':
      return json(await view.plugins())
    case '/resource.json': {
      const kind = url.searchParams.get('kind')
      const name = url.searchParams.get('name')
      if (kind === null || name === null) {
        return failure(400, 'MESH_ADMIN_REQUEST', 'a resource has a kind and a name', 'give both as ?kind=…&name=…')
      }
      return json(view.resource({ kind, name, namespace: url.searchParams.get('namespace') ?? undefined }))
    }
    case '/explain': {
      const request = parseExplain(url.searchParams)
      return 'status' in request ? request : json(view.explain(request))
    }
    default: {
      const near = nearest(url.pathname, pages)
      const hint = near === undefined ? `there are ${pages.join(', ')}` : `did you mean ${near}?`
      return failure(404, 'MESH_ADMIN_NOT_FOUND', `there is no page ${url.pathname}`, hint)
    }
  }
}

/** `method`, `url`, `header` (`name: value`, repeated) and `from`. */
export function parseExplain(query: URLSearchParams): ExplainRequest | AdminAnswer {
  const wrong = (message: string, hint: string) => failure(400, 'MESH_EXPLAIN_REQUEST', message, hint)
  const method = query.get('method') ?? 'GET'
  if (!/^[A-Za-z][A-Za-z0-9!#$%&'*+.^_`|~-]*$/.test(method)) {
    return wrong(`${JSON.stringify(method)} is not a method`, 'give one such as GET')
  }
  const given = query.get('url') ?? ''
  const url = URL.parse(given)
  if (url === null || !['http:', 'https:', 'tcp:', 'tls:', 'udp:'].includes(url.protocol)) {
    return wrong(`${JSON.stringify(given)} is not a URL`, 'give one such as http://shop.example:8080/cart')
  }
  if (isStream(url) && url.port === '') {
    return wrong(`${JSON.stringify(given)} has no port`, 'give one, such as tcp://127.0.0.1:5432')
  }
  const headers: (readonly [string, string])[] = []
  for (const line of query.getAll('header')) {
    const found = /^([A-Za-z0-9!#$%&'*+.^_`|~-]+):[ \t]*(.*?)[ \t]*$/.exec(line)
    if (found === null) return wrong(`${JSON.stringify(line)} is not a header`, 'give one such as "x-user: anna"')
    headers.push([found[1] ?? '', found[2] ?? ''])
  }
  return { method, url, headers, from: query.get('from') ?? undefined }
}
