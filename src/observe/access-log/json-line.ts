import type { AccessRecord } from '../../model/index.ts'
import { targetLimit, userAgentLimit } from './line-bytes.ts'
import type { LineBytes } from './line-bytes.ts'

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
export function writeJsonLine(line: LineBytes, record: AccessRecord): void {
  line.ascii('{"time":"')
  line.time(record.startMs)
  line.byte(0x22)
  writeClient(line, record.client)
  writeText(line, ',"http.request.method":', record.method)
  writeText(line, ',"http.request.target":', record.target, targetLimit)
  writeText(line, ',"http.request.authority":', record.authority)
  line.ascii(record.version === 11 ? ',"network.protocol.version":"1.1"' : ',"network.protocol.version":"1.0"')
  writeCount(line, ',"http.response.status_code":', record.status)
  writeCount(line, ',"http.request.body.size":', record.requestBytes)
  writeCount(line, ',"http.response.body.size":', record.responseBytes)
  writeSpan(line, ',"http.server.request.duration":', record.durationMs)
  writeSpan(line, ',"heddle.upstream.duration":', record.upstreamMs)
  writeCount(line, ',"heddle.retries":', record.retries)
  writeText(line, ',"heddle.flags":', record.flags === '-' ? '' : record.flags)
  writeText(line, ',"heddle.reason":', record.reason ?? '')
  writeText(line, ',"heddle.virtual_host":', record.virtualHost)
  writeText(line, ',"heddle.route":', record.route)
  writeText(line, ',"heddle.rule":', record.rule)
  writeText(line, ',"heddle.backend":', record.backend)
  writeText(line, ',"heddle.endpoint":', record.endpoint)
  writeText(line, ',"heddle.request_id":', record.requestId)
  writeText(line, ',"trace_id":', record.traceId)
  writeText(line, ',"user_agent.original":', record.userAgent, userAgentLimit)
  line.ascii('}\n')
}

function writeText(line: LineBytes, key: string, text: string, limit?: number): void {
  line.ascii(key)
  if (text === '') line.ascii('null')
  else line.json(text, limit)
}

function writeCount(line: LineBytes, key: string, value: number): void {
  line.ascii(key)
  if (value >= 0) line.integer(value)
  else line.ascii('null')
}

function writeSpan(line: LineBytes, key: string, ms: number): void {
  line.ascii(key)
  if (ms >= 0) line.seconds(ms)
  else line.ascii('null')
}

/** `127.0.0.1:51034` or `[::1]:51034`, as address and port. */
function writeClient(line: LineBytes, client: string): void {
  const colon = client.lastIndexOf(':')
  const isBracketed = client.charCodeAt(0) === 0x5b
  const address = isBracketed ? client.slice(1, colon - 1) : client.slice(0, colon === -1 ? undefined : colon)
  writeText(line, ',"client.address":', address)
  writeCount(line, ',"client.port":', colon === -1 ? Number.NaN : Number(client.slice(colon + 1)))
}
