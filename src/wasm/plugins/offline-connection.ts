import type { Plugin } from './plugin.ts'
import type { Flow, TcpStreamHost } from './ports.ts'
import type { PropertyValue } from './property-value.ts'
import { StreamProperties } from './stream-properties.ts'

/** What both sides of a connection send, piece by piece: the client first, then the endpoint; then both end. */
export interface OfflineConnection {
  readonly fromClient: readonly Uint8Array[]
  readonly fromEndpoint: readonly Uint8Array[]
}

/** What became of a connection. */
export interface OfflineTransfer {
  readonly kind: 'transferred'
  readonly toEndpoint: Uint8Array
  readonly toClient: Uint8Array
  /** The side that the plugin closed: nothing was sent after that. */
  readonly closed: 'client' | 'endpoint' | undefined
  /** Whose bytes, or end, the plugin still keeps. */
  readonly held: readonly ('client' | 'endpoint')[]
}

/** Lets calls of the plugin be answered, and its timer come due while `isHeld` says that it keeps something back. */
export type Waiting = (isHeld: () => boolean) => void

/** Collects what one side gets. */
class Side {
  readonly #parts: Uint8Array[] = []
  hasEnded = false

  readonly take = (bytes: Uint8Array, flow: Flow): void => {
    this.#parts.push(bytes)
    this.hasEnded ||= flow === 'end'
  }

  get bytes(): Uint8Array {
    return Buffer.concat(this.#parts)
  }
}

const nothing = new Uint8Array(0)

/** Sends one connection through a plugin. */
export function transfer(
  plugin: Plugin,
  { fromClient, fromEndpoint }: OfflineConnection,
  property: (group: string, name: string | undefined) => PropertyValue | undefined,
  wait: Waiting,
): OfflineTransfer | { readonly kind: 'reset' } {
  const [endpoint, client] = [new Side(), new Side()]
  let closed: 'client' | 'endpoint' | undefined
  let isReset = false
  const host: TcpStreamHost = {
    toUpstream: endpoint.take,
    toDownstream: client.take,
    close: side => void (closed ??= side === 'downstream' ? 'client' : 'endpoint'),
    reset: () => void (isReset = true),
    property,
    properties: new StreamProperties(),
  }
  const stream = plugin.tcp(host)
  const events = [
    () => stream.connected(),
    ...fromClient.map(bytes => () => stream.fromDownstream(bytes, 'more')),
    ...fromEndpoint.map(bytes => () => stream.fromUpstream(bytes, 'more')),
    () => stream.fromDownstream(nothing, 'end'),
    () => stream.downstreamClosed('remote'),
    () => stream.fromUpstream(nothing, 'end'),
    () => stream.upstreamClosed('remote'),
  ]
  for (const event of events) {
    if (isReset || closed !== undefined) break
    event()
    wait(() => false)
  }
  wait(() => !isReset && closed === undefined && !(endpoint.hasEnded && client.hasEnded))
  stream.close()
  wait(() => false)
  if (isReset) return { kind: 'reset' }
  const held = closed !== undefined ? [] : [...heldBy('client', endpoint), ...heldBy('endpoint', client)]
  return { kind: 'transferred', toEndpoint: endpoint.bytes, toClient: client.bytes, closed, held }
}

function heldBy(sender: 'client' | 'endpoint', { hasEnded }: Side): readonly ('client' | 'endpoint')[] {
  return hasEnded ? [] : [sender]
}
