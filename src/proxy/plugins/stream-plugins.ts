import type { PluginAttribute } from './http-plugins.ts'

/** What the plugins of one connection need from whoever forwards it. */
export interface StreamPluginHost {
  /** Takes what the client sent, behind the last plugin. @param isLast  nothing follows */
  toEndpoint(bytes: Uint8Array, isLast: boolean): void
  /** Takes what the endpoint sent, behind the first plugin. */
  toClient(bytes: Uint8Array, isLast: boolean): void
  /** A plugin wants this side closed after what was sent to it. */
  close(side: 'client' | 'endpoint'): void
  /** A plugin can't decide, and its policy is that nothing passes then. */
  fail(): void
  /** `source` and `address`; undefined for what is not known. */
  attribute(group: string, name: string): PluginAttribute | undefined
}

/** One connection in the hands of the plugins of its listener. Bytes are given away. */
export interface PluggedConnection {
  /** The client has connected. */
  connected(): void
  fromClient(bytes: Uint8Array, isLast: boolean): void
  fromEndpoint(bytes: Uint8Array, isLast: boolean): void
  clientClosed(): void
  endpointClosed(): void
  /** Plugins keep so much of what the client sent that it should stop. */
  readonly isClientBlocked: boolean
  readonly isEndpointBlocked: boolean
  /** The connection is over. Called once. */
  close(): void
}

/** The plugins of one listener's connections, in their order. */
export interface StreamPluginChain {
  open(host: StreamPluginHost): PluggedConnection
}
