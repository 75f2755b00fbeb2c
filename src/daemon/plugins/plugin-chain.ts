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
import type { RunningPlugins } from './running-plugins.ts'

/** The answers that the host gives for a plugin that can't. */
const failures: ReadonlySet<string> = new Set([
  'wasm_fail_stream',
  'request_payload_too_large',
  'response_payload_too_large',
])

/** Streams of several plugins, the sink of each being the next one's stream. */
export class PluginChain implements HttpPluginChain {
  readonly #plugins: RunningPlugins

  constructor(plugins: RunningPlugins) {
    this.#plugins = plugins
  }

  open(host: HttpPluginHost): PluggedStream {
    const plugins = this.#plugins.list
    return plugins === undefined ? refusing(host) : new ChainedStreams(plugins, host)
  }
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
  readonly host: HttpPluginHost
  readonly #first: Link | undefined
  readonly #last: Link | undefined
  #properties: StreamProperties | undefined = undefined

  constructor(plugins: readonly Plugin[], host: HttpPluginHost) {
    this.host = host
    let first: Link | undefined
    let last: Link | undefined
    for (const plugin of plugins) {
      const link: Link = new Link(plugin, this, last)
      if (last === undefined) first = link
      else last.next = link
      last = link
    }
    this.#first = first
    this.#last = last
  }

  get request(): MessageSink {
    return this.#first === undefined ? this.host.request : this.#first.stream.request
  }

  get response(): MessageSink {
    return this.#last === undefined ? this.host.response : this.#last.stream.response
  }

  /** One for all of them; few set any. */
  get properties(): StreamProperties {
    this.#properties ??= new StreamProperties(this.host.connection)
    return this.#properties
  }

  get isRequestBlocked(): boolean {
    for (let link = this.#first; link !== undefined; link = link.next) if (link.stream.request.isBlocked) return true
    return false
  }

  get isResponseBlocked(): boolean {
    for (let link = this.#first; link !== undefined; link = link.next) if (link.stream.response.isBlocked) return true
    return false
  }

  close(): void {
    for (let link = this.#first; link !== undefined; link = link.next) link.stream.close()
  }
}

/** A plugin's stream, and what it has around it. */
class Link implements HttpStreamHost {
  readonly stream: HttpStream
  next: Link | undefined = undefined
  readonly #before: Link | undefined
  readonly #chain: ChainedStreams
  readonly #host: HttpPluginHost

  constructor(plugin: Plugin, chain: ChainedStreams, before: Link | undefined) {
    this.#before = before
    this.#chain = chain
    this.#host = chain.host
    this.stream = plugin.http(this)
  }

  get request(): MessageSink {
    return this.next === undefined ? this.#host.request : this.next.stream.request
  }

  get response(): MessageSink {
    return this.#before === undefined ? this.#host.response : this.#before.stream.response
  }

  get properties(): StreamProperties {
    return this.#chain.properties
  }

  respond(response: LocalResponse): void {
    this.#host.respond(answerOf(response), this.#before?.stream.response)
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
