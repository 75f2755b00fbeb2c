import { grpcStatusNames } from '../../codec/index.ts'
import type { AccessRecord, TlsRecord } from '../../model/index.ts'
import { KnownParts, NameParts, partOf, TlsParts } from './known-parts.ts'
import type { Names } from './known-parts.ts'
import { LineBytes, TimestampBytes } from './line-bytes.ts'
import { count, fieldLimit, jsonText, targetLimit, userAgentLimit } from './line-parts.ts'

/**
 * The keys of a JSON line, in their order, with what they mean: OpenTelemetry's
 * names where it has one. Every line has every key; null stands for what there
 * is not. Only the nine about TLS are left out where there is none. Bytes above 0x7f of a client's text appear as the characters U+0080 to U+00FF.
 */
export const accessLogKeys = {
  time: 'When the first byte of the request head came, or a connection that is forwarded as bytes; RFC 3339, UTC.',
  'client.address': "The client's IP address.",
  'client.port': "The client's port.",
  'heddle.client_service':
    'The Service whose workload called: always in the kernel tier, else where that decides about routes.',
  'heddle.client_workload': 'That workload.',
  'http.request.method': 'The method; TCP, TLS or UDP for what is forwarded as bytes, which has one line at its end.',
  'http.request.target': 'Path and query as received, at most 2048 characters.',
  'http.request.authority': 'The Host; of TLS the server name.',
  'network.protocol.version': '1.0, 1.1 or 2; null for what is forwarded as bytes.',
  'http.response.status_code': 'The status that the client got.',
  'rpc.response.status_code': 'How a call of gRPC ended, by name: ok, unavailable.',
  'http.request.body.size': 'Bytes of the request body, or from the client.',
  'http.response.body.size': 'Bytes of the response body, or to the client.',
  'http.server.request.duration': 'Seconds from the first byte of the request to the last byte of the response.',
  'heddle.upstream.duration': "Seconds until the first byte of the endpoint's answer, or until it was connected.",
  'heddle.retries': 'Tries after the first.',
  'heddle.flags': "Envoy's response flags; SI for a session that was silent for too long.",
  'heddle.reason': 'Why Heddle answered itself.',
  'heddle.virtual_host': 'The listener of a Gateway or the port of a Service.',
  'heddle.route': 'The route.',
  'heddle.rule': 'Name or index of its rule.',
  'heddle.backend': 'The service and port that was chosen.',
  'heddle.endpoint': 'The endpoint that answered, or was tried last.',
  'heddle.request_id': 'The x-request-id.',
  trace_id: 'The trace id of traceparent.',
  'tls.protocol.version': 'The version of TLS that the client speaks, 1.2 or 1.3.',
  'tls.cipher': "The cipher, by OpenSSL's name.",
  'tls.client.server_name': 'The server name that it asked for (SNI).',
  'tls.next_protocol': 'What was agreed upon by ALPN, h2 or http/1.1.',
  'tls.resumed': 'Whether the handshake resumed an earlier session.',
  'tls.client.subject': "The subject of the client's certificate, if that was verified.",
  'heddle.client_uris': 'The URIs among its names (SPIFFE IDs), with commas between them.',
  'tls.client.hash.sha256': 'Its fingerprint, as in x-forwarded-client-cert.',
  'heddle.upstream.tls_version': 'The version of TLS towards the endpoint.',
  'user_agent.original': 'The User-Agent, at most 512 characters.',
} as const

/** One JSON object and a line feed. */
export class JsonLine {
  readonly #line = new LineBytes()
  readonly #timestamps = new TimestampBytes()
  readonly #clients = new KnownParts(writeClient)
  readonly #callers = new KnownParts(text => `,"heddle.client_service":${jsonText(text)}`)
  readonly #workloads = new KnownParts(text => `,"heddle.client_workload":${jsonText(text)}`)
  readonly #methods = new KnownParts(text => `,"http.request.method":${jsonText(text)},"http.request.target":`)
  readonly #hosts = new KnownParts(text => `,"http.request.authority":${jsonText(text)}`)
  readonly #names = new NameParts(writeNames)
  readonly #tls = new TlsParts(writeTls)
  readonly #agents = new KnownParts(text => `,"user_agent.original":${jsonText(text, userAgentLimit)}}\n`)

  /**
   * Writes printable ASCII that ends with a line feed.
   *
   * @param at  where there is room for the longest line
   * @returns the place after it
   */
  write(record: AccessRecord, into: Buffer, at: number): number {
    const line = this.#line
    line.begin(into, at)
    line.bytes(time)
    line.bytes(this.#timestamps.at(record.startMs))
    line.bytes(this.#clients.of(record.client))
    line.bytes(this.#callers.of(record.clientService))
    line.bytes(this.#workloads.of(record.clientWorkload))
    line.bytes(this.#methods.of(record.method))
    writeText(line, record.target, targetLimit)
    line.bytes(this.#hosts.of(record.authority))
    line.bytes(versions[record.version] ?? oldVersion)
    writeCount(line, record.status)
    writeOutcome(line, record)
    line.bytes(requestBytes)
    writeCount(line, record.requestBytes)
    line.bytes(responseBytes)
    writeCount(line, record.responseBytes)
    line.bytes(duration)
    writeSpan(line, record.durationMs)
    line.bytes(upstreamDuration)
    writeSpan(line, record.upstreamMs)
    writeTries(line, record)
    line.bytes(this.#names.of(record))
    line.bytes(requestId)
    writeText(line, record.requestId, fieldLimit)
    line.bytes(traceId)
    writeText(line, record.traceId, fieldLimit)
    if (record.tls !== undefined) line.bytes(this.#tls.of(record.tls))
    if (record.upstreamTls !== '') line.bytes(upstreamTls[record.upstreamTls] ?? otherUpstreamTls)
    line.bytes(this.#agents.of(record.userAgent))
    return line.end
  }
}

const quote = 0x22
const none = partOf('null')
const time = partOf('{"time":"')
const versions: Readonly<Record<number, Uint8Array>> = {
  0: versionPart('null'),
  11: versionPart('"1.1"'),
  20: versionPart('"2"'),
}
const oldVersion = versionPart('"1.0"')
const ordinaryOutcome = partOf(',"rpc.response.status_code":null')
const requestBytes = partOf(',"http.request.body.size":')
const responseBytes = partOf(',"http.response.body.size":')
const duration = partOf(',"http.server.request.duration":')
const upstreamDuration = partOf(',"heddle.upstream.duration":')
const ordinaryTries = partOf(',"heddle.retries":0,"heddle.flags":null,"heddle.reason":null,')
const requestId = partOf(',"heddle.request_id":')
const traceId = partOf(',"trace_id":')
const upstreamTls: Readonly<Record<string, Uint8Array>> = {
  'TLSv1.2': partOf(',"heddle.upstream.tls_version":"1.2"'),
  'TLSv1.3': partOf(',"heddle.upstream.tls_version":"1.3"'),
}
const otherUpstreamTls = partOf(',"heddle.upstream.tls_version":null')

function versionPart(version: string): Uint8Array {
  return partOf(`,"network.protocol.version":${version},"http.response.status_code":`)
}

function writeText(line: LineBytes, text: string, limit: number): void {
  line.byte(quote)
  if (line.plainWord(text)) {
    line.byte(quote)
  } else {
    line.back(1)
    line.text(jsonText(text, limit))
  }
}

function writeCount(line: LineBytes, value: number): void {
  if (value >= 0) line.whole(Math.floor(value))
  else line.bytes(none)
}

function writeSpan(line: LineBytes, ms: number): void {
  if (ms >= 0) line.seconds(ms)
  else line.bytes(none)
}

function writeOutcome(line: LineBytes, { grpcStatus }: AccessRecord): void {
  if (grpcStatus < 0) line.bytes(ordinaryOutcome)
  else line.text(`,"rpc.response.status_code":${jsonText(grpcStatusNames[grpcStatus] ?? '')}`)
}

function writeTries(line: LineBytes, { retries, flags, reason }: AccessRecord): void {
  if (retries === 0 && flags === '-' && reason === undefined) {
    line.bytes(ordinaryTries)
    return
  }
  const shown = flags === '-' ? '' : flags
  line.text(
    `,"heddle.retries":${count(retries, 'null')},"heddle.flags":${jsonText(shown)},` +
      `"heddle.reason":${jsonText(reason ?? '')},`,
  )
}

function writeNames(names: Names): string {
  return (
    `"heddle.virtual_host":${jsonText(names.virtualHost)},"heddle.route":${jsonText(names.route)},` +
    `"heddle.rule":${jsonText(names.rule)},"heddle.backend":${jsonText(names.backend)},` +
    `"heddle.endpoint":${jsonText(names.endpoint)}`
  )
}

function writeTls(tls: TlsRecord): string {
  return (
    `,"tls.protocol.version":${jsonText(tls.version.replace('TLSv', ''))},"tls.cipher":${jsonText(tls.cipher)},` +
    `"tls.client.server_name":${jsonText(tls.serverName)},"tls.next_protocol":${jsonText(tls.protocol)},` +
    `"tls.resumed":${tls.isResumed},"tls.client.subject":${jsonText(tls.peerSubject)},` +
    `"heddle.client_uris":${jsonText(tls.peerUris)},"tls.client.hash.sha256":${jsonText(tls.peerHash)}`
  )
}

/** `127.0.0.1:51034` or `[::1]:51034`, as address and port. */
function writeClient(text: string): string {
  const colon = text.lastIndexOf(':')
  const isBracketed = text.charCodeAt(0) === 0x5b
  const address = isBracketed ? text.slice(1, colon - 1) : text.slice(0, colon === -1 ? undefined : colon)
  const port = colon === -1 ? Number.NaN : Number(text.slice(colon + 1))
  return `","client.address":${jsonText(address)},"client.port":${count(port, 'null')}`
}
