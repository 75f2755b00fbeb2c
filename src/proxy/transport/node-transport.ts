import net from 'node:net'
import { unhandled } from './connection.ts'
import type { KeptPlace } from './kept-sockets.ts'
import type { Connection, ConnectionHandler, ListeningSocket, ListenOptions, Transport } from './connection.ts'
import { NodeConnection } from './node-connection.ts'

/** Connections that may wait to be accepted; the kernel's own limit is lower on most machines. */
const listenBacklog = 4096
/** A stream may be silent for hours; a peer whose machine is gone must not be waited for: it is asked after a minute. */
export const keepAliveDelayMs = 60_000
const keepAlive = { keepAlive: true, keepAliveInitialDelay: keepAliveDelayMs }

/** Plain connections by node:net: everywhere where sockets of our own are not to be had. */
export class NodeTransport implements Transport {
  readonly #readBuffer: Buffer

  constructor(readBufferBytes: number) {
    this.#readBuffer = Buffer.allocUnsafeSlow(readBufferBytes)
  }

  async listen(options: ListenOptions): Promise<ListeningSocket> {
    const { address, port, kept } = options
    const places = kept?.descriptors.map(fd => ({ fd })) ?? [{ host: address, port, reusePort: true }]
    const servers: net.Server[] = []
    for (const place of places) {
      const server = net.createServer({ pauseOnConnect: true, noDelay: true, ...keepAlive }, socket =>
        options.onConnection(this.#adopt(socket)),
      )
      await open(server, place, error => options.onError(error))
      servers.push(server)
    }
    return new NodeListening(servers, kept)
  }

  /** `net.Server` has no `onread` option, so the handle of an accepted socket moves to a socket that has. */
  #adopt(accepted: net.Socket): Connection {
    const holder = accepted as unknown as { _handle: object | null }
    const handle = holder._handle
    holder._handle = null
    accepted.destroy()
    const slot: Slot = { connection: undefined }
    const options = {
      handle,
      allowHalfOpen: true,
      onread: this.#onread(slot),
    } as unknown as net.SocketConstructorOpts
    slot.connection = new NodeConnection(new net.Socket(options), unhandled)
    return slot.connection
  }

  connect(address: string, port: number, handler: ConnectionHandler, onConnect: () => void): Connection {
    const slot: Slot = { connection: undefined }
    const socket = net.connect({
      host: address,
      port,
      noDelay: true,
      ...keepAlive,
      allowHalfOpen: true,
      autoSelectFamily: false,
      onread: this.#onread(slot),
    })
    slot.connection = new NodeConnection(socket, handler)
    socket.once('connect', onConnect)
    return slot.connection
  }

  #onread(slot: Slot): net.OnReadOpts {
    return {
      buffer: this.#readBuffer,
      callback: (length, bytes) => {
        const { connection } = slot
        if (connection !== undefined && !connection.isClosed) connection.handler.onBytes(bytes as Buffer, length)
        return true
      },
    }
  }
}

interface Slot {
  connection: Connection | undefined
}

async function open(server: net.Server, place: object, onError: (error: Error) => void): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ ...place, backlog: listenBacklog }, () => {
      server.off('error', reject)
      resolve()
    })
  })
  server.on('error', onError)
}

class NodeListening implements ListeningSocket {
  readonly port: number
  readonly #servers: readonly net.Server[]
  readonly #kept: KeptPlace | undefined

  constructor(servers: readonly net.Server[], kept: KeptPlace | undefined) {
    const bound = servers[0]?.address()
    this.port = typeof bound === 'object' && bound !== null ? bound.port : 0
    this.#servers = servers
    this.#kept = kept
  }

  close(): void {
    if (this.#kept?.goesOn() === false) for (const fd of this.#kept.descriptors) this.#kept.endListening(fd)
    for (const server of this.#servers) server.close()
  }
}
