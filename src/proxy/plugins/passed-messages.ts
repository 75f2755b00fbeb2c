import type { Flow, HeaderMap, MessageSink } from '../../codec/index.ts'

/** The exchange that goes on with what has passed its plugins. */
export interface PassedOwner {
  /** Before anything that plugins pass on. @returns false when it is too late for it */
  beginTurn(): boolean
  endTurn(): void
  passRequest(headers: HeaderMap, flow: Flow): void
  passBody(bytes: Uint8Array, flow: Flow): void
  passTrailers(trailers: HeaderMap): void
  passAnswerHead(headers: HeaderMap, flow: Flow): void
  passAnswerBody(bytes: Uint8Array, flow: Flow): void
  passAnswerTrailers(trailers: HeaderMap): void
}

/** Takes the request behind the last plugin. */
export class PassedRequest implements MessageSink {
  readonly #exchange: PassedOwner

  constructor(exchange: PassedOwner) {
    this.#exchange = exchange
  }

  headers(headers: HeaderMap, flow: Flow): void {
    if (!this.#exchange.beginTurn()) return
    this.#exchange.passRequest(headers, flow)
    this.#exchange.endTurn()
  }

  body(bytes: Uint8Array, flow: Flow): void {
    if (!this.#exchange.beginTurn()) return
    this.#exchange.passBody(bytes, flow)
    this.#exchange.endTurn()
  }

  trailers(trailers: HeaderMap): void {
    if (!this.#exchange.beginTurn()) return
    this.#exchange.passTrailers(trailers)
    this.#exchange.endTurn()
  }
}

/** Takes the response behind the first plugin. */
export class PassedAnswer implements MessageSink {
  readonly #exchange: PassedOwner

  constructor(exchange: PassedOwner) {
    this.#exchange = exchange
  }

  headers(headers: HeaderMap, flow: Flow): void {
    if (!this.#exchange.beginTurn()) return
    this.#exchange.passAnswerHead(headers, flow)
    this.#exchange.endTurn()
  }

  body(bytes: Uint8Array, flow: Flow): void {
    if (!this.#exchange.beginTurn()) return
    this.#exchange.passAnswerBody(bytes, flow)
    this.#exchange.endTurn()
  }

  trailers(trailers: HeaderMap): void {
    if (!this.#exchange.beginTurn()) return
    this.#exchange.passAnswerTrailers(trailers)
    this.#exchange.endTurn()
  }
}
