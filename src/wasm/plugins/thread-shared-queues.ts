import { BroadcastChannel, threadId } from 'node:worker_threads'
import type { SharedQueues } from './ports.ts'
import type { SharedEntries, ThreadSharedData } from './thread-shared-data.ts'

/** What one thread tells the others: the one that is meant has an item to take. */
interface Wake {
  readonly thread: number
  readonly id: number
}

/** A queue as all threads see it: numbers of the next item to take and to put, the thread that registered last. */
interface QueueState {
  readonly vmId: string
  readonly next: number
  readonly end: number
  readonly thread: number
}

/** Names of our own in the memory, which is for queues alone. */
const names = 'name'
const queues = 'queue'
const items = 'item'

/**
 * Queues that plugins on several threads share. Items lie in memory that all
 * threads see, and each is taken once, by whoever asks first. That there is one
 * is told to a plugin that registered the queue: on the thread that put it there
 * if there is one, else on the thread that registered last.
 */
export class ThreadSharedQueues implements SharedQueues, Disposable {
  readonly #data: ThreadSharedData
  readonly #channel: BroadcastChannel
  /** Of this thread, by id. */
  readonly #onItem = new Map<number, () => void>()

  /**
   * @param data  for queues alone, the same on all threads
   * @param channel  name that those threads have in common
   */
  constructor(data: ThreadSharedData, channel: string) {
    this.#data = data
    this.#channel = new BroadcastChannel(channel)
    this.#channel.onmessage = event => {
      const { thread, id } = (event as { data: Wake }).data
      if (thread === threadId) this.#onItem.get(id)?.()
    }
    // Nobody waits for it.
    this.#channel.unref()
  }

  register(vmId: string, name: string, onItem: () => void): number {
    const id = this.#data.alone(data => {
      const known = data.get(names, `${vmId}\0${name}`)
      const found = known === undefined ? create(data, vmId, name) : Buffer.from(known.value).readUInt32LE()
      const state = read(data, found)
      if (state !== undefined) write(data, found, { ...state, thread: threadId })
      return found
    })
    this.#onItem.set(id, onItem)
    return id
  }

  resolve(vmId: string, name: string): number | undefined {
    const known = this.#data.get(names, `${vmId}\0${name}`)
    return known === undefined ? undefined : Buffer.from(known.value).readUInt32LE()
  }

  enqueue(id: number, item: Uint8Array): 'queued' | 'unknown' | 'full' {
    const put = this.#data.alone(data => {
      const state = read(data, id)
      if (state === undefined) return 'unknown'
      if (!data.set(items, `${id} ${state.end}`, item)) return 'full'
      write(data, id, { ...state, end: state.end + 1 })
      return state
    })
    if (typeof put === 'string') return put
    // Later: whoever enqueues runs just now.
    if (this.#onItem.has(id)) setImmediate(() => this.#onItem.get(id)?.())
    else this.#channel.postMessage({ thread: put.thread, id } satisfies Wake)
    return 'queued'
  }

  dequeue(id: number): Uint8Array | 'unknown' | 'empty' {
    return this.#data.alone(data => {
      const state = read(data, id)
      if (state === undefined) return 'unknown'
      if (state.next === state.end) return 'empty'
      const key = `${id} ${state.next}`
      const item = data.get(items, key)?.value ?? new Uint8Array(0)
      data.delete(items, key)
      write(data, id, { ...state, next: state.next + 1 })
      return item
    })
  }

  [Symbol.dispose](): void {
    this.#channel.close()
  }
}

/** @returns its id, from 1; 0, which no queue has, when there is no memory for it */
function create(data: SharedEntries, vmId: string, name: string): number {
  const last = data.get(queues, 'last')
  const id = last === undefined ? 1 : Buffer.from(last.value).readUInt32LE() + 1
  const number = Buffer.alloc(4)
  number.writeUInt32LE(id)
  const isStored =
    write(data, id, { vmId, next: 0, end: 0, thread: threadId }) &&
    data.set(names, `${vmId}\0${name}`, number) &&
    data.set(queues, 'last', number)
  return isStored ? id : 0
}

/** Numbers first, so that a change never needs more memory. */
function write(data: SharedEntries, id: number, { vmId, next, end, thread }: QueueState): boolean {
  const name = Buffer.from(vmId, 'latin1')
  const bytes = Buffer.alloc(stateBytes + name.length)
  bytes.writeDoubleLE(next, 0)
  bytes.writeDoubleLE(end, 8)
  bytes.writeUInt32LE(thread, 16)
  name.copy(bytes, stateBytes)
  return data.set(queues, String(id), bytes)
}

const stateBytes = 20

function read(data: SharedEntries, id: number): QueueState | undefined {
  const value = data.get(queues, String(id))?.value
  if (value === undefined) return undefined
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.length)
  return {
    vmId: bytes.toString('latin1', stateBytes),
    next: bytes.readDoubleLE(0),
    end: bytes.readDoubleLE(8),
    thread: bytes.readUInt32LE(16),
  }
}
