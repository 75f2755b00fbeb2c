import { X509Certificate } from 'node:crypto'
import type { Socket, SocketHandler } from '../sockets/socket.ts'
import { errorWantRead, errorZeroReturn, wantReading } from './calls.ts'
import { recordBytes } from './openssl-thread.ts'
import type { OpenSslThread } from './openssl-thread.ts'
import { verdictName } from './verdict-name.ts'

/** What a handshake came to. */
export interface HandshakeFacts {
  /** `TLSv1.3` */
  readonly version: string
  /** OpenSSL's name. */
  readonly cipher: string
  readonly isResumed: boolean
  /** That the client asked for; empty for none. */
  readonly serverName: string
  /** Of the peer, if an authority of ours signed it. */
  readonly peer: X509Certificate | undefined
  /** Our own, as far as one was shown; found when it is asked for, while the connection is open. */
  readonly own: X509Certificate | undefined
}

/** One end of a handshake. */
export interface TlsEnd {
  /** As the client has named it. */
  readonly serverName: string
  /** For the server: undefined when it agrees on nothing, empty when there is nothing to agree on. */
  readonly protocol: string | undefined
  /** Looks at who has answered, before the last word of the handshake is said; an error ends the connection with it. */
  judge(socket: TlsSocket): Error | undefined
  /** The handshake has ended well. */
  onSecured(socket: TlsSocket): void
  /** The first bytes of the peer have come, and before them what makes a session complete. */
  onFirstBytes(socket: TlsSocket): void
  /** The handshake has failed, or the connection later. */
  onFailed(): void
}

/**
 * TLS on a socket. It owns its SSL object, which lives from the constructor to
 * `destroy`, `reset` or the close of the socket, whichever comes first: 0n is an
 * SSL that is gone, and no call is made with it.
 *
 * Every call that may put bytes into the thread's `outgoing` is followed by
 * `#send`, and every read takes the rest out of `incoming`, before a handler is
 * called: there, any other connection may be used.
 */
export class TlsSocket implements SocketHandler {
  handler: SocketHandler
  isPaused = false
  isClosed = false
  alpn = ''
  readonly #thread: OpenSslThread
  readonly #socket: Socket
  readonly #end: TlsEnd
  #ssl: bigint
  #isSecured = false
  #isFirst = true
  /** OpenSSL has all of the last record, and nothing of another. */
  #isBetweenRecords = false
  #isEnding = false
  #hasEnded = false
  /** The peer has ended while nobody listened. */
  #isEndUntold = false
  /** Written before the handshake has ended. */
  #early: Buffer | undefined = undefined
  /** Read from the socket and not decrypted. */
  #held: Buffer | undefined = undefined
  #error: Error | undefined = undefined
  #facts: HandshakeFacts | undefined = undefined
  /** Of the handshake; null for none that could be read. */
  #shown: X509Certificate | null | undefined = undefined

  /** @param ssl  becomes this socket's own */
  constructor(thread: OpenSslThread, ssl: bigint, socket: Socket, end: TlsEnd, handler: SocketHandler) {
    const { call } = thread.calls
    this.#thread = thread
    this.#ssl = ssl
    this.#socket = socket
    this.#end = end
    this.handler = handler
    // The SSL gives one of each back when it goes.
    call.BIO_up_ref(thread.incoming.bio)
    call.BIO_up_ref(thread.outgoing)
    call.SSL_set_bio(ssl, thread.incoming.bio, thread.outgoing)
    socket.handler = this
  }

  get isOpen(): boolean {
    return this.#socket.isOpen
  }

  get backlog(): number {
    return this.#socket.isOpen ? this.#socket.backlog + (this.#early?.length ?? 0) : 0
  }

  get remoteAddress(): string {
    return this.#socket.remoteAddress
  }

  get remotePort(): number {
    return this.#socket.remotePort
  }

  get localAddress(): string {
    return this.#socket.localAddress
  }

  get localPort(): number {
    return this.#socket.localPort
  }

  /** Undefined until the handshake has ended; asked for while the connection is open, and kept from then on. */
  get tls(): HandshakeFacts | undefined {
    if (this.#facts === undefined && this.#isSecured && this.#ssl !== 0n) this.#facts = this.#readFacts(this.#ssl)
    return this.#facts
  }

  #readFacts(ssl: bigint): HandshakeFacts {
    const { calls } = this.#thread
    const { call } = calls
    const shown = this.shownCertificate()
    const readOwn = (): X509Certificate | undefined => this.#readOwn()
    return {
      version: calls.textAt(call.SSL_get_version(ssl)),
      cipher: calls.textAt(call.SSL_CIPHER_get_name(call.SSL_get_current_cipher(ssl))),
      isResumed: this.isResumed,
      serverName: this.#end.serverName,
      peer: this.verdict === undefined ? shown : undefined,
      get own() {
        return readOwn()
      },
    }
  }

  get isResumed(): boolean {
    return this.#ssl !== 0n && this.#thread.calls.call.SSL_session_reused(this.#ssl) === 1
  }

  /** What is wrong with the certificate that was shown, Node's name for it; undefined for nothing, or no certificate. */
  get verdict(): string | undefined {
    return this.#ssl === 0n
      ? 'UNSPECIFIED'
      : verdictName(this.#thread.calls, this.#thread.calls.call.SSL_get_verify_result(this.#ssl))
  }

  /** Whether anybody stands for it or not; asked for once the handshake has ended. */
  shownCertificate(): X509Certificate | undefined {
    this.#shown ??= this.#readShown() ?? null
    return this.#shown ?? undefined
  }

  #readShown(): X509Certificate | undefined {
    const { call } = this.#thread.calls
    const certificate = this.#ssl === 0n ? 0n : call.SSL_get1_peer_certificate(this.#ssl)
    if (certificate === 0n) return undefined
    try {
      return this.#parse(certificate)
    } finally {
      call.X509_free(certificate)
    }
  }

  /** Few ask, and each time is a look at a certificate that OpenSSL keeps. */
  #readOwn(): X509Certificate | undefined {
    const certificate = this.#ssl === 0n ? 0n : this.#thread.calls.call.SSL_get_certificate(this.#ssl)
    return certificate === 0n ? undefined : this.#parse(certificate)
  }

  #parse(certificate: bigint): X509Certificate | undefined {
    try {
      return new X509Certificate(this.#thread.encode(at => this.#thread.calls.call.i2d_X509(certificate, at)))
    } catch {
      // OpenSSL can read it and Node can't: it counts as none.
      return undefined
    }
  }

  /** To be resumed by another connection; undefined when the peer gave none. */
  takeSession(): Buffer | undefined {
    const { call } = this.#thread.calls
    const session = this.#ssl === 0n ? 0n : call.SSL_get1_session(this.#ssl)
    if (session === 0n) return undefined
    const isResumable = call.SSL_SESSION_is_resumable(session) === 1
    const bytes = isResumable ? this.#thread.encode(at => call.i2d_SSL_SESSION(session, at)) : undefined
    call.SSL_SESSION_free(session)
    return bytes
  }

  /** Begins to shake hands, or goes on with what has been read already. */
  begin(bytes?: Buffer): void {
    if (bytes !== undefined) this.onBytes(bytes, bytes.length)
    else this.#advance()
  }

  /** Sends `bytes[0, length)`. @returns false: the memory is the caller's again */
  write(bytes: Buffer, length: number): boolean {
    if (this.#ssl === 0n || this.#isEnding || length === 0) return false
    if (!this.#isSecured) {
      this.#early = Buffer.concat([this.#early ?? noBytes, bytes.subarray(0, length)])
      return false
    }
    const thread = this.#thread
    const sealed = thread.calls.call.SSL_write(this.#ssl, thread.written.of(bytes), length)
    this.#send()
    if (sealed !== length) this.#fail(thread.takeError())
    return false
  }

  /** Gives what OpenSSL has written to the socket. */
  #send(): void {
    const { calls, outgoing, sealed, sealedPointer } = this.#thread
    for (;;) {
      const length = calls.call.BIO_read(outgoing, sealedPointer, sealed.length)
      if (length <= 0) return
      this.#socket.write(sealed, length)
      if (length < sealed.length) return
    }
  }

  end(): void {
    if (this.#ssl === 0n || this.#isEnding) return
    this.#isEnding = true
    if (this.#isSecured) this.#shutDown()
  }

  #shutDown(): void {
    const { call } = this.#thread.calls
    call.ERR_clear_error()
    call.SSL_shutdown(this.#ssl)
    this.#send()
    this.#socket.end()
  }

  destroy(): void {
    this.#free()
    this.#socket.destroy()
  }

  reset(): void {
    this.#free()
    this.#socket.reset()
  }

  #free(): void {
    const ssl = this.#ssl
    this.#ssl = 0n
    this.#early = undefined
    this.#held = undefined
    if (ssl !== 0n) this.#thread.calls.call.SSL_free(ssl)
  }

  #fail(error: Error): void {
    if (this.#ssl === 0n) return
    this.#error ??= error
    this.#end.onFailed()
    this.destroy()
  }

  pause(): void {
    this.isPaused = true
    this.#socket.pause()
  }

  resume(): void {
    if (!this.isPaused) return
    this.isPaused = false
    if (this.#held !== undefined || this.#isEndUntold) this.#thread.poller.makeReady(this)
    else this.#socket.resume()
  }

  onReady(): void {
    if (this.isPaused || this.#ssl === 0n) return
    const held = this.#held
    this.#held = undefined
    if (held !== undefined) this.onBytes(held, held.length)
    if (this.isPaused || this.#ssl === 0n || this.#held !== undefined) return
    if (this.#isEndUntold) this.#tellEnd()
    this.#socket.resume()
  }

  onBytes(bytes: Buffer, length: number): void {
    if (this.#ssl === 0n || this.#hasEnded) return
    if (this.#thread.isReading || this.#held !== undefined) {
      // Another connection is in the middle of its own bytes.
      this.#held = Buffer.concat([this.#held ?? noBytes, bytes.subarray(0, length)])
      this.#thread.poller.makeReady(this)
      return
    }
    this.#thread.incoming.feed(bytes, length)
    if (this.#isBetweenRecords && isRecordOfContent(bytes, length)) this.#readRecord()
    else this.#advance()
  }

  /**
   * Reads the one record that was fed, whole; most messages are one. One that has given bytes has left none, and
   * wants nothing sent: that need not be asked, and each question is a call.
   */
  #readRecord(): void {
    const thread = this.#thread
    const { call } = thread.calls
    thread.isReading = true
    try {
      const length = call.SSL_read(this.#ssl, thread.plainPointer, recordBytes)
      if (length > 0) {
        this.#handOn(length, 0)
        return
      }
      this.#isBetweenRecords = false
      // What another has left in the queue of errors is not taken for this one's.
      const code = call.SSL_want(this.#ssl) === wantReading ? errorWantRead : call.SSL_get_error(this.#ssl, length)
      this.#send()
      this.#handOn(0, code)
    } finally {
      if (!this.#isBetweenRecords) this.#keepUnread()
      thread.isReading = false
    }
  }

  #keepUnread(): void {
    const unread = this.#thread.incoming.take()
    if (unread !== undefined && this.#ssl !== 0n && !this.#hasEnded) this.#held = unread
  }

  #advance(): void {
    const thread = this.#thread
    thread.isReading = true
    try {
      thread.calls.call.ERR_clear_error()
      if (this.#isSecured || this.#shakeHands()) this.#readAll()
    } finally {
      this.#keepUnread()
      thread.isReading = false
    }
  }

  /** @returns whether it has ended well and the connection is still open */
  #shakeHands(): boolean {
    const thread = this.#thread
    const { call } = thread.calls
    if (this.#ssl === 0n) return false
    thread.chosenProtocol = this.#end.protocol
    const result = call.SSL_do_handshake(this.#ssl)
    const code = result === 1 ? 0 : call.SSL_get_error(this.#ssl, result)
    const problem = code === 0 ? this.#end.judge(this) : undefined
    if (problem !== undefined) {
      // What was to be sent may be a certificate, for somebody else.
      thread.dropUnsent()
      this.#fail(problem)
      return false
    }
    this.#send()
    if (code === errorWantRead) return false
    if (code !== 0) {
      this.#fail(thread.takeError())
      return false
    }
    this.#isSecured = true
    this.alpn = thread.textFrom((at, lengthAt) => call.SSL_get0_alpn_selected(this.#ssl, at, lengthAt))
    this.#end.onSecured(this)
    if (this.#ssl === 0n) return false
    this.#sendEarly()
    return this.#ssl !== 0n && !this.isPaused
  }

  #sendEarly(): void {
    const early = this.#early
    this.#early = undefined
    const isEnding = this.#isEnding
    this.#isEnding = false
    if (early !== undefined) this.write(early, early.length)
    if (isEnding) this.end()
  }

  /** Decrypts what the socket gave, and hands it on in as few pieces as fit. */
  #readAll(): void {
    const thread = this.#thread
    const { calls, plain, plainPointer, incoming, outgoing } = thread
    const { call } = calls
    const lastStart = plain.length - recordBytes
    for (;;) {
      let used = 0
      let code = 0
      do {
        const at = used === 0 ? plainPointer : plainPointer + BigInt(used)
        const length = call.SSL_read(this.#ssl, at, recordBytes)
        if (length > 0) used += length
        else code = call.SSL_get_error(this.#ssl, length)
      } while (code === 0 && used <= lastStart && incoming.left > 0)
      const hasMore = incoming.left > 0
      this.#isBetweenRecords = code === 0 && !hasMore
      // An answer to a change of keys, or an alert.
      if (call.BIO_ctrl_pending(outgoing) > 0) this.#send()
      this.#handOn(used, code)
      if (this.#ssl === 0n || code !== 0 || this.isPaused || !hasMore) return
    }
  }

  /** Gives the handler what was decrypted, and then the end or the error that came behind it. */
  #handOn(used: number, code: number): void {
    const isWell = code === 0 || code === errorWantRead || code === errorZeroReturn
    const error = isWell ? undefined : this.#thread.takeError()
    if (used > 0) {
      if (this.#isFirst) {
        this.#isFirst = false
        this.#end.onFirstBytes(this)
      }
      this.handler.onBytes(this.#thread.plain, used)
      if (this.#ssl === 0n) return
    }
    if (error !== undefined) this.#fail(error)
    else if (code === errorZeroReturn) this.#ended()
  }

  #ended(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    if (this.isPaused) this.#isEndUntold = true
    else this.#tellEnd()
  }

  #tellEnd(): void {
    this.#isEndUntold = false
    this.handler.onEnd()
  }

  /** The end of the socket: also that of peers who end without a word of TLS. */
  onEnd(): void {
    if (this.#ssl === 0n) return
    if (this.#isSecured) this.#ended()
    else this.#fail(closedEarly())
  }

  onWritable(): void {
    if (this.#isSecured && this.#ssl !== 0n) this.handler.onWritable()
  }

  onClose(error: Error | undefined): void {
    this.isClosed = true
    if (this.#ssl !== 0n) {
      if (!this.#isSecured || error !== undefined) this.#end.onFailed()
      this.#free()
    }
    this.handler.onClose(this.#error ?? error)
  }
}

const noBytes: Buffer = Buffer.alloc(0)

const recordHeaderBytes = 5
const applicationData = 23
/** Alerts are shorter, whatever the cipher. */
const longerThanAlerts = 128

/** Whether it is exactly one record, and no alert (RFC 8446 section 5.2, RFC 5246 section 6.2.3). */
function isRecordOfContent(bytes: Buffer, length: number): boolean {
  return (
    length > longerThanAlerts &&
    bytes[0] === applicationData &&
    (((bytes[3] as number) << 8) | (bytes[4] as number)) + recordHeaderBytes === length
  )
}

function closedEarly(): Error {
  return Object.assign(new Error('closed before TLS was agreed on'), { code: 'ECONNRESET' })
}
