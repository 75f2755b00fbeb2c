import { ChunkedScanner, fieldIds, finished, framings } from '../../codec/index.ts'
import type { HeadParser } from '../../codec/index.ts'
import type { ProxyRuntime } from '../runtime.ts'
import type { Connection } from '../transport/connection.ts'
import type { EditPlan } from './header-edits.ts'
import { writeShort } from './latin1.ts'
import { copyKeptFields, copyStatusLine } from './head-writer.ts'

/** Room for a status line beside the fields that came and our own. */
const statusLineBytes = 64

/**
 * Writes one answer to a client: the endpoint's fields as they came, and the
 * body in the framing that the client's version of HTTP understands.
 */
export class Answer {
  status = 0
  /** Bytes of body, with chunk framing where there is some. */
  bodyBytes = 0
  /** Whether the answer is the connection's last. */
  closeAfter = false
  readonly #runtime: ProxyRuntime
  readonly #to: () => Connection
  #minorVersion = 1
  #encodesChunks = false
  #decodesChunks = false
  #decoder: ChunkedScanner | undefined = undefined

  /** @param to  the client's connection; a function since both are made together */
  constructor(runtime: ProxyRuntime, to: () => Connection) {
    this.#runtime = runtime
    this.#to = to
  }

  /** Makes ready for the answer to a request of HTTP/1.`minorVersion`. */
  reset(minorVersion: number, closeAfter: boolean): void {
    this.status = 0
    this.bodyBytes = 0
    this.closeAfter = closeAfter
    this.#minorVersion = minorVersion
    this.#encodesChunks = false
    this.#decodesChunks = false
  }

  /** @param lines  further header lines, each with its CRLF */
  head(head: HeadParser, bytes: Buffer, start: number, lines: string, edits: EditPlan | undefined): void {
    this.status = head.status
    const ours = this.#framingLine(head) + this.connectionLine() + lines
    this.#write(head, bytes, start, edits === undefined || edits.isEmpty ? ours : ours + edits.apply(head))
  }

  /** 1xx; a client of HTTP/1.0 would not understand one. */
  interim(head: HeadParser, bytes: Buffer, start: number): void {
    if (this.#minorVersion > 0) this.#write(head, bytes, start, '')
  }

  /** 101, with the fields that a change of protocol needs although they are hop-by-hop. */
  upgrade(head: HeadParser, bytes: Buffer, start: number, edits: EditPlan | undefined): void {
    this.status = head.status
    const at = head.find(fieldIds.upgrade)
    const protocol = at < 0 ? '' : `upgrade: ${head.value(at)}\r\n`
    this.#write(head, bytes, start, `connection: upgrade\r\n${protocol}${edits?.apply(head) ?? ''}`)
  }

  #write(head: HeadParser, bytes: Buffer, start: number, lines: string): void {
    const { out } = this.#runtime
    out.reserve(this.#to(), head.length + lines.length + statusLineBytes)
    let at = copyStatusLine(out.bytes, out.used, head, bytes, start)
    at = copyKeptFields(out.bytes, at, head, bytes, start)
    out.used = lines === '' ? writeShort(out.bytes, at, '\r\n') : at + out.bytes.write(`${lines}\r\n`, at, 'latin1')
  }

  /** Decides how the client finds the end of the body (RFC 9112 section 6.3) and returns the line that says so. */
  #framingLine(head: HeadParser): string {
    const isOld = this.#minorVersion === 0
    if (head.framing === framings.chunked && isOld) {
      const at = head.find(fieldIds.transferEncoding)
      if (at >= 0) head.drop[at] = 1
      this.#decodesChunks = true
      this.#decoder?.reset()
      this.closeAfter = true
    } else if (head.framing === framings.untilClose) {
      if (!isOld) {
        this.#encodesChunks = true
        return 'transfer-encoding: chunked\r\n'
      }
      this.closeAfter = true
    }
    return ''
  }

  connectionLine(): string {
    if (this.closeAfter) return 'connection: close\r\n'
    return this.#minorVersion === 0 ? 'connection: keep-alive\r\n' : ''
  }

  body(bytes: Buffer, start: number, end: number): void {
    const { out } = this.#runtime
    const to = this.#to()
    this.bodyBytes += end - start
    if (this.#decodesChunks) {
      this.#decode(to, bytes, start, end)
    } else if (this.#encodesChunks) {
      out.appendLatin1(to, `${(end - start).toString(16)}\r\n`)
      out.append(to, bytes, start, end)
      out.appendLatin1(to, '\r\n')
    } else {
      out.append(to, bytes, start, end)
    }
  }

  /** Only the data of chunked pieces, for a client of HTTP/1.0. */
  #decode(to: Connection, bytes: Buffer, start: number, end: number): void {
    if (this.#decoder === undefined) this.#decoder = new ChunkedScanner(this.#runtime.chunkLimits)
    const decoder = this.#decoder
    let at = start
    while (at < end) {
      const next = decoder.next(bytes, at, end)
      if (decoder.dataEnd > decoder.dataStart) {
        this.#runtime.out.append(to, bytes, decoder.dataStart, decoder.dataEnd)
      }
      if (next === at || decoder.state === finished) return
      at = next
    }
  }

  end(): void {
    if (this.#encodesChunks) this.#runtime.out.appendLatin1(this.#to(), '0\r\n\r\n')
  }
}
