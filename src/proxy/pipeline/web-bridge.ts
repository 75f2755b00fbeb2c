import {
  contentTypeFromWeb,
  contentTypeToWeb,
  entryOf,
  fieldIds,
  framings,
  grpcFormOf,
  grpcForms,
  HeaderList,
  nameOf,
  WebResponse,
} from '../../codec/index.ts'
import type { HeaderEntry } from '../../codec/index.ts'
import { AnswerHead } from '../upstream/answer-head.ts'
import { bodyChanges } from '../upstream/outgoing-request.ts'
import type { OutgoingRequest } from '../upstream/outgoing-request.ts'

const typeName = nameOf('content-type')
const trailersWelcome: HeaderEntry = entryOf(nameOf('te'), 'trailers')

/** What a call of gRPC-Web tells its endpoint in vain, beside what is rewritten. */
const webOnly = 'x-grpc-web'
/** Of an answer that is nothing but its head: what goes into the last frame of the body. */
const statusFields: ReadonlySet<string> = new Set(['grpc-status', 'grpc-message', 'grpc-status-details-bin'])

/** Whether a call in this form is brought into the form that endpoints speak. */
export function needsWebBridge(form: number, request: OutgoingRequest): boolean {
  return (form === grpcForms.web || form === grpcForms.webText) && request.isHttp2
}

/**
 * One call of gRPC-Web to an endpoint of gRPC: base64 becomes bytes, and the
 * trailers of the answer its last frame. An answer that is not gRPC goes on as
 * it came.
 */
export class WebBridge {
  readonly #form: number
  readonly #response: WebResponse
  readonly #list = new HeaderList()
  readonly #head = new AnswerHead()
  readonly #trailers: [string, string][] = []
  #isGrpc = false

  constructor(form: number) {
    this.#form = form
    this.#response = new WebResponse(form)
  }

  /** Once, when the head for the endpoint is rendered. */
  editRequest(request: OutgoingRequest): void {
    const isText = this.#form === grpcForms.webText
    const from = new HeaderList()
    from.addAll(request.list)
    const { list } = request
    list.clear()
    for (let index = 0; index < from.length; index++) {
      const entry = from.entries[index] as HeaderEntry
      if (entry.nameId === fieldIds.contentType) list.add(entryOf(typeName, contentTypeFromWeb(entry.value)))
      else if (
        entry.nameId === fieldIds.contentLength ? !isText : entry.nameId !== fieldIds.te && entry.name !== webOnly
      )
        list.add(entry)
    }
    list.add(trailersWelcome)
    if (!isText) return
    const isChunked = request.bodyChange === bodyChanges.decode
    request.bodyChange = isChunked ? bodyChanges.webTextInChunks : bodyChanges.webText
  }

  /** The head for the client; good until the next call. */
  answerHead(head: AnswerHead): AnswerHead {
    const { list } = head
    const type = list?.value('content-type')
    if (list === undefined || head.status !== 200 || grpcFormOf(type) !== grpcForms.grpc) return head
    this.#isGrpc = true
    const isAll = head.framing === framings.none
    const to = this.#list
    for (let index = 0; index < list.length; index++) {
      const entry = list.entries[index] as HeaderEntry
      if (entry.nameId === fieldIds.contentLength) continue
      if (entry.nameId === fieldIds.contentType) {
        to.add(entryOf(typeName, contentTypeToWeb(entry.value, this.#form)))
      } else if (isAll && statusFields.has(entry.name)) {
        this.#trailers.push([entry.name, entry.value])
      } else {
        to.add(entry)
      }
    }
    return this.#head.bindHttp2(to, framings.untilClose)
  }

  /** A piece of the answer's body. */
  body(bytes: Buffer): Uint8Array {
    return this.#isGrpc ? this.#response.data(bytes) : bytes
  }

  /** The last piece of the answer's body; undefined when there is none to add. */
  end(trailers: HeaderList | undefined): Uint8Array | undefined {
    if (!this.#isGrpc) return undefined
    for (const { name, value } of trailers?.entries.slice(0, trailers.length) ?? []) this.#trailers.push([name, value])
    return this.#response.end(this.#trailers)
  }
}
