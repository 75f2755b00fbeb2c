import { PointerMemo } from '../pointer-memo.ts'
import type { Poller } from '../sockets/poller.ts'
import { alpnFatal, alpnNone, alpnOk, openSslCalls } from './calls.ts'
import type { OpenSslCalls } from './calls.ts'
import { Incoming } from './incoming.ts'

/** A record of TLS carries at most this much (RFC 8446 section 5.1). */
export const recordBytes: number = 16 * 1024
/** What one read of a socket gives, and the last record of it, whole. */
const plainBytes = 80 * 1024
/** The largest write of the proxy with what TLS adds to it: it leaves in one system call. */
const sealedBytes = 256 * 1024

/**
 * What OpenSSL has on one thread: memory through which bytes come and go, and
 * its errors. All connections share the two BIOs. That works because one is
 * handled at a time, and before anybody else is called, what it has put into
 * `outgoing` has left, and what is left in `incoming` has been taken out:
 * `TlsSocket` keeps to that. So an idle connection owns no buffers at all.
 */
export class OpenSslThread implements Disposable {
  readonly calls: OpenSslCalls
  readonly poller: Poller
  readonly incoming: Incoming
  readonly outgoing: bigint
  readonly plain: Buffer = Buffer.allocUnsafeSlow(plainBytes)
  readonly plainPointer: bigint
  readonly sealed: Buffer = Buffer.allocUnsafeSlow(sealedBytes)
  readonly sealedPointer: bigint
  /** Of buffers that are written from. */
  readonly written: PointerMemo
  /** For SSL_CTX_set_alpn_select_cb: agrees on `chosenProtocol`. */
  readonly alpnCallback: bigint
  /** For SSL_CTX_set_verify: goes on whatever is wrong; the verdict is kept. */
  readonly verifyCallback: bigint
  /** Address of a text without characters. */
  readonly emptyText: bigint
  /** Of the handshake that goes on now: undefined agrees on nothing, an empty one refuses. */
  chosenProtocol: string | undefined = undefined
  /** What is open and has to be freed; their owners dispose of them, and of those that they did not, this does. */
  readonly contexts: Set<Disposable> = new Set<Disposable>()
  /** A read is under way: `incoming` is not free. */
  isReading = false
  readonly #pointers: BigUint64Array = new BigUint64Array(new ArrayBuffer(16))
  readonly #pointersAt: bigint
  #scratch: Buffer = Buffer.allocUnsafeSlow(16 * 1024)
  #scratchPointer: bigint
  readonly #empty: Buffer = Buffer.from(new ArrayBuffer(8))
  readonly #protocol: Buffer = Buffer.allocUnsafeSlow(256)
  readonly #protocolPointer: bigint
  #isDisposed = false

  /** @throws MeshError MESH_KERNEL_UNSUPPORTED */
  constructor(poller: Poller) {
    const calls = openSslCalls()
    this.calls = calls
    this.poller = poller
    this.plainPointer = calls.pointerTo(this.plain)
    this.sealedPointer = calls.pointerTo(this.sealed)
    this.written = new PointerMemo(calls)
    this.#pointersAt = calls.pointerTo(this.#pointers)
    this.#scratchPointer = calls.pointerTo(this.#scratch)
    this.#protocolPointer = calls.pointerTo(this.#protocol)
    this.emptyText = calls.pointerTo(this.#empty)
    this.alpnCallback = calls.callback(
      { return: 'int32', arguments: ['uint64', 'uint64', 'uint64', 'uint64', 'uint32', 'uint64'] },
      (_ssl, out, outLength) => this.#agree(out, outLength),
    )
    this.verifyCallback = calls.callback({ return: 'int32', arguments: ['int32', 'uint64'] }, () => 1)
    this.incoming = new Incoming(calls, this.must(calls.call.BIO_new_mem_buf(this.emptyText, 0)))
    this.outgoing = this.must(calls.call.BIO_new(calls.call.BIO_s_mem()))
  }

  #agree(out: bigint, outLength: bigint): number {
    const { chosenProtocol, calls } = this
    if (chosenProtocol === undefined) return alpnNone
    if (chosenProtocol === '') return alpnFatal
    // OpenSSL copies it when this has returned.
    calls.writePointer(out, this.#protocolPointer)
    calls.writeByte(outLength, this.#protocol.write(chosenProtocol, 'latin1'))
    return alpnOk
  }

  /** Throws away what was to be sent. */
  dropUnsent(): void {
    while (this.calls.call.BIO_read(this.outgoing, this.sealedPointer, this.sealed.length) > 0) continue
  }

  /**
   * Puts bytes where OpenSSL can read them until this is called again, with a
   * zero byte behind them.
   * @returns their address
   */
  lend(bytes: string | Uint8Array): bigint {
    const length = Buffer.byteLength(bytes)
    if (this.#scratch.length <= length) {
      this.#scratch = Buffer.allocUnsafeSlow(length + 1)
      this.#scratchPointer = this.calls.pointerTo(this.#scratch)
    }
    if (typeof bytes === 'string') this.#scratch.write(bytes)
    else this.#scratch.set(bytes)
    this.#scratch[length] = 0
    return this.#scratchPointer
  }

  /** After a key was lent. */
  wipe(): void {
    this.#scratch.fill(0)
  }

  /** A place for an address that a call moves, holding that of what was lent. */
  lendPointer(pointer: bigint): bigint {
    this.#pointers[0] = pointer
    return this.#pointersAt
  }

  /**
   * What a call of the family `i2d_…` writes.
   * @param write  asks for the length with 0n, then writes to what the pointer at the address points to
   */
  encode(write: (at: bigint) => number): Buffer {
    const length = write(0n)
    const bytes = Buffer.allocUnsafeSlow(Math.max(length, 1))
    write(this.lendPointer(this.calls.pointerTo(bytes)))
    return bytes.subarray(0, Math.max(length, 0))
  }

  /** What a call tells by a pointer and a length of 32 bits. */
  textFrom(call: (pointerAt: bigint, lengthAt: bigint) => void): string {
    this.#pointers.fill(0n)
    call(this.#pointersAt, this.#pointersAt + 8n)
    const [pointer = 0n, length = 0n] = this.#pointers
    return pointer === 0n ? '' : this.calls.viewAt(pointer, Number(length)).toString('latin1')
  }

  /** @returns what was made, unless it was not. @throws OpenSSL's reason */
  must(pointer: bigint): bigint {
    if (pointer === 0n) throw this.takeError()
    return pointer
  }

  /** @throws OpenSSL's reason, for 0 */
  check(result: number | bigint): void {
    if (Number(result) <= 0) throw this.takeError()
  }

  /** The oldest error in the queue, as Node tells it: `ERR_SSL_NO_SHARED_CIPHER`. The queue is empty afterwards. */
  takeError(): Error {
    const { call } = this.calls
    const reason = this.calls.textAt(call.ERR_reason_error_string(call.ERR_peek_error()))
    call.ERR_clear_error()
    const code = `ERR_SSL_${reason.toUpperCase().replaceAll(' ', '_')}`
    return Object.assign(new Error(reason === '' ? 'OpenSSL gives no reason' : reason), { code })
  }

  /** Every connection must be gone. */
  [Symbol.dispose](): void {
    if (this.#isDisposed) return
    this.#isDisposed = true
    for (const context of this.contexts) context[Symbol.dispose]()
    this.calls.call.BIO_free(this.incoming.bio)
    this.calls.call.BIO_free(this.outgoing)
    this.calls[Symbol.dispose]()
  }
}
