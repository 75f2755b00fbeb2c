import type { Clock, Meter } from '../core/index.ts'
import {
  decodeDnsHeader,
  decodeDnsMessage,
  encodeDnsMessage,
  isDnsName,
  opcodes,
  recordClasses,
  recordTypes,
  responseCodes,
  type DnsMessage,
  type SocketAddress,
} from '../codec/index.ts'
import { Directory, type Found, type NamesView } from './directory.ts'
import { Forwarder, type Forwarded } from './forwarder.ts'
import type { NamesLimits } from './limits.ts'
import { QueryCounters } from './query-counters.ts'
import { aliasQuery, aliasReply, errorTo, malformedReply, replyTo, truncatedReply, udpLimit } from './reply.ts'

/** The socket that a query came from. */
export interface NamesClient extends SocketAddress {
  readonly transport: 'udp' | 'tcp'
  /** Ours, that it came in by. */
  readonly server: SocketAddress
  /** Whether that is one to which only programs of the mesh are led. */
  readonly isLed: boolean
  /** Cookie of the network namespace that it is in. @default our own */
  readonly network?: bigint
}

/** A workload of the mesh that asks. */
export interface NameAsker {
  /** `namespace/name` */
  readonly workload: string
  /** Short names are of it. */
  readonly namespace: string
  /** Whom it means to ask for names of elsewhere. @default those of `servers` */
  readonly resolver?: SocketAddress | undefined
  /** Whether it may; otherwise such names are refused. */
  readonly mayForward: boolean
}

/** One name that was asked for and what came of it. */
export interface NameResolved {
  readonly client: NamesClient
  /** Undefined for somebody who is not of the mesh. */
  readonly asker: NameAsker | undefined
  readonly name: string
  readonly type: number
  readonly source: 'mesh' | 'forward'
  readonly responseCode: number
  /** Of A and AAAA records among the answers. */
  readonly addresses: readonly string[]
  readonly durationMs: number
}

export interface ResolverOptions {
  readonly clock: Clock
  readonly meter: Meter
  readonly limits: NamesLimits
  /** The network of virtual IPv4 addresses. */
  readonly serviceCidr: string
  /** Resolvers for other names, as they are now. */
  readonly servers: () => readonly SocketAddress[]
  /**
   * Who asks, if of the mesh and led here by the kernel: virtual IPv6 addresses lead them somewhere, too. For others
   * short names are those of `default`.
   * @default nobody is known
   */
  readonly askerOf?: (client: NamesClient) => NameAsker | undefined
  /** Told of every name; for flows. @default nobody */
  readonly onResolved?: (event: NameResolved) => void
}

/** Takes queries as bytes and gives answers as bytes; sockets of clients are somebody else's. */
export class Resolver implements Disposable {
  readonly #options: ResolverOptions
  readonly #directory: Directory
  readonly #forwarder: Forwarder
  readonly #counters: QueryCounters
  #serial = 1

  constructor(options: ResolverOptions) {
    this.#options = options
    this.#directory = new Directory(options.serviceCidr)
    this.#forwarder = new Forwarder(options)
    this.#counters = new QueryCounters(options.meter)
  }

  /** In force from the next query on. */
  update(view: NamesView): void {
    this.#directory.update(view)
    this.#serial = (this.#serial + 1) >>> 0
  }

  /**
   * @param reply  called once, at once or later, unless the resolver is disposed before
   * @returns false for bytes that are no query and deserve no answer
   */
  resolve(bytes: Uint8Array, client: NamesClient, reply: (bytes: Uint8Array) => void): boolean {
    const decoded = decodeDnsMessage(bytes)
    const header = decodeDnsHeader(bytes)
    if (decoded.kind === 'invalid' || header?.flags.isResponse !== false) {
      const answer = malformedReply(bytes)
      this.#counters.count('mesh', 0, answer === undefined ? 'dropped' : 'malformed')
      if (answer !== undefined) reply(answer)
      return answer !== undefined
    }
    new Exchange(bytes, decoded.message, client, reply, this).run()
    return true
  }

  /** Ends what is under way; nobody is answered any more. */
  [Symbol.dispose](): void {
    this.#forwarder[Symbol.dispose]()
  }

  get options(): ResolverOptions {
    return this.#options
  }

  get counters(): QueryCounters {
    return this.#counters
  }

  get forwarder(): Forwarder {
    return this.#forwarder
  }

  get serial(): number {
    return this.#serial
  }

  find(query: DnsMessage, asker: NameAsker | undefined): Found {
    const [question] = query.questions
    if (question === undefined) return { kind: 'elsewhere' }
    const namespace = asker?.namespace ?? 'default'
    return this.#directory.find(question, { namespace, carriesIpv6: asker !== undefined })
  }
}

/** One query with its client. */
class Exchange {
  readonly #bytes: Uint8Array
  readonly #query: DnsMessage
  readonly #client: NamesClient
  readonly #reply: (bytes: Uint8Array) => void
  readonly #resolver: Resolver
  readonly #asker: NameAsker | undefined
  readonly #startMs: number

  constructor(
    bytes: Uint8Array,
    query: DnsMessage,
    client: NamesClient,
    reply: (bytes: Uint8Array) => void,
    resolver: Resolver,
  ) {
    this.#bytes = bytes
    this.#query = query
    this.#client = client
    this.#reply = reply
    this.#resolver = resolver
    this.#asker = resolver.options.askerOf?.(client)
    this.#startMs = resolver.options.clock.nowMs()
  }

  run(): void {
    const refusal = refusalOf(this.#query)
    if (refusal !== undefined) return this.#send('mesh', errorTo(this.#query, refusal))
    const found = this.#resolver.find(this.#query, this.#asker)
    if (found.kind === 'elsewhere') return this.#forward()
    if (found.kind === 'alias') return this.#follow(found.target)
    this.#send('mesh', replyTo(this.#query, found, this.#resolver.serial))
  }

  #forward(): void {
    const { forwarder, options } = this.#resolver
    const { address, port, transport } = this.#client
    if (transport === 'udp' && isLoopback(address) && forwarder.isOwn(port)) {
      return this.#send('forward', errorTo(this.#query, responseCodes.REFUSED))
    }
    if (this.#asker?.mayForward === false) {
      return this.#send('forward', errorTo(this.#query, responseCodes.REFUSED))
    }
    forwarder.forward(this.#bytes, { transport, server: this.#asker?.resolver }, outcome => {
      this.#resolver.counters.forwarded((options.clock.nowMs() - this.#startMs) / 1000)
      if (outcome.kind === 'reply') this.#pass(outcome.bytes)
      else this.#fail(outcome)
    })
  }

  /** As it came, if the client takes that much. */
  #pass(bytes: Uint8Array): void {
    const isTooLarge = this.#client.transport === 'udp' && bytes.length > udpLimit(this.#query, Infinity)
    const header = decodeDnsHeader(bytes)
    const { onResolved } = this.#resolver.options
    this.#count('forward', header?.responseCode ?? 0, header?.counts[1] ?? 0)
    if (onResolved !== undefined) {
      const decoded = decodeDnsMessage(bytes)
      if (decoded.kind === 'message') this.#tell('forward', decoded.message)
    }
    this.#reply(isTooLarge ? truncatedReply(this.#query, bytes) : bytes)
  }

  #fail(outcome: Exclude<Forwarded, { kind: 'reply' }>): void {
    const result = outcome.kind === 'overloaded' ? 'overloaded' : undefined
    this.#send('forward', errorTo(this.#query, responseCodes.SERVFAIL), result)
  }

  /** A client does not ask for what an alias leads to: it expects that in the same answer. */
  #follow(target: string): void {
    const name = target.replace(/\.$/, '')
    if (!isDnsName(name)) return this.#send('mesh', errorTo(this.#query, responseCodes.SERVFAIL))
    const query = { ...this.#query, questions: this.#query.questions.map(question => ({ ...question, name })) }
    const found = this.#resolver.find(query, this.#asker)
    const type = query.questions[0]?.type ?? 0
    if (found.kind === 'alias' || (found.kind === 'elsewhere' && !followedTypes.has(type))) {
      return this.#send('mesh', aliasReply(this.#query, name, undefined))
    }
    if (found.kind !== 'elsewhere') {
      return this.#send('mesh', aliasReply(this.#query, name, replyTo(query, found, this.#resolver.serial)))
    }
    if (this.#asker?.mayForward === false) {
      return this.#send('mesh', aliasReply(this.#query, name, errorTo(query, responseCodes.REFUSED)))
    }
    const way = { transport: 'tcp', server: this.#asker?.resolver } as const
    this.#resolver.forwarder.forward(aliasQuery(query), way, outcome => {
      if (outcome.kind !== 'reply') return this.#fail(outcome)
      const decoded = decodeDnsMessage(outcome.bytes)
      if (decoded.kind === 'invalid') return this.#fail({ kind: 'no-answer' })
      this.#send('mesh', aliasReply(this.#query, name, decoded.message))
    })
  }

  #send(source: 'mesh' | 'forward', message: DnsMessage, result?: 'overloaded'): void {
    const { limits } = this.#resolver.options
    if (result === undefined) this.#count(source, message.responseCode, message.answers.length)
    else this.#resolver.counters.count(source, this.#query.questions[0]?.type ?? 0, result)
    if (this.#resolver.options.onResolved !== undefined) this.#tell(source, message)
    const isUdp = this.#client.transport === 'udp'
    const most = isUdp ? { limitBytes: udpLimit(this.#query, limits.maxUdpBytes) } : {}
    const edns = message.edns === undefined ? undefined : { ...message.edns, udpBytes: limits.maxUdpBytes }
    this.#reply(encodeDnsMessage({ ...message, edns }, most))
  }

  #count(source: 'mesh' | 'forward', responseCode: number, answers: number): void {
    this.#resolver.counters.answered(source, this.#query.questions[0]?.type ?? 0, responseCode, answers)
  }

  #tell(source: 'mesh' | 'forward', message: DnsMessage): void {
    const { onResolved, clock } = this.#resolver.options
    const [question] = this.#query.questions
    if (question === undefined) return
    onResolved?.({
      client: this.#client,
      asker: this.#asker,
      name: question.name,
      type: question.type,
      source,
      responseCode: message.responseCode,
      addresses: message.answers.flatMap(({ data }) =>
        data.kind === 'A' || data.kind === 'AAAA' ? [data.address] : [],
      ),
      durationMs: clock.nowMs() - this.#startMs,
    })
  }
}

/** Types whose data have no names that a message abbreviates, save those that are read and written here. */
const followedTypes: ReadonlySet<number> = new Set([recordTypes.A, recordTypes.AAAA, recordTypes.TXT, recordTypes.SRV])

/** @returns the code that a query is refused with, whatever it asks for */
function refusalOf({ flags, questions, edns }: DnsMessage): number | undefined {
  const [question] = questions
  if (flags.opcode !== opcodes.QUERY) return responseCodes.NOTIMP
  if (edns !== undefined && edns.version > 0) return responseCodes.BADVERS
  if (question === undefined || questions.length > 1) return responseCodes.FORMERR
  const isTransfer = question.type === recordTypes.AXFR || question.type === recordTypes.IXFR
  return isTransfer || question.class !== recordClasses.IN ? responseCodes.REFUSED : undefined
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1'
}
