import { grpcStatusNames } from '../../codec/index.ts'
import type { AccessRecord, TlsRecord } from '../../model/index.ts'
import { KnownFigures } from './known-figures.ts'
import { KnownParts, NameParts, partOf, TlsParts } from './known-parts.ts'
import type { Names } from './known-parts.ts'
import { LineBytes, TimestampBytes } from './line-bytes.ts'
import { count, quotable, targetLimit, userAgentLimit, word } from './line-parts.ts'

/**
 * One line for people: seven columns, and then what there is to tell, each under its name.
 *
 *     time client "METHOD target HTTP/1.1" status bytes-in bytes-out duration upstream=… grpc=… retries=… flags=…
 *     reason=… caller=… host=… listener="…" route="…" rule=… backend=… endpoint=… id=… trace=… agent="…"
 *
 * Before `agent` stand a client's TLS and that towards the endpoint:
 *
 *     tls=TLSv1.3 cipher=… sni=… alpn=h2 resumed=no peer="CN=anna" peer-uris=… peer-sha256=…
 *     upstream-tls=TLSv1.3
 *
 * A column has `-` for what there is not; what has a name is left out then, and `retries` where there were none: a
 * line is short that way, and what is unusual about a request is seen. `duration` runs until the last byte of the
 * response, `upstream` until the first byte of the endpoint's answer. Characters
 * other than printable ASCII are written as `\xHH` or `\uHHHH`, quotes and
 * backslashes with a backslash before them.
 */
export class TextLine {
  readonly #line = new LineBytes()
  readonly #timestamps = new TimestampBytes()
  readonly #clients = new KnownParts(text => ` ${word(text)} "`)
  readonly #methods = new KnownParts(text => `${quotable(text)} `)
  readonly #callers = new KnownParts(text => named('caller', text))
  readonly #hosts = new KnownParts(text => named('host', text))
  readonly #figures = new KnownFigures()
  readonly #names = new NameParts(writeNames)
  readonly #tls = new TlsParts(writeTls)
  readonly #agents = new KnownParts(text => `${quoted('agent', text, userAgentLimit)}\n`)

  /**
   * Writes printable ASCII that ends with a line feed.
   *
   * @param at  where there is room for the longest line
   * @returns the place after it
   */
  write(record: AccessRecord, into: Buffer, at: number): number {
    const line = this.#line
    line.begin(into, at)
    line.bytes(this.#timestamps.at(record.startMs))
    line.bytes(this.#clients.of(record.client))
    line.bytes(this.#methods.of(record.method))
    if (!line.plainWord(record.target)) line.text(quotable(record.target, targetLimit))
    const known = this.#figures.of(record)
    if (known === undefined) {
      const from = line.end
      writeFigures(line, record)
      line.bytes(this.#callers.of(record.clientService))
      line.bytes(this.#hosts.of(record.authority))
      this.#figures.note(into, from, line.end)
    } else {
      line.bytes(known)
    }
    line.bytes(this.#names.of(record))
    const { requestIdBytes } = record
    if (requestIdBytes !== undefined) {
      line.bytes(id)
      line.bytes(requestIdBytes)
    } else if (record.requestId !== '') {
      line.bytes(id)
      if (!line.plainWord(record.requestId)) line.text(word(record.requestId))
    }
    if (record.traceId !== '') {
      line.text(' trace=')
      if (!line.plainWord(record.traceId)) line.text(word(record.traceId))
    }
    if (record.tls !== undefined) line.bytes(this.#tls.of(record.tls))
    if (record.upstreamTls !== '') line.text(named('upstream-tls', record.upstreamTls))
    line.bytes(this.#agents.of(record.userAgent))
    return line.end
  }
}

const space = 0x20
const dash = 0x2d

/** Of a connection that was forwarded as bytes there is none, nor a target or status. */
const versions: Readonly<Record<number, Uint8Array>> = {
  0: partOf(' -" '),
  11: partOf(' HTTP/1.1" '),
  20: partOf(' HTTP/2" '),
}
const oldVersion = partOf(' HTTP/1.0" ')
const upstream = partOf(' upstream=')
const id = partOf(' id=')
const unit = partOf('ms')

/** With caller and host, what `KnownFigures` compares. */
function writeFigures(line: LineBytes, record: AccessRecord): void {
  line.bytes(versions[record.version] ?? oldVersion)
  writeCount(line, record.status)
  line.byte(space)
  writeCount(line, record.requestBytes)
  line.byte(space)
  writeCount(line, record.responseBytes)
  line.byte(space)
  writeSpans(line, record.durationMs, record.upstreamMs)
  writeOutcome(line, record)
}

function writeCount(line: LineBytes, value: number): void {
  if (value >= 0) line.whole(Math.floor(value))
  else line.byte(dash)
}

/** An answer that is short came at once: then both are the same. */
function writeSpans(line: LineBytes, durationMs: number, upstreamMs: number): void {
  const from = line.end
  if (durationMs >= 0) writeSpan(line, durationMs)
  else line.byte(dash)
  if (!(upstreamMs >= 0)) return
  const to = line.end
  line.bytes(upstream)
  if (upstreamMs === durationMs) line.again(from, to)
  else writeSpan(line, upstreamMs)
}

function writeSpan(line: LineBytes, ms: number): void {
  line.milliseconds(ms)
  line.bytes(unit)
}

function writeOutcome(line: LineBytes, { grpcStatus, retries, flags, reason }: AccessRecord): void {
  if (grpcStatus >= 0) line.text(named('grpc', grpcStatusNames[grpcStatus] ?? ''))
  if (retries > 0) line.text(` retries=${count(retries, '-')}`)
  if (flags !== '-') line.text(named('flags', flags))
  if (reason !== undefined) line.text(named('reason', reason))
}

function writeNames({ virtualHost, route, rule, backend, endpoint }: Names): string {
  return (
    quoted('listener', virtualHost) +
    quoted('route', route) +
    named('rule', rule) +
    named('backend', backend) +
    named('endpoint', endpoint)
  )
}

function writeTls(tls: TlsRecord): string {
  return (
    named('tls', tls.version) +
    named('cipher', tls.cipher) +
    named('sni', tls.serverName) +
    named('alpn', tls.protocol) +
    named('resumed', tls.isResumed ? 'yes' : 'no') +
    quoted('peer', tls.peerSubject) +
    named('peer-uris', tls.peerUris) +
    named('peer-sha256', tls.peerHash)
  )
}

/** Nothing for an empty text. */
function named(name: string, text: string): string {
  return text === '' ? '' : ` ${name}=${word(text)}`
}

function quoted(name: string, text: string, limit?: number): string {
  return text === '' ? '' : ` ${name}="${quotable(text, limit)}"`
}
