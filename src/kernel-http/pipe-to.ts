import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { resetSocket } from '../core/index.ts'

/**
 * For `onFallback`: joins a client's connection to a listener of the proxy, which reads it from the first byte that is not of
 * the path. Ends and failures of either side reach the other.
 */
export function pipeTo(address: string, port: number): (client: Socket, bytes: Buffer) => void {
  return (client, bytes) => {
    const proxy = connect({ host: address, port, allowHalfOpen: true, noDelay: true })
    if (bytes.length > 0) proxy.write(bytes)
    if (client.readableEnded) proxy.end()
    else client.pipe(proxy)
    proxy.pipe(client)
    for (const [from, to] of [
      [client, proxy],
      [proxy, client],
    ] as const) {
      from.on('error', () => resetSocket(to))
      from.on('close', () => to.destroy())
    }
  }
}
