import { MeshError } from '../../core/index.ts'
import { openPassingCalls } from './calls.ts'
import { messageDescriptors, MessageSockets } from './message-socket.ts'
import type { ReceivedMessage } from './message-socket.ts'
import type { KeeperAnswer, KeeperQuestion, KeptKind, KeptName } from './protocol.ts'

/** A keeper answers in microseconds; one that has been stopped must not stop whoever asks. */
const answerMs = 2_000

/** What is given to a keeper, or comes back from one. */
export interface KeptDescriptor extends KeptName {
  readonly fd: number
}

export interface KeeperState {
  readonly version: number
  readonly pid: number
  /** Descriptors that it holds. */
  readonly count: number
  readonly isLed: boolean
}

/** A connection to a keeper; its calls wait for the answer. */
export class KeeperClient implements Disposable {
  readonly path: string
  readonly #sockets: MessageSockets
  readonly #fd: number
  #isClosed = false

  private constructor(path: string, sockets: MessageSockets, fd: number) {
    this.path = path
    this.#sockets = sockets
    this.#fd = fd
  }

  /**
   * @returns undefined when no keeper listens there
   * @throws MeshError MESH_KEEPER when somebody else does, MESH_KERNEL_UNSUPPORTED, MESH_KERNEL_SYSCALL
   */
  static connect(path: string): KeeperClient | undefined {
    const sockets = new MessageSockets(openPassingCalls())
    let fd: number
    try {
      fd = sockets.connect(path)
    } catch (error) {
      sockets.calls[Symbol.dispose]()
      if (error instanceof MeshError && isNobody(error.cause)) return undefined
      throw error
    }
    const client = new KeeperClient(path, sockets, fd)
    // Descriptors are given to nobody but our own user's keeper, or root's.
    const user = sockets.peerUser(fd)
    if (user === process.geteuid?.() || user === 0) return client
    client[Symbol.dispose]()
    throw new MeshError('MESH_KEEPER', `the keeper at ${path} runs as user ${user ?? 'unknown'}`, {
      source: 'kernel',
      hint: 'end that process, or give the agent another socketPath',
    })
  }

  state(): KeeperState {
    const { version, pid = 0, count = 0, isLed = false } = this.#ask({ ask: 'count' })
    return { version, pid, count, isLed }
  }

  /** Descriptors are kept for this connection from now on. @throws MeshError MESH_KEEPER when somebody else leads */
  lead(): { readonly version: number; readonly pid: number; readonly count: number } {
    const { version, pid = 0, count = 0 } = this.#ask({ ask: 'lead' })
    return { version, pid, count }
  }

  /** Hands over copies; the caller's own stay the caller's. @throws MeshError MESH_KEEPER */
  keep(kind: KeptKind, kept: readonly { readonly name: string; readonly fd: number }[]): void {
    for (let from = 0; from < kept.length; from += messageDescriptors) {
      const page = kept.slice(from, from + messageDescriptors)
      this.#ask(
        { ask: 'keep', kind, names: page.map(({ name }) => name) },
        page.map(({ fd }) => fd),
      )
    }
  }

  /** @throws MeshError MESH_KEEPER */
  drop(names: readonly string[]): void {
    for (let from = 0; from < names.length; from += messageDescriptors) {
      this.#ask({ ask: 'drop', names: names.slice(from, from + messageDescriptors) })
    }
  }

  /** Copies of everything that is kept; the caller closes them. @throws MeshError MESH_KEEPER */
  takeAll(): readonly KeptDescriptor[] {
    const all: KeptDescriptor[] = []
    let from: number | undefined = 0
    try {
      while (from !== undefined) {
        const { answer, descriptors } = this.#exchange({ ask: 'list', from })
        for (const [index, item] of (answer.items ?? []).entries()) {
          const fd = descriptors[index]
          if (fd !== undefined) all.push({ ...item, fd })
        }
        from = answer.next
      }
      return all
    } catch (error) {
      for (const { fd } of all) this.#sockets.close(fd)
      throw error
    }
  }

  /** Tells the keeper to close everything and end. */
  end(): void {
    this.#ask({ ask: 'end' })
  }

  /** Whether the keeper is still there, as far as can be told without asking. */
  get isThere(): boolean {
    // It says nothing unasked: whatever can be received is the end.
    return !this.#isClosed && !this.#sockets.wait(this.#fd, 0)
  }

  #ask(question: KeeperQuestion, descriptors: readonly number[] = []): KeeperAnswer {
    const { answer, descriptors: received } = this.#exchange(question, descriptors)
    for (const each of received) this.#sockets.close(each)
    return answer
  }

  #exchange(
    question: KeeperQuestion,
    descriptors: readonly number[] = [],
  ): { readonly answer: KeeperAnswer; readonly descriptors: readonly number[] } {
    const received = this.#isClosed ? undefined : this.#send(question, descriptors)
    if (received === undefined) {
      this[Symbol.dispose]()
      throw refused(`the keeper at ${this.path} does not answer`)
    }
    const answer = JSON.parse(received.text) as KeeperAnswer
    if (answer.error === undefined) return { answer, descriptors: received.descriptors }
    for (const each of received.descriptors) this.#sockets.close(each)
    throw refused(`the keeper at ${this.path} refuses ${question.ask}: ${answer.error}`)
  }

  #send(question: KeeperQuestion, descriptors: readonly number[]): ReceivedMessage | undefined {
    if (!this.#sockets.send(this.#fd, JSON.stringify(question), descriptors)) return undefined
    return this.#sockets.wait(this.#fd, answerMs) ? this.#sockets.receive(this.#fd) : undefined
  }

  [Symbol.dispose](): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#sockets.close(this.#fd)
    this.#sockets.calls[Symbol.dispose]()
  }
}

function refused(message: string): MeshError {
  return new MeshError('MESH_KEEPER', message, { source: 'kernel', hint: 'heddle doctor says what is there' })
}

function isNobody(cause: unknown): boolean {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  return code === 'ENOENT' || code === 'ECONNREFUSED'
}
