import { messageOf, systemClock } from '../core/index.ts'
import { DescriptorLedger, OpenSsl, SocketTransport } from '../kernel/index.ts'
import type { TlsLibrary, Transport } from '../proxy/index.ts'

/** Which sockets carry TCP connections, and why those. */
export interface ActiveTransport {
  /** `native` are our own, `node` those of node:net. */
  readonly active: 'native' | 'node'
  readonly reason: string
}

/** One read takes at most this much: large bodies move in few system calls, and the buffer still fits the cache. */
const readBufferBytes = 64 * 1024

/** Native sockets if they can be opened here; tried, not guessed. */
export function chooseTransport(wanted: 'native' | 'node'): ActiveTransport {
  if (wanted === 'node') return { active: 'node', reason: 'as set' }
  try {
    using tried = new OpenTransport(new DescriptorLedger())
    const { noTls } = tried
    const tls = noTls === undefined ? 'TLS by OpenSSL on them' : `TLS on those of node:tls: ${noTls}`
    return { active: 'native', reason: `sockets by system calls, ${tls}` }
  } catch (error) {
    return { active: 'node', reason: messageOf(error) }
  }
}

/** The sockets of one worker thread, and what encrypts on them. */
export class OpenTransport implements Disposable {
  readonly transport: Transport & Disposable
  /** Undefined for Node's, on sockets of its own. */
  readonly tls: (TlsLibrary & Disposable) | undefined = undefined
  /** Why that is so. */
  readonly noTls: string | undefined = undefined

  /**
   * @param ledger  where it notes what it opens
   * @throws MeshError MESH_KERNEL_UNSUPPORTED
   */
  constructor(ledger: DescriptorLedger) {
    const transport = new SocketTransport({ clock: systemClock, ledger, readBufferBytes })
    this.transport = transport
    try {
      this.tls = new OpenSsl(transport)
    } catch (error) {
      this.noTls = messageOf(error)
    }
  }

  [Symbol.dispose](): void {
    this.transport[Symbol.dispose]()
    this.tls?.[Symbol.dispose]()
  }
}

/** @param descriptors  where a worker notes what it opens; undefined for node:net */
export function openTransport(descriptors: SharedArrayBuffer | undefined): OpenTransport | undefined {
  return descriptors === undefined ? undefined : new OpenTransport(new DescriptorLedger(descriptors))
}
