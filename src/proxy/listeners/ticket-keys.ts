import { randomBytes } from 'node:crypto'

/** Name, HMAC and AES key of a ticket, as OpenSSL takes them. */
export const ticketKeyBytes = 48

/**
 * The key of session tickets of one worker, as the main thread last told it:
 * with the same key in all workers a client resumes its session in whichever it
 * comes to. Until told, a worker has one of its own.
 */
export class TicketKeys {
  #current: Buffer = randomBytes(ticketKeyBytes)
  readonly #subscribers = new Set<(keys: Buffer) => void>()

  get current(): Buffer {
    return this.#current
  }

  set(keys: Uint8Array): void {
    if (keys.length !== ticketKeyBytes) return
    this.#current = Buffer.from(keys)
    for (const tell of this.#subscribers) tell(this.#current)
  }

  subscribe(tell: (keys: Buffer) => void): Disposable {
    this.#subscribers.add(tell)
    return {
      [Symbol.dispose]: () => {
        this.#subscribers.delete(tell)
      },
    }
  }
}
