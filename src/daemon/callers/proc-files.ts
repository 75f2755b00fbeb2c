import { closeSync, existsSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from 'node:fs'

/** The kernel hands out at most a page of a table at a time. */
const readBytes = 16 * 1024

/**
 * What Linux tells about processes and sockets (proc(5)). Processes end at any
 * time, and some may not be looked into: what can't be read is empty. Paths
 * begin with a slash.
 */
export class ProcFiles {
  readonly #root: string

  /** @param root  `/proc` */
  constructor(root = '/proc') {
    this.#root = root
  }

  has(path: string): boolean {
    return existsSync(this.#root + path)
  }

  list(path: string): readonly string[] {
    try {
      return readdirSync(this.#root + path)
    } catch {
      return []
    }
  }

  /** Where a symbolic link leads: `socket:[4711]`. */
  link(path: string): string {
    try {
      return readlinkSync(this.#root + path)
    } catch {
      return ''
    }
  }

  text(path: string): string {
    try {
      return readFileSync(this.#root + path, 'latin1')
    } catch {
      return ''
    }
  }

  /** A file that may be long, piece by piece. */
  *pieces(path: string): Generator<string> {
    let fd: number
    try {
      fd = openSync(this.#root + path, 'r')
    } catch {
      return
    }
    try {
      const buffer = Buffer.allocUnsafe(readBytes)
      for (let length = readSync(fd, buffer); length > 0; length = readSync(fd, buffer)) {
        yield buffer.toString('latin1', 0, length)
      }
    } finally {
      closeSync(fd)
    }
  }
}
