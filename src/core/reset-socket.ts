import type { Socket } from 'node:net'

/**
 * Ends a connection with a RST where that can be: libuv resets no socket whose end is on its way, and Node, which does not
 * look at that, would lose it still open and never leave at its exit. Such a socket is closed.
 */
export function resetSocket(socket: Socket): void {
  if (socket.destroyed || socket.writableEnded || 'encrypted' in socket) socket.destroy()
  else socket.resetAndDestroy()
}
