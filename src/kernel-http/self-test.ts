import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { messageOf, systemClock } from '../core/index.ts'
import { attachToKernelFunction, attachToSockets, loadObject } from '../kernel/index.ts'
import type { Bpf, LoadedObject } from '../kernel/index.ts'
import { readSelfTestObject } from './object.ts'

/** One behaviour of the kernel that the path relies on, and no kernel promises. */
export interface SelfTestResult {
  readonly name: string
  /** What was seen instead; undefined where it is as it has to be. */
  readonly difference: string | undefined
}

/** What comes in a moment comes within this. */
const waitMs = 2_000

/** Two connections, each with both ends here: what the tests are made with. */
class Bench implements AsyncDisposable {
  readonly client: Socket
  readonly clientPeer: Socket
  readonly other: Socket
  readonly otherPeer: Socket
  readonly #object: LoadedObject
  readonly #server: Server
  readonly #stack = new DisposableStack()

  private constructor(object: LoadedObject, server: Server, sockets: readonly [Socket, Socket, Socket, Socket]) {
    this.#object = object
    this.#server = server
    ;[this.client, this.clientPeer, this.other, this.otherPeer] = sockets
  }

  static async open(bpf: Bpf): Promise<Bench> {
    // First, since this is what may be refused: nothing else is open then.
    const object = loadObject(bpf, readSelfTestObject())
    const server = createServer({ pauseOnConnect: true, noDelay: true, allowHalfOpen: true })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const [client, clientPeer] = await pair(server)
    const [other, otherPeer] = await pair(server)
    const bench = new Bench(object, server, [client, clientPeer, other, otherPeer])
    try {
      bench.#prepare(bpf)
      return bench
    } catch (error) {
      await bench[Symbol.asyncDispose]()
      throw error
    }
  }

  #prepare(bpf: Bpf): void {
    const object = this.#object
    const sockets = object.map<bigint, bigint>('st_sockets')
    const [client, other] = [descriptorOf(this.client), descriptorOf(this.other)]
    this.#stack.use(attachToSockets(bpf, object.program('st_message'), sockets.raw))
    this.#stack.use(attachToKernelFunction(bpf, object.program('st_reads')))
    object.map<number, bigint>('st_read').set(other, 0n)
    sockets.set(1n, BigInt(client))
    sockets.set(2n, BigInt(other))
    object.global<bigint>('own').set(1n)
  }

  /** Messages of `client` go there: 1 is itself, 2 is `other`, 0 as if there were no program. */
  redirectTo(target: bigint, take = 0): void {
    this.#object.global<bigint>('target').set(target)
    this.#object.global<number>('take').set(take)
  }

  /** Unread bytes of the sender as its last message was sent. */
  get unread(): number {
    return this.#object.global<number>('unread').get()
  }

  get verdict(): number {
    return this.#object.global<number>('verdict').get()
  }

  /** Bytes that `other` was seen to read. */
  get read(): bigint {
    return this.#object.map<number, bigint>('st_read').get(descriptorOf(this.other)) ?? -1n
  }

  leave(key: bigint): void {
    this.#object.map<bigint, bigint>('st_sockets').delete(key)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of [this.client, this.clientPeer, this.other, this.otherPeer]) socket.destroy()
    this.#stack.dispose()
    this.#object[Symbol.dispose]()
    await new Promise(resolve => this.#server.close(resolve))
  }
}

async function pair(server: Server): Promise<readonly [Socket, Socket]> {
  const { port } = server.address() as AddressInfo
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
  socket.pause()
  await once(socket, 'connect')
  const [peer] = await accepted
  for (const each of [socket, peer]) each.on('error', () => {})
  return [socket, peer]
}

function descriptorOf(socket: Socket): number {
  const { _handle: handle } = socket as { readonly _handle?: { readonly fd?: unknown } | null }
  if (typeof handle?.fd !== 'number') throw new Error('a socket has no descriptor')
  return handle.fd
}

/** @returns what comes until it is that long, or until nothing comes for a while */
async function receive(socket: Socket, length: number): Promise<string> {
  let text = ''
  const { promise, resolve } = Promise.withResolvers<void>()
  const onData = (bytes: Buffer): void => {
    text += bytes.toString('latin1')
    if (text.length >= length) resolve()
  }
  socket.on('data', onData).resume()
  using _timer = systemClock.after(waitMs, resolve)
  await promise
  socket.off('data', onData).pause()
  return text
}

async function send(socket: Socket, text: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    socket.write(text, 'latin1', error => (error === undefined || error === null ? resolve() : reject(error)))
  })
}

function differs(wanted: string, seen: string): string | undefined {
  return wanted === seen ? undefined : `${JSON.stringify(seen)} came, ${JSON.stringify(wanted)} was to come`
}

/** More than the buffers of a connection hold. */
const floodBytes = 64 * 1024 * 1024

const tests: Readonly<Record<string, (bench: Bench) => Promise<string | undefined>>> = {
  'redirected bytes reach the other socket, and nobody else': async bench => {
    bench.redirectTo(2n)
    await send(bench.client, 'redirected')
    const there = differs('redirected', await receive(bench.other, 10))
    bench.redirectTo(0n)
    await send(bench.client, 'passed')
    return there ?? differs('passed', await receive(bench.clientPeer, 6))
  },
  'a redirect to nobody is told, and the message can pass': async bench => {
    bench.redirectTo(99n)
    await send(bench.client, 'passed')
    const came = differs('passed', await receive(bench.clientPeer, 6))
    return came ?? (bench.verdict === 0 ? undefined : `the helper returned ${bench.verdict}`)
  },
  'a part of a message is redirected, and the rest goes on': async bench => {
    bench.redirectTo(2n, 5)
    await send(bench.client, 'first, rest')
    const first = differs('first', await receive(bench.other, 5))
    return first ?? differs(', rest', await receive(bench.clientPeer, 6))
  },
  'what is read of redirected bytes is counted before it is there': async bench => {
    bench.redirectTo(2n)
    await send(bench.client, 'counted')
    const came = differs('counted', await receive(bench.other, 7))
    return came ?? (bench.read === 7n ? undefined : `${bench.read} bytes were counted, 7 were read`)
  },
  'unread bytes are seen until they are read': async bench => {
    bench.redirectTo(1n)
    await send(bench.client, 'to myself')
    bench.redirectTo(0n)
    await send(bench.client, '1')
    const whileUnread = bench.unread
    const came = differs('to myself', await receive(bench.client, 9))
    await send(bench.client, '2')
    if (came !== undefined) return came
    if (whileUnread <= 0) return `${whileUnread} were seen while 9 were unread`
    return bench.unread === 0 ? undefined : `${bench.unread} were seen with all read`
  },
  'a socket that leaves the map with nothing unread goes on': async bench => {
    bench.redirectTo(2n)
    await send(bench.client, 'before')
    const before = differs('before', await receive(bench.other, 6))
    bench.leave(2n)
    await send(bench.otherPeer, 'after')
    const after = differs('after', await receive(bench.other, 5))
    await send(bench.other, 'answer')
    return before ?? after ?? differs('answer', await receive(bench.otherPeer, 6))
  },
  'messages that pass are held up by a reader that does not read': bench => {
    bench.redirectTo(0n)
    bench.client.write(Buffer.alloc(floodBytes))
    return Promise.resolve(bench.client.writableLength > 0 ? undefined : `${floodBytes} bytes were taken at once`)
  },
}

/**
 * Tries out on this kernel, with sockets and programs of its own, what the path relies on. Each has two connections of its
 * own; nothing stays.
 */
export async function selfTest(bpf: Bpf): Promise<readonly SelfTestResult[]> {
  const results: SelfTestResult[] = []
  for (const [name, run] of Object.entries(tests)) {
    try {
      await using bench = await Bench.open(bpf)
      results.push({ name, difference: await run(bench) })
    } catch (error) {
      results.push({ name, difference: messageOf(error) })
    }
  }
  return results
}
