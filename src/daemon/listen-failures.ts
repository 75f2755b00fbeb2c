import type { Logger } from '../core/index.ts'

/** Listeners that can't be opened, by id with the reason: those that the gate refused, and those of workers. */
export class ListenFailures {
  readonly #logger: Logger
  readonly #onChange: (failures: ReadonlyMap<string, string>) => void
  #ofWorkers: ReadonlyMap<string, string> = new Map()
  #refused: ReadonlyMap<string, string> = new Map()
  #all: ReadonlyMap<string, string> = new Map()

  constructor(logger: Logger, onChange: (failures: ReadonlyMap<string, string>) => void) {
    this.#logger = logger
    this.#onChange = onChange
  }

  get all(): ReadonlyMap<string, string> {
    return this.#all
  }

  /** Workers try again only when they are told the configuration anew. */
  get hasOfWorkers(): boolean {
    return this.#ofWorkers.size > 0
  }

  refused(failures: ReadonlyMap<string, string>): void {
    this.#refused = failures
    this.#tell()
  }

  ofWorkers(failures: ReadonlyMap<string, string>): void {
    this.#ofWorkers = failures
    this.#tell()
  }

  #tell(): void {
    const failures = new Map([...this.#ofWorkers, ...this.#refused])
    if (failures.size === 0 && this.#all.size === 0) return
    for (const [listener, error] of failures) {
      if (this.#all.get(listener) !== error) {
        this.#logger.error('a listener could not be opened and is tried again', { listener, error })
      }
    }
    this.#all = failures
    this.#onChange(failures)
  }
}
