import { grpcStatusNames } from '../../codec/index.ts'
import type { AccessRecord, TlsRecord } from '../../model/index.ts'
import { KnownFigures } from './known-figures.ts'
import { KnownParts, NameParts, partOf, TlsParts } from './known-parts.ts'
import type { Names } from './known-parts.ts'
import { LineBytes, TimestampBytes } from './line-bytes.ts'
import { count, quotable, targetLimit, userAgentLimit, word } from './line-parts.ts'

/**
 * One line for people, with the same columns in every line:
 *
 *     time client "METHOD target HTTP/1.1" status bytes-in bytes-out duration upstream=… grpc=… retries=…
 *     flags=… reason=… caller=… host=… listener="…" route="…" rule=… backend=… endpoint=… id=… trace=… agent="…"
 *
 * Before `agent` stand a client's TLS and that towards the endpoint, each left out where there is none:
 *
 *     tls=TLSv1.3 cipher=… sni=… alpn=h2 resumed=no peer="CN=anna" peer-uris=… peer-sha256=…
 *     upstream-tls=TLSv1.3
 *
 * `-` stands for what there is not. `duration` runs until the last byte of the
 * response, `upstream` until the first byte of the endpoint's answer. Characters
 * other than printable ASCII are written as `\xHH` or `\uHHHH`, quotes and
 * backslashes with a backslash before them.
 */
export class TextLine {
  readonly #line = new LineBytes()
  readonly #timestamps = new TimestampBytes()
  readonly #clients = new KnownParts(text => ` ${word(text)} "`)
  readonly #methods = new KnownParts(text => `${quotable(text)} `)
  readonly #callers = new KnownParts(text => ` caller=${word(text)}`)
  readonly #hosts = new KnownParts(text => ` host=${word(text)}`)
  readonly #figures = new KnownFigures()
  readonly #names = new NameParts(writeNames)
  readonly #tls = new TlsParts(writeTls)
  readonly #agents = new KnownParts(text => ` agent="${quotable(text, userAgentLimit)}"\n`)

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
      this.#figures.note(into, from, line.end)
    } else {
      line.bytes(known)
    }
    line.bytes(this.#hosts.of(record.authority))
    line.bytes(this.#names.of(record))
    if (!line.plainWord(record.requestId)) line.text(word(record.requestId))
    if (record.traceId === '') {
      line.bytes(noTraceId)
    } else {
      line.bytes(traceId)
      if (!line.plainWord(record.traceId)) line.text(word(record.traceId))
    }
    if (record.tls !== undefined) line.bytes(this.#tls.of(record.tls))
    if (record.upstreamTls !== '') line.bytes(upstreamTls[record.upstreamTls] ?? otherUpstreamTls)
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
const unit = partOf('ms')
const ordinaryOutcome = partOf(' grpc=- retries=0 flags=- reason=-')
const traceId = partOf(' trace=')
const noTraceId = partOf(' trace=-')
const upstreamTls: Readonly<Record<string, Uint8Array>> = {
  'TLSv1.2': partOf(' upstream-tls=TLSv1.2'),
  'TLSv1.3': partOf(' upstream-tls=TLSv1.3'),
}
const otherUpstreamTls = partOf(' upstream-tls=-')

/** With the caller, what `KnownFigures` compares. */
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
  writeSpan(line, durationMs)
  const to = line.end
  line.bytes(upstream)
  if (upstreamMs === durationMs) line.again(from, to)
  else writeSpan(line, upstreamMs)
}

function writeSpan(line: LineBytes, ms: number): void {
  if (!(ms >= 0)) {
    line.byte(dash)
    return
  }
  line.milliseconds(ms)
  line.bytes(unit)
}

function writeOutcome(line: LineBytes, record: AccessRecord): void {
  const { grpcStatus, retries, flags, reason } = record
  if (grpcStatus < 0 && retries === 0 && flags === '-' && reason === undefined) {
    line.bytes(ordinaryOutcome)
    return
  }
  const grpc = grpcStatus < 0 ? '-' : (grpcStatusNames[grpcStatus] ?? '-')
  line.text(` grpc=${grpc} retries=${count(retries, '-')} flags=${word(flags)} reason=${word(reason ?? '')}`)
}

function writeNames(names: Names): string {
  return (
    ` listener="${quotable(names.virtualHost)}" route="${quotable(names.route)}" rule=${word(names.rule)} ` +
    `backend=${word(names.backend)} endpoint=${word(names.endpoint)} id=`
  )
}

function writeTls(tls: TlsRecord): string {
  return (
    ` tls=${word(tls.version)} cipher=${word(tls.cipher)} sni=${word(tls.serverName)} alpn=${word(tls.protocol)} ` +
    `resumed=${tls.isResumed ? 'yes' : 'no'} peer="${quotable(tls.peerSubject)}" ` +
    `peer-uris=${word(tls.peerUris)} peer-sha256=${word(tls.peerHash)}`
  )
}
