/** Pieces are at least this long, so that many small writes make few pieces and few system calls. */
const pieceBytes = 16 * 1024
/** What a large write mostly leaves fits, and lies in memory that is used again. */
const pooledBytes = 64 * 1024
const mostPooled = 16

interface Piece {
  readonly bytes: Buffer
  start: number
  end: number
}

/**
 * Memory of one thread for what the kernel leaves of large writes: a body that
 * goes to a slow reader would otherwise leave garbage of its own size.
 */
export class PieceMemory {
  readonly #free: Buffer[] = []

  take(length: number): Buffer {
    if (length <= pieceBytes || length > pooledBytes) return Buffer.allocUnsafeSlow(length)
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(pooledBytes)
  }

  /** Nobody reads or writes it any more. */
  giveBack(bytes: Buffer): void {
    if (bytes.length === pooledBytes && this.#free.length < mostPooled) this.#free.push(bytes)
  }
}

/** Copies of bytes that the kernel did not take yet, in order. */
export class Backlog {
  length = 0
  readonly #memory: PieceMemory
  readonly #pieces: Piece[] = []

  constructor(memory: PieceMemory) {
    this.#memory = memory
  }

  /** Copies `bytes[start, end)`. */
  append(bytes: Buffer, start: number, end: number): void {
    let from = start
    this.length += end - start
    const last = this.#pieces.at(-1)
    if (last !== undefined) {
      const length = Math.min(last.bytes.length - last.end, end - from)
      bytes.copy(last.bytes, last.end, from, from + length)
      last.end += length
      from += length
    }
    if (from === end) return
    // A small first piece is exact: most often the kernel left a rest and takes it soon.
    const size = last === undefined ? end - from : Math.max(end - from, pieceBytes)
    const piece = { bytes: this.#memory.take(size), start: 0, end: end - from }
    bytes.copy(piece.bytes, 0, from, end)
    this.#pieces.push(piece)
  }

  /** The oldest bytes; undefined when there are none. */
  get first(): Piece | undefined {
    return this.#pieces[0]
  }

  /** Forgets the oldest `length` bytes, all of them in the first piece. */
  consume(length: number): void {
    const piece = this.#pieces[0]
    if (piece === undefined) return
    piece.start += length
    this.length -= length
    if (piece.start < piece.end) return
    this.#pieces.shift()
    this.#memory.giveBack(piece.bytes)
  }

  /** Forgets everything. */
  clear(): void {
    for (const { bytes } of this.#pieces.splice(0)) this.#memory.giveBack(bytes)
    this.length = 0
  }
}
