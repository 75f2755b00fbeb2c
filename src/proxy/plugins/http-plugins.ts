import { grpcStatuses, HeaderMap } from '../../codec/index.ts'
import type { MessageSink } from '../../codec/index.ts'

/** What a plugin may ask about an exchange; `bigint` is an integer, a time or a duration in nanoseconds. */
export type PluginAttribute = string | bigint | boolean

/** An answer that a plugin, or its failure, gives instead of the endpoint. */
export interface PluginAnswer {
  /** `failure`: the plugin can't say, and its policy is that nothing passes then. */
  readonly cause: 'answer' | 'failure'
  readonly status: number
  /** Why, for people. */
  readonly details: string
  readonly headers: HeaderMap
  readonly body: Uint8Array
  /** 0 to 16 for clients of gRPC. */
  readonly grpcStatus: number | undefined
}

/** What the plugins of one exchange need from it. */
export interface HttpPluginHost {
  /** Of the client: one object for all exchanges by it. */
  readonly connection: object
  /** Takes the request behind the last plugin. */
  readonly request: MessageSink
  /** Takes the response behind the first plugin. */
  readonly response: MessageSink
  /** @param through  the plugins between the one that answers and the client; undefined when it is the first */
  respond(answer: PluginAnswer, through: MessageSink | undefined): void
  /** Ends the exchange with a reset. */
  reset(): void
  /** The route is to be chosen again when the request leaves the plugins. */
  clearRouteCache(): void
  /** `source` and `address`; undefined for what is not known. What the messages say is not asked. */
  attribute(group: string, name: string): PluginAttribute | undefined
}

/** One exchange in the hands of the plugins of its rule. */
export interface PluggedStream {
  /** Takes the request as it came. */
  readonly request: MessageSink
  /** Takes the endpoint's response. */
  readonly response: MessageSink
  /** Plugins keep so much of the request that its sender should stop. */
  readonly isRequestBlocked: boolean
  readonly isResponseBlocked: boolean
  /** The exchange is over. Called once. */
  close(): void
}

/** The plugins of one rule, in their order. */
export interface HttpPluginChain {
  open(host: HttpPluginHost): PluggedStream
}

/** What a plugin that can't decide answers, if nothing may pass it. */
export function pluginFailure(details: string): PluginAnswer {
  const body = new Uint8Array(0)
  return {
    cause: 'failure',
    status: 503,
    details,
    headers: new HeaderMap(0),
    body,
    grpcStatus: grpcStatuses.unavailable,
  }
}

/** Lets nothing pass. */
export const refusingChain: HttpPluginChain = {
  open(host) {
    const refuse = {
      headers: () => host.respond(pluginFailure('no plugins run here'), undefined),
      body() {},
      trailers() {},
    }
    const { response } = host
    return { request: refuse, response, isRequestBlocked: false, isResponseBlocked: false, close() {} }
  },
}
