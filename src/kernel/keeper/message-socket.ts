import { constants } from 'node:os'
import { MeshError } from '../../core/index.ts'
import {
  afUnix,
  msgCmsgCloexec,
  msgCtrunc,
  msgDontwait,
  msgNosignal,
  msgTrunc,
  pollIn,
  scmRights,
  sockCloexec,
  sockSeqpacket,
  solSocket,
  soPeercred,
} from './calls.ts'
import type { PassingCalls } from './calls.ts'

/** A message and what comes with it. */
export interface ReceivedMessage {
  readonly text: string
  /** Whoever receives them owns them. */
  readonly descriptors: readonly number[]
}

/** Longest message. */
export const messageBytes: number = 64 * 1024
/** Descriptors in one message; the kernel takes at most 253 (SCM_MAX_FD). */
export const messageDescriptors = 64

/** struct sockaddr_un: the path ends with a zero byte. */
const pathBytes = 108
const headerBytes = 16
const { EINTR } = constants.errno

/**
 * Unix sockets whose messages carry open descriptors (unix(7), SCM_RIGHTS), with the memory that their calls need.
 *
 * All of it waits where it stands: for programs with nothing else to do, and for short questions with a deadline.
 */
export class MessageSockets {
  readonly calls: PassingCalls
  readonly #address: Buffer = Buffer.alloc(2 + pathBytes)
  readonly #bytes: Buffer = Buffer.allocUnsafeSlow(messageBytes)
  /** struct cmsghdr, and descriptors of 32 bits. */
  readonly #control: Buffer = Buffer.alloc(headerBytes + 4 * messageDescriptors)
  readonly #vector: Buffer = Buffer.alloc(16)
  /** struct msghdr of a machine of 64 bits. */
  readonly #header: Buffer = Buffer.alloc(56)
  readonly #headerPointer: bigint
  readonly #poll: Buffer = Buffer.allocUnsafeSlow(8)
  readonly #credentials: Buffer = Buffer.allocUnsafeSlow(12)
  readonly #length: Uint32Array = new Uint32Array(new ArrayBuffer(4))

  constructor(calls: PassingCalls) {
    this.calls = calls
    this.#vector.writeBigUInt64LE(calls.pointerTo(this.#bytes), 0)
    this.#header.writeBigUInt64LE(calls.pointerTo(this.#vector), 16)
    this.#header.writeBigUInt64LE(1n, 24)
    this.#headerPointer = calls.pointerTo(this.#header)
  }

  /** @throws MeshError MESH_KERNEL_SYSCALL, MESH_KEEPER when the path is too long */
  listen(path: string): number {
    const length = this.#putPath(path)
    const fd = this.#open()
    const { call } = this.calls
    const address = this.calls.pointerTo(this.#address)
    if (call.bind(fd, address, length) < 0) throw this.#fail(fd, 'bind', path)
    if (call.listen(fd, 16) < 0) throw this.#fail(fd, 'listen', path)
    return fd
  }

  /** @throws MeshError MESH_KERNEL_SYSCALL (ENOENT, ECONNREFUSED when nobody listens), MESH_KEEPER when the path is too long */
  connect(path: string): number {
    const length = this.#putPath(path)
    const fd = this.#open()
    if (this.calls.call.connect(fd, this.calls.pointerTo(this.#address), length) < 0)
      throw this.#fail(fd, 'connect', path)
    return fd
  }

  /** @returns undefined when whoever connected has gone again */
  accept(listening: number): number | undefined {
    const fd = this.calls.call.accept4(listening, 0n, 0n, sockCloexec)
    return fd < 0 ? undefined : fd
  }

  /** The user at the other end, when it connected. @returns undefined when it cannot be told */
  peerUser(fd: number): number | undefined {
    this.#length[0] = this.#credentials.length
    const { calls } = this
    const pointers = [calls.pointerTo(this.#credentials), calls.pointerTo(this.#length)] as const
    if (calls.call.getsockopt(fd, solSocket, soPeercred, ...pointers) < 0) return undefined
    return this.#credentials.readUInt32LE(4)
  }

  /** @param descriptors  borrowed; the other side gets copies. @returns false when the other side has gone, or does not read */
  send(fd: number, text: string, descriptors: readonly number[] = []): boolean {
    const length = this.#bytes.write(text, 'utf8')
    this.#vector.writeBigUInt64LE(BigInt(length), 8)
    if (descriptors.length === 0) this.#setControl(0)
    else {
      const size = headerBytes + 4 * descriptors.length
      this.#control.writeBigUInt64LE(BigInt(size), 0)
      this.#control.writeInt32LE(solSocket, 8)
      this.#control.writeInt32LE(scmRights, 12)
      for (const [index, each] of descriptors.entries()) this.#control.writeInt32LE(each, headerBytes + 4 * index)
      this.#setControl(size)
    }
    for (;;) {
      if (this.calls.call.sendmsg(fd, this.#headerPointer, msgNosignal | msgDontwait) >= 0) return true
      if (this.calls.errno !== EINTR) return false
    }
  }

  /**
   * The next message.
   * @returns undefined when the other side has gone, or a message was cut: then the connection is of no more use
   */
  receive(fd: number): ReceivedMessage | undefined {
    this.#vector.writeBigUInt64LE(BigInt(messageBytes), 8)
    this.#setControl(this.#control.length)
    let length: number
    do length = this.calls.call.recvmsg(fd, this.#headerPointer, msgCmsgCloexec)
    while (length < 0 && this.calls.errno === EINTR)
    if (length <= 0) return undefined
    const descriptors = this.#takeDescriptors()
    if ((this.#header.readInt32LE(48) & (msgTrunc | msgCtrunc)) === 0) {
      return { text: this.#bytes.toString('utf8', 0, length), descriptors }
    }
    for (const each of descriptors) this.calls.call.close(each)
    return undefined
  }

  /** Whether there is something to receive before that time has gone by. */
  wait(fd: number, timeoutMs: number): boolean {
    this.#poll.writeInt32LE(fd, 0)
    this.#poll.writeInt32LE(pollIn, 4)
    return this.calls.call.poll(this.calls.pointerTo(this.#poll), 1n, timeoutMs) > 0
  }

  close(fd: number): void {
    this.calls.call.close(fd)
  }

  #setControl(length: number): void {
    this.#header.writeBigUInt64LE(length === 0 ? 0n : this.calls.pointerTo(this.#control), 32)
    this.#header.writeBigUInt64LE(BigInt(length), 40)
    this.#header.writeInt32LE(0, 48)
  }

  #takeDescriptors(): readonly number[] {
    if (this.#header.readBigUInt64LE(40) < BigInt(headerBytes)) return []
    const size = Number(this.#control.readBigUInt64LE(0))
    const isRights = this.#control.readInt32LE(8) === solSocket && this.#control.readInt32LE(12) === scmRights
    const count = isRights ? (size - headerBytes) / 4 : 0
    return Array.from({ length: count }, (_, index) => this.#control.readInt32LE(headerBytes + 4 * index))
  }

  #open(): number {
    const fd = this.calls.call.socket(afUnix, sockSeqpacket | sockCloexec, 0)
    if (fd < 0) throw this.calls.failure('socket')
    return fd
  }

  #putPath(path: string): number {
    const length = Buffer.byteLength(path)
    if (length >= pathBytes) {
      throw new MeshError(
        'MESH_KEEPER',
        `the path of the keeper's socket is longer than ${pathBytes - 1} bytes: ${path}`,
        {
          source: 'config',
          hint: 'choose a shorter socketPath',
        },
      )
    }
    this.#address.fill(0)
    this.#address.writeUInt16LE(afUnix, 0)
    this.#address.write(path, 2, 'utf8')
    return 2 + length + 1
  }

  #fail(fd: number, call: string, path: string): MeshError {
    const error = this.calls.failure(call, path)
    this.calls.call.close(fd)
    return error
  }
}
