import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import net from 'node:net'
import type { AddressInfo } from 'node:net'
import { describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import { systemClock } from '../../src/core/index.ts'
import { DescriptorLedger, SocketTransport } from '../../src/kernel/index.ts'
import { NodeTransport } from '../../src/proxy/index.ts'
import type { Connection, ConnectionHandler, Transport } from '../../src/proxy/index.ts'

// What the proxy relies on, of both kinds of sockets: what is called, in which order, with which codes.

const readBufferBytes = 16 * 1024
const transports: Record<string, () => Transport & Partial<Disposable>> = {
  native: () => new SocketTransport({ clock: systemClock, ledger: new DescriptorLedger(), readBufferBytes }),
  node: () => new NodeTransport(readBufferBytes),
}

class Notes implements ConnectionHandler {
  readonly events: string[] = []
  text = ''
  received = 0
  onEvent: (event: string) => void = () => {}
  #wake: () => void = () => {}

  readonly onConnect = (): void => this.#note('connect')

  onBytes(bytes: Buffer, length: number): void {
    this.received += length
    if (this.text.length < 1_000) this.text += bytes.toString('latin1', 0, length)
    this.#note('bytes')
  }

  onEnd(): void {
    this.#note('end')
  }

  onWritable(): void {
    this.#note('writable')
  }

  onClose(error: Error | undefined): void {
    const { code } = (error ?? {}) as NodeJS.ErrnoException
    this.#note(code === undefined ? 'close' : `close ${code}`)
  }

  #note(event: string): void {
    if (event !== 'bytes' || this.events.at(-1) !== 'bytes') this.events.push(event)
    this.onEvent(event)
    this.#wake()
  }

  get isClosed(): boolean {
    return this.events.some(event => event.startsWith('close'))
  }

  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise<void>(resolve => (this.#wake = resolve))
  }

  async closed(): Promise<void> {
    await this.until(() => this.isClosed)
    // Whatever would be told twice comes soon.
    for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve))
  }
}

interface Ends {
  readonly opened: Connection
  readonly openedNotes: Notes
  readonly accepted: Connection
  readonly acceptedNotes: Notes
}

/** Of a connection without anything under way, as the kernel tells it (proc(5), /proc/net/tcp). */
function timerOf(localPort: number, remotePort: number): string {
  const hex = (port: number): string => port.toString(16).toUpperCase().padStart(4, '0')
  const ends = [`0100007F:${hex(localPort)}`, `0100007F:${hex(remotePort)}`]
  const lines = readFileSync('/proc/net/tcp', 'latin1').split('\n')
  const fields = lines
    .map(line => line.trim().split(/\s+/))
    .find(([, local, remote]) => local === ends[0] && remote === ends[1])
  return fields?.[5]?.startsWith('02:') === true ? 'keep-alive' : `timer ${String(fields?.[5])}`
}

const send = (connection: Connection, text: string): boolean => connection.write(Buffer.from(text), text.length)

for (const [kind, open] of Object.entries(transports)) {
  const openTransport = (t: TestContext): Transport => {
    const transport = open()
    t.after(() => transport[Symbol.dispose]?.())
    return transport
  }

  const openEnds = async (t: TestContext): Promise<Ends> => {
    const transport = openTransport(t)
    const acceptedNotes = new Notes()
    const openedNotes = new Notes()
    const come = Promise.withResolvers<Connection>()
    const listening = await transport.listen({
      address: '127.0.0.1',
      port: 0,
      onConnection: connection => {
        connection.handler = acceptedNotes
        come.resolve(connection)
      },
      onError: error => come.reject(error),
    })
    const opened = transport.connect('127.0.0.1', listening.port, openedNotes, openedNotes.onConnect)
    assert.deepEqual(openedNotes.events, [])
    const accepted = await come.promise
    await openedNotes.until(() => openedNotes.events.includes('connect'))
    listening.close()
    t.after(() => {
      opened.destroy()
      accepted.destroy()
    })
    return { opened, openedNotes, accepted, acceptedNotes }
  }

  describe(`sockets of kind ${kind}`, () => {
    it('are reset though their end is on its way, and nothing of them is left', async t => {
      const { opened, openedNotes, accepted, acceptedNotes } = await openEnds(t)
      opened.end()
      opened.reset()
      accepted.destroy()
      await Promise.all([openedNotes.closed(), acceptedNotes.closed()])
      assert.deepEqual(openedNotes.events, ['connect', 'close'])
      assert.ok(!process.getActiveResourcesInfo().includes('TCPSocketWrap'))
    })

    it('tell each end of bytes, of the end and of the close', async t => {
      const { opened, openedNotes, accepted, acceptedNotes } = await openEnds(t)
      send(opened, 'question')
      opened.end()
      await acceptedNotes.until(() => acceptedNotes.events.includes('end'))
      assert.equal(accepted.isOpen, true)
      send(accepted, 'answer')
      accepted.end()
      await Promise.all([openedNotes.closed(), acceptedNotes.closed()])
      assert.deepEqual(openedNotes.events, ['connect', 'bytes', 'end', 'close'])
      assert.deepEqual(acceptedNotes.events, ['bytes', 'end', 'close'])
      assert.equal(acceptedNotes.text, 'question')
      assert.equal(openedNotes.text, 'answer')
      for (const connection of [opened, accepted]) {
        assert.equal(connection.isOpen, false)
        assert.equal(connection.isClosed, true)
        assert.equal(connection.backlog, 0)
      }
    })

    it('agree who they are', async t => {
      const { opened, accepted } = await openEnds(t)
      assert.equal(opened.localPort, accepted.remotePort)
      assert.equal(opened.remotePort, accepted.localPort)
      for (const connection of [opened, accepted]) {
        assert.equal(connection.localAddress, '127.0.0.1')
        assert.equal(connection.remoteAddress, '127.0.0.1')
        assert.equal(connection.alpn, '')
        assert.equal(connection.tls, undefined)
      }
    })

    it('ask a silent peer whether it is still there', async t => {
      const { opened, accepted } = await openEnds(t)
      for (const { localPort, remotePort } of [opened, accepted]) {
        assert.equal(timerOf(localPort, remotePort), 'keep-alive')
      }
    })

    for (const how of ['destroy', 'reset'] as const) {
      it(`${how}() closes once, later, and what is called afterwards has no effect`, async t => {
        const { opened, openedNotes, accepted, acceptedNotes } = await openEnds(t)
        opened[how]()
        assert.equal(opened.isOpen, false)
        assert.deepEqual(openedNotes.events, ['connect'])
        send(opened, 'too late')
        opened.pause()
        opened.resume()
        opened.end()
        opened.reset()
        opened.destroy()
        await openedNotes.closed()
        assert.deepEqual(openedNotes.events, ['connect', 'close'])
        if (how === 'reset') {
          await acceptedNotes.closed()
          assert.deepEqual(acceptedNotes.events, ['close ECONNRESET'])
        } else {
          await acceptedNotes.until(() => acceptedNotes.events.includes('end'))
          accepted.end()
          await acceptedNotes.closed()
          assert.deepEqual(acceptedNotes.events, ['end', 'close'])
        }
      })
    }

    it('what is written after end() is dropped, and the connection goes on', async t => {
      const { opened, openedNotes, accepted, acceptedNotes } = await openEnds(t)
      opened.end()
      send(opened, 'too late')
      opened.end()
      await acceptedNotes.until(() => acceptedNotes.events.includes('end'))
      send(accepted, 'still heard')
      accepted.end()
      await openedNotes.closed()
      assert.deepEqual(openedNotes.events, ['connect', 'bytes', 'end', 'close'])
      assert.equal(openedNotes.text, 'still heard')
      assert.equal(acceptedNotes.text, '')
    })

    it('keep a backlog for a slow reader, and tell once when it has left', async t => {
      const { opened, openedNotes, accepted, acceptedNotes } = await openEnds(t)
      accepted.pause()
      const size = 16 * 1024 * 1024
      opened.write(Buffer.alloc(size), size)
      for (let turn = 0; turn < 20; turn++) await new Promise(resolve => setImmediate(resolve))
      assert.ok(opened.backlog > 0)
      assert.deepEqual(acceptedNotes.events, [])
      accepted.resume()
      await openedNotes.until(() => openedNotes.events.includes('writable'))
      assert.equal(opened.backlog, 0)
      opened.end()
      await acceptedNotes.until(() => acceptedNotes.events.includes('end'))
      assert.equal(acceptedNotes.received, size)
      assert.deepEqual(openedNotes.events, ['connect', 'writable'])
    })

    it('destroyed with a backlog, they forget it', async t => {
      const { opened, openedNotes, accepted } = await openEnds(t)
      accepted.pause()
      const size = 16 * 1024 * 1024
      opened.write(Buffer.alloc(size), size)
      assert.ok(opened.backlog > 0)
      opened.destroy()
      assert.equal(opened.backlog, 0)
      send(opened, 'too late')
      assert.equal(opened.backlog, 0)
      await openedNotes.closed()
      assert.deepEqual(openedNotes.events, ['connect', 'close'])
    })

    it('keep what is written before the connection stands, and its end', async t => {
      const transport = openTransport(t)
      const server = net.createServer(socket => void socket.on('data', (data: Buffer) => chunks.push(data)))
      const chunks: Buffer[] = []
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      t.after(() => server.close())
      const notes = new Notes()
      const connection = transport.connect('127.0.0.1', (server.address() as AddressInfo).port, notes, notes.onConnect)
      send(connection, 'early ')
      send(connection, 'words')
      assert.equal(connection.backlog, 11)
      connection.end()
      await notes.closed()
      assert.deepEqual(notes.events, ['connect', 'end', 'close'])
      assert.equal(Buffer.concat(chunks).toString(), 'early words')
    })

    it('closed in onConnect, they tell that and nothing else', async t => {
      const transport = openTransport(t)
      const server = net.createServer(socket => socket.on('error', () => {}).end('hello'))
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      t.after(() => server.close())
      const notes = new Notes()
      const connection = transport.connect('127.0.0.1', (server.address() as AddressInfo).port, notes, () => {
        notes.onConnect()
        connection.destroy()
      })
      await notes.closed()
      assert.deepEqual(notes.events, ['connect', 'close'])
    })

    it('destroyed with their first bytes, they tell of no others', async t => {
      const { opened, openedNotes, accepted } = await openEnds(t)
      openedNotes.onEvent = event => {
        if (event === 'bytes') opened.destroy()
      }
      accepted.write(Buffer.alloc(1024 * 1024), 1024 * 1024)
      accepted.end()
      await openedNotes.closed()
      assert.deepEqual(openedNotes.events, ['connect', 'bytes', 'close'])
      assert.ok(openedNotes.received <= readBufferBytes)
    })

    it('fail with the code of the system, later', async t => {
      const transport = openTransport(t)
      const busy = net.createServer().listen(0, '127.0.0.1')
      await once(busy, 'listening')
      const { port } = busy.address() as AddressInfo
      const options = { onConnection: () => {}, onError: () => {} }
      await assert.rejects(transport.listen({ address: '127.0.0.1', port, ...options }), { code: 'EADDRINUSE' })
      await assert.rejects(transport.listen({ address: '192.0.2.1', port: 0, ...options }), { code: 'EADDRNOTAVAIL' })
      busy.close()
      await once(busy, 'close')
      const notes = new Notes()
      const connection = transport.connect('127.0.0.1', port, notes, notes.onConnect)
      send(connection, 'lost')
      assert.deepEqual(notes.events, [])
      await notes.closed()
      assert.deepEqual(notes.events, ['close ECONNREFUSED'])
    })
  })
}
