/** The little that all services of the shop share: a JSON server, and a call to another service through the mesh. */
import { createServer, request } from 'node:http'
import type { IncomingHttpHeaders, IncomingMessage, Server } from 'node:http'

export interface Answer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  /** An object is sent as JSON, a string as HTML. */
  readonly body: unknown
}

/** What an answer looks like when the path is not known. */
export const notFound: Answer = { status: 404, body: { error: 'not found' } }

/** Listens on the port that the Workload names; the agent hands it over as PORT. */
export function serve(answer: (request: IncomingMessage, path: string) => Answer | Promise<Answer>): Server {
  const server = createServer((incoming, response) => {
    const path = (incoming.url ?? '/').replace(/\?.*/, '')
    const answered = path === '/healthz' ? { body: 'ok' } : answer(incoming, path)
    void Promise.resolve(answered).then(({ status = 200, headers = {}, body }) => {
      const isHtml = typeof body === 'string'
      response.writeHead(status, {
        'content-type': isHtml ? 'text/html; charset=utf-8' : 'application/json',
        ...headers,
      })
      response.end(isHtml ? body : `${JSON.stringify(body)}\n`)
    })
  })
  process.on('SIGTERM', () => server.close(() => process.exit(0)))
  return server.listen(Number(process.env['PORT']), '127.0.0.1')
}

/** These tie the requests of one page together, in traces and in logs, and tell the mesh who tests. */
const passedOn = ['traceparent', 'tracestate', 'x-request-id', 'x-tester']

/**
 * GET on another service: by its name where the kernel leads programs of the
 * mesh. Elsewhere the agent gives each program the addresses of its namespace's
 * Services in variables, as Kubernetes does; the mesh listens there.
 */
export function ask(service: string, path: string, of: IncomingHttpHeaders): Promise<unknown> {
  const name = service.toUpperCase().replaceAll('-', '_')
  const host = process.env['SHOP_CALLS_BY'] === 'name' ? service : process.env[`${name}_SERVICE_HOST`]
  const port = process.env[`${name}_SERVICE_PORT`]
  const headers: IncomingHttpHeaders = { host: service }
  for (const header of passedOn) if (of[header] !== undefined) headers[header] = of[header]
  return new Promise((resolve, reject) => {
    const outgoing = request({ host, port, path, headers }, incoming => {
      let text = ''
      incoming.setEncoding('utf8').on('data', (part: string) => (text += part))
      incoming.on('end', () => {
        if (incoming.statusCode === 200) resolve(JSON.parse(text))
        else reject(new Error(`${service} answered ${incoming.statusCode}`))
      })
    })
    outgoing.on('error', reject).end()
  })
}
