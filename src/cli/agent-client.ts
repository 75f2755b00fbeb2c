import type { ClientRequest, IncomingMessage } from 'node:http'
import { MeshError, nodeHttp } from '../core/index.ts'
import type { AdminErrorBody, StatusDocument } from '../daemon/index.ts'

/** An agent that runs answers a question within this time, or something is wrong with it. */
const answerMs = 10_000

/** The agent behind its Unix socket. */
export class AgentClient {
  readonly #socketPath: string
  constructor(socketPath: string) {
    this.#socketPath = socketPath
  }

  /** @throws MeshError MESH_AGENT_ABSENT when nobody answers; the agent's own error otherwise */
  async json<T>(path: string): Promise<T> {
    const response = await this.open('GET', path)
    return JSON.parse(await textOf(response)) as T
  }

  /** @throws MeshError likewise */
  async post<T>(path: string, body: unknown): Promise<T> {
    const response = await this.open('POST', path, body)
    return JSON.parse(await textOf(response)) as T
  }

  status(): Promise<StatusDocument> {
    return this.json<StatusDocument>('/status.json')
  }

  /** Whether somebody has the socket open, even if they do not answer. */
  async isThere(): Promise<boolean> {
    try {
      await this.status()
      return true
    } catch (error) {
      const cause = error instanceof MeshError ? (error.cause as NodeJS.ErrnoException | undefined) : undefined
      return cause?.code !== 'ENOENT' && cause?.code !== 'ECONNREFUSED'
    }
  }

  /** An answer that goes on; the caller destroys it. */
  async open(method: string, path: string, body?: unknown): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    const request: ClientRequest = nodeHttp.request(
      { socketPath: this.#socketPath, method, path, agent: false, timeout: answerMs, headers: { host: 'localhost' } },
      response => {
        // A lease or a followed log may be silent for as long as it likes.
        request.setTimeout(0)
        resolve(response)
      },
    )
    request.on('timeout', () => request.destroy(new Error('no answer in time')))
    request.on('error', error => reject(this.#absent(error)))
    request.end(body === undefined ? undefined : JSON.stringify(body))
    const response = await promise
    if (response.statusCode === 200) return response
    throw refusal(response.statusCode ?? 0, await textOf(response))
  }

  #absent(cause: Error): MeshError {
    const code = 'code' in cause ? cause.code : undefined
    if (code === 'EACCES') {
      return new MeshError('MESH_AGENT_DENIED', `the agent at ${this.#socketPath} belongs to another user`, {
        source: 'config',
        hint: 'run the command as that user',
        cause,
      })
    }
    const isGone = code === 'ENOENT' || code === 'ECONNREFUSED'
    const why = isGone ? '' : ` (${cause.message})`
    return new MeshError(
      'MESH_AGENT_ABSENT',
      `no agent answers at ${this.#socketPath}${why}: start one with heddle up -f DIR`,
      { source: 'config', cause },
    )
  }
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

function refusal(status: number, body: string): MeshError {
  try {
    const { error } = JSON.parse(body) as AdminErrorBody
    return new MeshError(error.code, error.message, {
      source: 'config',
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    })
  } catch {
    return new MeshError('MESH_AGENT_ANSWER', `the agent answered with status ${status}`, { source: 'internal' })
  }
}
