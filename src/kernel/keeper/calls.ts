import { socketFunctions } from '../socket-functions.ts'
import { NativeCalls } from '../syscall.ts'

export { sockCloexec, solSocket } from '../socket-functions.ts'

/** What passing descriptors needs of the C library. */
const own = {
  sendmsg: { return: 'int32', arguments: ['int32', 'pointer', 'int32'] },
  recvmsg: { return: 'int32', arguments: ['int32', 'pointer', 'int32'] },
  poll: { return: 'int32', arguments: ['pointer', 'uint64', 'int32'] },
  read: { return: 'int32', arguments: ['int32', 'pointer', 'uint32'] },
  ioctl: { return: 'int32', arguments: ['int32', 'uint64', 'pointer'] },
} as const

const definitions: typeof socketFunctions & typeof own = { ...socketFunctions, ...own }

export type PassingCalls = NativeCalls<typeof definitions>

/** @throws MeshError MESH_KERNEL_UNSUPPORTED */
export function openPassingCalls(): PassingCalls {
  return new NativeCalls(definitions)
}

/** Values of Linux on x86-64 and arm64 (asm-generic). */
export const afUnix = 1
/** Messages keep their bounds, and their descriptors with them. */
export const sockSeqpacket = 5
export const soPeercred = 17
export const scmRights = 1
export const msgCtrunc = 0x08
export const msgTrunc = 0x20
export const msgDontwait = 0x40
export const msgNosignal = 0x4000
export const msgCmsgCloexec = 0x4000_0000
export const pollIn = 0x001
export const pollErr = 0x008
export const pollHup = 0x010
export const fionread = 0x541bn
