import { HelloReader, parseProxyHeader } from '../../codec/index.ts'
import type { ProxyAddresses } from '../../codec/index.ts'

export type PreambleProgress = 'need-more' | 'complete' | 'invalid'

/** What has to be read of a connection before it is known where it goes. */
export interface PreambleNeeds {
  readonly proxyHeader: boolean
  readonly serverName: boolean
}

/**
 * Reads the start of a connection: a PROXY header, then the server name of a
 * ClientHello, as far as either is wanted. Everything behind the PROXY header is
 * kept, since it belongs to whoever is behind us.
 */
export class Preamble {
  /** Of the PROXY header; undefined when the socket's own hold. */
  addresses: ProxyAddresses | undefined = undefined
  problem = ''
  /** What goes on to the endpoint. */
  rest: Buffer = empty
  #awaitsHeader: boolean
  readonly #hello: HelloReader | undefined

  constructor(needs: PreambleNeeds) {
    this.#awaitsHeader = needs.proxyHeader
    this.#hello = needs.serverName ? new HelloReader() : undefined
  }

  get serverName(): string | undefined {
    return this.#hello?.serverName
  }

  /** Takes `bytes[0, length)`; a copy is kept. */
  read(bytes: Buffer, length: number): PreambleProgress {
    const from = this.rest.length
    this.rest = Buffer.concat([this.rest, bytes.subarray(0, length)], from + length)
    if (!this.#awaitsHeader) return this.#readHello(from)
    const header = parseProxyHeader(this.rest, this.rest.length)
    if (header.kind === 'need-more') return 'need-more'
    if (header.kind === 'invalid') return this.#refuse(header.reason)
    this.#awaitsHeader = false
    this.addresses = header.addresses
    this.rest = this.rest.subarray(header.length)
    return this.#readHello(0)
  }

  /** It has gone on, or the TLS library has it. */
  forgetRest(): void {
    this.rest = empty
  }

  #readHello(from: number): PreambleProgress {
    if (this.#hello === undefined) return 'complete'
    const progress = this.#hello.read(this.rest, from, this.rest.length)
    return progress === 'invalid' ? this.#refuse(this.#hello.problem) : progress
  }

  #refuse(problem: string): PreambleProgress {
    this.problem = problem
    return 'invalid'
  }
}

const empty: Buffer = Buffer.alloc(0)
