/** Pieces are at least this long, so that many small writes make few pieces and few system calls. */
const pieceBytes = 16 * 1024

interface Piece {
  readonly bytes: Buffer
  start: number
  end: number
}

/** Copies of bytes that the kernel did not take yet, in order. */
export class Backlog {
  length = 0
  readonly #pieces: Piece[] = []

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
    // The first piece is exact: most often the kernel left a rest and takes it soon.
    const size = last === undefined ? end - from : Math.max(end - from, pieceBytes)
    const piece = { bytes: Buffer.allocUnsafeSlow(size), start: 0, end: end - from }
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
    if (piece.start === piece.end) this.#pieces.shift()
  }
}
