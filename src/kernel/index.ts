/**
 * What Heddle asks of the Linux kernel without Node in between: system calls, and sockets of our own, with TLS by the
 * OpenSSL that Node carries. It knows nothing of meshes, HTTP or configuration. The daemon probes it and hands its sockets
 * to the proxy as a port; eBPF is a library of its own; a keeper is a process that holds descriptors for one that may be
 * killed. Everything here belongs to the thread that opened it. Read `syscall.ts`, which is the only file that touches FFI,
 * then `sockets/`, `tls/`, `keeper/` and `ebpf/index.ts`.
 */
export { callFailed, errnoName, NativeCalls, probeNative, SystemCallFailure } from './syscall.ts'
export type { FunctionDefinitions, NativeProbe } from './syscall.ts'
export { readPeerCredentials } from './peer-credentials.ts'
export type { PeerCredentials } from './peer-credentials.ts'
export { sendDatagram } from './notify-socket.ts'
export { SocketDiag } from './socket-diag.ts'
export { ForeignSockets } from './foreign-sockets.ts'
export { TcpRefuser } from './tcp-refuser.ts'
export { NetworkNamespaces } from './network-namespaces.ts'
export type { DiagnosedProtocol, DiagnosedSocket, SocketEnd } from './socket-diag.ts'
export { closeAbandoned, DescriptorLedger } from './sockets/ledger.ts'
export { SocketTransport } from './sockets/socket-transport.ts'
export type { SocketTransportOptions } from './sockets/socket-transport.ts'
export type { Socket, SocketHandler } from './sockets/socket.ts'
export type { KeptListening, SocketListenOptions } from './sockets/socket-listener.ts'
export { ListeningSockets } from './sockets/listening-sockets.ts'
export type { SocketPlace } from './sockets/listening-sockets.ts'
export { ProcessWatch } from './process-watch.ts'
export { copyDescriptor, openPipe } from './pipe.ts'
export { netnsCookie } from './netns-cookie.ts'
export { isUntouched } from './untouched.ts'
export type { Pipe } from './pipe.ts'
export { KeeperClient } from './keeper/keeper-client.ts'
export type { KeeperState, KeptDescriptor } from './keeper/keeper-client.ts'
export { keeperCommand, openKeeper } from './keeper/open-keeper.ts'
export type { OpenKeeperOptions } from './keeper/open-keeper.ts'
export { keeperVersion, keptKinds } from './keeper/protocol.ts'
export type { KeptKind, KeptName } from './keeper/protocol.ts'
export { OpenSsl } from './tls/openssl.ts'
export * from './ebpf/index.ts'
