import { ListeningSockets } from '../../kernel/index.ts'
import type { KeptPlace, KeptSockets, ListenPlace } from '../../proxy/index.ts'
import { placeName } from './listener-sockets.ts'
import type { SocketTable } from './listener-sockets.ts'

/** What a worker thread accepts from, of sockets that the main thread has opened. */
export class WorkerSockets implements KeptSockets, Disposable {
  readonly #sockets = new ListeningSockets()
  #table: SocketTable

  constructor(table: SocketTable) {
    this.#table = table
  }

  /** Before the snapshot that goes with it; a place that is in it no more ends when its listener closes. */
  update(table: SocketTable): void {
    this.#table = table
  }

  take(place: ListenPlace): KeptPlace | undefined {
    const name = placeName(place)
    const held = this.#table.get(name)
    if (held === undefined || held.length === 0) return undefined
    return {
      descriptors: held.map(fd => this.#sockets.copy(fd)),
      goesOn: () => this.#table.has(name),
      endListening: fd => this.#sockets.endListening(fd),
    }
  }

  [Symbol.dispose](): void {
    this.#sockets[Symbol.dispose]()
  }
}
