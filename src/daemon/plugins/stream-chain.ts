import type { PluggedConnection, StreamPluginChain, StreamPluginHost } from '../../proxy/index.ts'
import { StreamProperties } from '../../wasm/index.ts'
import type { Plugin, TcpStream, TcpStreamHost } from '../../wasm/index.ts'
import type { RunningPlugins } from './running-plugins.ts'

/** Connections through several plugins, what each passes on being the next one's. */
export class StreamChain implements StreamPluginChain {
  readonly #plugins: RunningPlugins

  constructor(plugins: RunningPlugins) {
    this.#plugins = plugins
  }

  open(host: StreamPluginHost): PluggedConnection {
    const plugins = this.#plugins.list
    if (plugins !== undefined) return new ChainedConnection(plugins, host)
    host.fail()
    return closed
  }
}

/** Where nothing passes. */
const closed: PluggedConnection = {
  connected() {},
  fromClient() {},
  fromEndpoint() {},
  clientClosed() {},
  endpointClosed() {},
  isClientBlocked: false,
  isEndpointBlocked: false,
  close() {},
}

class ChainedConnection implements PluggedConnection {
  readonly #streams: readonly TcpStream[]
  readonly #host: StreamPluginHost

  constructor(plugins: readonly Plugin[], host: StreamPluginHost) {
    this.#host = host
    const streams: TcpStream[] = []
    const properties = new StreamProperties()
    this.#streams = streams
    for (const [index, plugin] of plugins.entries()) streams.push(plugin.tcp(hostOf(host, properties, streams, index)))
  }

  connected(): void {
    for (const stream of this.#streams) stream.connected()
  }

  fromClient(bytes: Uint8Array, isLast: boolean): void {
    const [first] = this.#streams
    if (first === undefined) this.#host.toEndpoint(bytes, isLast)
    else first.fromDownstream(bytes, isLast ? 'end' : 'more')
  }

  fromEndpoint(bytes: Uint8Array, isLast: boolean): void {
    const last = this.#streams.at(-1)
    if (last === undefined) this.#host.toClient(bytes, isLast)
    else last.fromUpstream(bytes, isLast ? 'end' : 'more')
  }

  clientClosed(): void {
    for (const stream of this.#streams) stream.downstreamClosed('remote')
  }

  endpointClosed(): void {
    for (const stream of this.#streams) stream.upstreamClosed('remote')
  }

  get isClientBlocked(): boolean {
    return this.#streams.some(({ isDownstreamBlocked }) => isDownstreamBlocked)
  }

  get isEndpointBlocked(): boolean {
    return this.#streams.some(({ isUpstreamBlocked }) => isUpstreamBlocked)
  }

  close(): void {
    for (const stream of this.#streams) stream.close()
  }
}

/** @param streams  of all plugins, once they are made */
function hostOf(
  host: StreamPluginHost,
  properties: StreamProperties,
  streams: readonly TcpStream[],
  index: number,
): TcpStreamHost {
  return {
    toUpstream(bytes, flow) {
      const next = streams[index + 1]
      if (next === undefined) host.toEndpoint(bytes, flow === 'end')
      else next.fromDownstream(bytes, flow)
    },
    toDownstream(bytes, flow) {
      const before = streams[index - 1]
      if (before === undefined) host.toClient(bytes, flow === 'end')
      else before.fromUpstream(bytes, flow)
    },
    close: side => host.close(side === 'downstream' ? 'client' : 'endpoint'),
    reset: () => host.fail(),
    property: (group, name) => host.attribute(group, name ?? ''),
    properties,
  }
}
