import { isAbsolute, relative } from 'node:path'
import { silentLogger, systemClock, type Clock, type Logger, type Problem } from '../core/index.ts'
import { ResourceStore } from './files/resource-store.ts'
import type { ResourceUpdate } from './files/resource-table.ts'
import { Reconciler, type Reconciled, type ReconcilerOptions } from './reconcile/reconcile.ts'

/** What the configuration comes to now, and everything that is wrong with it, sorted by file and line. */
export type SourceState = Reconciled

export interface FileSourceOptions extends ReconcilerOptions {
  /** Files and directories, read recursively and watched. */
  readonly paths: readonly string[]
  /** @default the system's */
  readonly clock?: Clock
  /** @default silent */
  readonly logger?: Logger
  /** Called after every change that leads to another state; not for the first, which is `current` once open. */
  readonly onChange?: (state: SourceState) => void
}

/**
 * Configuration from files, decided upon. The caller owns it and disposes it;
 * `current` never goes back to nothing because of a mistake in a file: the last
 * good version of a resource stays in force.
 */
export class FileSource implements AsyncDisposable {
  readonly #store: ResourceStore
  readonly #paths: readonly string[]
  readonly #reconciler: Reconciler
  readonly #onChange: (state: SourceState) => void
  readonly #subscription: Disposable
  #listenFailures: ReadonlyMap<string, string> = new Map()
  #reconciled: Reconciled | undefined
  #storeProblems: readonly Problem[] = []
  #current: SourceState

  private constructor(store: ResourceStore, options: FileSourceOptions) {
    this.#store = store
    this.#paths = options.paths
    this.#reconciler = new Reconciler(options)
    this.#onChange = options.onChange ?? (() => {})
    this.#current = this.#decide(store.current)
    this.#subscription = store.subscribe(update => this.#update(update))
  }

  /**
   * Reads everything once; then it watches.
   *
   * @throws MeshError MESH_SETTING_INVALID for a service network that is none
   */
  static async open(options: FileSourceOptions): Promise<FileSource> {
    const { paths, clock = systemClock, logger = silentLogger } = options
    const store = await ResourceStore.open({ paths, clock, logger })
    try {
      return new FileSource(store, options)
    } catch (error) {
      await store[Symbol.asyncDispose]()
      throw error
    }
  }

  get current(): SourceState {
    return this.#current
  }

  /** When the last change of files began to be read, by the clock. */
  get changedMs(): number {
    return this.#store.changedMs
  }

  /** Those of the paths whose files hold no resource now, not even a wrong one, as they were given. */
  emptyPaths(): readonly string[] {
    const { resources, problems } = this.#store.current
    const files = new Set([...resources.values()].map(({ origin }) => origin.file))
    for (const { file } of problems) if (file !== undefined) files.add(file)
    return this.#paths.filter(path => ![...files].some(file => isWithin(path, file)))
  }

  /** Adds documents that are no file, like the Workload of `heddle run`; they replace what the name held. */
  put(name: string, text: string): SourceState {
    this.#store.put(name, text)
    return this.#current
  }

  remove(name: string): SourceState {
    this.#store.remove(name)
    return this.#current
  }

  /** Tells where the proxy could not listen, by listener id, so that the statuses say so. Replaces what was told before. */
  setListenFailures(failures: ReadonlyMap<string, string>): void {
    this.#listenFailures = new Map(failures)
    this.#update(this.#store.current)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#subscription[Symbol.dispose]()
    await this.#store[Symbol.asyncDispose]()
  }

  #update(update: ResourceUpdate): void {
    const before = this.#current
    this.#current = this.#decide(update)
    if (this.#current !== before) this.#onChange(this.#current)
  }

  #decide(update: ResourceUpdate): SourceState {
    const reconciled = this.#reconciler.reconcile(update.resources, { listenFailures: this.#listenFailures })
    if (reconciled === this.#reconciled && isSameList(update.problems, this.#storeProblems)) return this.#current
    this.#reconciled = reconciled
    this.#storeProblems = update.problems
    return { ...reconciled, problems: sortProblems([...update.problems, ...reconciled.problems]) }
  }
}

/** Reads files once and decides, without watching; for `heddle check`. */
export async function readOnce(paths: readonly string[], options: ReconcilerOptions = {}): Promise<SourceState> {
  await using source = await FileSource.open({ ...options, paths })
  return source.current
}

function isWithin(path: string, file: string): boolean {
  const below = relative(path, file)
  return !isAbsolute(below) && below !== '..' && !below.startsWith('../')
}

function isSameList(a: readonly Problem[], b: readonly Problem[]): boolean {
  return a === b || (a.length === b.length && a.every((problem, at) => isSameProblem(problem, b[at])))
}

function isSameProblem(a: Problem, b: Problem | undefined): boolean {
  return (
    b !== undefined &&
    a.severity === b.severity &&
    a.resource === b.resource &&
    a.path === b.path &&
    a.message === b.message &&
    a.file === b.file &&
    a.line === b.line &&
    a.column === b.column
  )
}

/** In the order in which a reader goes through the files. */
function sortProblems(problems: readonly Problem[]): readonly Problem[] {
  return problems.toSorted(
    (a, b) =>
      compare(a.file ?? '', b.file ?? '') ||
      compare(a.line ?? 0, b.line ?? 0) ||
      compare(a.column ?? 0, b.column ?? 0) ||
      compare(a.path, b.path) ||
      compare(a.message, b.message),
  )
}

function compare<Value extends string | number>(a: Value, b: Value): number {
  return a < b ? -1 : a > b ? 1 : 0
}
