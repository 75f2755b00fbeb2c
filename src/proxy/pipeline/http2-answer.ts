import {
  entryOf,
  fieldIds,
  framings,
  grpcForms,
  HeaderEntry,
  HeaderList,
  indexings,
  nameOf,
} from '../../codec/index.ts'
import type { ProxyRuntime } from '../runtime.ts'
import type { AnswerHead } from '../upstream/answer-head.ts'
import { bodyChanges } from '../upstream/outgoing-request.ts'
import { Answer } from './answer.ts'
import { BodyChange } from './body-change.ts'
import type { BodySink } from './body-change.ts'
import type { EditPlan } from './header-edits.ts'
import { httpDate, replyParts } from './local-reply-text.ts'
import type { LocalReply } from './local-reply-text.ts'

/** The stream that an answer goes to. */
export interface AnswerStream {
  readonly isBlocked: boolean
  sendHead(list: HeaderList, isLast: boolean): void
  /** Copied before it returns. */
  sendBody(bytes: Buffer, start: number, end: number): void
  /** Nothing happens if the head was the last. */
  sendEnd(trailers: HeaderList | undefined): void
  break(): void
}

const statusName = nameOf(':status')
const dateName = nameOf('date')
const lengthName = nameOf('content-length')
const reasonName = nameOf('x-heddle-reason')
const statusEntries: readonly HeaderEntry[] = Array.from({ length: 600 }, (_, status) =>
  entryOf(statusName, String(Math.max(status, 100))),
)

/** Answers to a client of HTTP/2: those of HTTP/2 go on entry by entry, those of HTTP/1.1 are translated. */
export class Http2Answer extends Answer implements BodySink {
  readonly #runtime: ProxyRuntime
  readonly #to: AnswerStream
  #decodesChunks = false
  #decoder: BodyChange | undefined = undefined

  constructor(runtime: ProxyRuntime, to: AnswerStream) {
    super()
    this.#runtime = runtime
    this.#to = to
  }

  begin(): void {
    this.status = 0
    this.bodyBytes = 0
    this.closeAfter = false
    this.#decodesChunks = false
  }

  get isBlocked(): boolean {
    return this.#to.isBlocked
  }

  head(answer: AnswerHead, lines: string, edits: EditPlan | undefined): void {
    this.status = answer.status
    const list = this.#fieldsOf(answer, edits, lines)
    const isAll = answer.framing === framings.none || (answer.parser !== undefined && list.contentLength === 0)
    if (answer.framing === framings.chunked) {
      this.#decodesChunks = true
      this.#decoder ??= new BodyChange(this.#runtime.chunkLimits, this.#runtime.entries, this)
      this.#decoder.start(bodyChanges.decode)
    }
    // Trailers may follow even an empty body of HTTP/2.
    this.#to.sendHead(list, isAll)
  }

  interim(answer: AnswerHead): void {
    this.#to.sendHead(this.#fieldsOf(answer, undefined, ''), false)
  }

  askForBody(): void {
    const list = new HeaderList()
    list.add(statusEntries[100] as HeaderEntry)
    this.#to.sendHead(list, false)
  }

  /** RFC 8441 section 5: 200, and the rest of the handshake by HTTP/1.1 falls away. */
  upgrade(answer: AnswerHead, edits: EditPlan | undefined): void {
    this.status = 200
    const fields = this.#fieldsOf(answer, edits, '')
    const list = new HeaderList()
    list.add(statusEntries[200] as HeaderEntry)
    for (let index = 1; index < fields.length; index++) {
      const entry = fields.entries[index] as HeaderEntry
      if (entry.name !== 'sec-websocket-accept') list.add(entry)
    }
    this.#to.sendHead(list, false)
  }

  /** Good until the next answer of this worker. The first entry is the status. */
  #fieldsOf(answer: AnswerHead, edits: EditPlan | undefined, lines: string): HeaderList {
    const { list } = answer
    const hasEdits = edits !== undefined && !edits.isEmpty
    if (list !== undefined && !hasEdits && lines === '') return list
    const to = this.#runtime.answerList
    to.clear()
    let ours = lines
    if (list === undefined) {
      if (hasEdits && answer.parser !== undefined) ours += edits.apply(answer.parser)
      this.#translate(answer, to)
    } else if (hasEdits) {
      edits.applyToList(list, to)
    } else {
      to.addAll(list)
    }
    if (ours !== '') addLines(to, ours)
    return to
  }

  /** Without the fields that end at the hop, and those that HTTP/2 has no place for. */
  #translate({ parser, bytes, start, status }: AnswerHead, to: HeaderList): void {
    to.add(statusEntries[status] ?? entryOf(statusName, String(status)))
    if (parser === undefined) return
    const { fields, drop, fieldCount } = parser
    const { entries } = this.#runtime
    for (let index = 0; index < fieldCount; index++) {
      if (drop[index] === 1 || parser.fieldIds[index] === fieldIds.transferEncoding) continue
      const at = index * 4
      const entry = entries.entry(
        bytes,
        start + (fields[at] as number),
        start + (fields[at + 1] as number),
        start + (fields[at + 2] as number),
        start + (fields[at + 3] as number),
      )
      if (entry.problem === undefined) to.add(entry)
    }
  }

  body(bytes: Buffer, start: number, end: number): void {
    if (this.#decodesChunks) this.#decoder?.take(bytes, start, end)
    else this.onChangedBody(bytes, start, end)
  }

  onChangedBody(bytes: Buffer, start: number, end: number): void {
    this.bodyBytes += end - start
    this.#to.sendBody(bytes, start, end)
  }

  end(trailers: HeaderList | undefined): void {
    if (!this.#decodesChunks) {
      this.#to.sendEnd(trailers)
      return
    }
    this.#decoder?.end(undefined)
    this.#to.sendEnd(this.#decoder?.trailers)
  }

  reply(reply: LocalReply): void {
    const { status, lines, body } = replyParts(reply)
    this.status = status
    const list = this.#runtime.answerList
    list.clear()
    list.add(statusEntries[status] ?? entryOf(statusName, String(status)))
    list.add(new HeaderEntry(dateName, httpDate(reply.wallMs), indexings.without, 0))
    list.add(entryOf(reasonName, reply.reason))
    addLines(list, reply.lines + lines)
    const bytes = Buffer.from(reply.isHead || body === undefined ? [] : body)
    // An answer of gRPC that is nothing but its head has no content of which a length could be told.
    const isTrailersOnly = reply.grpcForm === grpcForms.grpc && body?.length === 0
    if (body !== undefined && !isTrailersOnly) list.add(entryOf(lengthName, String(body.length)))
    this.#to.sendHead(list, bytes.length === 0)
    if (bytes.length === 0) return
    this.#to.sendBody(bytes, 0, bytes.length)
    this.#to.sendEnd(undefined)
  }

  break(): void {
    this.#to.break()
  }
}

/** Lines of our own, each with its CRLF, as fields. */
function addLines(to: HeaderList, lines: string): void {
  for (const line of lines.split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon <= 0) continue
    const entry = entryOf(nameOf(line.slice(0, colon).toLowerCase()), line.slice(colon + 1).trim())
    if (entry.problem === undefined) to.add(entry)
  }
}
