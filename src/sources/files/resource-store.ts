import type { Clock, Logger } from '../../core/index.ts'
import { FileTree } from './file-tree.ts'
import { ResourceTable } from './resource-table.ts'
import type { FileChange, ResourceUpdate } from './resource-table.ts'

export interface ResourceStoreOptions {
  /** Files and directories, watched until the store is disposed. */
  readonly paths: readonly string[]
  readonly clock: Clock
  /** @default no log */
  readonly logger?: Logger
}

/** All resources there are: those of watched files, and those put in by hand. */
export class ResourceStore implements AsyncDisposable {
  readonly #table = new ResourceTable()
  readonly #listeners = new Set<(update: ResourceUpdate) => void>()
  #tree: FileTree | undefined
  readonly #clock: Clock
  #current: ResourceUpdate = { resources: new Map(), problems: [], changed: [] }
  #changedMs = 0

  private constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Reads all files before it is done. */
  static async open(options: ResourceStoreOptions): Promise<ResourceStore> {
    const store = new ResourceStore(options.clock)
    store.#tree = await FileTree.open({ ...options, onChange: changes => void store.#update(changes) })
    return store
  }

  /** As of the last change. */
  get current(): ResourceUpdate {
    return this.#current
  }

  /** When the last change began to be read, by the clock. */
  get changedMs(): number {
    return this.#changedMs
  }

  /** Calls back on every later change, of resources or of problems alone, until disposed. */
  subscribe(listener: (update: ResourceUpdate) => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }

  /**
   * A document (or several) that is no file, like the workload of `heddle run`;
   * replaces what the name held. Its problems have the name as their file.
   */
  put(name: string, text: string): ResourceUpdate {
    return this.#update([{ file: name, content: { kind: 'text', text } }])
  }

  remove(name: string): ResourceUpdate {
    return this.#update([{ file: name, content: { kind: 'gone' } }])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listeners.clear()
    await this.#tree?.[Symbol.asyncDispose]()
  }

  #update(changes: readonly FileChange[]): ResourceUpdate {
    this.#changedMs = this.#clock.nowMs()
    this.#current = this.#table.update(changes)
    for (const listener of this.#listeners) listener(this.#current)
    return this.#current
  }
}
