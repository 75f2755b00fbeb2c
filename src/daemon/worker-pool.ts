import type { Worker } from 'node:worker_threads'
import { messageOf } from '../core/index.ts'
import type { Clock, Logger, Timer } from '../core/index.ts'
import { closeAbandoned, DescriptorLedger } from '../kernel/index.ts'
import { diffSnapshots, emptySnapshot } from '../model/index.ts'
import type { MeshSnapshot } from '../model/index.ts'
import { ThreadSharedData } from '../wasm/index.ts'
import type { SocketTable } from './handover/listener-sockets.ts'
import { ModuleBytes } from './plugins/module-bytes.ts'
import type { ModuleSource } from './plugins/module-bytes.ts'
import type { PluginStatus } from './plugins/plugin-status.ts'
import { RateLimitMemories } from './rate-limit-memories.ts'
import type { WorkerThreads } from './worker-threads.ts'
import type {
  CallerAnswer,
  CallerQuestion,
  EndpointActivity,
  FromWorker,
  GivenConnection,
  ToWorker,
  WorkerOptions,
  WorkerStart,
} from './worker-messages.ts'

export interface WorkerPoolOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** Borrowed; those that are started already come first. */
  readonly threads: WorkerThreads
  readonly count: number
  /** Sockets of plain connections. */
  readonly transport: 'native' | 'node'
  /** Folder of the kernel tier's maps; undefined in user space. */
  readonly pins?: string | undefined
  /** Of TLS sessions; `setTicketKeys` replaces them. */
  readonly ticketKeys: Uint8Array
  readonly worker: Omit<WorkerOptions, 'workers' | 'isTapped'>
  readonly observer: WorkerObserver
  readonly callers: CallerLookup
  /** Has the modules of the snapshot's plugins. @default there are none */
  readonly modules?: ModuleSource | undefined
  /** Sockets that a worker, counted from 0, is to listen with. @default it opens them */
  readonly kept?: ((worker: number) => SocketTable) | undefined
}

/** Knows whose processes connections come from. */
export interface CallerLookup {
  /** `reply` is called once, with an answer to each question. */
  ask(questions: readonly CallerQuestion[], reply: (answers: readonly CallerAnswer[]) => void): void
}

/** What the pool tells its owner. Ids are unique for the life of the pool: a replacement has a new one. */
export interface WorkerObserver {
  /** State of all metrics of a worker, absolute; called only when it has changed. */
  collected(worker: number, metrics: unknown): void
  /** The worker is gone; what it counted stays counted. */
  retired(worker: number): void
  /** A crashed worker is being replaced. */
  restarted(): void
  lines(lines: readonly string[]): void
  /** Listeners that some worker could not open, by id, whenever that changes. */
  listenFailures(failures: ReadonlyMap<string, string>): void
}

export interface WorkerPluginStatus extends PluginStatus {
  readonly worker: number
}

/** Requests that ended by themselves while draining, and those that were cut off. */
export interface DrainReport {
  readonly finished: number
  readonly cut: number
}

/** A worker that lived this long is not part of a crash loop. */
const settledMs = 60_000
const firstBackoffMs = 100
const maxBackoffMs = 10_000
/** A worker that does not answer a request for its counters is left out of this scrape. */
const collectTimeoutMs = 500
/** After the drain's deadline a worker has this long to say how it went. */
const drainGraceMs = 1_000

/**
 * The threads that carry traffic. Every one holds the same snapshot, gets the
 * same deltas in the same order, and acknowledges each version.
 *
 * A worker that ends by itself is replaced: at once the first time, later after
 * a pause that doubles from 100 ms to 10 s, and anew once a replacement has
 * lived for a minute. Its connections are lost with it; the others go on, and
 * what it had counted up to its last report stays in the totals.
 */
export class WorkerPool {
  readonly #options: WorkerPoolOptions
  readonly #slots: Slot[] = []
  readonly #rateLimits = new RateLimitMemories()
  readonly #modules: ModuleBytes
  readonly #pluginData = new ThreadSharedData().buffer
  readonly #pluginQueues = new ThreadSharedData().buffer
  #snapshot: MeshSnapshot
  #ticketKeys: Uint8Array
  #isTapped = false
  #turn = 0
  #isStopping = false
  #waiters = new Set<() => void>()
  #lastFailures = ''

  /** Starts the workers with this snapshot. */
  constructor(snapshot: MeshSnapshot, options: WorkerPoolOptions) {
    this.#options = options
    this.#snapshot = snapshot
    this.#modules = new ModuleBytes(options.modules ?? (() => undefined))
    this.#modules.update(snapshot.plugins)
    this.#rateLimits.update(diffSnapshots(emptySnapshot, snapshot).routes)
    this.#ticketKeys = options.ticketKeys
    for (let index = 0; index < options.count; index++) {
      const slot: Slot = { index, thread: undefined, crashes: 0, timer: undefined }
      this.#slots.push(slot)
      this.#start(slot)
    }
  }

  /** Hands a newer snapshot to all workers. */
  apply(snapshot: MeshSnapshot): void {
    const delta = diffSnapshots(this.#snapshot, snapshot)
    this.#snapshot = snapshot
    const rateLimits = this.#rateLimits.update(delta.routes)
    const modules = this.#modules.update(snapshot.plugins)
    for (const { index, thread } of this.#slots) {
      const message: ToWorker = { kind: 'delta', delta, rateLimits, modules, kept: this.#options.kept?.(index) }
      thread?.worker.postMessage(message)
    }
  }

  /** Resolves when every worker has the version, or a later one, in force. */
  async applied(version: number): Promise<void> {
    while (!this.#isStopping && !this.#slots.every(({ thread }) => (thread?.version ?? -1) >= version)) {
      await this.#changed()
    }
  }

  /** The version that every live worker has in force; undefined while one has none. */
  get version(): number | undefined {
    const versions = this.#slots.map(({ thread }) => thread?.version ?? -1)
    const least = Math.min(...versions)
    return least < 0 ? undefined : least
  }

  /** How many workers carry traffic now. */
  get running(): number {
    return this.#slots.filter(({ thread }) => thread !== undefined && thread.version >= 0).length
  }

  /**
   * Asks all workers for their counters; resolves when all have answered or after half a second.
   *
   * @param options.wantsEndpoints also what they see of endpoints, for `endpoints()`. @default false
   */
  async collect(options: { readonly wantsEndpoints?: boolean } = {}): Promise<void> {
    const asked = this.#threads().map(thread => ({ thread, question: ++thread.questions }))
    this.#broadcast({ kind: 'collect', wantsEndpoints: options.wantsEndpoints ?? false })
    let isLate = false
    using _timer = this.#options.clock.after(collectTimeoutMs, () => {
      isLate = true
      this.#notify()
    })
    const isOpen = ({ thread, question }: (typeof asked)[number]) => thread.answers < question && !thread.isGone
    while (!isLate && asked.some(isOpen)) await this.#changed()
  }

  /** What the workers said of their endpoints when they were last asked. */
  endpoints(): readonly EndpointActivity[] {
    return this.#threads().flatMap(thread => thread.endpoints)
  }

  /** What each worker said of its plugins when it was last asked. */
  plugins(): readonly WorkerPluginStatus[] {
    return this.#threads().flatMap(({ id, plugins }) => plugins.map(status => ({ ...status, worker: id })))
  }

  /** Replaces the keys of TLS session tickets, in workers to come, too. */
  setTicketKeys(keys: Uint8Array): void {
    this.#ticketKeys = keys
    this.#broadcast({ kind: 'ticket-keys', keys })
  }

  /** Whether workers send the lines of their access log. */
  tap(isOn: boolean): void {
    this.#isTapped = isOn
    this.#broadcast({ kind: 'tap', isOn })
  }

  /**
   * Gives a worker a connection that was accepted elsewhere, with its descriptor; the workers take turns.
   * @returns false when there is none now: the descriptor is still the caller's
   */
  give(connection: GivenConnection): boolean {
    const ready = this.#threads().filter(({ version, isGone }) => version >= 0 && !isGone)
    const thread = ready[this.#turn++ % Math.max(1, ready.length)]
    if (thread?.ledger === undefined) return false
    // From here on it is closed with the thread.
    thread.ledger.opened(connection.descriptor)
    const message: ToWorker = { kind: 'connection', ...connection }
    thread.worker.postMessage(message)
    return true
  }

  reopenLogs(): void {
    this.#broadcast({ kind: 'reopen-logs' })
  }

  /**
   * Stops accepting, lets requests finish until the deadline, and ends the threads.
   * @param options.handsOver  connections that come from now on wait in sockets that are kept. @default false
   */
  async drain(deadlineMs: number, options: { readonly handsOver?: boolean } = {}): Promise<DrainReport> {
    this.#isStopping = true
    for (const slot of this.#slots) slot.timer?.[Symbol.dispose]()
    const draining = this.#threads()
    this.#broadcast({ kind: 'drain', deadlineMs, handsOver: options.handsOver ?? false })
    let isLate = false
    const timer = this.#options.clock.after(deadlineMs + drainGraceMs, () => {
      isLate = true
      this.#notify()
    })
    while (!isLate && draining.some(thread => thread.drained === undefined && !thread.isGone)) await this.#changed()
    timer[Symbol.dispose]()
    await this.close()
    const sum = { finished: 0, cut: 0 }
    for (const { drained } of draining) {
      sum.finished += drained?.finished ?? 0
      sum.cut += drained?.cut ?? 0
    }
    return sum
  }

  /** Ends the threads at once. */
  async close(): Promise<void> {
    this.#isStopping = true
    for (const slot of this.#slots) slot.timer?.[Symbol.dispose]()
    await Promise.all(this.#threads().map(({ worker }) => worker.terminate()))
    this.#notify()
  }

  #start(slot: Slot): void {
    const { threads, worker: options, count, clock } = this.#options
    const ledger = this.#options.transport === 'native' ? new DescriptorLedger() : undefined
    const start: WorkerStart = {
      descriptors: ledger?.shared,
      pins: this.#options.pins,
      kept: this.#options.kept?.(slot.index),
      snapshot: this.#snapshot,
      rateLimits: this.#rateLimits.all,
      modules: this.#modules.all,
      pluginData: this.#pluginData,
      pluginQueues: this.#pluginQueues,
      ticketKeys: this.#ticketKeys,
      options: { ...options, workers: count, isTapped: this.#isTapped },
    }
    const { id, worker } = threads.take()
    const thread: Thread = {
      ledger,
      id,
      worker,
      startedMs: clock.nowMs(),
      version: -1,
      failures: new Map(),
      endpoints: [],
      plugins: [],
      questions: 0,
      answers: 0,
      isGone: false,
      drained: undefined,
    }
    slot.thread = thread
    let cause = ''
    worker.on('message', (message: FromWorker) => this.#receive(thread, message))
    worker.on('error', error => {
      cause = messageOf(error)
    })
    worker.on('exit', code => this.#ended(slot, thread, cause === '' ? `exit code ${code}` : cause))
    worker.postMessage(start)
  }

  #receive(thread: Thread, message: FromWorker): void {
    const { observer, logger, callers } = this.#options
    switch (message.kind) {
      case 'applied':
        thread.version = message.version
        thread.failures = message.failures
        this.#reportFailures()
        break
      case 'collected':
        thread.answers++
        if (message.plugins !== undefined) thread.plugins = message.plugins
        if (message.endpoints !== undefined) thread.endpoints = message.endpoints
        if (message.metrics !== undefined) observer.collected(thread.id, message.metrics)
        break
      case 'log':
        logger[message.level](message.message, { ...message.fields, worker: thread.id })
        return
      case 'lines':
        observer.lines(message.lines)
        return
      case 'callers-asked':
        callers.ask(message.questions, answers => {
          const answered: ToWorker = { kind: 'callers-answered', answers }
          thread.worker.postMessage(answered)
        })
        return
      case 'drained':
        thread.drained = message
        break
    }
    this.#notify()
  }

  #ended(slot: Slot, thread: Thread, cause: string): void {
    const { clock, logger, observer } = this.#options
    thread.isGone = true
    if (thread.ledger !== undefined) closeAbandoned(thread.ledger)
    slot.thread = undefined
    observer.retired(thread.id)
    if (!this.#isStopping) {
      slot.crashes = clock.nowMs() - thread.startedMs >= settledMs ? 1 : slot.crashes + 1
      const pauseMs = backoffMs(slot.crashes)
      logger.error('a worker ended and is replaced', { worker: thread.id, cause, pauseMs })
      observer.restarted()
      if (pauseMs === 0) this.#start(slot)
      else slot.timer = clock.after(pauseMs, () => this.#start(slot))
    }
    this.#notify()
  }

  #reportFailures(): void {
    const failures = new Map<string, string>()
    for (const thread of this.#threads()) for (const [id, message] of thread.failures) failures.set(id, message)
    const text = JSON.stringify([...failures].toSorted(([a], [b]) => (a < b ? -1 : 1)))
    if (text === this.#lastFailures || (this.#lastFailures === '' && failures.size === 0)) return
    this.#lastFailures = text
    this.#options.observer.listenFailures(failures)
  }

  #threads(): Thread[] {
    return this.#slots.flatMap(({ thread }) => (thread === undefined ? [] : [thread]))
  }

  #broadcast(message: ToWorker): void {
    for (const { worker } of this.#threads()) worker.postMessage(message)
  }

  #changed(): Promise<void> {
    return new Promise(resolve => this.#waiters.add(resolve))
  }

  #notify(): void {
    const waiters = this.#waiters
    this.#waiters = new Set()
    for (const wake of waiters) wake()
  }
}

/** The pause before the replacement after that many crashes in a row; none after the first. */
export function backoffMs(crashes: number): number {
  return crashes <= 1 ? 0 : Math.min(maxBackoffMs, firstBackoffMs * 2 ** (crashes - 2))
}

interface Slot {
  readonly index: number
  thread: Thread | undefined
  crashes: number
  timer: Timer | undefined
}

interface Thread {
  /** Of its own sockets. */
  readonly ledger: DescriptorLedger | undefined
  readonly id: number
  readonly worker: Worker
  readonly startedMs: number
  /** -1 before the first snapshot is in force. */
  version: number
  failures: ReadonlyMap<string, string>
  plugins: readonly PluginStatus[]
  endpoints: readonly EndpointActivity[]
  /** For counters: how often it was asked, and how often it answered, in the same order. */
  questions: number
  answers: number
  isGone: boolean
  drained: DrainReport | undefined
}
