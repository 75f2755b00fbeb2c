import {
  entryOf,
  fieldIds,
  formatGrpcTimeout,
  framings,
  grpcFormOf,
  grpcForms,
  grpcStatuses,
  grpcStatusOfHttp,
  HeaderEntry,
  HeaderList,
  encodeGrpcMessage,
  indexings,
  methodCodes,
  nameOf,
  parseGrpcStatus,
  parseGrpcTimeout,
} from '../../codec/index.ts'
import type { AnswerHead } from '../upstream/answer-head.ts'
import type { IncomingRequest } from './incoming-request.ts'

/** The status of a call is not known yet, or there is none. */
export const noGrpcStatus = -1

const statusName = nameOf('grpc-status')
const messageName = nameOf('grpc-message')
const timeoutName = nameOf('grpc-timeout')

/** Where `grpc` stands in `application/grpc`. */
const markAt = 'application/'.length

/**
 * Whether a request is a call of gRPC, and in which form. Every call is a POST;
 * the text of the type is only made where its first letter after the slash fits.
 *
 * @returns one of `grpcForms`
 */
export function grpcFormOfRequest(request: IncomingRequest): number {
  if (request.methodCode !== methodCodes.POST) return grpcForms.none
  const { list, parser, bytes, start } = request
  if (list !== undefined) {
    const at = list.find(fieldIds.contentType)
    if (at < 0) return grpcForms.none
    const { value } = list.entries[at] as HeaderEntry
    return isLetterG(value.charCodeAt(markAt)) ? grpcFormOf(value) : grpcForms.none
  }
  const at = parser?.find(fieldIds.contentType) ?? -1
  if (parser === undefined || at < 0) return grpcForms.none
  const from = start + (parser.fields[at * 4 + 2] as number)
  return isLetterG(bytes[from + markAt]) ? grpcFormOf(parser.value(at)) : grpcForms.none
}

/** In either case. */
function isLetterG(code: number | undefined): boolean {
  return code !== undefined && (code | 0x20) === 0x67
}

/** How long the client gives its call, in milliseconds; Infinity when it says nothing that can be read. */
export function grpcTimeoutOf(request: IncomingRequest): number {
  const value = request.header('grpc-timeout')
  return value === undefined ? Infinity : (parseGrpcTimeout(value) ?? Infinity)
}

/**
 * Tells the endpoint how much of the time is left when a try begins. A shorter
 * time of the client's that was rounded up to whole milliseconds stays as it is.
 */
export function passGrpcTimeout(list: HeaderList, leftMs: number): void {
  const at = list.find(fieldIds.grpcTimeout)
  const text = formatGrpcTimeout(Math.max(1, leftMs))
  if (at < 0) {
    list.add(new HeaderEntry(timeoutName, text, indexings.without, 0))
    return
  }
  const known = parseGrpcTimeout((list.entries[at] as HeaderEntry).value)
  if (known !== undefined && known <= Math.max(1, leftMs)) return
  list.replace(at, new HeaderEntry(timeoutName, text, indexings.without, 0))
}

/**
 * The status that a head tells: in `grpc-status` if it is all of the answer
 * (Trailers-Only), or by an HTTP status that no call of gRPC has.
 *
 * @returns `noGrpcStatus` when the end of the answer will tell
 */
export function grpcStatusOfHead(head: AnswerHead): number {
  const isAll = head.framing === framings.none
  const value = isAll ? grpcStatusField(head) : undefined
  if (value !== undefined) return parseGrpcStatus(value)
  return head.status === 200 ? noGrpcStatus : grpcStatusOfHttp(head.status)
}

function grpcStatusField({ list, parser }: AnswerHead): string | undefined {
  if (list !== undefined) return list.value('grpc-status')
  const at = parser?.findName('grpc-status') ?? -1
  return parser === undefined || at < 0 ? undefined : parser.value(at)
}

/** @param trailers  of a complete answer by HTTP/2; an answer without a status counts as unknown, as clients read it */
export function grpcStatusOfTrailers(trailers: HeaderList | undefined): number {
  const value = trailers?.value('grpc-status')
  return value === undefined ? grpcStatuses.unknown : parseGrpcStatus(value)
}

/** The end of an answer that can't be completed. */
export function grpcFailureTrailers(code: number, message: string): HeaderList {
  const list = new HeaderList()
  list.add(entryOf(statusName, String(code)))
  list.add(entryOf(messageName, encodeGrpcMessage(message)))
  return list
}
