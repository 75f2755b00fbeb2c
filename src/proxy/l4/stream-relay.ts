import type { PluggedConnection, StreamPluginChain, StreamPluginHost } from '../plugins/stream-plugins.ts'
import type { PluginAttribute } from '../plugins/http-plugins.ts'
import type { ProxyRuntime } from '../runtime.ts'
import type { Connection } from '../transport/connection.ts'

/** Whose bytes they are. */
export interface RelayOwner {
  readonly client: Connection
  /** Undefined before there is one, and after. */
  readonly endpointConnection: Connection | undefined
  /** A plugin wants this side closed. */
  onPluginClose(side: 'client' | 'endpoint'): void
  onPluginFailure(): void
  /** The client has been sent all that it gets. */
  onClientTold(): void
  attribute(group: string, name: string): PluginAttribute | undefined
}

/**
 * The bytes of one connection in both directions, through the plugins of its
 * listener if there are any. A slow reader stops its sender, and so does a
 * plugin that keeps too much; the end of one direction is told when all before
 * it has been.
 */
export class StreamRelay implements StreamPluginHost {
  /** The client has been sent all that it gets, and its end. */
  isClientTold = false
  readonly #runtime: ProxyRuntime
  readonly #owner: RelayOwner
  #plugged: PluggedConnection | undefined = undefined

  constructor(runtime: ProxyRuntime, owner: RelayOwner) {
    this.#runtime = runtime
    this.#owner = owner
  }

  /** From here on bytes pass these plugins. */
  plug(chain: StreamPluginChain): void {
    this.#plugged = chain.open(this)
    this.#plugged.connected()
  }

  fromClient(bytes: Buffer, length: number): void {
    const { client, endpointConnection } = this.#owner
    if (this.#plugged === undefined) {
      if (endpointConnection !== undefined) this.#forward(client, endpointConnection, bytes, length)
      return
    }
    this.#plugged.fromClient(Buffer.from(bytes.subarray(0, length)), false)
    if (this.#plugged?.isClientBlocked === true) client.pause()
  }

  clientEnded(): void {
    if (this.#plugged === undefined) this.#owner.endpointConnection?.end()
    else this.#plugged.fromClient(nothing, true)
  }

  fromEndpoint(from: Connection, bytes: Buffer, length: number): void {
    if (this.#plugged === undefined) {
      this.#forward(from, this.#owner.client, bytes, length)
      return
    }
    this.#plugged.fromEndpoint(Buffer.from(bytes.subarray(0, length)), false)
    if (this.#plugged?.isEndpointBlocked === true) from.pause()
  }

  endpointEnded(): void {
    if (this.#plugged === undefined) this.#endClient()
    else this.#plugged.fromEndpoint(nothing, true)
  }

  clientClosed(): void {
    this.#plugged?.clientClosed()
  }

  endpointClosed(): void {
    this.#plugged?.endpointClosed()
  }

  /** The client takes bytes again. */
  clientWritable(): void {
    if (this.#plugged?.isEndpointBlocked !== true) this.#owner.endpointConnection?.resume()
  }

  endpointWritable(): void {
    if (this.#plugged?.isClientBlocked !== true) this.#owner.client.resume()
  }

  #forward(from: Connection, to: Connection, bytes: Buffer, length: number): void {
    this.#write(to, bytes, length)
    if (to.backlog > this.#runtime.limits.backlogBytes) from.pause()
  }

  #write(to: Connection, bytes: Buffer, length: number): void {
    const { out } = this.#runtime
    out.append(to, bytes, 0, length)
    out.flush()
  }

  toEndpoint(bytes: Uint8Array, isLast: boolean): void {
    const { client, endpointConnection } = this.#owner
    if (endpointConnection === undefined) return
    this.#write(endpointConnection, bufferOf(bytes), bytes.length)
    if (endpointConnection.backlog > this.#runtime.limits.backlogBytes) client.pause()
    else this.endpointWritable()
    if (isLast) endpointConnection.end()
  }

  toClient(bytes: Uint8Array, isLast: boolean): void {
    const { client, endpointConnection } = this.#owner
    this.#write(client, bufferOf(bytes), bytes.length)
    if (client.backlog > this.#runtime.limits.backlogBytes) endpointConnection?.pause()
    else this.clientWritable()
    if (isLast) this.#endClient()
  }

  #endClient(): void {
    this.isClientTold = true
    this.#owner.client.end()
    this.#owner.onClientTold()
  }

  close(side: 'client' | 'endpoint'): void {
    this.#owner.onPluginClose(side)
  }

  fail(): void {
    this.#owner.onPluginFailure()
  }

  attribute(group: string, name: string): PluginAttribute | undefined {
    return this.#owner.attribute(group, name)
  }

  /** The connection is over. */
  end(): void {
    const plugged = this.#plugged
    this.#plugged = undefined
    plugged?.close()
  }
}

const nothing = new Uint8Array(0)

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}
