import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { MeshError, messageOf, nodeHttp } from '../core/index.ts'
import { failure, json } from './admin-answer.ts'
import type { AdminAnswer } from './admin-answer.ts'
import { answerPage } from './admin-pages.ts'
import type { AdminView } from './admin-pages.ts'
import { claimSocket } from './agent-socket.ts'
import type { Feed } from './feed.ts'
import { sendFeed } from './feed-answer.ts'
import type { FeedQuery } from './feed-answer.ts'
import type { FlowBook } from './flows/flow-book.ts'
import { flowFilter } from './flows/flow-filter.ts'
import type { FlowRecord } from './flows/flow-record.ts'
import type { LogFeed, LogLine } from './log-feed.ts'
import type { KernelPathStatus } from './kernel-path/kernel-path-switch.ts'
import type { PolicyQuestion, PolicyReply } from './policy-answers.ts'
import { parseQuestions } from './policy-questions.ts'
import { formatAddress } from './settings.ts'
import type { JoinAnswer } from './joins/joins.ts'
import type { SocketAddress } from './settings.ts'
import { parseRunRequest } from './workload-leases.ts'
import type { RunRequest } from './workload-leases.ts'

/** What the Unix socket offers beside the pages. */
export interface AgentControl {
  readonly feed: LogFeed
  readonly flows: FlowBook
  /**
   * Registers a Workload; what it returns is sent as one line of JSON, and the lease ends with the connection, which
   * also tells who asks.
   * @throws MeshError when the agent can't take one now
   */
  register(request: RunRequest, connection: Socket): { readonly lease: Disposable; readonly answer: unknown }
  /** Who may connect to whom, by the policies in force. */
  decide(questions: readonly PolicyQuestion[]): PolicyReply
  /** Takes a program into the mesh. @throws MeshError MESH_JOIN */
  join(body: unknown): JoinAnswer
  /** @param workload  `namespace/name` @throws MeshError MESH_JOIN */
  leave(workload: string): void
  /** The HTTP path in the kernel: turned on or off, if either is said. */
  kernelHttp(turn: boolean | undefined): Promise<KernelPathStatus>
}

/** A body that registers a workload has a few labels; more is a mistake. */
const maxBodyBytes = 64 * 1024
/** Tens of thousands of questions; whoever asks more asks twice. */
const maxQuestionsBytes = 4 * 1024 * 1024

/**
 * The read-only pages on loopback.
 *
 * @throws MeshError MESH_ADMIN_PORT when the address cannot be opened
 */
export async function openAdminServer(view: AdminView, address: SocketAddress): Promise<AdminServer> {
  const server = nodeHttp.createServer((request, response) => void servePage(request, response, view, false))
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
  const server = nodeHttp.createServer((request, response) => void serveSocket(request, response, view, control))
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
  } else if (url?.pathname === '/policy') {
    if (request.method === 'POST') await servePolicy(request, response, control)
    else
      send(response, {
        ...failure(405, 'MESH_ADMIN_METHOD', 'questions about policies are put with POST'),
        headers: { allow: 'POST' },
      })
  } else if ((url?.pathname === '/joins' || url?.pathname === '/leaves') && request.method === 'POST') {
    await serveJoin(request, response, { control, isLeave: url.pathname === '/leaves' })
  } else if (url?.pathname === '/kernel-http') {
    await serveKernelHttp(request, response, control)
  } else if (url?.pathname === '/logs' && request.method === 'GET') serveLogs(response, control.feed, url.searchParams)
  else if (url?.pathname === '/flows' && request.method === 'GET') serveFlows(response, control.flows, url.searchParams)
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
  const read = await readJson(request, maxBodyBytes)
  if (read.kind === 'gone') return
  if (read.kind === 'invalid') return refuse(read.status, read.message)
  const parsed = parseRunRequest(read.body)
  if (parsed.kind === 'invalid') return refuse(400, parsed.message)
  if (response.destroyed) return
  let registered: ReturnType<AgentControl['register']>
  try {
    registered = control.register(parsed.request, request.socket)
  } catch (error) {
    const code = error instanceof MeshError ? error.code : 'MESH_INTERNAL'
    return send(response, failure(503, code, messageOf(error)))
  }
  const { lease, answer } = registered
  response.once('close', () => lease[Symbol.dispose]())
  response.writeHead(200, { 'content-type': 'application/x-ndjson', ...fixedHeaders })
  response.write(`${JSON.stringify(answer)}\n`)
}

async function serveJoin(
  request: IncomingMessage,
  response: ServerResponse,
  { control, isLeave }: { readonly control: AgentControl; readonly isLeave: boolean },
): Promise<void> {
  const read = await readJson(request, maxBodyBytes)
  if (read.kind === 'gone') return
  if (read.kind === 'invalid') return send(response, failure(read.status, 'MESH_JOIN', read.message))
  const { body } = read
  try {
    if (!isLeave) return send(response, json(control.join(body)))
    const isNamed = typeof body === 'object' && body !== null && 'workload' in body
    control.leave(isNamed ? String(body.workload) : '')
    send(response, json({}))
  } catch (error) {
    const code = error instanceof MeshError ? error.code : 'MESH_INTERNAL'
    send(response, failure(400, code, messageOf(error)))
  }
}

/** GET tells, POST turns. */
async function serveKernelHttp(
  request: IncomingMessage,
  response: ServerResponse,
  control: AgentControl,
): Promise<void> {
  if (request.method === 'GET') return send(response, json(await control.kernelHttp(undefined)))
  const read = await readJson(request, maxBodyBytes)
  if (read.kind === 'gone') return
  const body = read.kind === 'body' ? read.body : undefined
  if (typeof body !== 'object' || body === null || !('isOn' in body) || typeof body.isOn !== 'boolean') {
    return send(response, failure(400, 'MESH_ADMIN_REQUEST', 'say isOn, which is true or false'))
  }
  send(response, json(await control.kernelHttp(body.isOn)))
}

async function servePolicy(request: IncomingMessage, response: ServerResponse, control: AgentControl): Promise<void> {
  const refuse = (status: number, message: string) => send(response, failure(status, 'MESH_POLICY_QUESTION', message))
  const read = await readJson(request, maxQuestionsBytes)
  if (read.kind === 'gone') return
  if (read.kind === 'invalid') return refuse(read.status, read.message)
  const parsed = parseQuestions(read.body)
  if (parsed.kind === 'invalid') return refuse(400, parsed.problems.join('\n'))
  send(response, json(control.decide(parsed.cases)))
}

type BodyResult =
  | { readonly kind: 'body'; readonly body: unknown }
  | { readonly kind: 'invalid'; readonly status: number; readonly message: string }
  /** The client went away before it had asked for anything. */
  | { readonly kind: 'gone' }

async function readJson(request: IncomingMessage, maxBytes: number): Promise<BodyResult> {
  let length = 0
  const chunks: Buffer[] = []
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      length += chunk.length
      if (length > maxBytes)
        return { kind: 'invalid', status: 413, message: `the body may have at most ${maxBytes} bytes` }
      chunks.push(chunk)
    }
  } catch {
    return { kind: 'gone' }
  }
  try {
    return { kind: 'body', body: JSON.parse(Buffer.concat(chunks).toString('utf8')) }
  } catch (error) {
    return { kind: 'invalid', status: 400, message: `the body is not JSON: ${messageOf(error)}` }
  }
}

function serveLogs(response: ServerResponse, feed: LogFeed, query: URLSearchParams): void {
  const source = query.get('source')
  const isWanted = (line: LogLine) => source === null || line.source === source || line.source.endsWith(`/${source}`)
  const lost = (count: number, next: LogLine): LogLine => {
    return { ...next, source: 'agent', stream: 'stderr', text: `${count} lines were lost` }
  }
  serveFeed(response, feed, query, { isWanted, lost })
}

function serveFlows(response: ServerResponse, { feed, isActive }: FlowBook, query: URLSearchParams): void {
  if (!isActive) {
    const hint = 'start it as root with --tier kernel; heddle doctor says what is missing'
    return send(response, failure(409, 'MESH_FLOWS_TIER', 'the agent sees no flows in the user-space tier', hint))
  }
  const isWanted = flowFilter({ service: query.get('service'), verdict: query.get('verdict') })
  const lost = (count: number, { timeMs }: FlowRecord): FlowRecord => ({ kind: 'lost', timeMs, count })
  serveFeed(response, feed, query, { isWanted, lost })
}

function serveFeed<Entry>(
  response: ServerResponse,
  feed: Feed<Entry>,
  query: URLSearchParams,
  how: Pick<FeedQuery<Entry>, 'isWanted' | 'lost'>,
): void {
  const count = Number(query.get('lines') ?? '100')
  if (!Number.isInteger(count) || count < 0) {
    send(response, failure(400, 'MESH_LOGS_REQUEST', 'lines must be a whole number'))
    return
  }
  response.writeHead(200, { 'content-type': 'application/x-ndjson', ...fixedHeaders })
  response.flushHeaders()
  sendFeed(response, feed, { ...how, count, isFollowed: query.get('follow') === '1' })
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
