import { StringDecoder } from 'node:string_decoder'

/** A program that never ends its line must not fill the agent's memory. */
const maxLineLength = 16_384

/** Cuts a stream of bytes into lines; a longer line is cut into several. */
export class LineSplitter {
  readonly #decoder = new StringDecoder('utf8')
  readonly #onLine: (line: string) => void
  #rest = ''

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine
  }

  write(bytes: Buffer): void {
    const parts = (this.#rest + this.#decoder.write(bytes)).split('\n')
    this.#rest = parts.pop() ?? ''
    for (const part of parts) this.#emit(part)
    while (this.#rest.length > maxLineLength) {
      this.#onLine(this.#rest.slice(0, maxLineLength))
      this.#rest = this.#rest.slice(maxLineLength)
    }
  }

  /** The stream ended: what is left is a line, too. */
  end(): void {
    const rest = this.#rest + this.#decoder.end()
    this.#rest = ''
    if (rest !== '') this.#emit(rest)
  }

  #emit(line: string): void {
    const clean = line.endsWith('\r') ? line.slice(0, -1) : line
    for (let at = 0; at === 0 || at < clean.length; at += maxLineLength) {
      this.#onLine(clean.slice(at, at + maxLineLength))
    }
  }
}
