import { closeSync } from 'node:fs'
import type { Socket } from 'node:net'
import { messageOf, resetSocket } from '../../core/index.ts'
import type { Logger } from '../../core/index.ts'
import { copyDescriptor } from '../../kernel/index.ts'
import type { GivenConnection } from '../worker-messages.ts'

/**
 * Makes a socket of Node one that a worker can go on with, once all that was written to it has left: with a descriptor of
 * its own, and all bytes that Node has read ahead. Node's socket is closed; the connection is not.
 *
 * @param bytes  that were read of it already
 * @returns undefined for one that has gone meanwhile
 * @throws MeshError MESH_KERNEL_SYSCALL
 */
export async function giveSocket(
  socket: Socket,
  bytes: Buffer,
): Promise<Omit<GivenConnection, 'listener'> | undefined> {
  const ignore = (): void => {}
  socket.on('error', ignore).pause()
  await new Promise<void>(resolve => {
    socket.once('close', () => resolve())
    if (socket.writableLength === 0) resolve()
    else socket.write(Buffer.alloc(0), () => resolve())
  })
  const { remoteAddress, remotePort } = socket
  const fd = descriptorOf(socket)
  if (fd === undefined || remoteAddress === undefined || remotePort === undefined) return undefined
  // From here to the end nothing else runs, so that nothing is read in between.
  const ahead: unknown = socket.read()
  const early = ahead instanceof Buffer ? Buffer.concat([bytes, ahead]) : bytes
  const descriptor = copyDescriptor(fd)
  socket.destroy()
  return { descriptor, remote: { address: remoteAddress, port: remotePort }, early }
}

export interface GiveOptions {
  /** @returns false when there is no worker now */
  readonly give: (connection: GivenConnection) => boolean
  readonly logger: Logger
}

/** A worker goes on with a connection, as if its listener had accepted it; where that cannot be, it ends. */
export class Giver {
  readonly #options: GiveOptions
  /** Connections that are on their way. */
  readonly #giving = new Set<Promise<void>>()

  constructor(options: GiveOptions) {
    this.#options = options
  }

  /**
   * @param bytes  that were read of it already
   * @param listener  its id; undefined for one that is gone
   */
  give(socket: Socket, bytes: Buffer, listener: string | undefined): void {
    const given = this.#give(socket, bytes, listener)
    this.#giving.add(given)
    void given.finally(() => this.#giving.delete(given))
  }

  async #give(socket: Socket, bytes: Buffer, listener: string | undefined): Promise<void> {
    const { give, logger } = this.#options
    try {
      const given = await giveSocket(socket, bytes)
      if (given === undefined) return
      if (listener !== undefined && give({ listener, ...given })) return
      closeSync(given.descriptor)
    } catch (error) {
      resetSocket(socket)
      logger.error('a connection could not be given to a worker', { error: messageOf(error) })
    }
  }

  /** Resolves when all have arrived that were given. */
  async settled(): Promise<void> {
    await Promise.all(this.#giving)
  }
}

/** Node has no public name for it. */
export function descriptorOf(socket: Socket): number | undefined {
  const { _handle: handle } = socket as { readonly _handle?: { readonly fd?: unknown } | null }
  return typeof handle?.fd === 'number' && handle.fd >= 0 ? handle.fd : undefined
}
