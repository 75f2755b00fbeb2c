import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import net from 'node:net'
import { after, before, describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import tls from 'node:tls'
import { defaultTlsParameters } from '../../src/model/index.ts'
import type {
  ClientTls,
  ClientTlsOptions,
  Connection,
  ConnectionHandler,
  ServerTls,
  ServerTlsOptions,
  ShownPeer,
  TlsLibrary,
} from '../../src/proxy/index.ts'
import { Handshake } from '../../src/proxy/listeners/tls-handshake.ts'
import { NodeTls } from '../../src/proxy/transport/node-tls.ts'
import { TestAuthority } from '../support/certificates.ts'
import type { PemPair } from '../support/certificates.ts'
import { openNative } from '../support/proxy.ts'

// What the proxy relies on, of both kinds of TLS. Each speaks with Node's clients and servers, and with itself.

let authority: TestAuthority
let pair: PemPair
let clientPair: PemPair
before(() => {
  authority = new TestAuthority()
  pair = authority.issue({ names: ['a.example'] })
  clientPair = authority.issue({ names: ['client.example'], uris: ['spiffe://mesh/client'] })
})
after(() => authority[Symbol.dispose]())

const libraries: Record<string, () => { library: TlsLibrary; close: () => void }> = {
  native: () => {
    const { transport, tls: library } = openNative()
    const close = (): void => {
      transport[Symbol.dispose]()
      library[Symbol.dispose]()
    }
    return { library, close }
  },
  node: () => ({ library: new NodeTls(64 * 1024), close: () => {} }),
}

class Peer implements ConnectionHandler {
  connection: Connection | undefined = undefined
  text = ''
  received = 0
  events: string[] = []
  error: Error | undefined = undefined
  onText: () => void = () => {}
  #wake: () => void = () => {}

  onBytes(bytes: Buffer, length: number): void {
    this.received += length
    if (this.received < 10_000) this.text += bytes.toString('latin1', 0, length)
    this.onText()
    this.#wake()
  }

  onEnd(): void {
    this.note('end')
  }

  onWritable(): void {
    this.note('writable')
  }

  onClose(error: Error | undefined): void {
    this.error = error
    this.note('close')
  }

  note(event: string): void {
    this.events.push(event)
    this.#wake()
  }

  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise<void>(resolve => (this.#wake = resolve))
  }

  async event(name: string): Promise<void> {
    await this.until(() => this.events.includes(name))
  }
}

const send = (to: Connection | undefined, text: string): void => void to?.write(Buffer.from(text), text.length)

interface Server {
  readonly port: number
  readonly context: ServerTls
  /** The next connection whose handshake has ended; its failure rejects. */
  next(): Promise<Peer>
}

for (const [kind, open] of Object.entries(libraries)) {
  const openLibrary = (t: TestContext): TlsLibrary => {
    const { library, close } = open()
    t.after(close)
    return library
  }

  const listen = async (t: TestContext, library: TlsLibrary, more: Partial<ServerTlsOptions> = {}): Promise<Server> => {
    const context = library.openServer({
      ...defaultTlsParameters,
      certificates: [{ name: 'a', ...pair }],
      clients: undefined,
      sessionContext: 'test',
      ticketKeys: Buffer.alloc(48, 7),
      chooseAlpn: undefined,
      ...more,
    })
    const outcomes: (Peer | Error)[] = []
    let wake = (): void => {}
    const peers: Peer[] = []
    const tell = (outcome: Peer | Error): void => {
      outcomes.push(outcome)
      wake()
    }
    const listening = await library.transport.listen({
      address: '127.0.0.1',
      port: 0,
      onConnection: connection => {
        const server = {
          begin: (handshake: Handshake, hello: Parameters<ServerTls['accept']>[1]) =>
            context.accept(connection, hello, handshake),
          secured: (_: Handshake, secured: Connection) => {
            const peer = new Peer()
            peer.connection = secured
            secured.handler = peer
            peers.push(peer)
            tell(peer)
          },
          failed: (_: Handshake, error: Error | undefined) => tell(error ?? new Error('refused')),
        }
        void new Handshake(server, connection, { secured: () => {}, notSecured: () => {} })
      },
      onError: tell,
    })
    t.after(() => {
      listening.close()
      for (const { connection } of peers) connection?.destroy()
      context[Symbol.dispose]()
    })
    const next = async (): Promise<Peer> => {
      while (outcomes.length === 0) await new Promise<void>(resolve => (wake = resolve))
      const outcome = outcomes.shift()
      if (outcome instanceof Peer) return outcome
      throw outcome
    }
    return { port: listening.port, context, next }
  }

  const nodeClient = (t: TestContext, port: number, more: tls.ConnectionOptions = {}): tls.TLSSocket => {
    const ca = authority.certificate
    const socket = tls.connect({ host: '127.0.0.1', port, servername: 'a.example', ca, ...more })
    socket.on('error', () => {})
    t.after(() => socket.destroy())
    return socket
  }

  const openClient = (library: TlsLibrary, more: Partial<ClientTlsOptions> = {}): [ClientTls, ShownPeer[]] => {
    const shown: ShownPeer[] = []
    const sessions = new Map<string, Buffer>()
    const client = library.openClient({
      ...defaultTlsParameters,
      authorities: authority.certificate,
      certificate: undefined,
      serverName: 'a.example',
      sessions: {
        get: key => sessions.get(key),
        put: (key, session) => void sessions.set(key, session),
        delete: key => void sessions.delete(key),
      },
      judge: peer => {
        shown.push(peer)
        return undefined
      },
      ...more,
    })
    return [client, shown]
  }

  const connect = (t: TestContext, client: ClientTls, port: number, alpn: readonly string[] = []): Peer => {
    const peer = new Peer()
    const target = { address: '127.0.0.1', port, alpn }
    peer.connection = client.connect(target, peer, () => peer.note('connect'))
    t.after(() => peer.connection?.destroy())
    return peer
  }

  describe(`TLS of kind ${kind}`, { timeout: 30_000 }, () => {
    it('a client of Node: bytes, names, ALPN, and the end of either side', async t => {
      const chooseAlpn = (offered: readonly string[]): string | undefined => offered.find(name => name === 'two')
      const server = await listen(t, openLibrary(t), { chooseAlpn })
      const socket = nodeClient(t, server.port, { ALPNProtocols: ['one', 'two'] })
      const peer = await server.next()
      assert.equal(peer.connection?.alpn, 'two')
      const { version, isResumed, serverName, peer: certificate } = peer.connection?.tls ?? {}
      assert.deepEqual([version, isResumed, serverName, certificate], ['TLSv1.3', false, 'a.example', undefined])
      assert.match(peer.connection?.tls?.cipher ?? '', /^TLS_/)
      socket.write('question')
      await peer.until(() => peer.text === 'question')
      send(peer.connection, 'answer')
      const [answer] = (await new Promise<Buffer[]>(resolve =>
        socket.once('data', (chunk: Buffer) => resolve([chunk])),
      )) as [Buffer]
      assert.equal(answer.toString(), 'answer')
      socket.end()
      await peer.event('end')
      peer.connection?.end()
      await peer.event('close')
      assert.equal(peer.error, undefined)
      assert.deepEqual(peer.events, ['end', 'close'])
    })

    it('protocols that nobody has in common refuse the handshake; with no choice nothing is agreed on', async t => {
      const library = openLibrary(t)
      const picky = await listen(t, library, { chooseAlpn: () => undefined })
      nodeClient(t, picky.port, { ALPNProtocols: ['one'] })
      await assert.rejects(picky.next(), { code: /NO_APPLICATION_PROTOCOL|CALLBACK_FAILED/ })
      const open = await listen(t, library)
      nodeClient(t, open.port, { ALPNProtocols: ['one'] })
      assert.equal((await open.next()).connection?.alpn, '')
    })

    for (const [version, setting] of [
      ['TLSv1.3', {}],
      ['TLSv1.2', { maxVersion: 'TLSv1.2' }],
    ] as const) {
      it(`sessions of ${version} are resumed where keys are the same, and not after they have changed`, async t => {
        const first = await listen(t, openLibrary(t))
        const other = await listen(t, openLibrary(t))
        const session = await new Promise<Buffer>(resolve => {
          const socket = nodeClient(t, first.port, setting)
          socket.once('session', resolve)
        })
        await first.next()
        const resume = async (): Promise<boolean | undefined> => {
          nodeClient(t, other.port, { ...setting, session })
          return (await other.next()).connection?.tls?.isResumed
        }
        assert.equal(await resume(), true)
        other.context.setTicketKeys(Buffer.alloc(48, 8))
        assert.equal(await resume(), false)
      })
    }

    it('client certificates: verified, wrong or missing, where they are required and where not', async t => {
      const library = openLibrary(t)
      using stranger = new TestAuthority()
      const wrong = stranger.issue({ names: ['client.example'] })
      const clients = { authorities: authority.certificate, mode: 'require' } as const
      const strict = await listen(t, library, { clients })
      nodeClient(t, strict.port, { cert: clientPair.chain, key: clientPair.key })
      const known = await strict.next()
      assert.match(known.connection?.tls?.peer?.subjectAltName ?? '', /client\.example/)
      for (const cert of [{}, { cert: wrong.chain, key: wrong.key }]) {
        nodeClient(t, strict.port, cert)
        await assert.rejects(strict.next(), { code: /PEER_DID_NOT_RETURN_A_CERTIFICATE|CERTIFICATE_VERIFY_FAILED/ })
      }
      const lax = await listen(t, library, { clients: { ...clients, mode: 'fallback' } })
      for (const cert of [{}, { cert: wrong.chain, key: wrong.key }]) {
        nodeClient(t, lax.port, cert)
        assert.equal((await lax.next()).connection?.tls?.peer, undefined)
      }
    })

    it('what it can not use is told of when it is opened', t => {
      const library = openLibrary(t)
      const options = { ...defaultTlsParameters, clients: undefined, sessionContext: '', chooseAlpn: undefined }
      const openServer = (chain: string, key: string, more: Partial<ServerTlsOptions> = {}): ServerTls =>
        library.openServer({
          ...options,
          certificates: [{ name: '', chain, key }],
          ticketKeys: randomBytes(48),
          ...more,
        })
      assert.throws(() => openServer('', pair.key))
      assert.throws(() => openServer('no certificate', pair.key))
      assert.throws(() => openServer(pair.chain, 'no key'))
      assert.throws(() => openServer(pair.chain, clientPair.key), /mismatch/)
      assert.throws(() => openServer(pair.chain, pair.key, { ciphers: 'NO-SUCH-CIPHER' }), /no cipher match/)
    })

    it('a handshake that the client breaks off, or does not do right, is told of once', async t => {
      const server = await listen(t, openLibrary(t), { minVersion: 'TLSv1.3' })
      nodeClient(t, server.port, { maxVersion: 'TLSv1.2' })
      await assert.rejects(server.next(), { code: 'ERR_SSL_UNSUPPORTED_PROTOCOL' })
      const socket = nodeClient(t, server.port)
      socket.once('connect', () => setImmediate(() => socket.destroy()))
      const hello = await new Promise<Buffer>(resolve => {
        const listener = net.createServer(raw => {
          raw.on('error', () => {})
          raw.once('data', chunk => {
            resolve(Buffer.from(chunk))
            raw.destroy()
            listener.close()
          })
        })
        listener.listen(0, '127.0.0.1', () => {
          const address = listener.address() as net.AddressInfo
          nodeClient(t, address.port)
        })
      })
      await assert.rejects(server.next())
      // A good hello, then what nobody can decrypt.
      const noRecord = Buffer.concat([Buffer.from([23, 3, 3, 0, 40]), Buffer.alloc(40, 1)])
      const raw = net.connect(server.port, '127.0.0.1', () => raw.write(hello))
      raw.on('error', () => {}).once('data', () => raw.write(noRecord))
      await assert.rejects(server.next(), { code: /^ERR_SSL_/ })
    })

    it('towards a server of its own: names are judged, sessions resumed, a certificate shown', async t => {
      const library = openLibrary(t)
      const clients = { authorities: authority.certificate, mode: 'require' } as const
      const server = await listen(t, library, { clients, chooseAlpn: ([first]) => first })
      const [client, shown] = openClient(library, { certificate: { name: '', ...clientPair } })
      for (const isResumed of [false, true]) {
        const peer = connect(t, client, server.port, ['h2'])
        await peer.event('connect')
        const accepted = await server.next()
        assert.equal(peer.connection?.alpn, 'h2')
        assert.equal(peer.connection?.tls?.isResumed, isResumed)
        assert.match(accepted.connection?.tls?.peer?.subjectAltName ?? '', /client\.example/)
        send(accepted.connection, 'hello')
        await peer.until(() => peer.text === 'hello')
        peer.connection?.end()
        await accepted.event('end')
        accepted.connection?.end()
        await peer.event('close')
      }
      assert.deepEqual(
        shown.map(({ isResumed, verdict }) => [isResumed, verdict]),
        [
          [false, undefined],
          [true, undefined],
        ],
      )
      client[Symbol.dispose]()
    })

    it('towards a wrong server: the verdict is told, and a judgement closes', async t => {
      const library = openLibrary(t)
      const server = await listen(t, library)
      using stranger = new TestAuthority()
      const judge = ({ verdict }: ShownPeer): Error => new Error(`judged: ${verdict}`)
      const [client] = openClient(library, { authorities: stranger.certificate, judge })
      const peer = connect(t, client, server.port)
      await peer.event('close')
      assert.match(peer.error?.message ?? '', /^judged: (UNABLE_TO|SELF_SIGNED)/)
      assert.deepEqual(peer.events, ['close'])
      const refused = connect(t, client, 1)
      await refused.event('close')
      assert.equal((refused.error as NodeJS.ErrnoException).code, 'ECONNREFUSED')
      client[Symbol.dispose]()
    })

    it('a slow reader stops the sender, and gets all of it when it goes on', async t => {
      const server = await listen(t, openLibrary(t))
      const socket = nodeClient(t, server.port)
      socket.pause()
      const peer = await server.next()
      const piece = randomBytes(200_000)
      let sent = 0
      while ((peer.connection?.backlog ?? 0) < 1_000_000) {
        peer.connection?.write(Buffer.from(piece), piece.length)
        sent += piece.length
      }
      const twice = Buffer.concat([piece, piece])
      let received = 0
      let isRight = true
      socket.on('data', (chunk: Buffer) => {
        const from = received % piece.length
        isRight &&= twice.compare(chunk, 0, chunk.length, from, from + chunk.length) === 0
        received += chunk.length
      })
      socket.resume()
      await peer.event('writable')
      peer.connection?.end()
      await new Promise(resolve => socket.once('end', resolve))
      assert.deepEqual([received, isRight], [sent, true])
    })

    it('a connection that is paused hands on nothing, and everything when it is resumed', async t => {
      const server = await listen(t, openLibrary(t))
      const socket = nodeClient(t, server.port)
      const peer = await server.next()
      const { connection } = peer
      assert.ok(connection)
      // It stops at the first bytes, in the middle of many records.
      peer.onText = () => connection.pause()
      const body = randomBytes(3_000_000)
      socket.end(body)
      const expected = body.length
      while (peer.received < expected || !peer.events.includes('end')) {
        const before = peer.received
        for (let turn = 0; turn < 3; turn++) await new Promise(resolve => setImmediate(resolve))
        assert.ok(peer.received - before <= 1_000_000)
        connection.resume()
        await new Promise(resolve => setImmediate(resolve))
      }
      assert.equal(peer.received, expected)
    })

    it('connections that use each other from within their handlers do not mix their bytes', async t => {
      const server = await listen(t, openLibrary(t))
      const sockets = [nodeClient(t, server.port), nodeClient(t, server.port)] as const
      const peers = [await server.next(), await server.next()] as const
      const texts = ['', '']
      for (const [index, socket] of sockets.entries())
        socket.setEncoding('latin1').on('data', (text: string) => (texts[index] += text))
      // Each passes what comes to the other, as a proxy does.
      for (const [index, peer] of peers.entries()) {
        const other = peers[1 - index]
        peer.onText = () => {
          send(other?.connection, peer.text)
          peer.text = ''
        }
      }
      const words = Array.from({ length: 200 }, (_, index) => `word ${index}, `)
      for (const word of words) for (const socket of sockets) socket.write(word)
      const all = words.join('')
      while (texts.some(text => text.length < all.length)) await new Promise(resolve => setImmediate(resolve))
      assert.deepEqual(texts, [all, all])
    })

    it('destroyed or reset in the middle of its own bytes, it is closed once and says nothing more', async t => {
      const server = await listen(t, openLibrary(t))
      for (const how of ['destroy', 'reset'] as const) {
        const socket = nodeClient(t, server.port)
        const peer = await server.next()
        peer.onText = () => {
          peer.connection?.[how]()
          send(peer.connection, 'too late')
          peer.connection?.end()
          peer.connection?.destroy()
        }
        socket.write(Buffer.alloc(100_000))
        await peer.event('close')
        assert.deepEqual([peer.events, peer.connection?.isOpen, peer.connection?.backlog], [['close'], false, 0])
      }
    })

    it('what the contexts hold can go while connections are open', async t => {
      const library = openLibrary(t)
      const server = await listen(t, library)
      const [client] = openClient(library)
      const peer = connect(t, client, server.port)
      await peer.event('connect')
      const accepted = await server.next()
      client[Symbol.dispose]()
      client[Symbol.dispose]()
      server.context[Symbol.dispose]()
      send(peer.connection, 'still here')
      await accepted.until(() => accepted.text === 'still here')
    })
  })
}
