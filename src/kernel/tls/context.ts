import { DEFAULT_CIPHERS } from 'node:tls'
import {
  ctrlChainCertificate,
  ctrlMaxVersion,
  ctrlMinVersion,
  ctrlMode,
  ctrlSessionCacheMode,
  modeReleaseBuffers,
  opNoCompression,
  opNoRenegotiation,
  opServerPreference,
  versions,
} from './calls.ts'
import type { OpenSslThread } from './openssl-thread.ts'

export interface ContextOptions {
  readonly minVersion: keyof typeof versions
  readonly maxVersion: keyof typeof versions
  /** OpenSSL's names with colons between them; those of TLS 1.3 begin with `TLS_`. Undefined for Node's choice. */
  readonly ciphers: string | undefined
}

/** PEM. */
export interface KeyPair {
  readonly chain: string
  readonly key: string
}

/**
 * An SSL_CTX: what many connections have in common. OpenSSL counts who uses
 * it, so that connections go on when this has been disposed of.
 */
export class Context implements Disposable {
  readonly #thread: OpenSslThread
  #pointer: bigint

  /** @throws OpenSSL's reason */
  constructor(thread: OpenSslThread, side: 'server' | 'client', options: ContextOptions) {
    const { call } = thread.calls
    this.#thread = thread
    const method = side === 'server' ? call.TLS_server_method() : call.TLS_client_method()
    this.#pointer = thread.must(call.SSL_CTX_new(method))
    thread.contexts.add(this)
    call.SSL_CTX_set_options(this.#pointer, opNoCompression | opServerPreference | opNoRenegotiation)
    call.SSL_CTX_ctrl(this.#pointer, ctrlMode, modeReleaseBuffers, 0n)
    // Sessions are resumed by tickets, or kept by their owner.
    call.SSL_CTX_ctrl(this.#pointer, ctrlSessionCacheMode, 0n, 0n)
    this.attempt(() => this.#setParameters(options))
  }

  get pointer(): bigint {
    return this.#pointer
  }

  /** Disposes of the context when it can't be made. @throws whatever `step` does */
  attempt(step: () => void): void {
    this.#thread.calls.call.ERR_clear_error()
    try {
      step()
    } catch (error) {
      this[Symbol.dispose]()
      throw error
    }
  }

  /** As Node does it: a list without ciphers of one version switches that version off. */
  #setParameters({ minVersion, maxVersion, ciphers }: ContextOptions): void {
    const { call } = this.#thread.calls
    const all = (ciphers ?? DEFAULT_CIPHERS).split(':')
    const suites = all.filter(name => name.startsWith('TLS_')).join(':')
    const others = all.filter(name => !name.startsWith('TLS_')).join(':')
    const min = others === '' ? versions['TLSv1.3'] : versions[minVersion]
    const max = suites === '' ? versions['TLSv1.2'] : versions[maxVersion]
    this.#thread.check(call.SSL_CTX_ctrl(this.#pointer, ctrlMinVersion, min, 0n))
    this.#thread.check(call.SSL_CTX_ctrl(this.#pointer, ctrlMaxVersion, max, 0n))
    this.#thread.check(call.SSL_CTX_set_ciphersuites(this.#pointer, this.#thread.lend(suites)))
    if (others !== '') this.#thread.check(call.SSL_CTX_set_cipher_list(this.#pointer, this.#thread.lend(others)))
  }

  /** @throws OpenSSL's reason */
  addKeyPair({ chain, key }: KeyPair): void {
    const thread = this.#thread
    const { call } = thread.calls
    let isFirst = true
    this.#eachCertificate(chain, certificate => {
      if (isFirst) thread.check(call.SSL_CTX_use_certificate(this.#pointer, certificate))
      // 1: counted, as each of them is freed below.
      else thread.check(call.SSL_CTX_ctrl(this.#pointer, ctrlChainCertificate, 1n, certificate))
      isFirst = false
    })
    const bio = this.#lendBio(key)
    try {
      // The last argument is the password, an empty one: without, OpenSSL would ask at the terminal.
      const privateKey = thread.must(call.PEM_read_bio_PrivateKey(bio, 0n, 0n, thread.emptyText))
      try {
        thread.check(call.SSL_CTX_use_PrivateKey(this.#pointer, privateKey))
      } finally {
        call.EVP_PKEY_free(privateKey)
      }
    } finally {
      call.BIO_free(bio)
      thread.wipe()
    }
  }

  /** @throws OpenSSL's reason */
  addAuthorities(pem: string, options: { readonly areTold: boolean }): void {
    const thread = this.#thread
    const { call } = thread.calls
    const store = call.SSL_CTX_get_cert_store(this.#pointer)
    this.#eachCertificate(pem, certificate => {
      thread.check(call.X509_STORE_add_cert(store, certificate))
      if (options.areTold) thread.check(call.SSL_CTX_add_client_CA(this.#pointer, certificate))
    })
  }

  /** @throws OpenSSL's reason when one can't be read, or there is none */
  #eachCertificate(pem: string, use: (certificate: bigint) => void): void {
    const thread = this.#thread
    const { call } = thread.calls
    const bio = this.#lendBio(pem)
    try {
      for (let count = 0; ; count++) {
        const certificate = call.PEM_read_bio_X509(bio, 0n, 0n, 0n)
        if (certificate === 0n) {
          const error = thread.takeError()
          // So it says at the end, too.
          if (count === 0 || error.message !== 'no start line') throw error
          return
        }
        try {
          use(certificate)
        } finally {
          call.X509_free(certificate)
        }
      }
    } finally {
      call.BIO_free(bio)
    }
  }

  #lendBio(pem: string): bigint {
    const bytes = Buffer.from(pem)
    const pointer = this.#thread.lend(bytes)
    return this.#thread.must(this.#thread.calls.call.BIO_new_mem_buf(pointer, bytes.length))
  }

  [Symbol.dispose](): void {
    const pointer = this.#pointer
    this.#pointer = 0n
    if (pointer === 0n) return
    this.#thread.contexts.delete(this)
    this.#thread.calls.call.SSL_CTX_free(pointer)
  }
}
