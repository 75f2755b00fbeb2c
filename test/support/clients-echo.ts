import http from 'node:http'
import net from 'node:net'
import type { AddressInfo } from 'node:net'

export interface EchoServer extends AsyncDisposable {
  readonly port: number
  readonly requests: number
  /** Accepts nothing more and resolves when the last of its connections has been closed by the other side. */
  leave(): Promise<void>
  connections(): Promise<number>
}

/** An endpoint that answers with `prefix` and what it was asked for. */
export async function echoServer(prefix = ''): Promise<EchoServer> {
  let requests = 0
  const server = http.createServer({ keepAliveTimeout: 0 }, (request, response) => {
    requests++
    let bodyBytes = 0
    request.on('data', (chunk: Buffer) => (bodyBytes += chunk.length))
    request.on('end', () => {
      response.end(`${prefix}${request.url ?? ''}${bodyBytes > 0 ? `+${bodyBytes}` : ''}`)
    })
  })
  await new Promise<void>(resolve => server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, resolve))
  return {
    port: (server.address() as AddressInfo).port,
    get requests() {
      return requests
    },
    // http.Server.close() also closes connections that it takes for unused, on which a request may be on its way.
    leave: async () =>
      new Promise<void>(resolve => {
        server.once('close', () => resolve())
        net.Server.prototype.close.call(server)
      }),
    connections: async () =>
      new Promise((resolve, reject) => {
        server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)))
      }),
    async [Symbol.asyncDispose]() {
      if (!server.listening) return
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
  }
}
