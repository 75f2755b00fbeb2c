import { callFailed } from '../syscall.ts'
import { MeshError } from '../../core/index.ts'
import type { SocketCalls } from './calls.ts'

/** uv_handle_type and uv_poll_event of libuv's uv.h. */
const uvPoll = 8
const uvReadable = 1

/** Where uv.h puts the public fields of a handle: data, loop, type, close_cb, then the links of the loop's list. */
const loopOffset = 8
const typeOffset = 16
const linksOffset = 32n

/**
 * Wakes this thread's event loop when a descriptor becomes readable: a
 * `uv_poll_t` whose callback does nothing, since a call into JavaScript from
 * there would come outside of everything Node does around one (promises,
 * `process.nextTick`, uncaught errors). What is to be done is done by an
 * immediate, which the loop comes to after each wake-up.
 *
 * A worker thread that ends by a crash or `terminate()` runs no JavaScript any
 * more, and Node aborts the whole process if it then finds a handle in the
 * loop that is not its own. So the handle is taken out of the loop's list of
 * handles, which serves nothing else than to walk over them; it lies in memory
 * of the C library, which the loop may look at until it has ended.
 */
export class LoopWatch implements Disposable {
  readonly #calls: SocketCalls
  readonly #handle: bigint

  /**
   * Keeps the loop alive; see `unref`.
   * @throws MeshError MESH_KERNEL_UNSUPPORTED when this libuv is not as its headers say
   */
  constructor(calls: SocketCalls, fd: number) {
    const { call } = calls
    const loop = calls.eventLoop()
    const size = call.uv_handle_size(uvPoll)
    const handle = call.calloc(1n, size)
    if (handle === 0n) throw callFailed('calloc', calls.errno)
    this.#calls = calls
    this.#handle = handle
    const code = call.uv_poll_init(loop, handle, fd)
    if (code !== 0) throw callFailed('uv_poll_init', -code)
    const memory = calls.viewAt(handle, Number(size))
    if (memory.readBigUInt64LE(loopOffset) !== loop || memory.readUInt32LE(typeOffset) !== uvPoll) this.#refuse()
    this.#unlink()
    // Any function without effect and with a pointer as first argument.
    const started = call.uv_poll_start(handle, uvReadable, calls.addressOf('uv_is_active'))
    if (started !== 0) throw callFailed('uv_poll_start', -started)
  }

  #unlink(): void {
    const calls = this.#calls
    const own = this.#handle + linksOffset
    const links = calls.viewAt(own, 16)
    const next = links.readBigUInt64LE(0)
    const previous = links.readBigUInt64LE(8)
    if (next === 0n || previous === 0n) this.#refuse()
    const nextLinks = calls.viewAt(next, 16)
    const previousLinks = calls.viewAt(previous, 16)
    if (nextLinks.readBigUInt64LE(8) !== own || previousLinks.readBigUInt64LE(0) !== own) this.#refuse()
    previousLinks.writeBigUInt64LE(next, 0)
    nextLinks.writeBigUInt64LE(previous, 8)
    // A list of its own: closing takes it out of that one.
    links.writeBigUInt64LE(own, 0)
    links.writeBigUInt64LE(own, 8)
  }

  #refuse(): never {
    this[Symbol.dispose]()
    throw new MeshError('MESH_KERNEL_UNSUPPORTED', 'handles of this libuv look otherwise than expected', {
      source: 'kernel',
    })
  }

  /** The process may end although this is open. */
  unref(): void {
    this.#calls.call.uv_unref(this.#handle)
  }

  ref(): void {
    this.#calls.call.uv_ref(this.#handle)
  }

  [Symbol.dispose](): void {
    this.#calls.call.uv_close(this.#handle, this.#calls.addressOf('free'))
  }
}
