import { isUtf8 } from 'node:buffer'
import { ProtobufWriter } from '../protobuf/writer.ts'

/** The path of the unary call that asks whether a request may pass. */
export const extAuthzPath = '/envoy.service.auth.v3.Authorization/Check'

export interface CheckPeer {
  readonly address: string
  readonly port: number
  /** Name of the caller's service, or its identity; empty for none. */
  readonly service: string
  readonly principal: string
}

/** What an authorizer is told; the numbers of the fields are in `encodeCheckRequest`. */
export interface CheckRequest {
  /** Milliseconds since 1970. */
  readonly timeMs: number
  readonly source: CheckPeer
  readonly destination: CheckPeer
  readonly id: string
  readonly method: string
  readonly scheme: string
  readonly host: string
  /** With the query. */
  readonly path: string
  /** `HTTP/1.1`, `HTTP/2` */
  readonly protocol: string
  /** Lower case names; of those that come again the values are joined with commas. */
  readonly headers: ReadonlyMap<string, string>
  /** -1 when unknown. */
  readonly size: number
  readonly body: Uint8Array
}

/**
 * `envoy.service.auth.v3.CheckRequest`, without its frame.
 *
 * A body that is no UTF-8 goes as `raw_body`: the text field could not hold it.
 *
 * @see https://www.envoyproxy.io/docs/envoy/latest/api-v3/service/auth/v3/attribute_context.proto
 */
export function encodeCheckRequest(request: CheckRequest): Buffer {
  const attributes = new ProtobufWriter()
  attributes.message(1, peer(request.source))
  attributes.message(2, peer(request.destination))
  const inner = new ProtobufWriter()
  inner.message(1, timestamp(request.timeMs))
  inner.message(2, httpRequest(request))
  attributes.message(4, inner)
  const writer = new ProtobufWriter()
  writer.message(1, attributes)
  return writer.finish()
}

function httpRequest(request: CheckRequest): ProtobufWriter {
  const writer = new ProtobufWriter()
  text(writer, 1, request.id)
  text(writer, 2, request.method)
  // Envoy names these among the headers too, and policies look for them there.
  writer.mapEntry(3, ':authority', request.host)
  writer.mapEntry(3, ':method', request.method)
  writer.mapEntry(3, ':path', request.path)
  writer.mapEntry(3, ':scheme', request.scheme)
  for (const [name, value] of request.headers) writer.mapEntry(3, name, value)
  text(writer, 4, request.path)
  text(writer, 5, request.host)
  text(writer, 6, request.scheme)
  if (request.size !== 0) writer.varint(9, request.size)
  text(writer, 10, request.protocol)
  if (request.body.length > 0) writer.bytes(isUtf8(request.body) ? 11 : 12, request.body)
  return writer
}

function peer({ address, port, service, principal }: CheckPeer): ProtobufWriter {
  const socketAddress = new ProtobufWriter()
  text(socketAddress, 2, address)
  if (port > 0) socketAddress.varint(3, port)
  const outer = new ProtobufWriter()
  outer.message(1, socketAddress)
  const writer = new ProtobufWriter()
  writer.message(1, outer)
  text(writer, 2, service)
  text(writer, 4, principal)
  return writer
}

function timestamp(timeMs: number): ProtobufWriter {
  const writer = new ProtobufWriter()
  const seconds = Math.floor(timeMs / 1000)
  writer.varint(1, seconds)
  const nanos = Math.floor((timeMs - seconds * 1000) * 1e6)
  if (nanos > 0) writer.varint(2, nanos)
  return writer
}

function text(writer: ProtobufWriter, field: number, value: string): void {
  if (value !== '') writer.string(field, value)
}
