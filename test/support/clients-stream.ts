import net from 'node:net'
import type { Writable } from 'node:stream'
import { crc32 } from 'node:zlib'

const blockBytes = 64 * 1024

/**
 * A stream of bytes that is made as it is sent: block after block of noise,
 * each with its number in front, so that lost, doubled or swapped pieces show
 * in the checksum.
 */
export class Noise {
  readonly totalBytes: number
  sentBytes = 0
  checksum = 0
  readonly #base: Buffer

  constructor(totalBytes: number) {
    this.totalBytes = totalBytes
    this.#base = Buffer.allocUnsafeSlow(blockBytes)
    let state = 0x9e3779b9
    for (let at = 0; at < blockBytes; at += 4) {
      state = (Math.imul(state, 1664525) + 1013904223) | 0
      this.#base.writeInt32LE(state, at)
    }
  }

  get isDone(): boolean {
    return this.sentBytes >= this.totalBytes
  }

  next(): Buffer {
    const length = Math.min(blockBytes, this.totalBytes - this.sentBytes)
    const block = Buffer.from(this.#base.subarray(0, length))
    if (length >= 8) block.writeDoubleLE(this.sentBytes, 0)
    this.sentBytes += length
    this.checksum = crc32(block, this.checksum)
    return block
  }
}

/** Writes a whole stream to a socket or to what stands for one, as fast as it is taken. */
export async function pour(socket: Writable, noise: Noise, framing: 'plain' | 'chunked'): Promise<void> {
  while (!noise.isDone) {
    const block = noise.next()
    let goesOn: boolean
    if (framing === 'chunked') {
      socket.write(`${block.length.toString(16)}\r\n`, 'latin1')
      socket.write(block)
      goesOn = socket.write('\r\n', 'latin1')
    } else {
      goesOn = socket.write(block)
    }
    if (goesOn) continue
    const isOpen = await new Promise<boolean>(resolve => {
      const onDrain = (): void => finish(true)
      const onClose = (): void => finish(false)
      const finish = (value: boolean): void => {
        socket.off('drain', onDrain)
        socket.off('close', onClose)
        resolve(value)
      }
      socket.on('drain', onDrain)
      socket.on('close', onClose)
    })
    if (!isOpen) return
  }
  if (framing === 'chunked') socket.write('0\r\n\r\n', 'latin1')
}

const inHead = 0
const inBody = 1
const inChunkSize = 2
const inChunkData = 3
const inChunkEnd = 4
const done = 5

/** Takes one HTTP message off a socket: its head as text, of its body only length and checksum. */
export class MessageSink {
  head = ''
  bodyBytes = 0
  checksum = 0
  readonly finished: Promise<void>
  #state = inHead
  #left = 0
  #line = ''
  #finish: () => void = () => {}

  constructor() {
    this.finished = new Promise(resolve => (this.#finish = resolve))
  }

  get isDone(): boolean {
    return this.#state === done
  }

  /** @returns how many bytes belonged to the message */
  take(bytes: Buffer): number {
    let at = 0
    while (at < bytes.length && this.#state !== done) at = this.#step(bytes, at)
    return at
  }

  /** The connection has ended: the end of a body without framing. */
  end(): void {
    if (this.#state === inBody && this.#left === Infinity) this.#complete()
  }

  #step(bytes: Buffer, at: number): number {
    switch (this.#state) {
      case inHead: {
        const before = this.head.length
        this.head += bytes.toString('latin1', at)
        const headEnd = this.head.indexOf('\r\n\r\n')
        if (headEnd < 0) return bytes.length
        const consumed = at + headEnd + 4 - before
        this.head = this.head.slice(0, headEnd + 4)
        this.#beginBody()
        return consumed
      }
      case inBody:
      case inChunkData: {
        const end = Math.min(bytes.length, at + this.#left)
        const piece = bytes.subarray(at, end)
        this.checksum = crc32(piece, this.checksum)
        this.bodyBytes += piece.length
        this.#left -= piece.length
        if (this.#left === 0) {
          if (this.#state === inBody) this.#complete()
          else this.#state = inChunkEnd
        }
        return end
      }
      default: {
        const lineEnd = bytes.indexOf(10, at)
        this.#line += bytes.toString('latin1', at, lineEnd < 0 ? bytes.length : lineEnd + 1)
        if (lineEnd < 0) return bytes.length
        this.#takeLine()
        return lineEnd + 1
      }
    }
  }

  #beginBody(): void {
    const length = /\r\ncontent-length: (\d+)\r\n/i.exec(this.head)?.[1]
    if (/\r\ntransfer-encoding: chunked\r\n/i.test(this.head)) {
      this.#state = inChunkSize
    } else if (length !== undefined || !this.head.startsWith('HTTP/') || this.head.startsWith('HTTP/1.1 204')) {
      this.#left = Number(length ?? 0)
      this.#state = inBody
      if (this.#left === 0) this.#complete()
    } else {
      this.#left = Infinity
      this.#state = inBody
    }
  }

  #takeLine(): void {
    const line = this.#line.trim()
    this.#line = ''
    if (this.#state === inChunkEnd) {
      // Behind the data of a chunk, or behind the last chunk.
      if (this.#left < 0) this.#complete()
      else this.#state = inChunkSize
      return
    }
    this.#left = Number.parseInt(line, 16)
    this.#state = this.#left === 0 ? inChunkEnd : inChunkData
    if (this.#left === 0) this.#left = -1
  }

  #complete(): void {
    this.#state = done
    this.#finish()
  }
}

/** Connects and hands every byte read to `onBytes`, without keeping any. */
export async function connectSink(port: number, onBytes: (bytes: Buffer) => void): Promise<net.Socket> {
  const buffer = Buffer.allocUnsafeSlow(256 * 1024)
  const socket = net.connect({
    host: '127.0.0.1',
    port,
    noDelay: true,
    onread: {
      buffer,
      callback: (length, bytes) => {
        onBytes((bytes as Buffer).subarray(0, length))
        return true
      },
    },
  })
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  return socket
}

export interface SinkServer extends AsyncDisposable {
  readonly port: number
  readonly sockets: ReadonlySet<net.Socket>
}

/** A server whose connections are told apart by nothing but what `onConnection` makes of them. */
export async function serve(onConnection: (socket: net.Socket) => void): Promise<SinkServer> {
  const sockets = new Set<net.Socket>()
  const server = net.createServer({ noDelay: true }, socket => {
    sockets.add(socket)
    socket.on('error', () => {
      // Broken connections are part of the tests; what was lost shows elsewhere.
    })
    socket.on('close', () => sockets.delete(socket))
    onConnection(socket)
  })
  await new Promise<void>(resolve => server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    port: address.port,
    sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>(resolve => server.close(() => resolve()))
    },
  }
}
