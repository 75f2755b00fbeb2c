import { NativeCalls } from '../syscall.ts'

/** Linux lets no process have more open descriptors unless fs.nr_open is raised. */
const mostDescriptors = 1 << 20

/**
 * Which descriptors a thread has open.
 *
 * Node closes what belongs to Node when a worker thread crashes or is
 * terminated, but knows nothing of ours: connections would hang for ever, and
 * a listening socket would still be given its share of new ones. So each
 * thread notes its descriptors in shared memory, a byte for each number, and
 * whoever started the thread closes them once it has ended. One is missed: that
 * of a connection which the thread has just accepted, but not noted yet, when
 * it is terminated from outside.
 */
export class DescriptorLedger {
  /** Handed to the thread with `workerData`. */
  readonly shared: SharedArrayBuffer
  readonly #isOpen: Uint8Array

  constructor(shared: SharedArrayBuffer = new SharedArrayBuffer(mostDescriptors)) {
    this.shared = shared
    this.#isOpen = new Uint8Array(shared)
  }

  /** Descriptors from here on can't be noted and must not be kept. */
  get capacity(): number {
    return this.#isOpen.length
  }

  opened(fd: number): void {
    this.#isOpen[fd] = 1
  }

  /** Called before the descriptor is closed, since afterwards another thread may get its number. */
  closing(fd: number): void {
    this.#isOpen[fd] = 0
  }

  /** Descriptors that were never closed; each is told once. */
  *takeOpen(): Generator<number> {
    for (let fd = this.#isOpen.indexOf(1); fd >= 0; fd = this.#isOpen.indexOf(1, fd + 1)) {
      this.#isOpen[fd] = 0
      yield fd
    }
  }
}

/**
 * Closes what a thread has left open.
 * @param ledger  of a thread that has ended: numbers of a living one may be other descriptors a moment later
 * @returns how many there were
 */
export function closeAbandoned(ledger: DescriptorLedger): number {
  using native = new NativeCalls({ close: { return: 'int32', arguments: ['int32'] } })
  let count = 0
  for (const fd of ledger.takeOpen()) {
    native.call.close(fd)
    count++
  }
  return count
}
