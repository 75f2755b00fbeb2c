import { closeSync, constants, fstatSync, openSync, write } from 'node:fs'
import { MeshError, messageOf } from '../../core/index.ts'

/** Where finished lines go; one write is under way at a time. */
export interface AppendTarget {
  /**
   * Longest write, in bytes, that the system does not mix with those of other
   * threads and processes.
   */
  readonly wholeWriteBytes: number
  /** Writes some of `bytes[from, to)`, which stay untouched until `done`. */
  write(
    bytes: Uint8Array,
    from: number,
    to: number,
    done: (error: NodeJS.ErrnoException | null, written: number) => void,
  ): void
  /** Goes on in the file that has the name now, after a rotation. Keeps the old one if that can't be opened. */
  reopen(): void
  close(): void
}

/** POSIX: longer writes to a pipe may be mixed with those of others. */
const pipeBufferBytes = 4096

/** A descriptor that somebody else opened and closes, such as standard output. */
export class DescriptorTarget implements AppendTarget {
  readonly wholeWriteBytes: number
  readonly #fd: number

  constructor(fd: number) {
    this.#fd = fd
    this.wholeWriteBytes = wholeWriteBytes(fd)
  }
  write(bytes: Uint8Array, from: number, to: number, done: Parameters<AppendTarget['write']>[3]): void {
    write(this.#fd, bytes, from, to - from, null, done)
  }
  reopen(): void {}
  close(): void {}
}

/** A file that lines are added to. Several threads and processes may share it, since each write holds whole lines. */
export class FileTarget implements AppendTarget {
  readonly #path: string
  #fd: number
  #wholeWriteBytes: number
  #isWriting = false
  /** The file before a rotation, while a write to it is under way. */
  #retired: number | undefined
  #isClosed = false

  /** @throws MeshError MESH_ACCESS_LOG_OPEN */
  constructor(path: string) {
    this.#path = path
    this.#fd = openForAppending(path)
    this.#wholeWriteBytes = wholeWriteBytes(this.#fd)
  }

  get wholeWriteBytes(): number {
    return this.#wholeWriteBytes
  }

  write(bytes: Uint8Array, from: number, to: number, done: Parameters<AppendTarget['write']>[3]): void {
    this.#isWriting = true
    write(this.#fd, bytes, from, to - from, null, (error, written) => {
      this.#isWriting = false
      if (this.#retired !== undefined) closeSync(this.#retired)
      this.#retired = undefined
      done(error, written)
    })
  }

  /** @throws MeshError MESH_ACCESS_LOG_OPEN; the file that was open stays in use */
  reopen(): void {
    if (this.#isClosed) return
    const fd = openForAppending(this.#path)
    if (this.#isWriting && this.#retired === undefined) this.#retired = this.#fd
    else closeSync(this.#fd)
    this.#fd = fd
    this.#wholeWriteBytes = wholeWriteBytes(fd)
  }

  /** Call it only when no write is under way. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    closeSync(this.#fd)
  }
}

function openForAppending(path: string): number {
  // Without O_NONBLOCK a named pipe that nobody reads would stop the whole thread here.
  const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK
  try {
    return openSync(path, flags, 0o640)
  } catch (cause) {
    throw new MeshError('MESH_ACCESS_LOG_OPEN', `cannot open the access log ${path}: ${messageOf(cause)}`, {
      source: 'config',
      hint: 'The directory must exist and the agent must be allowed to write there.',
      cause,
    })
  }
}

function wholeWriteBytes(fd: number): number {
  return fstatSync(fd).isFile() ? Number.MAX_SAFE_INTEGER : pipeBufferBytes
}
