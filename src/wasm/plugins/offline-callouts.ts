import { grpcStatuses } from '../../codec/index.ts'
import type { HeaderMap } from '../../codec/index.ts'
import type { CallRefusal, Callouts, GrpcObserver, GrpcStream, HttpCall, HttpCallResult } from './ports.ts'

/** A plugin that calls again for each answer has no end of its own. */
const maxEvents = 10_000

/** Calls of plugins, answered from a table as soon as the callback that made them has returned. */
export class OfflineCallouts implements Callouts {
  readonly #answers: ReadonlyMap<string, HttpCallResult>
  readonly #waiting: (() => void)[] = []

  constructor(answers: ReadonlyMap<string, HttpCallResult>) {
    this.#answers = answers
  }

  /** Gives the answers that wait, and those to calls that come of them. */
  settle(): void {
    for (let count = 0; count < maxEvents && this.#waiting.length > 0; count++) this.#waiting.shift()?.()
  }

  /** Something else that happens after a callback, in its turn. */
  later(action: () => void): void {
    this.#waiting.push(action)
  }

  http(call: HttpCall, done: (result: HttpCallResult) => void): { cancel(): void } | CallRefusal {
    const answer = this.#answers.get(call.upstream)
    return answer === undefined ? unknown : this.#later(() => done(answer))
  }

  /** A call is answered when its last message has come: with the body as its one message, unless its status says no. */
  grpc(call: { readonly upstream: string }, observer: GrpcObserver): GrpcStream | CallRefusal {
    const answer = this.#answers.get(call.upstream)
    if (answer === undefined) return unknown
    let pending: { cancel(): void } | undefined
    const end = (): void => void (pending ??= this.#later(() => answerGrpc(answer, observer)))
    return {
      send: (_message, flow) => {
        if (flow === 'end') end()
      },
      end,
      cancel() {
        pending ??= { cancel() {} }
        pending.cancel()
      },
    }
  }

  #later(action: () => void): { cancel(): void } {
    let isCancelled = false
    this.#waiting.push(() => {
      if (!isCancelled) action()
    })
    return { cancel: () => void (isCancelled = true) }
  }
}

const unknown: CallRefusal = { refused: 'unknown-upstream', detail: 'no answer was given for it' }

function answerGrpc(answer: HttpCallResult, observer: GrpcObserver): void {
  if (answer.kind === 'failed') return observer.onClose(grpcStatuses.unavailable, answer.detail)
  const { headers, body, trailers } = answer
  const status = grpcStatusOf(headers)
  observer.onInitialMetadata(headers)
  if (status === grpcStatuses.ok) observer.onMessage(body)
  observer.onTrailingMetadata(trailers)
  observer.onClose(status, headers.get('grpc-message') ?? '')
}

function grpcStatusOf(headers: HeaderMap): number {
  const told = headers.get('grpc-status')
  if (told !== undefined) return Number(told)
  return headers.get(':status') === '200' ? grpcStatuses.ok : grpcStatuses.unavailable
}
