import { messageOf } from '../../core/index.ts'
import type { Clock, Logger } from '../../core/index.ts'
import type { Listener } from '../../model/index.ts'
import type { KeeperSummary } from '../../observe/index.ts'
import type { KeptNameSockets } from '../../names/index.ts'
import { probePort } from '../port-probe.ts'
import type { SocketPlace } from '../port-probe.ts'
import { endKept } from '../programs/end-kept.ts'
import { KeptPrograms } from '../programs/kept-programs.ts'
import type { Settings } from '../settings.ts'
import { AgentKeeper } from './agent-keeper.ts'
import { ListenerSockets } from './listener-sockets.ts'
import type { SocketTable } from './listener-sockets.ts'
import { NameSockets } from './name-sockets.ts'

export interface HandoverOptions {
  /** Whether this agent's sockets and programs are to outlive it. */
  readonly isWanted: boolean
  readonly logger: Logger
  readonly clock: Clock
}

type HandoverSettings = Pick<Settings, 'socketPath' | 'workers' | 'keepSeconds'>

/** What an agent of the kernel tier leaves to the next one, and has from the one before: listening sockets and programs. */
export class Handover implements Disposable {
  readonly keeper: AgentKeeper
  readonly #sockets: ListenerSockets
  readonly #names: NameSockets
  /** Those of Workloads. */
  readonly programs: KeptPrograms

  private constructor(keeper: AgentKeeper, { workers }: HandoverSettings, logger: Logger) {
    this.keeper = keeper
    this.#sockets = new ListenerSockets({ keeper, workers, logger })
    this.#names = new NameSockets(keeper)
    this.programs = new KeptPrograms(keeper, logger)
  }

  /**
   * Where it is not wanted, what an earlier agent has left is ended.
   * @returns undefined, and says why, where there can be no keeper: then sockets and programs end with the agent
   */
  static async open(settings: HandoverSettings, options: HandoverOptions): Promise<Handover | undefined> {
    const { socketPath, keepSeconds: waitSeconds } = settings
    const { isWanted, logger, clock } = options
    try {
      if (!isWanted || waitSeconds === 0) {
        const ended = await endKept(socketPath, clock)
        if (ended !== undefined)
          logger.warn('what an agent of the kernel tier has left was ended', { keeper: ended.pid })
        return undefined
      }
      const keeper = await AgentKeeper.open({ socketPath, waitSeconds, logger })
      return new Handover(keeper, settings, logger)
    } catch (error) {
      const cause = messageOf(error)
      logger.error('there is no keeper: connections are refused and programs end when the agent is gone', {
        error: cause,
      })
      return undefined
    }
  }

  get status(): KeeperSummary {
    return this.keeper.status
  }

  /** Whether it is open there, or an earlier agent's socket is. */
  has(place: SocketPlace): boolean {
    return this.#sockets.has(place)
  }

  /** As `probePort`, but for places that are ours already. */
  probe(place: SocketPlace, own: Iterable<SocketPlace>): Promise<string | undefined> {
    if (this.has(place)) return Promise.resolve(undefined)
    return probePort(place, [...own, ...this.#sockets.places()])
  }

  /** Before workers are told of these listeners. */
  update(listeners: ReadonlyMap<string, Listener>): void {
    this.#sockets.update(listeners)
  }

  /** For the server of names. */
  forNames(): { readonly kept: KeptNameSockets } {
    return { kept: this.#names }
  }

  /** What a worker, counted from 0, listens with. */
  readonly tables: (worker: number) => SocketTable = worker => this.#sockets.tableOf(worker)

  /** All workers have in force what they were told. */
  settled(): void {
    this.#sockets.closeRemoved()
  }

  /** All listeners are open: what an earlier agent had besides is over. */
  complete(): void {
    this.#sockets.closeLeft()
    this.#names.closeLeft()
  }

  /** Now and then. */
  check(): void {
    this.keeper.check()
  }

  /** Nothing is left to a next agent. */
  end(): void {
    this.keeper.end()
  }

  [Symbol.dispose](): void {
    this.programs[Symbol.dispose]()
    this.#sockets[Symbol.dispose]()
    this.#names[Symbol.dispose]()
    this.keeper[Symbol.dispose]()
  }
}
