/** A line for the log; the same bytes listed again and again would be copied each time. */
export const maxWriteBytes: number = 1024 * 1024

/**
 * What a module writes to its standard output and error, line by line: runtimes
 * write a line in pieces, Go's report of a panic word by word.
 */
export class Output {
  readonly #log: (fd: number, text: string) => void
  #fd = 1
  #text = ''

  constructor(log: (fd: number, text: string) => void) {
    this.#log = log
  }

  write(fd: number, text: string): void {
    if (fd !== this.#fd) this.flush()
    this.#fd = fd
    this.#text += text
    if (this.#text.endsWith('\n') || this.#text.length > maxWriteBytes) this.flush()
  }

  /** Writes what waits for the end of its line: nothing may be missing when the call is over, or the instance. */
  flush(): void {
    if (this.#text === '') return
    const text = this.#text.replace(/\n$/, '')
    this.#text = ''
    if (text !== '') this.#log(this.#fd, text)
  }
}
