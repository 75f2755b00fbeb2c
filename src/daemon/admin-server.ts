import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { MeshError, messageOf } from '../core/index.ts'
import { failure } from './admin-answer.ts'
import type { AdminAnswer } from './admin-answer.ts'
import { answerPage } from './admin-pages.ts'
import type { AdminView } from './admin-pages.ts'
import { claimSocket } from './agent-socket.ts'
import type { LogFeed, LogLine } from './log-feed.ts'
import { formatAddress } from './settings.ts'
import type { SocketAddress } from './settings.ts'
import { parseRunRequest } from './workload-leases.ts'
import type { RunRequest } from './workload-leases.ts'

/** What the Unix socket offers beside the pages. */
export interface AgentControl {
  readonly feed: LogFeed
  /**
   * Registers a Workload; what it returns is sent as one line of JSON, and the lease ends with the connection.
   * @throws MeshError when the agent can't take one now
   */
  register(request: RunRequest): { readonly lease: Disposable; readonly answer: unknown }
}

/** A body that registers a workload has a few labels; more is a mistake. */
const maxBodyBytes = 64 * 1024
/** A follower that does not read loses lines rather than fill the agent's memory. */
const maxBacklogBytes = 1024 * 1024

/**
 * The read-only pages on loopback.
 *
 * @throws MeshError MESH_ADMIN_PORT when the address cannot be opened
 */
export async function openAdminServer(view: AdminView, address: SocketAddress): Promise<AdminServer> {
  const server = createServer((request, response) => void servePage(request, response, view, false))
  try {
    await listening(server, () => server.listen(address.port, address.host))
  } catch (error) {
    throw new MeshError('MESH_ADMIN_PORT', `cannot listen on ${formatAddress(address)}: ${messageOf(error)}`, {
      source: 'config',
      hint: 'set adminAddress (--admin-address, HEDDLE_ADMIN_ADDRESS) to a free one; port 0 takes any',
      cause: error,
    })
  }
  return new AdminServer(server)
}

/**
 * The same pages and everything that changes something, on the agent's Unix socket.
 *
 * @throws MeshError MESH_AGENT_RUNNING when another agent answers there
 * @throws MeshError MESH_AGENT_SOCKET when it cannot be opened
 */
export async function openAgentSocket(
  view: AdminView,
  control: AgentControl,
  socketPath: string,
): Promise<AdminServer> {
  const server = createServer((request, response) => void serveSocket(request, response, view, control))
  // A lease and a followed log last for days.
  server.requestTimeout = 0
  server.timeout = 0
  await claimSocket(server, socketPath)
  return new AdminServer(server)
}

export class AdminServer {
  readonly #server: Server
  constructor(server: Server) {
    this.#server = server
  }

  /** As bound; undefined on a Unix socket. */
  get address(): SocketAddress | undefined {
    const bound = this.#server.address()
    return bound === null || typeof bound === 'string' ? undefined : { host: bound.address, port: bound.port }
  }

  /** Ends all connections, leases and followers; a Unix socket's file goes, too. */
  close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#server.close(() => resolve())
    this.#server.closeAllConnections()
    return promise
  }
}

/** Resolves when the server listens. */
export function listening(server: Server, listen: () => void): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.once('listening', () => {
    server.off('error', reject)
    resolve()
  })
  listen()
  return promise
}

async function serveSocket(
  request: IncomingMessage,
  response: ServerResponse,
  view: AdminView,
  control: AgentControl,
): Promise<void> {
  const url = URL.parse(request.url ?? '', 'http://agent')
  if (url?.pathname === '/workloads') {
    if (request.method === 'POST') await serveLease(request, response, control)
    else
      send(response, {
        ...failure(405, 'MESH_ADMIN_METHOD', 'workloads are registered with POST'),
        headers: { allow: 'POST' },
      })
  } else if (url?.pathname === '/logs' && request.method === 'GET') serveLogs(response, control.feed, url.searchParams)
  else await servePage(request, response, view, true)
}

async function servePage(
  request: IncomingMessage,
  response: ServerResponse,
  view: AdminView,
  isLocal: boolean,
): Promise<void> {
  const { method = 'GET', url: target = '/' } = request
  // Node joins repeated Host fields; one that is not alone is not a loopback name.
  const answer = await answerPage({ method, target, host: request.headers.host, isLocal }, view)
  send(response, answer)
}

async function serveLease(request: IncomingMessage, response: ServerResponse, control: AgentControl): Promise<void> {
  const refuse = (status: number, message: string) => send(response, failure(status, 'MESH_WORKLOAD_REQUEST', message))
  let length = 0
  const chunks: Buffer[] = []
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      length += chunk.length
      if (length > maxBodyBytes) return refuse(413, `a workload takes at most ${maxBodyBytes} bytes`)
      chunks.push(chunk)
    }
  } catch {
    // The client went away before it had asked for anything.
    return
  }
  let body: unknown
  try {
    body = JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch (error) {
    return refuse(400, `the body is not JSON: ${messageOf(error)}`)
  }
  const parsed = parseRunRequest(body)
  if (parsed.kind === 'invalid') return refuse(400, parsed.message)
  if (response.destroyed) return
  let registered: ReturnType<AgentControl['register']>
  try {
    registered = control.register(parsed.request)
  } catch (error) {
    const code = error instanceof MeshError ? error.code : 'MESH_INTERNAL'
    return send(response, failure(503, code, messageOf(error)))
  }
  const { lease, answer } = registered
  response.once('close', () => lease[Symbol.dispose]())
  response.writeHead(200, { 'content-type': 'application/x-ndjson', ...fixedHeaders })
  response.write(`${JSON.stringify(answer)}\n`)
}

function serveLogs(response: ServerResponse, feed: LogFeed, query: URLSearchParams): void {
  const source = query.get('source')
  const isWanted = (line: LogLine) => source === null || line.source === source || line.source.endsWith(`/${source}`)
  const lines = Number(query.get('lines') ?? '100')
  if (!Number.isInteger(lines) || lines < 0) {
    send(response, failure(400, 'MESH_LOGS_REQUEST', 'lines must be a whole number'))
    return
  }
  response.writeHead(200, { 'content-type': 'application/x-ndjson', ...fixedHeaders })
  response.flushHeaders()
  const kept = feed.recent().filter(isWanted)
  for (const line of lines === 0 ? [] : kept.slice(-lines)) response.write(`${JSON.stringify(line)}\n`)
  if (query.get('follow') !== '1') {
    response.end()
    return
  }
  let lost = 0
  const follower = feed.follow(line => {
    if (!isWanted(line)) return
    if (response.writableLength > maxBacklogBytes) {
      lost++
      return
    }
    if (lost > 0) {
      const notice: LogLine = { ...line, source: 'agent', stream: 'stderr', text: `${lost} lines were lost` }
      response.write(`${JSON.stringify(notice)}\n`)
      lost = 0
    }
    response.write(`${JSON.stringify(line)}\n`)
  })
  response.once('close', () => follower[Symbol.dispose]())
}

const fixedHeaders = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
}

function send(response: ServerResponse, answer: AdminAnswer): void {
  if (response.destroyed) return
  response.writeHead(answer.status, { 'content-type': answer.contentType, ...fixedHeaders, ...answer.headers })
  response.end(answer.body)
}
