import { messageOf } from '../../core/index.ts'
import type { Clock, Logger } from '../../core/index.ts'
import type { Caller } from '../../model/index.ts'
import { Breath } from './breath.ts'
import { findHolders } from './caller-processes.ts'
import type { CallerRoot } from './caller-processes.ts'
import { findDatagramInodes } from './caller-datagrams.ts'
import { findClientInodes } from './caller-sockets.ts'
import { ProcFiles } from './proc-files.ts'
import type { CallerQuestion } from '../worker-messages.ts'
import type { CallerLookup } from '../worker-pool.ts'

export interface CallerFinderOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** The processes of workloads as they are now. */
  readonly roots: () => readonly CallerRoot[]
  /** @default those of this machine */
  readonly files?: ProcFiles
}

/** After a look that took next to nothing: at most a thousand in a second. */
const minRestMs = 1

type Reply = Parameters<CallerLookup['ask']>[1]

/**
 * Answers the workers' questions about who calls, from what Linux tells about
 * sockets and processes. Questions of one moment share one look, and those that
 * come meanwhile share the next. A look costs the same whoever asks, and the
 * thread rests after it for as long as it took: connections of strangers, however
 * many, never cost more than half of the main thread. The socket is what
 * identifies a caller, so an answer holds as long as the connection.
 */
export class CallerFinder implements CallerLookup {
  readonly #options: CallerFinderOptions
  readonly #files: ProcFiles
  #waiting: { readonly questions: readonly CallerQuestion[]; readonly reply: Reply }[] = []
  #isBusy = false

  constructor(options: CallerFinderOptions) {
    this.#options = options
    this.#files = options.files ?? new ProcFiles()
  }

  ask(questions: readonly CallerQuestion[], reply: Reply): void {
    this.#waiting.push({ questions, reply })
    if (this.#isBusy) return
    this.#isBusy = true
    // Other workers may have questions in this turn, too.
    setImmediate(() => void this.#work())
  }

  async #work(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting
      this.#waiting = []
      const breath = new Breath(this.#options.clock)
      const all = batch.flatMap(({ questions }) => questions)
      const callers = await this.#find(all, breath).catch((error: unknown) => {
        this.#options.logger.warn('callers could not be looked for', { error: messageOf(error) })
        return []
      })
      let at = 0
      for (const { questions, reply } of batch) reply(questions.map(({ id }) => ({ id, caller: callers[at++] })))
      await this.#rest(Math.max(breath.workedMs, minRestMs))
    }
    this.#isBusy = false
  }

  #rest(ms: number): Promise<void> {
    return new Promise(resolve => void this.#options.clock.after(ms, resolve).unref())
  }

  async #find(questions: readonly CallerQuestion[], breath: Breath): Promise<readonly (Caller | undefined)[]> {
    const roots = this.#options.roots()
    if (roots.length === 0) return []
    const ofStreams = questions.filter(({ protocol }) => protocol === undefined)
    const ofDatagrams = questions.filter(({ protocol }) => protocol === 'UDP')
    const streams = ofStreams.length === 0 ? [] : await findClientInodes(ofStreams, this.#files, breath)
    const datagrams = ofDatagrams.length === 0 ? [] : await findDatagramInodes(ofDatagrams, this.#files, breath)
    let [nextStream, nextDatagram] = [0, 0]
    const inodes = questions.map(({ protocol }) =>
      protocol === undefined ? streams[nextStream++] : datagrams[nextDatagram++],
    )
    const known = inodes.filter(inode => inode !== undefined)
    if (known.length === 0) return []
    const callers = await findHolders(this.#files, known, roots, breath)
    return inodes.map(inode => (inode === undefined ? undefined : callers.get(inode)))
  }
}
