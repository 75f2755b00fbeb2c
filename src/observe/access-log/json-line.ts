import type { AccessRecord } from '../../model/index.ts'
import { count, jsonText, NameTexts, seconds, targetLimit, Timestamps, userAgentLimit } from './line-parts.ts'
import type { Names } from './line-parts.ts'

/**
 * The keys of a JSON line, in their order, with what they mean: OpenTelemetry's
 * names where it has one. Every line has every key; null stands for what there
 * is not. Bytes above 0x7f of a client's text appear as the characters U+0080 to U+00FF.
 */
export const accessLogKeys = {
  time: 'When the first byte of the request head came, RFC 3339, UTC.',
  'client.address': "The client's IP address.",
  'client.port': "The client's port.",
  'http.request.method': 'The method.',
  'http.request.target': 'Path and query as received, at most 2048 characters.',
  'http.request.authority': 'The Host.',
  'network.protocol.version': '1.0 or 1.1.',
  'http.response.status_code': 'The status that the client got.',
  'http.request.body.size': 'Bytes of the request body.',
  'http.response.body.size': 'Bytes of the response body.',
  'http.server.request.duration': 'Seconds from the first byte of the request to the last byte of the response.',
  'heddle.upstream.duration': "Seconds until the first byte of the endpoint's answer.",
  'heddle.retries': 'Tries after the first.',
  'heddle.flags': "Envoy's response flags.",
  'heddle.reason': 'Why Heddle answered itself.',
  'heddle.virtual_host': 'The listener of a Gateway or the port of a Service.',
  'heddle.route': 'The route.',
  'heddle.rule': 'Name or index of its rule.',
  'heddle.backend': 'The service and port that was chosen.',
  'heddle.endpoint': 'The endpoint that answered, or was tried last.',
  'heddle.request_id': 'The x-request-id.',
  trace_id: 'The trace id of traceparent.',
  'user_agent.original': 'The User-Agent, at most 512 characters.',
} as const

/** One JSON object and a line feed. */
export class JsonLine {
  readonly #timestamps = new Timestamps()
  readonly #names = new NameTexts(writeNames)

  /** @returns printable ASCII that ends with a line feed */
  format(record: AccessRecord): string {
    const version = record.version === 11 ? '1.1' : '1.0'
    const flags = record.flags === '-' ? '' : record.flags
    return (
      `{"time":"${this.#timestamps.at(record.startMs)}"${client(record.client)},` +
      `"http.request.method":${jsonText(record.method)},"http.request.target":${jsonText(record.target, targetLimit)},` +
      `"http.request.authority":${jsonText(record.authority)},"network.protocol.version":"${version}",` +
      `"http.response.status_code":${count(record.status, 'null')},` +
      `"http.request.body.size":${count(record.requestBytes, 'null')},` +
      `"http.response.body.size":${count(record.responseBytes, 'null')},` +
      `"http.server.request.duration":${span(record.durationMs)},"heddle.upstream.duration":${span(record.upstreamMs)},` +
      `"heddle.retries":${count(record.retries, 'null')},"heddle.flags":${jsonText(flags)},` +
      `"heddle.reason":${jsonText(record.reason ?? '')},${this.#names.of(record)},` +
      `"heddle.request_id":${jsonText(record.requestId)},"trace_id":${jsonText(record.traceId)},` +
      `"user_agent.original":${jsonText(record.userAgent, userAgentLimit)}}\n`
    )
  }
}

function writeNames(names: Names): string {
  return (
    `"heddle.virtual_host":${jsonText(names.virtualHost)},"heddle.route":${jsonText(names.route)},` +
    `"heddle.rule":${jsonText(names.rule)},"heddle.backend":${jsonText(names.backend)},` +
    `"heddle.endpoint":${jsonText(names.endpoint)}`
  )
}

function span(ms: number): string {
  return ms >= 0 ? seconds(ms) : 'null'
}

/** `127.0.0.1:51034` or `[::1]:51034`, as address and port. */
function client(text: string): string {
  const colon = text.lastIndexOf(':')
  const isBracketed = text.charCodeAt(0) === 0x5b
  const address = isBracketed ? text.slice(1, colon - 1) : text.slice(0, colon === -1 ? undefined : colon)
  const port = colon === -1 ? Number.NaN : Number(text.slice(colon + 1))
  return `,"client.address":${jsonText(address)},"client.port":${count(port, 'null')}`
}
