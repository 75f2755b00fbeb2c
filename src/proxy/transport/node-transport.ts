import net from 'node:net'
import { unhandled } from './connection.ts'
import type { Connection, ConnectionHandler, ListeningSocket, ListenOptions, Transport } from './connection.ts'
import { NodeConnection } from './node-connection.ts'

/** Connections that may wait to be accepted; the kernel's own limit is lower on most machines. */
const listenBacklog = 4096

/** Plain connections by node:net: everywhere where sockets of our own are not to be had. */
export class NodeTransport implements Transport {
  readonly #readBuffer: Buffer

  constructor(readBufferBytes: number) {
    this.#readBuffer = Buffer.allocUnsafeSlow(readBufferBytes)
  }

  async listen(options: ListenOptions): Promise<ListeningSocket> {
    const server = net.createServer({ pauseOnConnect: true, noDelay: true }, socket =>
      options.onConnection(this.#adopt(socket)),
    )
    await listenOn(server, options)
    return listeningSocket(server)
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

/** Opens a server of Node's, plain or TLS, as a transport's `listen` does. @throws the system's error */
export async function listenOn(
  server: net.Server,
  options: Pick<ListenOptions, 'address' | 'port' | 'onError'>,
): Promise<void> {
  const { address, port, onError } = options
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: address, port, reusePort: true, backlog: listenBacklog }, () => {
      server.off('error', reject)
      resolve()
    })
  })
  server.on('error', onError)
}

export function listeningSocket(server: net.Server): ListeningSocket {
  return {
    get port() {
      const bound = server.address()
      return typeof bound === 'object' && bound !== null ? bound.port : 0
    },
    close: () => {
      server.close()
    },
  }
}
