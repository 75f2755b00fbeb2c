import { randomBytes } from 'node:crypto'
import type { Clock, Timer } from '../core/index.ts'

/** Name, HMAC and AES key, as OpenSSL takes them. */
const keyBytes = 48
/** Whoever steals a key can read what was resumed with it (RFC 5077 section 5.5); a change costs each client one full handshake. */
const periodMs = 8 * 3_600_000

/**
 * The key of TLS session tickets, the same for all workers, so that a client
 * resumes its session in whichever it comes to. It is never written anywhere,
 * and a new agent has a new one.
 */
export class TicketKeyRotation implements Disposable {
  #current: Uint8Array = randomBytes(keyBytes)
  readonly #timer: Timer

  /** @param onChange  hands the key to the workers */
  constructor(clock: Clock, onChange: (key: Uint8Array) => void) {
    this.#timer = clock
      .every(periodMs, () => {
        this.#current = randomBytes(keyBytes)
        onChange(this.#current)
      })
      .unref()
  }

  get current(): Uint8Array {
    return this.#current
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]()
  }
}
