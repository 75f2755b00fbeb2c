import type { FilterReply } from '../filters/filter-exchange.ts'
import type { FilterPlan } from '../filters/filter-plan.ts'
import type { RouteDecision } from '../routing/route-table.ts'
import type { ProxyRuntime } from '../runtime.ts'
import type { AnswerPath } from './answer-path.ts'
import type { CompiledRule } from './compiled-rule.ts'
import type { ExchangeClient } from './exchange-client.ts'
import type { ExchangeRecord } from './exchange-record.ts'
import { toLines } from './filter-answers.ts'
import { Guard } from './guard.ts'
import type { GuardOwner } from './guard.ts'
import type { IncomingRequest } from './incoming-request.ts'
import type { RequestPath } from './request-path.ts'

/** The exchange. */
export interface SafeguardedOwner {
  readonly isEnded: boolean
  /** They have taken their time, and let the request go on; what came of its body follows when this returns. */
  onSafeguarded(decision: RouteDecision<CompiledRule>, request: IncomingRequest): void
  /** Its fields and its gRPC status are noted already. */
  onSafeguardReply(reply: FilterReply): void
}

interface SafeguardedParts {
  readonly record: ExchangeRecord
  readonly request: RequestPath
  readonly answer: AnswerPath
}

/** What an exchange's safeguards (limits, authorization, faults) decide, and what they leave for its answer and its record. */
export class Safeguards implements GuardOwner {
  readonly #runtime: ProxyRuntime
  readonly #parts: SafeguardedParts
  readonly #owner: SafeguardedOwner

  constructor(runtime: ProxyRuntime, parts: SafeguardedParts, owner: SafeguardedOwner) {
    this.#runtime = runtime
    this.#parts = parts
    this.#owner = owner
  }

  /** @returns false when they need time, or have answered */
  pass(
    plan: FilterPlan,
    decision: RouteDecision<CompiledRule>,
    incoming: IncomingRequest,
    client: ExchangeClient,
  ): boolean {
    if (plan.steps.length === 0) return true
    const { record, request } = this.#parts
    const startWallMs = record.startMs + this.#runtime.wallOffsetMs
    const context = { client, owner: this, outgoing: request.outgoing, startWallMs }
    const guard = new Guard(this.#runtime, plan, decision, incoming, context)
    request.guard = guard
    const outcome = guard.run.begin()
    if (outcome === 'suspended') guard.hold()
    else if (outcome === 'answered' && guard.run.reply !== undefined) this.onGuardAnswered(guard, guard.run.reply)
    else this.#note(guard)
    return outcome === 'passed'
  }

  #note({ run }: Guard): void {
    const { answer, record } = this.#parts
    answer.lines += run.answerLines
    if (run.flags !== '') record.flags = run.flags
  }

  onGuardPassed(guard: Guard): void {
    const { request } = this.#parts
    const pieces = guard.release()
    this.#note(guard)
    this.#owner.onSafeguarded(guard.decision, guard.request)
    for (const piece of pieces) request.pass(piece, 0, piece.length)
    if (guard.hasEnded && !this.#owner.isEnded) request.passEnd(guard.trailers)
  }

  onGuardAnswered(guard: Guard, reply: FilterReply): void {
    const { answer, record } = this.#parts
    guard.cancel()
    this.#note(guard)
    const edits = guard.run.answerEdits
    const fields = [...edits.flatMap(({ set, add }) => [...set, ...add]), ...reply.headers]
    answer.lines += toLines(fields)
    if (record.isGrpc && reply.grpcStatus !== undefined) record.grpcStatus = reply.grpcStatus
    this.#owner.onSafeguardReply(reply)
  }
}
