import type { SocketDiag, SocketEnd, TcpRefuser } from '../kernel/index.ts'
import { ipProtocols } from '../model/index.ts'
import { narrow, swapPort } from './address.ts'
import type { Endpoint, FlowCut } from './generated/sockets.ts'

/** enum cut_kind of bpf/datapath/types.h */
const askingKind = 1
const againKind = 3

/** Whether the flow was told before. */
export function isRepeated({ kind }: FlowCut): boolean {
  return kind === againKind
}

export interface CutOptions {
  readonly diag: Pick<SocketDiag, 'find' | 'destroy'>
  readonly refuser: Pick<TcpRefuser, 'refuse'>
}

/**
 * Ends a connection of which policies have dropped a packet, so that nobody waits for it: who asks for one gets
 * ECONNREFUSED, and one that is open is ended at both ends, with ECONNABORTED at the mesh's and a reset at the other's.
 * Only in the network namespace that this thread is in, and `diag` is of.
 *
 * @returns whether there was something to end
 * @throws MeshError MESH_KERNEL_SYSCALL
 */
export function cutConnection({ diag, refuser }: CutOptions, cut: FlowCut): boolean {
  const [local, remote] = [endOf(cut.local), endOf(cut.remote)]
  const { cookie } = cut.flow
  if (cut.kind !== askingKind) return diag.destroy(ipProtocols.TCP, { cookie, local, remote })
  // Whoever has that address in another network namespace is somebody else.
  if (diag.find(ipProtocols.TCP, local, remote) !== cookie) return false
  return refuser.refuse(local, remote, cut.nextSequence)
}

function endOf({ address, portBe }: Endpoint): SocketEnd {
  return { address: narrow(address.bytes), port: swapPort(portBe) }
}
