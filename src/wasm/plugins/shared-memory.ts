import type { SharedData, SharedQueues } from './ports.ts'

/** Names, values and items of one VM id; plugins store what clients send. */
const maxBytes = 16 * 1024 * 1024

interface Entry {
  readonly value: Uint8Array
  readonly cas: number
}

interface Queue {
  readonly vmId: string
  readonly items: Uint8Array[]
  onItem: () => void
}

/** Data and queues of the plugins of one thread. */
export class SharedMemory implements SharedData, SharedQueues {
  readonly #data = new Map<string, Entry>()
  readonly #queues: Queue[] = []
  readonly #queueIds = new Map<string, number>()
  readonly #bytes = new Map<string, number>()
  readonly #maxBytes: number
  #lastCas = 0

  readonly #later: (action: () => void) => void

  /** @param options.later  runs what whoever enqueues must not hear at once. @default in the next turn */
  constructor(
    limitBytes: number = maxBytes,
    { later = setImmediate }: { readonly later?: (action: () => void) => void } = {},
  ) {
    this.#maxBytes = limitBytes
    this.#later = later
  }

  get(vmId: string, key: string): Entry | undefined {
    return this.#data.get(`${vmId}\0${key}`)
  }

  set(vmId: string, key: string, value: Uint8Array, cas: number): 'set' | 'cas-mismatch' | 'full' {
    const name = `${vmId}\0${key}`
    const known = this.#data.get(name)
    if (known !== undefined && cas !== 0 && cas !== known.cas) return 'cas-mismatch'
    const before = known === undefined ? -name.length : known.value.length
    if (!this.#take(vmId, value.length - before)) return 'full'
    // 0 means any; the counter never says it, and begins again after 2 to the power of 32.
    this.#lastCas = this.#lastCas >= 0xffffffff ? 1 : this.#lastCas + 1
    this.#data.set(name, { value, cas: this.#lastCas })
    return 'set'
  }

  register(vmId: string, name: string, onItem: () => void): number {
    const id = this.resolve(vmId, name)
    const queue = id === undefined ? undefined : this.#queues[id - 1]
    if (id !== undefined && queue !== undefined) {
      queue.onItem = onItem
      return id
    }
    this.#queues.push({ vmId, items: [], onItem })
    this.#queueIds.set(`${vmId}\0${name}`, this.#queues.length)
    return this.#queues.length
  }

  resolve(vmId: string, name: string): number | undefined {
    return this.#queueIds.get(`${vmId}\0${name}`)
  }

  enqueue(id: number, item: Uint8Array): 'queued' | 'unknown' | 'full' {
    const queue = this.#queues[id - 1]
    if (queue === undefined) return 'unknown'
    if (!this.#take(queue.vmId, item.length)) return 'full'
    queue.items.push(item)
    // Whoever enqueues runs just now.
    this.#later(() => queue.onItem())
    return 'queued'
  }

  dequeue(id: number): Uint8Array | 'unknown' | 'empty' {
    const queue = this.#queues[id - 1]
    if (queue === undefined) return 'unknown'
    const item = queue.items.shift()
    if (item === undefined) return 'empty'
    this.#take(queue.vmId, -item.length)
    return item
  }

  #take(vmId: string, bytes: number): boolean {
    const total = (this.#bytes.get(vmId) ?? 0) + bytes
    if (bytes > 0 && total > this.#maxBytes) return false
    this.#bytes.set(vmId, total)
    return true
  }
}
