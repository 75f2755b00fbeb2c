import type { AccessRecord } from '../../model/index.ts'
import {
  count,
  KnownTexts,
  milliseconds,
  NameTexts,
  quotable,
  targetLimit,
  Timestamps,
  userAgentLimit,
  word,
} from './line-parts.ts'
import type { Names } from './line-parts.ts'

/**
 * One line for people, with the same columns in every line:
 *
 *     time client "METHOD target HTTP/1.1" status bytes-in bytes-out duration upstream=… retries=… flags=…
 *     reason=… host=… listener="…" route="…" rule=… backend=… endpoint=… id=… trace=… agent="…"
 *
 * `-` stands for what there is not. `duration` runs until the last byte of the
 * response, `upstream` until the first byte of the endpoint's answer. Characters
 * other than printable ASCII are written as `\xHH` or `\uHHHH`, quotes and
 * backslashes with a backslash before them.
 */
export class TextLine {
  readonly #timestamps = new Timestamps()
  readonly #names = new NameTexts(writeNames)
  readonly #words = new KnownTexts(word)
  readonly #quotables = new KnownTexts(quotable)

  /** @returns printable ASCII that ends with a line feed */
  format(record: AccessRecord): string {
    // Joined by `+`, since a template would first make sure of each part that it is a string.
    return (
      this.#timestamps.at(record.startMs) +
      ' ' +
      this.#words.of(record.client) +
      ' "' +
      this.#quotables.of(record.method) +
      ' ' +
      quotable(record.target, targetLimit) +
      (record.version === 11 ? ' HTTP/1.1" ' : ' HTTP/1.0" ') +
      count(record.status, '-') +
      ' ' +
      count(record.requestBytes, '-') +
      ' ' +
      count(record.responseBytes, '-') +
      ' ' +
      span(record.durationMs) +
      ' upstream=' +
      span(record.upstreamMs) +
      outcome(record) +
      ' host=' +
      this.#words.of(record.authority) +
      this.#names.of(record) +
      ' id=' +
      word(record.requestId) +
      ' trace=' +
      word(record.traceId) +
      ' agent="' +
      this.#quotables.of(record.userAgent, userAgentLimit) +
      '"\n'
    )
  }
}

function outcome(record: AccessRecord): string {
  if (record.retries === 0 && record.flags === '-' && record.reason === undefined) return ' retries=0 flags=- reason=-'
  return ` retries=${count(record.retries, '-')} flags=${word(record.flags)} reason=${word(record.reason ?? '')}`
}

function writeNames(names: Names): string {
  return (
    ` listener="${quotable(names.virtualHost)}" route="${quotable(names.route)}" rule=${word(names.rule)} ` +
    `backend=${word(names.backend)} endpoint=${word(names.endpoint)}`
  )
}

function span(ms: number): string {
  return ms >= 0 ? milliseconds(ms) + 'ms' : '-'
}
