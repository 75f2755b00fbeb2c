import { framings } from '../../codec/index.ts'
import type { FilterRequest } from '../filters/filter-exchange.ts'
import type { ExchangeClient } from './exchange-client.ts'
import type { IncomingRequest } from './incoming-request.ts'
import { keptRequestId } from './request-id.ts'

/** A request as the safeguards see it; made only for rules that have some. */
export class GuardedRequest implements FilterRequest {
  readonly startWallMs: number
  readonly #request: () => IncomingRequest
  readonly #client: ExchangeClient
  readonly #nameRequest: () => string

  /**
   * @param request  as it is kept at the moment
   * @param nameRequest  the id of a request that came without one; the same each time
   */
  constructor(request: () => IncomingRequest, client: ExchangeClient, startWallMs: number, nameRequest: () => string) {
    this.#request = request
    this.#client = client
    this.startWallMs = startWallMs
    this.#nameRequest = nameRequest
  }

  get method(): string {
    return this.#request().method
  }

  get scheme(): 'http' | 'https' {
    return this.#client.listener.scheme
  }

  get host(): string {
    return this.#request().rawHost ?? ''
  }

  get target(): string {
    const { path, search } = this.#request()
    return path + search
  }

  get protocol(): string {
    const { version } = this.#request()
    return version === 20 ? 'HTTP/2' : version === 11 ? 'HTTP/1.1' : 'HTTP/1.0'
  }

  get clientAddress(): string {
    return this.#client.clientAddress
  }

  get clientPort(): number {
    return this.#client.connection.remotePort
  }

  get localAddress(): string {
    return this.#client.connection.localAddress
  }

  get localPort(): number {
    return this.#client.connection.localPort
  }

  get callerNamespace(): string {
    return this.#client.caller?.namespace ?? ''
  }

  get callerService(): string {
    // `namespace/name` there, the name alone here.
    return this.#client.caller?.service.split('/')[1] ?? ''
  }

  get requestId(): string {
    const id = this.header('x-request-id') ?? ''
    return keptRequestId(id) ? id : this.#nameRequest()
  }

  get contentLength(): number {
    const request = this.#request()
    if (request.framing === framings.none) return 0
    if (request.framing !== framings.length) return -1
    return request.parser?.contentLength ?? request.list?.contentLength ?? -1
  }

  header(lowerName: string): string | undefined {
    return this.#request().header(lowerName)
  }

  headers(): ReadonlyMap<string, string> {
    const { parser, list } = this.#request()
    const fields = new Map<string, string>()
    const add = (name: string, value: string): void => {
      const before = fields.get(name)
      fields.set(name, before === undefined ? value : `${before}${name === 'cookie' ? '; ' : ', '}${value}`)
    }
    if (parser !== undefined) {
      for (let at = 0; at < parser.fieldCount; at++) add(parser.name(at).toLowerCase(), parser.value(at))
    }
    if (list !== undefined) {
      for (const entry of list.entries.slice(0, list.length)) {
        if (entry !== undefined && !entry.name.startsWith(':')) add(entry.name, entry.value)
      }
    }
    return fields
  }
}
