import type { AccessRecord } from '../../model/index.ts'

type Figures = Pick<
  AccessRecord,
  | 'version'
  | 'clientService'
  | 'authority'
  | 'status'
  | 'requestBytes'
  | 'responseBytes'
  | 'durationMs'
  | 'upstreamMs'
  | 'grpcStatus'
  | 'retries'
  | 'flags'
  | 'reason'
>

/**
 * Requests of one connection by HTTP/2 often come in one read, and their answers
 * in another: then lines one after the other have the same status, sizes,
 * times and host. What was written for the last is kept as soon as the same comes twice.
 */
export class KnownFigures {
  #version = -1
  #status = 0
  #clientService = ''
  #authority = ''
  #requestBytes = 0
  #responseBytes = 0
  #durationMs = 0
  #upstreamMs = 0
  #grpcStatus = 0
  #retries = 0
  #flags = ''
  #reason: AccessRecord['reason'] = undefined
  /** The same came twice, and what was written for it is to be kept. */
  #isRepeated = false
  #part: Uint8Array | undefined = undefined

  /** @returns what was kept for the same; undefined where it has to be written, which `note` is then told */
  of(figures: Figures): Uint8Array | undefined {
    if (this.#isSame(figures)) {
      this.#isRepeated = true
      return this.#part
    }
    this.#version = figures.version
    this.#status = figures.status
    this.#clientService = figures.clientService
    this.#authority = figures.authority
    this.#requestBytes = figures.requestBytes
    this.#responseBytes = figures.responseBytes
    this.#durationMs = figures.durationMs
    this.#upstreamMs = figures.upstreamMs
    this.#grpcStatus = figures.grpcStatus
    this.#retries = figures.retries
    this.#flags = figures.flags
    this.#reason = figures.reason
    this.#isRepeated = false
    this.#part = undefined
    return undefined
  }

  #isSame(figures: Figures): boolean {
    return (
      figures.durationMs === this.#durationMs &&
      figures.upstreamMs === this.#upstreamMs &&
      figures.responseBytes === this.#responseBytes &&
      figures.requestBytes === this.#requestBytes &&
      figures.status === this.#status &&
      figures.version === this.#version &&
      figures.grpcStatus === this.#grpcStatus &&
      figures.retries === this.#retries &&
      figures.flags === this.#flags &&
      figures.clientService === this.#clientService &&
      figures.authority === this.#authority &&
      figures.reason === this.#reason
    )
  }

  /** What was written for the last figures is bytes[from,to). */
  note(bytes: Uint8Array, from: number, to: number): void {
    if (this.#isRepeated) this.#part = bytes.slice(from, to)
  }
}
