/**
 * The only file that calls functions outside JavaScript, through Node's
 * `node:ffi` (`--experimental-ffi`). A caller declares the
 * functions of the C library or of libuv that it needs and calls them with
 * numbers and addresses; everything that can go wrong with memory goes wrong
 * here or in the caller, so both stay small.
 *
 * What a caller has to keep:
 *
 * - Memory whose address is handed out must stay alive: keep the buffer in a
 *   field. Use `Buffer.allocUnsafeSlow`, whose memory never moves.
 * - A call with `int32` and `uint32` costs about 20 ns; `int64` and `uint64`
 *   make a bigint. Lengths below 2^31 may be declared `uint32`.
 * - `errno` counts only directly after a call that has returned -1.
 * - A call that blocks stops its whole thread.
 */
import { constants } from 'node:os'
import type ffiModule from 'node:ffi'
import type {
  CallbackFunctionFromSignature,
  DynamicLibrary,
  FunctionDefinitions,
  FunctionSignature,
  WrappedFunctionsFromDefinitions,
} from 'node:ffi'
import { MeshError, messageOf } from '../core/index.ts'

export type { FunctionDefinitions } from 'node:ffi'

type Ffi = typeof ffiModule

/** Of a Node that is too old, or was started with --no-experimental-ffi. */
const noFfi = 'this Node runs without FFI'

/** Whether functions of the C library can be called from this process, and if not, why. */
export type NativeProbe =
  | { readonly isAvailable: true }
  /** One clause for the operator, without a full stop. */
  | { readonly isAvailable: false; readonly reason: string }

/** Tries it: the answer is a call that was made, not a guess from versions. */
export function probeNative(): NativeProbe {
  if (process.platform !== 'linux') return { isAvailable: false, reason: `no Linux, but ${process.platform}` }
  const ffi = findFfi()
  if (ffi === undefined) return { isAvailable: false, reason: noFfi }
  try {
    using native = new NativeCalls({ getpid: { return: 'int32', arguments: [] } })
    const pid = native.call.getpid()
    if (pid !== process.pid) return { isAvailable: false, reason: `getpid() answered ${pid} instead of ${process.pid}` }
  } catch (error) {
    return { isAvailable: false, reason: messageOf(error instanceof MeshError ? (error.cause ?? error) : error) }
  }
  return { isAvailable: true }
}

/**
 * Functions of the running process: the C library's and libuv's.
 *
 * Belongs to the thread that made it, since `errno` does; make one per thread and subject, and dispose of it last.
 */
export class NativeCalls<const T extends FunctionDefinitions> implements Disposable {
  /** The declared functions. Pointers go in as the bigint of `pointerTo`, 0n is NULL. */
  readonly call: WrappedFunctionsFromDefinitions<T>
  readonly #ffi: Ffi
  readonly #close: () => void
  readonly #symbol: (name: string) => bigint
  readonly #lib: DynamicLibrary
  readonly #errno: Int32Array

  /** @throws MeshError MESH_KERNEL_UNSUPPORTED when there is no FFI, or one of the functions does not exist */
  constructor(definitions: T) {
    const ffi = findFfi()
    if (ffi === undefined) throw unsupported(noFfi, undefined)
    this.#ffi = ffi
    try {
      const { lib, functions } = ffi.dlopen(null, definitions)
      const location = lib.getFunction('__errno_location', { return: 'pointer', arguments: [] })
      // Its own object is a dictionary to V8, in which each call would be looked up.
      this.call = { ...functions }
      this.#close = () => lib.close()
      this.#symbol = name => lib.getSymbol(name)
      this.#lib = lib
      this.#errno = new Int32Array(ffi.toArrayBuffer(location(), 4, false))
    } catch (error) {
      throw unsupported(messageOf(error), error)
    }
  }

  /** Number of the error of the call that has just returned -1. */
  get errno(): number {
    return this.#errno[0] ?? 0
  }

  /**
   * The error to throw after a call that has returned -1; call it before anything else.
   *
   * @param call  its name, `epoll_ctl`
   * @param object  what it was about, for people: `socket 127.0.0.1:80`, `map services`
   * @returns MESH_KERNEL_SYSCALL, with the SystemCallFailure as cause
   */
  failure(call: string, object = ''): MeshError {
    return callFailed(call, this.errno, object)
  }

  /** Address of the first byte. The caller keeps the buffer alive while it is in use. */
  pointerTo(bytes: NodeJS.ArrayBufferView): bigint {
    return this.#ffi.getRawPointer(bytes)
  }

  /** Memory that somebody else owns, such as a mapping: valid until its owner gives it back. */
  viewAt(pointer: bigint, length: number): Buffer {
    return this.#ffi.toBuffer(pointer, length, false)
  }

  /** A text that ends with a zero byte, copied; empty for NULL. */
  textAt(pointer: bigint): string {
    return pointer === 0n ? '' : (this.#ffi.toString(pointer) ?? '')
  }

  /** Writes an address, or a size, to memory of somebody else. */
  writePointer(at: bigint, value: bigint): void {
    this.#ffi.setUint64(at, 0, value)
  }

  writeByte(at: bigint, value: number): void {
    this.#ffi.setUint8(at, 0, value)
  }

  /**
   * Address of a function of ours that others may call: on this thread, while a call of ours is under way, and until
   * this is disposed of. It must not throw.
   */
  callback<const S extends FunctionSignature>(signature: S, call: CallbackFunctionFromSignature<S>): bigint {
    return this.#lib.registerCallback(signature, call)
  }

  /** Address of a function, to be handed to another one. @throws when it does not exist */
  addressOf(name: string): bigint {
    return this.#symbol(name)
  }

  /** Address of this thread's uv_loop_t. */
  eventLoop(): bigint {
    return this.#ffi.getCurrentEventLoop()
  }

  /** None of the functions may be called after this. */
  [Symbol.dispose](): void {
    this.#close()
  }
}

/** Why a system call failed; the cause of MESH_KERNEL_SYSCALL. */
export class SystemCallFailure extends Error {
  readonly call: string
  readonly errno: number
  /** `EPERM`; the number when it has no name. */
  readonly code: string

  constructor(call: string, errno: number) {
    const code = errnoName(errno)
    super(`${call}: ${code}`)
    this.name = 'SystemCallFailure'
    this.call = call
    this.errno = errno
    this.code = code
  }
}

/** MESH_KERNEL_SYSCALL for a call whose errno is known already. */
export function callFailed(call: string, errno: number, object = ''): MeshError {
  const cause = new SystemCallFailure(call, errno)
  return new MeshError('MESH_KERNEL_SYSCALL', `${cause.message}${object === '' ? '' : ` (${object})`}`, {
    source: 'kernel',
    cause,
  })
}

/** `ECONNREFUSED` for 111; `errno 999` for a number that has no name. */
export function errnoName(errno: number): string {
  // Two names of one number: the common one first.
  if (errno === constants.errno.EAGAIN) return 'EAGAIN'
  if (errno === constants.errno.EOPNOTSUPP) return 'EOPNOTSUPP'
  for (const [name, number] of Object.entries(constants.errno)) if (number === errno) return name
  return `errno ${errno}`
}

/**
 * Node warns once per thread that FFI is experimental. That is for those who
 * write a program; whoever runs ours can do nothing about it, and would read it
 * anew with each worker. Node asks for the warning while it loads the module.
 */
function findFfi(): Ffi | undefined {
  const emitWarning: unknown = Reflect.get(process, 'emitWarning')
  process.emitWarning = () => {}
  try {
    // An import would end a process that was started without FFI.
    return process.getBuiltinModule('node:ffi') as Ffi | undefined
  } finally {
    Reflect.set(process, 'emitWarning', emitWarning)
  }
}

function unsupported(reason: string, cause: unknown): MeshError {
  return new MeshError('MESH_KERNEL_UNSUPPORTED', `no calls into the C library: ${reason}`, {
    source: 'kernel',
    cause,
    hint: 'start Heddle by bin/heddle, on Linux and with the Node that came with it',
  })
}
