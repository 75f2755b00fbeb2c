import { chmodSync, statSync, unlinkSync } from 'node:fs'
import { fionread, openPassingCalls, pollErr, pollHup, pollIn } from './calls.ts'
import { messageDescriptors, MessageSockets } from './message-socket.ts'
import type { ReceivedMessage } from './message-socket.ts'
import { keeperVersion } from './protocol.ts'
import type { KeeperAnswer, KeeperQuestion, KeptKind } from './protocol.ts'

export interface KeeperOptions {
  readonly path: string
  /** How long connections wait in sockets that nobody leads. */
  readonly waitMs: number
  /** Of what it says. @default keeperVersion */
  readonly version?: number
}

/** Pipes that nobody reads are looked at this often. */
const lookMs = 200
/** Of what a program writes while nobody reads, half a pipe stays for whoever reads next. */
const pipeBytes = 32 * 1024
/** struct pollfd: the descriptor, then what is asked and what came. */
const wordsPerPoll = 2
/** Questions come from one agent and, now and then, a command. */
const maxConnections = 16

type LeadersQuestion = Extract<KeeperQuestion, { readonly ask: 'keep' | 'drop' | 'list' }>

interface Kept {
  readonly fd: number
  readonly kind: KeptKind
}

/**
 * Holds descriptors for a program that may be killed, so that what they lead to lives on.
 *
 * One thread that waits in poll(2) and knows nothing of what it holds. Only its own user and root may ask it.
 */
export class Keeper implements Disposable {
  readonly #options: KeeperOptions
  readonly #sockets = new MessageSockets(openPassingCalls())
  readonly #listening: number
  /** Of its socket's file. */
  readonly #inode: number
  readonly #connections = new Set<number>()
  readonly #kept = new Map<string, Kept>()
  #leader: number | undefined
  /** When it began that nobody leads. */
  #aloneSinceMs = nowMs()
  #isEnding = false
  /** struct pollfd of one pipe. */
  readonly #pipe: Int32Array = new Int32Array(new ArrayBuffer(8))
  readonly #count: Int32Array = new Int32Array(new ArrayBuffer(4))
  readonly #dropped: Buffer = Buffer.allocUnsafeSlow(pipeBytes)

  /** @throws MeshError MESH_KERNEL_SYSCALL when the path is taken */
  constructor(options: KeeperOptions) {
    this.#options = options
    const before = process.umask(0o077)
    try {
      this.#listening = this.#sockets.listen(options.path)
    } finally {
      process.umask(before)
    }
    chmodSync(options.path, 0o600)
    this.#inode = statSync(options.path).ino
  }

  /** Returns when it was told to end, or when nobody has led for so long that there is nothing left to keep. */
  run(): void {
    while (!this.#isEnding) {
      this.#turn()
      if (this.#leader === undefined) this.#waitAlone()
    }
  }

  #turn(): void {
    const fds = [this.#listening, ...this.#connections]
    const memory = new Int32Array(new ArrayBuffer(fds.length * wordsPerPoll * 4))
    for (const [index, fd] of fds.entries()) {
      memory[index * wordsPerPoll] = fd
      memory[index * wordsPerPoll + 1] = pollIn
    }
    const { calls } = this.#sockets
    if (calls.call.poll(calls.pointerTo(memory), BigInt(fds.length), this.#timeoutMs()) <= 0) return
    for (const [index, fd] of fds.entries()) {
      // What came back stands in the upper half.
      const events = (memory[index * wordsPerPoll + 1] ?? 0) >>> 16
      if (events === 0) continue
      if (fd === this.#listening) this.#accept()
      else this.#receive(fd)
    }
  }

  #timeoutMs(): number {
    if (this.#leader !== undefined) return -1
    if (this.#has('output') || this.#has('process')) return lookMs
    return Math.max(0, Math.min(2 ** 30, Math.ceil(this.#aloneSinceMs + this.#options.waitMs - nowMs())))
  }

  #accept(): void {
    const fd = this.#sockets.accept(this.#listening)
    if (fd === undefined) return
    const user = this.#sockets.peerUser(fd)
    const isAllowed = user !== undefined && (user === process.geteuid?.() || user === 0)
    if (isAllowed && this.#connections.size < maxConnections) this.#connections.add(fd)
    else this.#sockets.close(fd)
  }

  #receive(fd: number): void {
    const message = this.#sockets.receive(fd)
    if (message === undefined) {
      this.#hangUp(fd)
      return
    }
    let said: Answer
    try {
      said = this.#answer(fd, message)
    } catch (error) {
      said = this.#say({ error: String(error) })
    }
    for (const each of message.descriptors) if (said.taken?.has(each) !== true) this.#sockets.close(each)
    if (!this.#sockets.send(fd, JSON.stringify(said.answer), said.shown)) this.#hangUp(fd)
  }

  #answer(fd: number, { text, descriptors }: ReceivedMessage): Answer {
    const question = JSON.parse(text) as KeeperQuestion
    const { pid } = process
    switch (question.ask) {
      case 'count':
        return this.#say({ pid, count: this.#kept.size, isLed: this.#leader !== undefined })
      case 'end':
        this.#isEnding = true
        return this.#say({})
      case 'lead':
        if (this.#leader !== undefined && this.#leader !== fd) return this.#say({ error: 'somebody else leads' })
        this.#leader = fd
        return this.#say({ pid, count: this.#kept.size })
      case 'keep':
      case 'drop':
      case 'list':
        return this.#leader === fd
          ? this.#obey(question, descriptors)
          : this.#say({ error: 'only who leads may ask it' })
      default:
        return this.#say({ error: 'unknown question' })
    }
  }

  #obey(question: LeadersQuestion, descriptors: readonly number[]): Answer {
    switch (question.ask) {
      case 'keep':
        if (question.names.length !== descriptors.length) return this.#say({ error: 'a descriptor is missing' })
        for (const [index, name] of question.names.entries()) this.#keep(name, descriptors[index], question.kind)
        return { ...this.#say({ count: this.#kept.size }), taken: new Set(descriptors) }
      case 'drop':
        for (const name of question.names) this.#drop(name)
        return this.#say({ count: this.#kept.size })
      case 'list':
        return this.#list(question.from)
    }
  }

  #say(answer: Omit<KeeperAnswer, 'version'>): Answer {
    return { answer: { version: this.#options.version ?? keeperVersion, ...answer } }
  }

  #list(from: number): Answer {
    const page = [...this.#kept].slice(from, from + messageDescriptors)
    const next = from + page.length
    const items = page.map(([name, { kind }]) => ({ name, kind }))
    const answer = this.#say({ items, ...(next < this.#kept.size ? { next } : {}) })
    return { ...answer, shown: page.map(([, { fd }]) => fd) }
  }

  #keep(name: string, fd: number | undefined, kind: KeptKind): void {
    if (fd === undefined) return
    this.#drop(name)
    this.#kept.set(name, { fd, kind })
  }

  #drop(name: string): void {
    const kept = this.#kept.get(name)
    if (kept === undefined) return
    this.#kept.delete(name)
    this.#sockets.close(kept.fd)
  }

  #hangUp(fd: number): void {
    this.#connections.delete(fd)
    this.#sockets.close(fd)
    if (this.#leader !== fd) return
    this.#leader = undefined
    this.#aloneSinceMs = nowMs()
  }

  #has(kind: KeptKind): boolean {
    for (const kept of this.#kept.values()) if (kept.kind === kind) return true
    return false
  }

  #waitAlone(): void {
    const isLate = nowMs() >= this.#aloneSinceMs + this.#options.waitMs
    for (const [name, { fd, kind }] of this.#kept) {
      // What a program wrote before it ended is for whoever comes in time.
      const isOver = kind === 'socket' || (kind === 'process' ? this.#hasEnded(fd) : !this.#makeRoom(fd))
      if (isOver && isLate) this.#drop(name)
    }
    if (isLate && this.#kept.size === 0 && this.#leader === undefined) this.#isEnding = true
  }

  #hasEnded(process: number): boolean {
    return this.#sockets.wait(process, 0)
  }

  /** Takes from a pipe what is too much, so that its writer need not wait. @returns whether it still has a writer */
  #makeRoom(fd: number): boolean {
    const { calls } = this.#sockets
    const memory = this.#pipe
    memory[0] = fd
    memory[1] = 0
    calls.call.poll(calls.pointerTo(memory), 1n, 0)
    if ((((memory[1] ?? 0) >>> 16) & (pollHup | pollErr)) !== 0) return false
    if (calls.call.ioctl(fd, fionread, calls.pointerTo(this.#count)) < 0) return true
    const surplus = Math.min((this.#count[0] ?? 0) - pipeBytes, this.#dropped.length)
    if (surplus > 0) calls.call.read(fd, calls.pointerTo(this.#dropped), surplus)
    return true
  }

  /** Closes everything. */
  [Symbol.dispose](): void {
    for (const { fd } of this.#kept.values()) this.#sockets.close(fd)
    for (const fd of this.#connections) this.#sockets.close(fd)
    this.#sockets.close(this.#listening)
    // A successor may have its own there by now.
    const { path } = this.#options
    if (statSync(path, { throwIfNoEntry: false })?.ino === this.#inode) unlinkSync(path)
    this.#sockets.calls[Symbol.dispose]()
  }
}

interface Answer {
  readonly answer: KeeperAnswer
  /** Descriptors to send along. */
  readonly shown?: readonly number[]
  /** Descriptors of the question that are kept. */
  readonly taken?: ReadonlySet<number>
}

/** Not the clock of `core`, whose timers need an event loop. */
function nowMs(): number {
  return performance.now()
}
