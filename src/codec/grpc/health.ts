import { ProtobufReader } from '../protobuf/reader.ts'
import { ProtobufWriter } from '../protobuf/writer.ts'

/** The path of the unary call that asks for health. */
export const grpcHealthPath = '/grpc.health.v1.Health/Check'

/** `grpc.health.v1.HealthCheckResponse.ServingStatus` by number. */
export const servingStatuses = ['unknown', 'serving', 'not-serving', 'service-unknown'] as const

export type ServingStatus = (typeof servingStatuses)[number]

/**
 * `grpc.health.v1.HealthCheckRequest`, without its frame.
 *
 * @param service  `pkg.Service`, or empty for the server as a whole
 * @see https://github.com/grpc/grpc/blob/master/doc/health-checking.md
 */
export function encodeHealthRequest(service: string): Buffer {
  const writer = new ProtobufWriter()
  if (service !== '') writer.string(1, service)
  return writer.finish()
}

/** The service that is asked for; undefined for bytes that are no such message. */
export function decodeHealthRequest(message: Uint8Array): string | undefined {
  const reader = new ProtobufReader(message)
  let service = ''
  while (reader.next()) if (reader.field === 1) service = reader.string()
  return reader.problem === undefined ? service : undefined
}

export function encodeHealthResponse(status: ServingStatus): Buffer {
  const writer = new ProtobufWriter()
  const value = servingStatuses.indexOf(status)
  if (value > 0) writer.varint(1, value)
  return writer.finish()
}

/** A status of a later version counts as unknown, so not as serving; undefined for bytes that are no such message. */
export function decodeHealthResponse(message: Uint8Array): ServingStatus | undefined {
  const reader = new ProtobufReader(message)
  let value = 0
  while (reader.next()) if (reader.field === 1) value = reader.int32()
  if (reader.problem !== undefined) return undefined
  return servingStatuses[value] ?? 'unknown'
}
