/** Functions of the C library that all kinds of sockets need (socket(2) and others), for `NativeCalls`. */
export const socketFunctions = {
  socket: { return: 'int32', arguments: ['int32', 'int32', 'int32'] },
  bind: { return: 'int32', arguments: ['int32', 'pointer', 'uint32'] },
  listen: { return: 'int32', arguments: ['int32', 'int32'] },
  accept4: { return: 'int32', arguments: ['int32', 'pointer', 'pointer', 'int32'] },
  connect: { return: 'int32', arguments: ['int32', 'pointer', 'uint32'] },
  getsockopt: { return: 'int32', arguments: ['int32', 'int32', 'int32', 'pointer', 'pointer'] },
  close: { return: 'int32', arguments: ['int32'] },
} as const

/** Values of Linux on x86-64 and arm64, the same on both (asm-generic). */
export const sockCloexec = 0o2000000
export const solSocket = 1
