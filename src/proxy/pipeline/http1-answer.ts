import { nodeHttp } from '../../core/index.ts'
import { ChunkedScanner, fieldIds, finished, framings, HeaderList } from '../../codec/index.ts'
import type { HeadParser } from '../../codec/index.ts'
import type { ProxyRuntime } from '../runtime.ts'
import type { Connection } from '../transport/connection.ts'
import type { AnswerHead } from '../upstream/answer-head.ts'
import { Answer } from './answer.ts'
import { fieldLines } from './field-lines.ts'
import type { EditPlan } from './header-edits.ts'
import { copyKeptFields, copyStatusLine } from './head-writer.ts'
import { writeShort } from './latin1.ts'
import { localReplyHead, replyParts } from './local-reply-text.ts'
import type { LocalReply } from './local-reply-text.ts'

/** Room for a status line beside the fields that came and our own. */
const statusLineBytes = 64

/**
 * Answers to a client of HTTP/1: the endpoint's fields as they came, and the
 * body in the framing that the client's version of HTTP understands.
 */
export class Http1Answer extends Answer {
  readonly #runtime: ProxyRuntime
  readonly #to: Connection
  /** On this connection, this one included. */
  #answers = 0
  #minorVersion = 1
  /** Nothing else tells its end. */
  #endsWithConnection = false
  #encodesChunks = false
  #decodesChunks = false
  #decoder: ChunkedScanner | undefined = undefined

  constructor(runtime: ProxyRuntime, to: Connection) {
    super()
    this.#runtime = runtime
    this.#to = to
  }

  /** Makes ready for the answer to a request of HTTP/1.`minorVersion`. */
  begin(minorVersion: number, closeAfter: boolean): void {
    this.status = 0
    this.bodyBytes = 0
    this.closeAfter = closeAfter
    this.#answers++
    this.#minorVersion = minorVersion
    this.#endsWithConnection = false
    this.#encodesChunks = false
    this.#decodesChunks = false
  }

  get isBlocked(): boolean {
    return this.#to.backlog > this.#runtime.limits.backlogBytes
  }

  head(answer: AnswerHead, lines: string, edits: EditPlan | undefined): void {
    this.status = answer.status
    const { parser: head, list } = answer
    if (list !== undefined) {
      this.#writeList(answer, list, lines, edits)
      return
    }
    if (head === undefined) return
    const ours = this.#framingLine(head, answer.framing) + this.#connectionLine() + lines
    this.#write(head, answer, edits === undefined || edits.isEmpty ? ours : ours + edits.apply(head))
  }

  /** A client of HTTP/1.0 would not understand one. */
  interim(answer: AnswerHead): void {
    if (this.#minorVersion === 0) return
    const { parser, list } = answer
    if (parser !== undefined) this.#write(parser, answer, '')
    else if (list !== undefined) this.#writeText(`${statusLine(answer.status)}${fieldLines(list)}\r\n`)
  }

  /** A client of HTTP/1.0 does not wait for it. */
  askForBody(): void {
    if (this.#minorVersion > 0) this.#writeText('HTTP/1.1 100 Continue\r\n\r\n')
    this.#runtime.out.flush()
  }

  /** An answer by HTTP/2: its content is all that comes, so that its framing is always ours. */
  #writeList(answer: AnswerHead, list: HeaderList, lines: string, edits: EditPlan | undefined): void {
    let framingLine = ''
    if (answer.framing === framings.untilClose) {
      this.#encodesChunks = this.#minorVersion > 0
      if (this.#encodesChunks) framingLine = 'transfer-encoding: chunked\r\n'
      else this.#endWithConnection()
    } else if (answer.framing === framings.none && answer.hasContent && list.contentLength < 0) {
      framingLine = 'content-length: 0\r\n'
    }
    const ours = framingLine + this.#connectionLine() + lines
    this.#writeText(`${statusLine(answer.status)}${fieldLines(edited(list, edits))}${ours}\r\n`)
  }

  #writeText(text: string): void {
    this.#runtime.out.appendLatin1(this.#to, text)
  }

  /** 101, with the fields that a change of protocol needs although they are hop-by-hop. */
  upgrade(answer: AnswerHead, edits: EditPlan | undefined): void {
    const { parser: head, list } = answer
    if (list !== undefined) this.#upgradeList(answer, list, edits)
    if (head === undefined) return
    this.status = answer.status
    const at = head.find(fieldIds.upgrade)
    const protocol = at < 0 ? '' : `upgrade: ${head.value(at)}\r\n`
    this.#write(head, answer, `connection: upgrade\r\n${protocol}${edits?.apply(head) ?? ''}`)
  }

  /** RFC 8441 section 5, the other way round: only WebSocket is asked for by HTTP/2. */
  #upgradeList({ webSocketAccept }: AnswerHead, list: HeaderList, edits: EditPlan | undefined): void {
    this.status = 101
    const fields = fieldLines(edited(list, edits))
    const ours = `connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ${webSocketAccept}\r\n`
    this.#writeText(`${statusLine(101)}${fields}${ours}\r\n`)
  }

  #write(head: HeadParser, { bytes, start }: AnswerHead, lines: string): void {
    const { out } = this.#runtime
    out.reserve(this.#to, head.length + lines.length + statusLineBytes)
    let at = copyStatusLine(out.bytes, out.used, head, bytes, start)
    at = copyKeptFields(out.bytes, at, head, bytes, start)
    out.used = lines === '' ? writeShort(out.bytes, at, '\r\n') : at + out.bytes.write(`${lines}\r\n`, at, 'latin1')
  }

  /** Decides how the client finds the end of the body (RFC 9112 section 6.3) and returns the line that says so. */
  #framingLine(head: HeadParser, framing: number): string {
    const isOld = this.#minorVersion === 0
    if (framing === framings.chunked && isOld) {
      const at = head.find(fieldIds.transferEncoding)
      if (at >= 0) head.drop[at] = 1
      this.#decodesChunks = true
      this.#decoder?.reset()
      this.#endWithConnection()
    } else if (framing === framings.untilClose) {
      if (!isOld) {
        this.#encodesChunks = true
        return 'transfer-encoding: chunked\r\n'
      }
      this.#endWithConnection()
    }
    return ''
  }

  #endWithConnection(): void {
    this.#endsWithConnection = true
    this.closeAfter = true
  }

  #connectionLine(): string {
    if (this.closeAfter) return 'connection: close\r\n'
    return this.#minorVersion === 0 ? 'connection: keep-alive\r\n' : ''
  }

  body(bytes: Buffer, start: number, end: number): void {
    const { out } = this.#runtime
    const to = this.#to
    this.bodyBytes += end - start
    if (this.#decodesChunks) {
      this.#decode(bytes, start, end)
    } else if (this.#encodesChunks) {
      out.appendLatin1(to, `${(end - start).toString(16)}\r\n`)
      out.append(to, bytes, start, end)
      out.appendLatin1(to, '\r\n')
    } else {
      out.append(to, bytes, start, end)
    }
  }

  /** Only the data of chunked pieces, for a client of HTTP/1.0. */
  #decode(bytes: Buffer, start: number, end: number): void {
    if (this.#decoder === undefined) this.#decoder = new ChunkedScanner(this.#runtime.chunkLimits)
    const decoder = this.#decoder
    let at = start
    while (at < end) {
      const next = decoder.next(bytes, at, end)
      if (decoder.dataEnd > decoder.dataStart) {
        this.#runtime.out.append(this.#to, bytes, decoder.dataStart, decoder.dataEnd)
      }
      if (next === at || decoder.state === finished) return
      at = next
    }
  }

  /** @param trailers  of an answer by HTTP/2; only a chunked body has a place for them */
  end(trailers: HeaderList | undefined): void {
    if (!this.#encodesChunks) return
    this.#writeText(trailers === undefined ? '0\r\n\r\n' : `0\r\n${fieldLines(trailers)}\r\n`)
  }

  reply(reply: LocalReply): void {
    const parts = replyParts(reply)
    const { body } = parts
    this.status = parts.status
    this.#writeText(localReplyHead(reply, parts, this.#connectionLine()))
    if (body !== undefined && !reply.isHead) this.#runtime.out.append(this.#to, Buffer.from(body), 0, body.length)
  }

  /**
   * The connection ends with a reset. That takes away what the client has not received yet, which may be answers before this one
   * where it asks without waiting: then it ends as after any answer, and the framing tells that this one is not whole.
   */
  break(): void {
    this.closeAfter = true
    this.#runtime.out.flush()
    if (this.#answers === 1 || this.#endsWithConnection) this.#to.reset()
  }
}

function edited(list: HeaderList, edits: EditPlan | undefined): HeaderList {
  if (edits === undefined || edits.isEmpty) return list
  const to = new HeaderList()
  edits.applyToList(list, to)
  return to
}

function statusLine(status: number): string {
  return `HTTP/1.1 ${status} ${nodeHttp.STATUS_CODES[status] ?? 'Unknown'}\r\n`
}
