import type { IncomingHttpHeaders } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { MeshError, nodeHttp } from '../../core/index.ts'

export interface DownloadOptions {
  readonly headers?: Readonly<Record<string, string>>
  /** PEM, instead of the system's. */
  readonly authorities?: string | undefined
  readonly maxBytes: number
  readonly signal: AbortSignal
}

export interface Download {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** Registries send to their storage, which may send on; more is a circle. */
const maxRedirects = 5

/**
 * One GET with its redirects, never from `https:` to `http:`. Credentials stay with the host that they were for.
 *
 * @throws MeshError MESH_PLUGIN_FETCH
 */
export async function download(url: string, options: DownloadOptions): Promise<Download> {
  let at = parse(url)
  let headers = options.headers ?? {}
  for (let hop = 0; hop <= maxRedirects; hop++) {
    const answer = await get(at, { ...options, headers })
    const { location } = answer.headers
    if (answer.status < 300 || answer.status > 399 || location === undefined) return answer
    const next = parse(location, at)
    if (at.protocol === 'https:' && next.protocol !== 'https:') {
      throw fetchError(`${at.href} sends to ${next.href}, which is not protected by TLS`)
    }
    if (next.host !== at.host) headers = without(headers, 'authorization')
    at = next
  }
  throw fetchError(`${url} sends from one place to the next more than ${maxRedirects} times`)
}

export function fetchError(message: string, cause?: unknown): MeshError {
  return new MeshError('MESH_PLUGIN_FETCH', message, {
    source: 'plugin',
    hint: 'The plugin keeps the module that it has; without one its failStrategy decides.',
    ...(cause === undefined ? {} : { cause }),
  })
}

function parse(url: string, base?: URL): URL {
  if (!URL.canParse(url, base)) throw fetchError(`${url} is no URL`)
  const parsed = new URL(url, base)
  if (parsed.protocol === 'http:' || parsed.protocol === 'https:') return parsed
  throw fetchError(`${parsed.href} is neither http: nor https:`)
}

function without(headers: Readonly<Record<string, string>>, name: string): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([each]) => each !== name))
}

function get(url: URL, { headers = {}, authorities, maxBytes, signal }: DownloadOptions): Promise<Download> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => {
      const reason = error instanceof Error ? error.message || error.name : String(error)
      reject(error instanceof MeshError ? error : fetchError(`${url.href}: ${reason}`, error))
    }
    const options = { headers: { 'user-agent': 'heddle', ...headers }, signal, agent: false as const }
    const request =
      url.protocol === 'https:'
        ? httpsRequest(url, { ...options, ...(authorities === undefined ? {} : { ca: authorities }) })
        : nodeHttp.request(url, options)
    request.on('error', fail)
    request.on('response', response => {
      const chunks: Buffer[] = []
      let size = 0
      response.on('error', fail)
      response.on('data', (chunk: Buffer) => {
        size += chunk.length
        chunks.push(chunk)
        if (size > maxBytes) request.destroy(fetchError(`${url.href} has more than ${maxBytes} bytes`))
      })
      response.on('end', () => {
        if (!response.complete) return
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) })
      })
    })
    request.end()
  })
}
