import { messageOf, systemClock } from '../core/index.ts'
import { DescriptorLedger, SocketTransport } from '../kernel/index.ts'
import type { Transport } from '../proxy/index.ts'

/** Which sockets carry plain TCP connections, and why those. */
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
    using _tried = openNative(new DescriptorLedger())
    return { active: 'native', reason: 'sockets by system calls' }
  } catch (error) {
    return { active: 'node', reason: messageOf(error) }
  }
}

/**
 * The sockets of one worker thread.
 * @param descriptors  where it notes what it opens; undefined for node:net
 * @throws MeshError MESH_KERNEL_UNSUPPORTED
 */
export function openTransport(descriptors: SharedArrayBuffer | undefined): (Transport & Disposable) | undefined {
  return descriptors === undefined ? undefined : openNative(new DescriptorLedger(descriptors))
}

function openNative(ledger: DescriptorLedger): SocketTransport {
  return new SocketTransport({ clock: systemClock, ledger, readBufferBytes })
}
