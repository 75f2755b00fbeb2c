import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { messageOf } from '../core/index.ts'
import type { Logger } from '../core/index.ts'
import type { Settings } from './settings.ts'

/** A file of what the next agent is to know: in the state folder, or beside the agent's socket, which a reboot may clear. */
export function stateFile({ stateDir, socketPath }: Pick<Settings, 'stateDir' | 'socketPath'>, name: string): string {
  return stateDir === 'auto' ? `${socketPath}.${name}` : join(stateDir, name)
}

/**
 * Virtual addresses that the next agent would not find by itself, by `namespace/name` of their Service: programs keep
 * connections and answers of names by them. Those that the hash of the key gives are not in it, so it is small, and in
 * most meshes empty.
 */
export class AddressMemory {
  readonly #file: string
  readonly #logger: Logger
  #kept: ReadonlyMap<string, string>

  /** Reads what there is; what cannot be read is told, and no reason not to start. */
  constructor(file: string, logger: Logger) {
    this.#file = file
    this.#logger = logger
    this.#kept = read(file, logger)
  }

  get kept(): ReadonlyMap<string, string> {
    return this.#kept
  }

  /** Writes them down, if they are others. */
  keep(addresses: ReadonlyMap<string, string>): void {
    const isSame =
      addresses.size === this.#kept.size && [...addresses].every(([key, each]) => this.#kept.get(key) === each)
    if (isSame) return
    this.#kept = addresses
    try {
      if (addresses.size === 0) return rmSync(this.#file, { force: true })
      mkdirSync(dirname(this.#file), { recursive: true, mode: 0o700 })
      writeFileSync(`${this.#file}~`, JSON.stringify(Object.fromEntries(addresses)), { mode: 0o600 })
      renameSync(`${this.#file}~`, this.#file)
    } catch (error) {
      this.#logger.error('virtual addresses could not be kept: Services may have others after a restart', {
        file: this.#file,
        error: messageOf(error),
      })
    }
  }
}

function read(file: string, logger: Logger): ReadonlyMap<string, string> {
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'))
    const entries = Object.entries(typeof value === 'object' && value !== null ? value : {})
    return new Map(entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      logger.error('virtual addresses of an earlier agent could not be read', { file, error: messageOf(error) })
    return new Map()
  }
}
