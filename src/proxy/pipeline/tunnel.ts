import type { ProxyRuntime } from '../runtime.ts'
import type { Connection, ConnectionHandler } from '../transport/connection.ts'

/**
 * After a protocol change both connections are just bytes: each side's go to
 * the other, a slow reader stops its sender, and a side that has finished
 * sending is told so to the other while that may go on (half-close).
 */
export class Tunnel {
  /** It ends after this time without a byte in either direction. */
  readonly idleMs: number
  readonly #runtime: ProxyRuntime
  readonly #client: Connection
  readonly #endpoint: Connection
  readonly #onEnded: (fromClient: number, fromEndpoint: number) => void
  #fromClient = 0
  #fromEndpoint = 0
  #open = 2
  /** Bytes in both directions: what the idle timeout watches. */
  get movedBytes(): number {
    return this.#fromClient + this.#fromEndpoint
  }

  /** @param onEnded called once, when both connections have closed */
  constructor(
    runtime: ProxyRuntime,
    client: Connection,
    endpoint: Connection,
    idleMs: number,
    onEnded: (fromClient: number, fromEndpoint: number) => void,
  ) {
    this.#runtime = runtime
    this.#client = client
    this.#endpoint = endpoint
    this.idleMs = idleMs
    this.#onEnded = onEnded
    client.handler = this.#side(client, endpoint, length => {
      this.#fromClient += length
    })
    const closeNote = endpoint.handler
    endpoint.handler = this.#side(
      endpoint,
      client,
      length => {
        this.#fromEndpoint += length
      },
      closeNote,
    )
    client.resume()
    endpoint.resume()
  }

  /** Bytes of the client that came with its request. */
  feed(bytes: Buffer, start: number, end: number): void {
    this.#fromClient += end - start
    this.#runtime.out.append(this.#endpoint, bytes, start, end)
    this.#runtime.out.flush()
  }

  /** The client finished sending before the tunnel was there. */
  endFeed(): void {
    this.#endpoint.end()
  }

  close(): void {
    this.#client.destroy()
    this.#endpoint.destroy()
  }

  #side(
    from: Connection,
    to: Connection,
    count: (length: number) => void,
    closeNote?: ConnectionHandler,
  ): ConnectionHandler {
    const { out, limits } = this.#runtime
    return {
      onBytes: (bytes, length) => {
        count(length)
        out.append(to, bytes, 0, length)
        out.flush()
        if (to.backlog > limits.backlogBytes) from.pause()
      },
      onEnd: () => to.end(),
      onWritable: () => to.resume(),
      onClose: error => {
        this.#runtime.tick()
        closeNote?.onClose(error)
        if (!to.isClosed) {
          if (error === undefined) to.end()
          else to.destroy()
        }
        this.#open--
        if (this.#open === 0) this.#onEnded(this.#fromClient, this.#fromEndpoint)
      },
    }
  }
}
