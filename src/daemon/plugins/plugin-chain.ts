import type { MessageSink } from '../../codec/index.ts'
import { pluginFailure } from '../../proxy/index.ts'
import type {
  HttpPluginChain,
  HttpPluginHost,
  PluggedStream,
  PluginAnswer,
  PluginAttribute,
} from '../../proxy/index.ts'
import { StreamProperties } from '../../wasm/index.ts'
import type { HttpStream, HttpStreamHost, LocalResponse, Plugin } from '../../wasm/index.ts'

/** A plugin of the configuration on this worker, whatever runs of it at the moment. */
export interface PluginSlot {
  /** Undefined where there is nothing that can run. */
  readonly plugin: Plugin | undefined
  /** What becomes of requests then. */
  readonly isOpen: boolean
}

/** The answers that the host gives for a plugin that can't. */
const failures: ReadonlySet<string> = new Set([
  'wasm_fail_stream',
  'request_payload_too_large',
  'response_payload_too_large',
])

/** Streams of several plugins, the sink of each being the next one's stream. */
export class PluginChain implements HttpPluginChain {
  readonly #slots: readonly (() => PluginSlot)[]

  /** @param slots  asked anew for each exchange */
  constructor(slots: readonly (() => PluginSlot)[]) {
    this.#slots = slots
  }

  open(host: HttpPluginHost): PluggedStream {
    const plugins = runningPlugins(this.#slots)
    return plugins === undefined ? refusing(host) : new ChainedStreams(plugins, host)
  }
}

/** Without those that may be missing; undefined where one is missing that may not. */
export function runningPlugins(slots: readonly (() => PluginSlot)[]): readonly Plugin[] | undefined {
  const plugins: Plugin[] = []
  for (const slot of slots) {
    const { plugin, isOpen } = slot()
    if (plugin !== undefined) plugins.push(plugin)
    else if (!isOpen) return undefined
  }
  return plugins
}

/** Nothing passes where one that has to see it can't run. */
function refusing(host: HttpPluginHost): PluggedStream {
  const headers = (): void => host.respond(pluginFailure('a plugin has not started'), undefined)
  const { response } = host
  return {
    request: { headers, body() {}, trailers() {} },
    response,
    isRequestBlocked: false,
    isResponseBlocked: false,
    close() {},
  }
}

class ChainedStreams implements PluggedStream {
  readonly request: MessageSink
  readonly response: MessageSink
  readonly #streams: readonly HttpStream[]

  constructor(plugins: readonly Plugin[], host: HttpPluginHost) {
    const streams: HttpStream[] = []
    const properties = new StreamProperties(host.connection)
    this.#streams = streams
    for (const plugin of plugins) {
      const next = streams.length + 1
      const isLast = next === plugins.length
      const request = isLast ? host.request : later(() => streams[next]?.request ?? host.request)
      streams.push(plugin.http(new ChainedHost(host, properties, request, streams.at(-1)?.response)))
    }
    this.request = streams[0]?.request ?? host.request
    this.response = streams.at(-1)?.response ?? host.response
  }

  get isRequestBlocked(): boolean {
    return this.#streams.some(({ request }) => request.isBlocked)
  }

  get isResponseBlocked(): boolean {
    return this.#streams.some(({ response }) => response.isBlocked)
  }

  close(): void {
    for (const stream of this.#streams) stream.close()
  }
}

/** What one plugin of several has around it. */
class ChainedHost implements HttpStreamHost {
  readonly request: MessageSink
  readonly response: MessageSink
  readonly properties: StreamProperties
  readonly #host: HttpPluginHost
  readonly #before: MessageSink | undefined

  /** @param before  takes the response of this plugin; undefined for the first */
  constructor(
    host: HttpPluginHost,
    properties: StreamProperties,
    request: MessageSink,
    before: MessageSink | undefined,
  ) {
    this.#host = host
    this.properties = properties
    this.request = request
    this.response = before ?? host.response
    this.#before = before
  }

  respond(response: LocalResponse): void {
    this.#host.respond(answerOf(response), this.#before)
  }

  reset(): void {
    this.#host.reset()
  }

  clearRouteCache(): void {
    this.#host.clearRouteCache()
  }

  property(group: string, name: string | undefined): PluginAttribute | undefined {
    return this.#host.attribute(group, name ?? '')
  }
}

function answerOf(response: LocalResponse): PluginAnswer {
  return { ...response, cause: failures.has(response.details) ? 'failure' : 'answer' }
}

function later(sink: () => MessageSink): MessageSink {
  return {
    headers: (headers, flow) => sink().headers(headers, flow),
    body: (bytes, flow) => sink().body(bytes, flow),
    trailers: trailers => sink().trailers(trailers),
  }
}
