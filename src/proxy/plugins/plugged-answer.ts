import { framings, HeaderMap } from '../../codec/index.ts'
import type { Flow, HeaderList, MessageSink } from '../../codec/index.ts'
import { Answer } from '../pipeline/answer.ts'
import { BodyChange } from '../pipeline/body-change.ts'
import type { EditPlan } from '../pipeline/header-edits.ts'
import type { LocalReply } from '../pipeline/local-reply-text.ts'
import { httpDate, replyParts } from '../pipeline/local-reply-text.ts'
import type { ProxyRuntime } from '../runtime.ts'
import type { AnswerHead } from '../upstream/answer-head.ts'
import { bodyChanges } from '../upstream/outgoing-request.ts'
import { addKept, addLines, addRegular, mapOfAnswer } from './message-maps.ts'
import { Given, nothing } from './given.ts'

/** What an answer on its way to the plugins tells their exchange. */
export interface PluggedAnswerOwner {
  /** Takes what goes to the plugins. */
  readonly answerSink: MessageSink
  readonly isAnswerBlocked: boolean
  /** Around each call, so that what plugins do meanwhile belongs to this turn. */
  enter(): void
  leave(): void
}

interface GivenAnswer {
  readonly answer: AnswerHead
  readonly lines: string
  readonly edits: EditPlan | undefined
}

/** Takes the answer that the exchange would write to the client, whoever it comes from, and gives it to the plugins. */
export class PluggedAnswer extends Answer {
  readonly #runtime: ProxyRuntime
  readonly #owner: PluggedAnswerOwner
  readonly #client: Answer
  #decoder: BodyChange | undefined = undefined
  /** Nothing followed the head that went to the plugins. */
  isAll = false
  /** How many bytes it said would follow; -1 where it did not. */
  contentLength = -1
  /** The plugins have been told that nothing follows. */
  hasEnded = false
  /** Nothing follows: with the last bytes plugins may be told so before it is. */
  isComplete = false
  /** Bytes that are still to come, where plugins can be told with the last of them that it is the last; else Infinity. */
  #remaining = Infinity
  /** The head that is on its way through the plugins in this very call, as it came. */
  given: Given<GivenAnswer> | undefined = undefined

  constructor(runtime: ProxyRuntime, owner: PluggedAnswerOwner, client: Answer) {
    super()
    this.#runtime = runtime
    this.#owner = owner
    this.#client = client
    this.closeAfter = client.closeAfter
  }

  get isBlocked(): boolean {
    return this.#owner.isAnswerBlocked
  }

  head(answer: AnswerHead, lines: string, edits: EditPlan | undefined): void {
    this.status = answer.status
    const hasEdits = edits !== undefined && !edits.isEmpty
    // Edits mark what they replace in the parser's head: they are made there once.
    const ours = hasEdits && answer.parser !== undefined ? edits.apply(answer.parser) + lines : lines
    const left = hasEdits && answer.parser === undefined ? edits : undefined
    const map = hasEdits || lines !== '' ? this.#editedMap(answer, ours, left) : mapOfAnswer(answer)
    if (answer.framing === framings.chunked) {
      this.#decoder = new BodyChange(this.#runtime.chunkLimits, this.#runtime.entries, {
        onChangedBody: (bytes, start, end) => this.#content(bytes, start, end),
      })
      this.#decoder.start(bodyChanges.decode)
    }
    const length = answer.parser?.contentLength ?? answer.list?.contentLength
    const isAll = answer.framing === framings.none || (answer.framing === framings.length && length === 0)
    // By HTTP/2 trailers may follow.
    this.#remaining =
      answer.parser !== undefined && answer.framing === framings.length ? answer.parser.contentLength : Infinity
    this.contentLength = answer.framing === framings.length ? (length ?? -1) : -1
    if (answer.framing !== framings.chunked) this.given = new Given({ answer, lines: ours, edits: left }, map, !isAll)
    this.#headers(map, isAll ? 'end' : 'more')
    this.given = undefined
  }

  /** @param edits  of a list; a parser's head has them already */
  #editedMap(answer: AnswerHead, lines: string, edits: EditPlan | undefined): HeaderMap {
    const { parser, list, bytes, start } = answer
    const map = new HeaderMap()
    map.append(':status', String(answer.status))
    if (parser !== undefined) addKept(map, parser, bytes, start)
    if (list !== undefined) addRegular(map, edits === undefined ? list : this.#edited(list, edits))
    addLines(map, lines)
    return map
  }

  #edited(list: HeaderList, edits: EditPlan): HeaderList {
    const edited = this.#runtime.answerList
    edited.clear()
    edits.applyToList(list, edited)
    return edited
  }

  #headers(map: HeaderMap, flow: Flow): void {
    this.isAll = this.hasEnded = flow === 'end'
    this.#owner.enter()
    this.#owner.answerSink.headers(map, flow)
    this.#owner.leave()
  }

  interim(answer: AnswerHead): void {
    this.#client.interim(answer)
  }

  askForBody(): void {
    this.#client.askForBody()
  }

  upgrade(answer: AnswerHead, edits: EditPlan | undefined): void {
    this.#client.upgrade(answer, edits)
  }

  body(bytes: Buffer, start: number, end: number): void {
    this.bodyBytes += end - start
    if (this.#decoder === undefined) this.#content(bytes, start, end)
    else this.#decoder.take(bytes, start, end)
  }

  #content(bytes: Buffer, start: number, end: number): void {
    if (this.hasEnded || start === end) return
    this.#remaining -= end - start
    this.hasEnded = this.#remaining === 0
    this.#owner.enter()
    this.#owner.answerSink.body(bytes.subarray(start, end), this.hasEnded ? 'end' : 'more')
    this.#owner.leave()
  }

  end(trailers: HeaderList | undefined): void {
    this.#decoder?.end(undefined)
    const wasTold = this.hasEnded
    this.hasEnded = this.isComplete = true
    const last = trailers ?? this.#decoder?.trailers
    this.#owner.enter()
    if (!wasTold) this.#lastPart(last)
    this.#owner.leave()
  }

  #lastPart(trailers: HeaderList | undefined): void {
    if (trailers === undefined) this.#owner.answerSink.body(nothing, 'end')
    else this.#owner.answerSink.trailers(mapOfTrailers(trailers))
  }

  reply(reply: LocalReply): void {
    this.give(reply, this.#owner.answerSink)
  }

  /** An answer of our own making, or of a plugin, on its way through the plugins that `through` begins. */
  give(reply: LocalReply, through: MessageSink): void {
    const { status, lines, body } = replyParts(reply)
    this.hasEnded = this.isComplete = true
    this.status = status
    const map = new HeaderMap()
    map.append(':status', String(status))
    map.append('date', httpDate(reply.wallMs))
    map.append('x-heddle-reason', reply.reason)
    addLines(map, reply.lines + lines)
    if (body !== undefined) map.set('content-length', String(body.length))
    this.contentLength = body?.length ?? -1
    this.isAll = reply.isHead || body === undefined || body.length === 0
    this.#owner.enter()
    through.headers(map, this.isAll ? 'end' : 'more')
    if (body !== undefined && !this.isAll) through.body(body, 'end')
    this.#owner.leave()
  }

  break(): void {
    this.#client.break()
  }
}

export function mapOfTrailers(trailers: HeaderList): HeaderMap {
  const map = new HeaderMap(256)
  addRegular(map, trailers)
  return map
}
