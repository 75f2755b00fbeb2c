import { khBackendState } from './generated/http.ts'
import type { KernelHttp } from './kernel-http.ts'
import type { KernelPool } from './pool.ts'

/** What events told, for those that found no room in the ring. */
export interface Reaped {
  readonly pools: () => readonly KernelPool[]
  /** Whether the agent has the other end of a client's connection. */
  readonly hasClient: (cookie: bigint) => boolean
  readonly onClientClosed: (cookie: bigint) => void
  readonly onBackendDead: (cookie: bigint) => void
}

/** Compares maps with what is known here, in the order in which programs write them: nothing new is taken for gone. */
export function reap(kernel: KernelHttp, { pools, hasClient, onClientClosed, onBackendDead }: Reaped): void {
  dropUnwatched(kernel, hasClient)
  // A client's pair is written after its entry, and goes with its socket.
  const clients = kernel
    .map('kh_clients')
    .entries()
    .map(([cookie]) => cookie)
    .toArray()
  const paired = new Set(
    kernel
      .map('kh_pairs')
      .entries()
      .map(([, cookie]) => cookie),
  )
  for (const cookie of clients) if (!paired.has(cookie)) onClientClosed(cookie)
  for (const pool of pools()) pool.findOpened()
  const isKnown = (cookie: bigint): boolean => pools().some(pool => pool.find(cookie) !== undefined)
  for (const [cookie, { state }] of kernel.map('kh_backends').entries().toArray()) {
    if (!isKnown(cookie)) {
      kernel.map('kh_backends').delete(cookie)
      kernel.map('kh_kept').delete(cookie)
    } else if (state === khBackendState.KH_DEAD || state === khBackendState.KH_UNHEARD) onBackendDead(cookie)
  }
}

/**
 * Pairs of sockets that are gone, or have left the path for good, and of whose end nothing tells: where a cgroup has left the
 * mesh, its sockets are not watched any more.
 */
function dropUnwatched(kernel: KernelHttp, hasClient: Reaped['hasClient']): void {
  for (const [pair, cookie] of kernel.map('kh_pairs').entries().toArray()) {
    // Who is in the map is open, and somebody may still accept it.
    if (!hasClient(cookie) && !kernel.map('kh_sockets').has(cookie)) kernel.map('kh_pairs').delete(pair)
  }
}
