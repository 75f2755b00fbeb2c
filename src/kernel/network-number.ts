import { callFailed, NativeCalls } from './syscall.ts'
import { sockCloexec, socketFunctions } from './socket-functions.ts'

const definitions = {
  socket: socketFunctions.socket,
  send: { return: 'int32', arguments: ['int32', 'pointer', 'uint32', 'int32'] },
  recv: { return: 'int32', arguments: ['int32', 'pointer', 'uint32', 'int32'] },
  close: socketFunctions.close,
} as const

const afNetlink = 16
const sockRaw = 3
const netlinkRoute = 0
/** linux/rtnetlink.h, linux/netlink.h */
const messages = { error: 2, newNumber: 88, getNumber: 90 } as const
const flags = { request: 0x1, acknowledge: 0x4 } as const
/** linux/net_namespace.h */
const attributes = { number: 1, descriptor: 3 } as const
const headerBytes = 16
/** Behind the header and struct rtgenmsg. */
const attributesAt = headerBytes + 4
const attributeBytes = 8
/** NETNSA_NSID_NOT_ASSIGNED; as a wish, for whichever is free. */
const notAssigned = -1

/**
 * What the network namespace in which this thread is now numbers another one by, which gets a number if it has none.
 * @param descriptor  of the other one
 * @throws MeshError MESH_KERNEL_SYSCALL
 * @see rtnetlink(7), RTM_GETNSID
 */
export function numberOfNetwork(descriptor: number): number {
  using native = new NativeCalls(definitions)
  const fd = native.call.socket(afNetlink, sockRaw | sockCloexec, netlinkRoute)
  if (fd < 0) throw native.failure('socket', 'NETLINK_ROUTE')
  const ask = (type: number, more: readonly (readonly [attribute: number, value: number])[]): Buffer => {
    const bytes = Buffer.allocUnsafeSlow(attributesAt + more.length * attributeBytes).fill(0)
    bytes.writeUInt32LE(bytes.length, 0)
    bytes.writeUInt16LE(type, 4)
    // A number is an answer in itself.
    bytes.writeUInt16LE(type === messages.getNumber ? flags.request : flags.request | flags.acknowledge, 6)
    for (const [at, [attribute, value]] of more.entries()) {
      const from = attributesAt + at * attributeBytes
      bytes.writeUInt16LE(attributeBytes, from)
      bytes.writeUInt16LE(attribute, from + 2)
      bytes.writeInt32LE(value, from + 4)
    }
    if (native.call.send(fd, native.pointerTo(bytes), bytes.length, 0) < 0)
      throw native.failure('send', 'NETLINK_ROUTE')
    const answer = Buffer.allocUnsafeSlow(4096)
    const length = native.call.recv(fd, native.pointerTo(answer), answer.length, 0)
    if (length < 0) throw native.failure('recv', 'NETLINK_ROUTE')
    const errno = answer.readUInt16LE(4) === messages.error ? -answer.readInt32LE(headerBytes) : 0
    if (errno !== 0) throw callFailed(type === messages.getNumber ? 'RTM_GETNSID' : 'RTM_NEWNSID', errno)
    return answer.subarray(0, length)
  }
  try {
    const of = [attributes.descriptor, descriptor] as const
    const known = numberIn(ask(messages.getNumber, [of]))
    if (known !== notAssigned) return known
    ask(messages.newNumber, [of, [attributes.number, notAssigned]])
    return numberIn(ask(messages.getNumber, [of]))
  } finally {
    native.call.close(fd)
  }
}

function numberIn(answer: Buffer): number {
  for (let at = attributesAt; at + attributeBytes <= answer.readUInt32LE(0);) {
    if (answer.readUInt16LE(at + 2) === attributes.number) return answer.readInt32LE(at + 4)
    at += Math.max(4, (answer.readUInt16LE(at) + 3) & ~3)
  }
  return notAssigned
}
