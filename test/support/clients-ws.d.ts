/** The part of `ws` that the tests use; the package comes without types. */
declare module 'ws' {
  import type { EventEmitter } from 'node:events'
  import type { Server } from 'node:http'

  export class WebSocket extends EventEmitter {
    constructor(url: string, options?: { perMessageDeflate?: boolean; headers?: Readonly<Record<string, string>> })
    readonly readyState: number
    readonly protocol: string
    send(data: string | Buffer, options?: { fin?: boolean; binary?: boolean }): void
    ping(data?: Buffer): void
    close(code?: number, reason?: string): void
    terminate(): void
  }

  export class WebSocketServer extends EventEmitter {
    constructor(options: { server: Server; maxPayload?: number; perMessageDeflate?: boolean })
    readonly clients: ReadonlySet<WebSocket>
    close(done?: () => void): void
  }
}
