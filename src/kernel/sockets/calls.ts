import { socketFunctions } from '../socket-functions.ts'
import { NativeCalls } from '../syscall.ts'

export { sockCloexec, solSocket } from '../socket-functions.ts'

/** What sockets need of the C library, and the wake-up of libuv. Lengths are below 2^31, so 32 bits do and cost no bigint. */
const own = {
  // The two of every message. Node's wrapper of a function with up to three arguments compiles into the caller, one
  // with more costs ten times as much; and an address is cheaper as a plain number than as a pointer. A write to a peer that
  // is gone raises no signal, since Node ignores SIGPIPE.
  read: { return: 'int32', arguments: ['int32', 'uint64', 'uint32'] },
  write: { return: 'int32', arguments: ['int32', 'uint64', 'uint32'] },
  shutdown: { return: 'int32', arguments: ['int32', 'int32'] },
  fcntl: { return: 'int32', arguments: ['int32', 'int32', 'int32'] },
  setsockopt: { return: 'int32', arguments: ['int32', 'int32', 'int32', 'pointer', 'uint32'] },
  getsockname: { return: 'int32', arguments: ['int32', 'pointer', 'pointer'] },
  epoll_create1: { return: 'int32', arguments: ['int32'] },
  epoll_ctl: { return: 'int32', arguments: ['int32', 'int32', 'int32', 'pointer'] },
  epoll_wait: { return: 'int32', arguments: ['int32', 'pointer', 'int32', 'int32'] },
  inet_pton: { return: 'int32', arguments: ['int32', 'pointer', 'pointer'] },
  inet_ntop: { return: 'pointer', arguments: ['int32', 'pointer', 'pointer', 'uint32'] },
  if_nametoindex: { return: 'uint32', arguments: ['pointer'] },
  calloc: { return: 'pointer', arguments: ['uint64', 'uint64'] },
  uv_handle_size: { return: 'uint64', arguments: ['int32'] },
  uv_poll_init: { return: 'int32', arguments: ['pointer', 'pointer', 'int32'] },
  uv_poll_start: { return: 'int32', arguments: ['pointer', 'int32', 'pointer'] },
  uv_close: { return: 'void', arguments: ['pointer', 'pointer'] },
  uv_ref: { return: 'void', arguments: ['pointer'] },
  uv_unref: { return: 'void', arguments: ['pointer'] },
} as const

const definitions: typeof socketFunctions & typeof own = { ...socketFunctions, ...own }

export type SocketCalls = NativeCalls<typeof definitions>

/** @throws MeshError MESH_KERNEL_UNSUPPORTED */
export function openSocketCalls(): SocketCalls {
  return new NativeCalls(definitions)
}

/** Values of Linux on x86-64 and arm64, the same on both (asm-generic). */
export const afInet = 2
export const afInet6 = 10
export const sockStream = 1
export const sockDgram = 2
export const sockNonblock = 0o4000
export const shutRd = 0
export const shutWr = 1
export const epollCloexec = 0o2000000
export const epollCtlAdd = 1
export const epollCtlDel = 2
export const epollCtlMod = 3
export const epollIn = 0x001
export const epollOut = 0x004
export const epollErr = 0x008
export const epollHup = 0x010
export const epollRdhup = 0x2000
/** Told once for each change, not for as long as it lasts. */
export const epollEdge = -0x8000_0000

/** A copy of a descriptor that is not inherited by programs (fcntl(2)). */
export const fDupfdCloexec = 1030

export const soReuseaddr = 2
export const soError = 4
export const soKeepalive = 9
export const soLinger = 13
export const soReuseport = 15
export const ipprotoTcp = 6
export const tcpNodelay = 1
export const tcpKeepidle = 4
export const tcpKeepintvl = 5
export const tcpKeepcnt = 6
export const tcpCongestion = 13
export const ipprotoIpv6 = 41
export const ipv6V6only = 26
