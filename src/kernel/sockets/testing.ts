import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import net from 'node:net'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { systemClock } from '../../core/index.ts'
import { DescriptorLedger } from './ledger.ts'
import { SocketTransport } from './socket-transport.ts'
import type { OpenListening } from './socket-transport.ts'
import type { Socket, SocketHandler } from './socket.ts'

/** A transport that is disposed of at the end of the test, which fails if that leaves a descriptor. */
export function openTestTransport(t: TestContext, readBufferBytes: number = 64 * 1024): SocketTransport {
  const ledger = new DescriptorLedger()
  const transport = new SocketTransport({ clock: systemClock, ledger, readBufferBytes })
  t.after(() => {
    transport[Symbol.dispose]()
    assert.deepEqual([...ledger.takeOpen()], [], 'descriptors left open')
  })
  return transport
}

/** Notes what happens on a socket, in order, and waits for it. */
export class Watcher implements SocketHandler {
  readonly events: string[] = []
  received = 0
  error: NodeJS.ErrnoException | undefined = undefined
  /** What a test does when something happens, besides noting it. */
  readonly on: {
    bytes?: (bytes: Buffer) => void
    end?: () => void
    writable?: () => void
    close?: () => void
    connect?: () => void
  } = {}
  readonly #hash = createHash('sha256')
  readonly #waiting = new Set<() => void>()
  #text = ''

  onBytes(bytes: Buffer, length: number): void {
    const view = bytes.subarray(0, length)
    this.received += length
    this.#hash.update(view)
    if (this.received <= 1_000) this.#text += view.toString('latin1')
    this.on.bytes?.(view)
    this.#note('bytes')
  }

  onEnd(): void {
    this.on.end?.()
    this.#note('end')
  }

  onWritable(): void {
    this.on.writable?.()
    this.#note('writable')
  }

  onClose(error: Error | undefined): void {
    this.error = error
    this.on.close?.()
    this.#note('close')
  }

  readonly onConnect = (): void => {
    this.on.connect?.()
    this.#note('connect')
  }

  /** The first bytes that came, as text. */
  get text(): string {
    return this.#text
  }

  /** SHA-256 of all bytes that came; only once. */
  digest(): string {
    return this.#hash.digest('hex')
  }

  has(event: string): boolean {
    return this.events.includes(event)
  }

  count(event: string): number {
    return this.events.filter(one => one === event).length
  }

  /** Resolves when something has happened after which this is so. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise<void>(resolve => this.#waiting.add(resolve))
  }

  async closed(): Promise<void> {
    await this.until(() => this.has('close'))
  }

  #note(event: string): void {
    if (event !== 'bytes' || this.events.at(-1) !== 'bytes') this.events.push(event)
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const wake of waiting) wake()
  }
}

/** A listener of ours that gives each connection a watcher. */
export interface Accepting {
  readonly listener: OpenListening
  readonly port: number
  readonly errors: NodeJS.ErrnoException[]
  /** The connection that comes next, or has come and was not asked for. */
  next(): Promise<{ socket: Socket; watcher: Watcher }>
}

export async function accept(
  transport: SocketTransport,
  options: { readonly address?: string; readonly onConnection?: (socket: Socket, watcher: Watcher) => void } = {},
): Promise<Accepting> {
  const waiting: ((one: { socket: Socket; watcher: Watcher }) => void)[] = []
  const come: { socket: Socket; watcher: Watcher }[] = []
  const errors: NodeJS.ErrnoException[] = []
  const listener = await transport.listen({
    address: options.address ?? '127.0.0.1',
    port: 0,
    onConnection: socket => {
      const watcher = new Watcher()
      socket.handler = watcher
      options.onConnection?.(socket, watcher)
      const one = { socket, watcher }
      const take = waiting.shift()
      if (take === undefined) come.push(one)
      else take(one)
    },
    onError: error => void errors.push(error),
  })
  return {
    listener,
    port: listener.port,
    errors,
    next: async () => come.shift() ?? new Promise(resolve => waiting.push(resolve)),
  }
}

/** A server of Node's; `next` is the connection that comes next. */
export async function nodeServer(
  t: TestContext,
  address = '127.0.0.1',
): Promise<{ port: number; next(): Promise<net.Socket> }> {
  const come: net.Socket[] = []
  const waiting: ((socket: net.Socket) => void)[] = []
  const all = new Set<net.Socket>()
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, socket => {
    all.add(socket.on('error', () => {}))
    const take = waiting.shift()
    if (take === undefined) come.push(socket)
    else take(socket)
  })
  server.listen(0, address)
  await once(server, 'listening')
  t.after(() => {
    for (const socket of all) socket.destroy()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { port, next: async () => come.shift() ?? new Promise(resolve => waiting.push(resolve)) }
}

/** A connection of Node's that is half-open on purpose. */
export async function nodeClient(t: TestContext, port: number, address = '127.0.0.1'): Promise<net.Socket> {
  const socket = net.connect({ host: address, port, allowHalfOpen: true })
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  return socket.on('error', () => {})
}

/** Resolves when it has closed, with or without an error. */
export async function closing(socket: net.Socket): Promise<void> {
  if (!socket.closed) await new Promise<void>(resolve => socket.once('close', () => resolve()))
}

/** `length` bytes that repeat at no round distance, and their SHA-256. */
export function pattern(length: number, seed = 1): { readonly bytes: Buffer; readonly digest: string } {
  const bytes = Buffer.allocUnsafeSlow(length)
  let state = seed | 1
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) | 0
    bytes[at] = state >>> 16
  }
  return { bytes, digest: createHash('sha256').update(bytes).digest('hex') }
}

/** The loop has gone round that often: whatever was to happen at once has happened. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(resolve => setImmediate(resolve))
}
