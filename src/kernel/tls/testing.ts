import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { systemClock } from '../../core/index.ts'
import { DescriptorLedger } from '../sockets/ledger.ts'
import { SocketTransport } from '../sockets/socket-transport.ts'
import { Watcher } from '../sockets/testing.ts'
import { ClientContext } from './client-context.ts'
import type { ClientContextOptions, ShownPeer } from './client-context.ts'
import type { KeyPair } from './context.ts'
import { OpenSslThread } from './openssl-thread.ts'
import { ServerContext } from './server-context.ts'
import type { ServerContextOptions } from './server-context.ts'
import type { TlsSocket } from './tls-socket.ts'

/** How many of OpenSSL's objects are there of which somebody here made one and has to free it. */
export interface Held {
  readonly SSL: number
  readonly SSL_CTX: number
  readonly X509: number
  readonly SSL_SESSION: number
  readonly EVP_PKEY: number
  readonly BIO: number
}

/** Functions that make one, or nothing and answer 0, and the one that frees it. */
const owned: Readonly<Record<keyof Held, readonly [makers: readonly string[], free: string]>> = {
  SSL: [['SSL_new'], 'SSL_free'],
  SSL_CTX: [['SSL_CTX_new'], 'SSL_CTX_free'],
  X509: [['PEM_read_bio_X509', 'SSL_get1_peer_certificate'], 'X509_free'],
  SSL_SESSION: [['SSL_get1_session', 'd2i_SSL_SESSION'], 'SSL_SESSION_free'],
  EVP_PKEY: [['PEM_read_bio_PrivateKey'], 'EVP_PKEY_free'],
  BIO: [['BIO_new_mem_buf'], 'BIO_free'],
}

type Call = (...values: unknown[]) => unknown

/** OpenSSL on sockets, for one test, which fails when it leaves anything of either. */
export class TestTls {
  readonly transport: SocketTransport
  readonly thread: OpenSslThread
  readonly #held: Record<keyof Held, number> = { SSL: 0, SSL_CTX: 0, X509: 0, SSL_SESSION: 0, EVP_PKEY: 0, BIO: 0 }
  readonly #t: TestContext

  constructor(t: TestContext) {
    const ledger = new DescriptorLedger()
    this.#t = t
    this.transport = new SocketTransport({ clock: systemClock, ledger, readBufferBytes: 64 * 1024 })
    this.thread = new OpenSslThread(this.transport.poller)
    this.#countCalls()
    t.after(() => {
      this.transport[Symbol.dispose]()
      // Its own two BIOs are of the time before the count.
      this.#held.BIO += 2
      this.thread[Symbol.dispose]()
      assert.deepEqual([...ledger.takeOpen()], [], 'descriptors left open')
      for (const [kind, count] of Object.entries(this.#held)) assert.equal(count, 0, `${kind} left`)
    })
  }

  /** PEM. */
  get authority(): string {
    return authority
  }

  get held(): Held {
    return { ...this.#held }
  }

  #countCalls(): void {
    const calls = this.thread.calls.call as unknown as Record<string, Call>
    const count = (name: string, step: (result: unknown) => void): void => {
      const call = calls[name]
      assert.ok(call, name)
      calls[name] = (...values) => {
        const result = call(...values)
        step(result)
        return result
      }
    }
    for (const [kind, [makers, free]] of Object.entries(owned) as [keyof Held, (typeof owned)[keyof Held]][]) {
      for (const maker of makers) count(maker, result => (this.#held[kind] += result === 0n ? 0 : 1))
      count(free, () => this.#held[kind]--)
    }
  }

  server(options: Partial<ServerContextOptions> = {}): ServerContext {
    const context = new ServerContext(this.thread, {
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.3',
      ciphers: undefined,
      certificates: [serverPair],
      clients: undefined,
      sessionContext: 'test',
      ticketKeys: Buffer.alloc(48, 7),
      chooseAlpn: undefined,
      ...options,
    })
    this.#t.after(() => context[Symbol.dispose]())
    return context
  }

  /** @param sessions  that it keeps, by endpoint */
  client(options: Partial<ClientContextOptions> = {}, sessions: Map<string, Buffer> = new Map()): ClientContext {
    const context = new ClientContext(this.thread, this.transport, {
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.3',
      ciphers: undefined,
      authorities: authority,
      certificate: undefined,
      serverName: 'a.example',
      sessions: {
        get: key => sessions.get(key),
        put: (key, session) => void sessions.set(key, session),
        delete: key => void sessions.delete(key),
      },
      judge: judgeStrictly,
      ...options,
    })
    this.#t.after(() => context[Symbol.dispose]())
    return context
  }

  /**
   * Listens, and shakes hands on what comes.
   * @param choose  which context is to do it, for each connection anew
   */
  async listen(choose: () => ServerContext, protocols: readonly string[] = []): Promise<TlsListener> {
    const accepted: (AcceptedTls | Error)[] = []
    let wake = (): void => {}
    const tell = (outcome: AcceptedTls | Error): void => {
      accepted.push(outcome)
      wake()
    }
    const listening = await this.transport.listen({
      address: '127.0.0.1',
      port: 0,
      onError: tell,
      onConnection: socket => {
        const onBytes = (bytes: Buffer, length: number): void => {
          const hello = { bytes: Buffer.from(bytes.subarray(0, length)), serverName: 'a.example', protocols }
          choose().accept(socket, hello, {
            onSecured: secured => {
              const watcher = new Watcher()
              secured.handler = watcher
              tell({ socket: secured, watcher })
            },
            onFailed: tell,
          })
        }
        socket.handler = { onBytes, onEnd: () => socket.destroy(), onWritable: () => {}, onClose: () => {} }
      },
    })
    this.#t.after(() => listening.close())
    const next = async (): Promise<AcceptedTls> => {
      while (accepted.length === 0) await new Promise<void>(resolve => (wake = resolve))
      const outcome = accepted.shift()
      if (outcome === undefined || outcome instanceof Error) throw outcome
      return outcome
    }
    return { port: listening.port, next }
  }
}

export interface AcceptedTls {
  readonly socket: TlsSocket
  readonly watcher: Watcher
}

export interface TlsListener {
  readonly port: number
  /** The handshake that ends next; rejects if it fails. */
  next(): Promise<AcceptedTls>
}

/** Only a verdict of OpenSSL's counts. */
export function judgeStrictly({ verdict }: ShownPeer): Error | undefined {
  return verdict === undefined ? undefined : new Error(`judged: ${verdict}`)
}

/** A connection and who watches it. */
export function connectTls(client: ClientContext, port: number, alpn: readonly string[] = []): AcceptedTls {
  const watcher = new Watcher()
  const socket = client.connect({ address: '127.0.0.1', port, alpn }, watcher, watcher.onConnect)
  return { socket, watcher }
}

/** One end destroys its connection; the other hears of it, and does the same. */
export async function partFrom(one: AcceptedTls, other: AcceptedTls): Promise<void> {
  one.socket.destroy()
  await other.watcher.until(() => other.watcher.has('end') || other.watcher.has('close'))
  other.socket.destroy()
  await one.watcher.closed()
  await other.watcher.closed()
}

export function send(socket: TlsSocket, text: string): void {
  const bytes = Buffer.from(text)
  socket.write(bytes, bytes.length)
}

/*
 * Certificates for tests, good for a hundred years and for nothing else.
 */

/** Of the authority that signed the others; PEM. */
export const authority: string = `-----BEGIN CERTIFICATE-----
MIIBiTCCAS+gAwIBAgIUT4BTfYGDnXcbkpYb5sQw1dX2+ZYwCgYIKoZIzj0EAwIw
GTEXMBUGA1UEAwwOdGVzdCBhdXRob3JpdHkwIBcNMjYxMTI1MTkyNzA4WhgPMjEy
NjExMDExOTI3MDhaMBkxFzAVBgNVBAMMDnRlc3QgYXV0aG9yaXR5MFkwEwYHKoZI
zj0CAQYIKoZIzj0DAQcDQgAEhnxXHy8kLhPon0pKbsHrDGbjSmemrmPu+Vr3gh6e
j6tHwZQu4pTXM1RJc64+3DVPnPESzHNONhUDBO83pwY7E6NTMFEwHQYDVR0OBBYE
FNEQLuBC4BSAwsk6nrDfUXKpBizQMB8GA1UdIwQYMBaAFNEQLuBC4BSAwsk6nrDf
UXKpBizQMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIgTDfOfkf3
ZGnxR323j5CRsJL7mi2lTlkRPDYlTOPIMY0CIQCDJPuXJcZ5mVNhB3UpxkI2AkgD
HmcU8TbUAmHBym136w==
-----END CERTIFICATE-----
`

/** For `a.example`, signed by another one that the authority signed, which is the second of the chain. */
export const serverPair: KeyPair = {
  chain: `-----BEGIN CERTIFICATE-----
MIIBgTCCASegAwIBAgIUSqfI4U+CezoCvHs6z/VI9outYEUwCgYIKoZIzj0EAwIw
ETEPMA0GA1UEAwwGbWlkZGxlMCAXDTI2MTEyNTE5MjcwOFoYDzIxMjYxMTAxMTky
NzA4WjAUMRIwEAYDVQQDDAlhLmV4YW1wbGUwWTATBgcqhkjOPQIBBggqhkjOPQMB
BwNCAASzy7v71YMu+wiLVuu7Q49iMSK1dXXJoix/TNOBU3vZnaL1nVJVsJKZ0bvO
Pv49IxDkDIpCfzbzkPcMa0mxK7hDo1gwVjAUBgNVHREEDTALgglhLmV4YW1wbGUw
HQYDVR0OBBYEFGJfs3iij8I8k6sqAZdQKD+GhCieMB8GA1UdIwQYMBaAFH1E9WDI
U0ESXI9mJek2zeLBR4NbMAoGCCqGSM49BAMCA0gAMEUCIQCn2RYlOwqtEAfNQ7Y2
molJEN23JoyMaCzfeKoAgrjyEgIgJPDw3tYBcubZtMMVPnBOm8UWa6Al9OwZMHW1
hfet+T0=
-----END CERTIFICATE-----
-----BEGIN CERTIFICATE-----
MIIBgjCCASegAwIBAgIUG3yn9i8Lx7LtWeswwWVQeYev7wcwCgYIKoZIzj0EAwIw
GTEXMBUGA1UEAwwOdGVzdCBhdXRob3JpdHkwIBcNMjYxMTI1MTkyNzA4WhgPMjEy
NjExMDExOTI3MDhaMBExDzANBgNVBAMMBm1pZGRsZTBZMBMGByqGSM49AgEGCCqG
SM49AwEHA0IABM9UTZjRJPFIurCzvgVLmFS4O0JBkZQf94izIjx3VcgQhBggUNeq
7lgTdQelPJUeSzgFJRkP131bXDgN4gKEnfGjUzBRMA8GA1UdEwEB/wQFMAMBAf8w
HQYDVR0OBBYEFH1E9WDIU0ESXI9mJek2zeLBR4NbMB8GA1UdIwQYMBaAFNEQLuBC
4BSAwsk6nrDfUXKpBizQMAoGCCqGSM49BAMCA0kAMEYCIQDw9q98SHj94ncTvGcC
4qu3xLM9RsklQ0jdW2XO7PIyggIhAOlW4XiQH40Wrirn6gLF1K29pTWehkvgucq6
DS5sy3Hw
-----END CERTIFICATE-----
`,
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg8qDippBlm8YFbmzv
C2vEp+l4bLaWar2jkiGSUbKs3JyhRANCAASzy7v71YMu+wiLVuu7Q49iMSK1dXXJ
oix/TNOBU3vZnaL1nVJVsJKZ0bvOPv49IxDkDIpCfzbzkPcMa0mxK7hD
-----END PRIVATE KEY-----
`,
}

/** For `spiffe://mesh/client`. */
export const clientPair: KeyPair = {
  chain: `-----BEGIN CERTIFICATE-----
MIIBkTCCATegAwIBAgIUG3yn9i8Lx7LtWeswwWVQeYev7wgwCgYIKoZIzj0EAwIw
GTEXMBUGA1UEAwwOdGVzdCBhdXRob3JpdHkwIBcNMjYxMTI1MTkyNzA4WhgPMjEy
NjExMDExOTI3MDhaMBExDzANBgNVBAMMBmNsaWVudDBZMBMGByqGSM49AgEGCCqG
SM49AwEHA0IABJlzOQjNXbIcNZexkDyeB77YADgpTdFJ0mv3NS+GeOdj+StbXy31
wo4RLfbSbCfXiugzbSrcSY1TDXXeyQ3/8jOjYzBhMB8GA1UdEQQYMBaGFHNwaWZm
ZTovL21lc2gvY2xpZW50MB0GA1UdDgQWBBQx2ZP0JGoPYdBqJRKvkRabWYgssjAf
BgNVHSMEGDAWgBTREC7gQuAUgMLJOp6w31FyqQYs0DAKBggqhkjOPQQDAgNIADBF
AiBkkUBydajlypp1jaL1EdrMki84ae9xLbRXCVXUgSZsoQIhAK9QYlId3InU5jyi
ppzgty3EYl+Gn9FSpyuZL9PXZRQ1
-----END CERTIFICATE-----
`,
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgUBAHTHiLmSveQ8cT
dSXAGrFCxvjY2bhk8w4l44Q1I6WhRANCAASZczkIzV2yHDWXsZA8nge+2AA4KU3R
SdJr9zUvhnjnY/krW18t9cKOES320mwn14roM20q3EmNUw113skN//Iz
-----END PRIVATE KEY-----
`,
}
