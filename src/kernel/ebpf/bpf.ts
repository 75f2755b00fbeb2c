import { readFileSync } from 'node:fs'
import { endianness } from 'node:os'
import { MeshError } from '../../core/index.ts'
import { callFailed, errnoName, NativeCalls, SystemCallFailure } from '../syscall.ts'
import { permissionHint } from './capabilities.ts'
import type { Capability } from './capabilities.ts'
import { readKernelTypes } from './type-index.ts'
import type { TypeIndex } from './type-index.ts'

/** Commands of bpf(2) (bpf_cmd of linux/bpf.h). */
export const command = {
  mapCreate: 0,
  mapLookup: 1,
  mapUpdate: 2,
  mapDelete: 3,
  mapNextKey: 4,
  progLoad: 5,
  objPin: 6,
  objGet: 7,
  progAttach: 8,
  progDetach: 9,
  progTestRun: 10,
  progNextId: 11,
  mapNextId: 12,
  progById: 13,
  mapById: 14,
  objInfo: 15,
  rawTracepointOpen: 17,
  btfLoad: 18,
  btfById: 19,
  mapTake: 21,
  mapFreeze: 22,
  btfNextId: 23,
  mapLookupBatch: 24,
  mapTakeBatch: 25,
  mapUpdateBatch: 26,
  mapDeleteBatch: 27,
  linkCreate: 28,
  linkUpdate: 29,
  linkById: 30,
  linkNextId: 31,
  enableStats: 32,
  linkDetach: 34,
} as const

/** The largest command needs 152 bytes; what lies behind a command's last field has to be zero. */
const attrBytes = 160

/** By architecture: bpf(2) has no function in the C library. */
const bpfNumber: Readonly<Record<string, number>> = { x64: 321, arm64: 280 }

const definitions = {
  syscall: { return: 'int32', arguments: ['int32', 'int32', 'pointer', 'uint32'] },
  close: { return: 'int32', arguments: ['int32'] },
  mmap: { return: 'int64', arguments: ['pointer', 'uint64', 'int32', 'int32', 'int32', 'int64'] },
  munmap: { return: 'int32', arguments: ['pointer', 'uint64'] },
  mount: { return: 'int32', arguments: ['string', 'string', 'string', 'uint64', 'pointer'] },
  umount2: { return: 'int32', arguments: ['string', 'int32'] },
  getpagesize: { return: 'int32', arguments: [] },
} as const

export const errno = {
  eperm: 1,
  enoent: 2,
  e2big: 7,
  ebadf: 9,
  eagain: 11,
  eacces: 13,
  ebusy: 16,
  eexist: 17,
  einval: 22,
  enospc: 28,
  eopnotsupp: 95,
  /** The kernel's own, without a name outside of it. */
  enotsupp: 524,
} as const

/** Arguments of one kind of command; the kernel writes answers into them too. */
export class Attr {
  readonly bytes: Buffer = Buffer.allocUnsafeSlow(attrBytes).fill(0)
  readonly pointer: bigint
  readonly #pointerTo: (bytes: Uint8Array) => bigint
  /** Memory the kernel is told of must not be collected before the call. */
  #kept: Uint8Array[] = []

  constructor(pointerTo: (bytes: Uint8Array) => bigint) {
    this.#pointerTo = pointerTo
    this.pointer = pointerTo(this.bytes)
  }

  clear(): this {
    this.bytes.fill(0)
    this.#kept = []
    return this
  }

  u32(at: number, value: number): this {
    this.bytes.writeUInt32LE(value >>> 0, at)
    return this
  }

  u64(at: number, value: bigint): this {
    this.bytes.writeBigUInt64LE(value, at)
    return this
  }

  /** Address of memory; none when it is undefined or empty. */
  memory(at: number, bytes: Uint8Array | undefined): this {
    if (bytes === undefined || bytes.length === 0) return this
    // V8 keeps short arrays where it moves them, until somebody asks for their buffer.
    void bytes.buffer
    this.#kept.push(bytes)
    return this.u64(at, this.#pointerTo(bytes))
  }

  /** At most `size - 1` bytes, of the letters that the kernel allows in names. */
  name(at: number, name: string, size = 16): this {
    this.bytes.write(name.replaceAll(/[^A-Za-z0-9_.]/g, '_').slice(0, size - 1), at, 'latin1')
    return this
  }
}

/** What a failed command was about. */
export interface CommandFailure {
  readonly call: string
  readonly errno: number
  /** `map services` */
  readonly object: string
  /** What the kernel asks for; the hint says which are missing. */
  readonly needs?: readonly Capability[]
  readonly hint?: string
}

export interface OpenDescriptor {
  readonly fd: number
  /** `map services` */
  readonly what: string
  /** Where it was opened, with `traceOpens`. */
  readonly stack: string | undefined
}

export interface BpfOptions {
  /** Keeps the stack of every open, for tests that look for leaks. @default false */
  readonly traceOpens?: boolean
}

/**
 * A thread's way to bpf(2). Everything opened through it belongs to it and is closed by its owner; what is still open
 * when this is disposed is closed then, so that a forgotten descriptor ends with its thread.
 */
export class Bpf implements Disposable {
  readonly pageBytes: number
  /** CPUs the kernel keeps a value for in per-CPU maps. */
  readonly cpus: number
  readonly #native: NativeCalls<typeof definitions>
  readonly #number: number
  readonly #attrs: Attr[] = []
  readonly #open = new Map<number, OpenDescriptor>()
  readonly #trace: boolean
  /** Conclusive answers of feature probes, by name; see `supports`. */
  readonly answers: Map<string, boolean> = new Map()
  #kernelTypes: TypeIndex | undefined

  /** @throws MeshError MESH_KERNEL_UNSUPPORTED without Linux on x86-64 or arm64, or without FFI */
  constructor(options: BpfOptions = {}) {
    const number = bpfNumber[process.arch]
    if (process.platform !== 'linux' || number === undefined || endianness() !== 'LE') {
      throw new MeshError('MESH_KERNEL_UNSUPPORTED', `no eBPF on ${process.platform}/${process.arch}`, {
        source: 'kernel',
        hint: 'it needs Linux on x86-64 or arm64',
      })
    }
    this.#number = number
    this.#trace = options.traceOpens ?? false
    this.#native = new NativeCalls(definitions)
    this.pageBytes = this.#native.call.getpagesize()
    this.cpus = possibleCpus()
  }

  /** Types of the running kernel, read when they are first asked for. @throws MeshError MESH_KERNEL_UNSUPPORTED */
  kernelTypes(): TypeIndex {
    return (this.#kernelTypes ??= readKernelTypes())
  }

  /** The zeroed arguments of a kind of command; the next call for the same kind gives the same ones again. */
  attr(of: number): Attr {
    return (this.#attrs[of] ??= this.newAttr()).clear()
  }

  /** Arguments of their own, for those who keep them filled. */
  newAttr(): Attr {
    return new Attr(bytes => this.#native.pointerTo(bytes))
  }

  /** Address of memory that never moves: from `Buffer.allocUnsafeSlow`. */
  pointerTo(bytes: Uint8Array): bigint {
    return this.#native.pointerTo(bytes)
  }

  /** @returns what the kernel answered, or minus the errno */
  try(of: number, attr: Attr): number {
    const answer = this.#native.call.syscall(this.#number, of, attr.pointer, attrBytes)
    return answer < 0 ? -this.#native.errno : answer
  }

  failure(of: CommandFailure): MeshError {
    const isForbidden = of.errno === errno.eperm || of.errno === errno.eacces
    const hint = of.hint ?? (isForbidden && of.needs !== undefined ? permissionHint(of.needs) : undefined)
    return new MeshError('MESH_KERNEL_SYSCALL', `${of.call}: ${errnoName(of.errno)} (${of.object})`, {
      source: 'kernel',
      cause: new SystemCallFailure(of.call, of.errno),
      ...(hint === undefined ? {} : { hint }),
    })
  }

  /** Takes a descriptor that the kernel has just given. */
  own(fd: number, what: string): Descriptor {
    this.#open.set(fd, { fd, what, stack: this.#trace ? new Error(what).stack : undefined })
    return new Descriptor(fd, what, () => {
      this.#open.delete(fd)
      this.#native.call.close(fd)
    })
  }

  /** What was opened and is not closed yet, in order. */
  openDescriptors(): readonly OpenDescriptor[] {
    return [...this.#open.values()]
  }

  /**
   * Maps memory of a map.
   * @throws MeshError MESH_KERNEL_SYSCALL
   */
  map(
    fd: number,
    where: { readonly offset: number; readonly length: number; readonly isWritable: boolean },
  ): MappedMemory {
    const { offset, length, isWritable } = where
    const protection = isWritable ? 3 : 1
    const sharedMapping = 1
    const address = this.#native.call.mmap(0n, BigInt(length), protection, sharedMapping, fd, BigInt(offset))
    if (address === -1n) throw callFailed('mmap', this.#native.errno, `descriptor ${fd}`)
    const pointer = BigInt.asUintN(64, address)
    return new MappedMemory(this.#native.viewAt(pointer, length), () => {
      this.#native.call.munmap(pointer, BigInt(length))
    })
  }

  /** @throws MeshError MESH_KERNEL_SYSCALL */
  mountBpffs(folder: string): void {
    if (this.#native.call.mount('bpffs', folder, 'bpf', 0n, 0n) === 0) return
    throw this.failure({
      call: 'mount',
      errno: this.#native.errno,
      object: `bpffs on ${folder}`,
      needs: ['CAP_SYS_ADMIN'],
    })
  }

  /** @throws MeshError MESH_KERNEL_SYSCALL, EBUSY while somebody has it open */
  unmount(folder: string): void {
    if (this.#native.call.umount2(folder, 0) === 0) return
    throw this.failure({ call: 'umount2', errno: this.#native.errno, object: folder, needs: ['CAP_SYS_ADMIN'] })
  }

  [Symbol.dispose](): void {
    for (const { fd } of this.#open.values()) this.#native.call.close(fd)
    this.#open.clear()
    this.#native[Symbol.dispose]()
  }
}

/** An open descriptor and the duty to close it. */
export class Descriptor implements Disposable {
  readonly #fd: number
  readonly #what: string
  #close: (() => void) | undefined

  constructor(fd: number, what: string, close: () => void) {
    this.#fd = fd
    this.#what = what
    this.#close = close
  }

  /** @throws MeshError MESH_EBPF_CLOSED after it was closed: its number may be somebody else's by now */
  get fd(): number {
    if (this.#close === undefined) {
      throw new MeshError('MESH_EBPF_CLOSED', `${this.#what} is closed`, { source: 'internal' })
    }
    return this.#fd
  }

  /** Closing twice is closing once. */
  [Symbol.dispose](): void {
    const close = this.#close
    this.#close = undefined
    close?.()
  }
}

/** Memory shared with the kernel. */
export class MappedMemory implements Disposable {
  #bytes: Buffer | undefined
  readonly #unmap: () => void

  constructor(bytes: Buffer, unmap: () => void) {
    this.#bytes = bytes
    this.#unmap = unmap
  }

  /** Ask for it anew each time: a view kept beyond `dispose` would read unmapped memory and end the process. */
  get bytes(): Buffer {
    if (this.#bytes === undefined)
      throw new MeshError('MESH_EBPF_CLOSED', 'the memory is unmapped', { source: 'internal' })
    return this.#bytes
  }

  [Symbol.dispose](): void {
    if (this.#bytes === undefined) return
    this.#bytes = undefined
    this.#unmap()
  }
}

function possibleCpus(): number {
  return countCpus(readFileSync('/sys/devices/system/cpu/possible', 'latin1'))
}

/** How many numbers a list such as `0-3,8-11` holds: values of per-CPU maps have no gaps for those between. */
export function countCpus(list: string): number {
  let count = 0
  for (const [, first = '0', last = first] of list.matchAll(/(\d+)(?:-(\d+))?/g))
    count += Number(last) - Number(first) + 1
  return Math.max(1, count)
}
