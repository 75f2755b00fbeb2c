/**
 * What Heddle asks of the Linux kernel without Node in between: system calls,
 * and sockets of our own. It knows nothing of meshes, HTTP or configuration.
 * The daemon probes it and hands its sockets to the proxy as a port; eBPF has
 * its own folder. Everything here belongs to the thread that opened it. Read
 * `syscall.ts`, which is the only file that touches FFI, then `sockets/`.
 */
export { callFailed, errnoName, NativeCalls, probeNative, SystemCallFailure } from './syscall.ts'
export type { FunctionDefinitions, NativeProbe } from './syscall.ts'
export { closeAbandoned, DescriptorLedger } from './sockets/ledger.ts'
export { SocketTransport } from './sockets/socket-transport.ts'
export type { SocketTransportOptions } from './sockets/socket-transport.ts'
export type { Socket, SocketHandler } from './sockets/socket.ts'
export type { SocketListener, SocketListenOptions } from './sockets/socket-listener.ts'
