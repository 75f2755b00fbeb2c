import { readFileSync } from 'node:fs'
import { messageOf } from '../../core/index.ts'
import type { Logger } from '../../core/index.ts'
import type { KeeperSummary } from '../../observe/index.ts'
import { keeperVersion, keptKinds, openKeeper } from '../../kernel/index.ts'
import type { KeeperClient, KeptDescriptor, KeptKind } from '../../kernel/index.ts'

export interface AgentKeeperOptions {
  /** Of the agent; the keeper's is beside it. */
  readonly socketPath: string
  /** How long connections wait for the next agent. */
  readonly waitSeconds: number
  readonly logger: Logger
}

/** Two agents of a machine differ by their sockets, and so do their keepers. */
export function keeperPath(socketPath: string): string {
  return `${socketPath}.keeper`
}

/**
 * The agent's keeper: a process that holds what must outlive the agent. One that ends is replaced and gets everything
 * anew; until then nothing is lost but what an agent that ends in the same moment would have left.
 */
export class AgentKeeper implements Disposable {
  readonly #options: AgentKeeperOptions
  #client: KeeperClient
  #pid: number
  readonly #kept = new Map<string, KeptDescriptor>()
  /** What an agent before this one has left, until somebody takes it. */
  readonly #left = new Map<string, KeptDescriptor>()
  #isOpening = false
  #isClosed = false

  private constructor(options: AgentKeeperOptions, client: KeeperClient) {
    this.#options = options
    this.#client = client
    this.#pid = client.state().pid
    for (const each of client.takeAll()) this.#left.set(each.name, each)
  }

  /** @throws MeshError MESH_KEEPER */
  static async open(options: AgentKeeperOptions): Promise<AgentKeeper> {
    const { socketPath, waitSeconds } = options
    const client = await openKeeper({ path: keeperPath(socketPath), waitSeconds })
    try {
      return new AgentKeeper(options, client)
    } catch (error) {
      client[Symbol.dispose]()
      throw error
    }
  }

  get status(): KeeperSummary {
    const held = [...this.#kept.values(), ...this.#left.values()]
    const countOf = (wanted: KeptKind): number => held.filter(({ kind }) => kind === wanted).length
    return {
      pid: this.#pid,
      version: keeperVersion,
      sockets: countOf('socket'),
      programs: countOf('process'),
      memoryBytes: ownMemory(this.#pid),
    }
  }

  /** False for one that has just ended. */
  get isThere(): boolean {
    return this.#client.isThere
  }

  /** Names of what an agent before this one has left and nobody has taken yet. */
  get left(): ReadonlySet<string> {
    return new Set(this.#left.keys())
  }

  /** A descriptor that an agent before this one has left: it stays kept, and the caller owns the copy. */
  take(name: string): number | undefined {
    const found = this.#left.get(name)
    if (found === undefined) return undefined
    this.#left.delete(name)
    this.#kept.set(name, found)
    return found.fd
  }

  /** The descriptors stay the caller's, and open until they are dropped. */
  keep(kind: KeptKind, entries: readonly { readonly name: string; readonly fd: number }[]): void {
    if (entries.length === 0) return
    for (const entry of entries) this.#kept.set(entry.name, { ...entry, kind })
    this.#tell(client => client.keep(kind, entries))
  }

  drop(names: readonly string[]): void {
    if (names.length === 0) return
    for (const name of names) {
      this.#kept.delete(name)
      this.#left.delete(name)
    }
    this.#tell(client => client.drop(names))
  }

  /** Replaces a keeper that has ended; to be called now and then. */
  check(): void {
    if (this.#isClosed || this.#isOpening || this.#client.isThere) return
    this.#isOpening = true
    void this.#reopen().finally(() => (this.#isOpening = false))
  }

  async #reopen(): Promise<void> {
    const { logger, socketPath, waitSeconds } = this.#options
    this.#client[Symbol.dispose]()
    try {
      const client = await openKeeper({ path: keeperPath(socketPath), waitSeconds })
      if (this.#isClosed) {
        client[Symbol.dispose]()
        return
      }
      this.#client = client
      this.#pid = client.state().pid
      for (const kind of keptKinds) {
        client.keep(
          kind,
          [...this.#kept.values()].filter(each => each.kind === kind),
        )
      }
      logger.warn('the keeper of sockets ended and was replaced', { pid: this.#pid })
    } catch (error) {
      logger.error('the keeper of sockets ended and could not be replaced yet', { error: messageOf(error) })
    }
  }

  #tell(say: (client: KeeperClient) => void): void {
    if (!this.#client.isThere) return
    try {
      say(this.#client)
    } catch (error) {
      this.#options.logger.error('the keeper of sockets does not do what it is told', { error: messageOf(error) })
    }
  }

  /** The keeper ends, and nothing waits for another agent. */
  end(): void {
    this.#tell(client => client.end())
  }

  /** What is kept stays so, for the next agent. */
  [Symbol.dispose](): void {
    this.#isClosed = true
    this.#client[Symbol.dispose]()
  }
}

/** In bytes; 0 when it has just ended. */
function ownMemory(pid: number): number {
  try {
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1')
    return Number(/^Private_Dirty: +(\d+)/m.exec(rollup)?.[1] ?? 0) * 1024
  } catch {
    return 0
  }
}
