import type { SocketTransport } from '../sockets/socket-transport.ts'
import { ClientContext } from './client-context.ts'
import type { ClientContextOptions } from './client-context.ts'
import { OpenSslThread } from './openssl-thread.ts'
import { ServerContext } from './server-context.ts'
import type { ServerContextOptions } from './server-context.ts'

/**
 * TLS on sockets of our own, for one thread: the OpenSSL that Node carries,
 * called without Node in between. Dispose of it after the transport, since the
 * connections are the transport's.
 */
export class OpenSsl implements Disposable {
  readonly transport: SocketTransport
  readonly #thread: OpenSslThread

  /** @throws MeshError MESH_KERNEL_UNSUPPORTED when this Node lacks a function of OpenSSL */
  constructor(transport: SocketTransport) {
    this.transport = transport
    this.#thread = new OpenSslThread(transport.poller)
  }

  /** @throws OpenSSL's reason, for a certificate, key, authority or cipher that it does not take */
  openServer(options: ServerContextOptions): ServerContext {
    return new ServerContext(this.#thread, options)
  }

  /** @throws as `openServer` */
  openClient(options: ClientContextOptions): ClientContext {
    return new ClientContext(this.#thread, this.transport, options)
  }

  [Symbol.dispose](): void {
    this.#thread[Symbol.dispose]()
  }
}
