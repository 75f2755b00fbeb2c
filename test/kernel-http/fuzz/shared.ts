/** What threads of the fuzzer share: numbers in one piece of memory. */
const places = { epoch: 0, isOver: 1, operations: 2, cut: 3 } as const

export class Shared {
  readonly memory: SharedArrayBuffer
  readonly #numbers: Int32Array

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(4 * Object.keys(places).length)) {
    this.memory = memory
    this.#numbers = new Int32Array(memory)
  }

  /** Odd while something is dead that answers are asked of; another number after that. */
  get epoch(): number {
    return Atomics.load(this.#numbers, places.epoch)
  }

  nextEpoch(): void {
    Atomics.add(this.#numbers, places.epoch, 1)
  }

  get isOver(): boolean {
    return Atomics.load(this.#numbers, places.isOver) === 1
  }

  end(): void {
    Atomics.store(this.#numbers, places.isOver, 1)
  }

  get operations(): number {
    return Atomics.load(this.#numbers, places.operations)
  }

  count(operations: number): void {
    Atomics.add(this.#numbers, places.operations, operations)
  }

  /** Requests that something dead has taken with it, and whose clients were told. */
  get cut(): number {
    return Atomics.load(this.#numbers, places.cut)
  }

  countCut(): void {
    Atomics.add(this.#numbers, places.cut, 1)
  }
}
