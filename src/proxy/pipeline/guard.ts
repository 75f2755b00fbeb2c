import { ChunkedScanner, framings } from '../../codec/index.ts'
import type { HeaderList } from '../../codec/index.ts'
import type { HeaderEdits } from '../../model/index.ts'
import type { FilterHost, FilterReply } from '../filters/filter-exchange.ts'
import type { FilterPlan } from '../filters/filter-plan.ts'
import type { FilterRun } from '../filters/filter-run.ts'
import type { RouteDecision } from '../routing/route-table.ts'
import type { ProxyRuntime } from '../runtime.ts'
import type { OutgoingRequest } from '../upstream/outgoing-request.ts'
import type { CompiledRule } from './compiled-rule.ts'
import type { ExchangeClient } from './exchange-client.ts'
import { GuardedRequest } from './guarded-request.ts'
import type { IncomingRequest } from './incoming-request.ts'

/** The exchange. Neither is called before `run.begin` has returned 'suspended', nor after `cancel`. */
export interface GuardOwner {
  onGuardPassed(guard: Guard): void
  onGuardAnswered(guard: Guard, reply: FilterReply): void
}

export interface GuardContext {
  readonly client: ExchangeClient
  readonly owner: GuardOwner
  /** Gets the id of a request that has none once a safeguard wants to know it. */
  readonly outgoing: OutgoingRequest
  readonly startWallMs: number
}

/** We have asked for the body already. */
const withoutExpect: HeaderEdits = { set: [], add: [], remove: ['expect'] }

/**
 * One request in the hands of its rule's safeguards. As long as they hold it,
 * its head and what comes of its body are kept here; afterwards its content is
 * counted if there is a limit. Bodies are kept in the client's form and shown to
 * the safeguards as content.
 */
export class Guard implements FilterHost {
  readonly run: FilterRun
  readonly decision: RouteDecision<CompiledRule>
  request: IncomingRequest
  isHolding = false
  /** The end of the body came while the request was held. */
  hasEnded = false
  trailers: HeaderList | undefined = undefined
  readonly #runtime: ProxyRuntime
  readonly #client: ExchangeClient
  readonly #owner: GuardOwner
  readonly #scanner: ChunkedScanner | undefined
  #pieces: Buffer[] = []
  #contentBytes = 0

  constructor(
    runtime: ProxyRuntime,
    plan: FilterPlan,
    decision: RouteDecision<CompiledRule>,
    request: IncomingRequest,
    context: GuardContext,
  ) {
    this.#runtime = runtime
    this.#client = context.client
    this.#owner = context.owner
    this.decision = decision
    this.request = request
    this.#scanner = request.framing === framings.chunked ? new ChunkedScanner(runtime.chunkLimits) : undefined
    const { client, outgoing, startWallMs } = context
    const nameRequest = (): string => (outgoing.requestId ||= runtime.requestIds.next())
    this.run = plan.run(new GuardedRequest(() => this.request, client, startWallMs, nameRequest), {
      host: this,
      heldLimitBytes: runtime.limits.replayBytes,
    })
  }

  /** The safeguards need time: what belongs to the read buffer is copied. */
  hold(): void {
    this.isHolding = true
    this.request = this.request.keep()
  }

  onFiltersPassed(): void {
    this.#runtime.tick()
    this.#owner.onGuardPassed(this)
    this.#runtime.out.flush()
    this.#client.resumeReading()
  }

  onFiltersAnswered(reply: FilterReply): void {
    this.#runtime.tick()
    this.#owner.onGuardAnswered(this, reply)
    this.#runtime.out.flush()
  }

  onFiltersWantBody(): void {
    if (this.hasEnded || this.request.framing === framings.none) return
    // The client waits to be told (RFC 9110 section 10.1.1).
    if (this.request.header('expect')?.toLowerCase() === '100-continue') {
      this.run.requestEdits.push(withoutExpect)
      this.#client.answer.askForBody()
    }
    this.#client.resumeReading()
  }

  /**
   * Takes a piece of the body in the client's form. While the request is held the run hears of it, and may answer.
   * @returns false when the content is longer than a safeguard allows, of a request that is not held
   */
  body(bytes: Buffer, start: number, end: number): boolean {
    if (!this.isHolding && this.run.maxBodyBytes === Infinity) return true
    if (this.isHolding) this.#pieces.push(Buffer.from(bytes.subarray(start, end)))
    const scanner = this.#scanner
    if (scanner === undefined) {
      this.#content(bytes, start, end)
    } else {
      for (let at = start; at < end;) {
        const next = scanner.next(bytes, at, end)
        if (scanner.dataEnd > scanner.dataStart) this.#content(bytes, scanner.dataStart, scanner.dataEnd)
        if (next === at) break
        at = next
      }
    }
    return this.#contentBytes <= this.run.maxBodyBytes
  }

  #content(bytes: Buffer, start: number, end: number): void {
    this.#contentBytes += end - start
    if (this.isHolding) this.run.body(bytes, start, end)
  }

  /** The body is complete while the request is held. @param trailers  of a client by HTTP/2 */
  end(trailers: HeaderList | undefined): void {
    this.hasEnded = true
    this.trailers = trailers?.copy()
    this.run.bodyEnd()
  }

  /** The request goes on: what was kept of its body, in order. */
  release(): readonly Buffer[] {
    this.isHolding = false
    const pieces = this.#pieces
    this.#pieces = []
    return pieces
  }

  cancel(): void {
    this.isHolding = false
    this.#pieces = []
    this.run.cancel()
  }
}
