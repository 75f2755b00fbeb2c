import type { AccessRecord } from '../../model/index.ts'
import { targetLimit, userAgentLimit } from './line-bytes.ts'
import type { LineBytes } from './line-bytes.ts'

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
export function writeTextLine(line: LineBytes, record: AccessRecord): void {
  line.time(record.startMs)
  line.byte(0x20)
  line.word(record.client)
  line.ascii(' "')
  line.inQuotes(record.method)
  line.byte(0x20)
  line.inQuotes(record.target, targetLimit)
  line.ascii(record.version === 11 ? ' HTTP/1.1" ' : ' HTTP/1.0" ')
  line.integer(record.status)
  line.byte(0x20)
  line.integer(record.requestBytes)
  line.byte(0x20)
  line.integer(record.responseBytes)
  line.byte(0x20)
  writeMs(line, record.durationMs)
  line.ascii(' upstream=')
  writeMs(line, record.upstreamMs)
  if (record.retries === 0 && record.flags === '-' && record.reason === undefined) {
    line.ascii(' retries=0 flags=- reason=- host=')
  } else {
    line.ascii(' retries=')
    line.integer(record.retries)
    line.ascii(' flags=')
    line.word(record.flags)
    line.ascii(' reason=')
    line.word(record.reason ?? '')
    line.ascii(' host=')
  }
  line.word(record.authority)
  if (!line.repeatNames(record)) {
    const start = line.at
    writeNames(line, record)
    line.keepNames(record, start)
  }
  line.ascii(' id=')
  line.word(record.requestId)
  line.ascii(' trace=')
  line.word(record.traceId)
  line.ascii(' agent=')
  line.quoted(record.userAgent, userAgentLimit)
  line.byte(0x0a)
}

function writeNames(line: LineBytes, record: AccessRecord): void {
  line.ascii(' listener=')
  line.quoted(record.virtualHost)
  line.ascii(' route=')
  line.quoted(record.route)
  line.ascii(' rule=')
  line.word(record.rule)
  line.ascii(' backend=')
  line.word(record.backend)
  line.ascii(' endpoint=')
  line.word(record.endpoint)
}

function writeMs(line: LineBytes, ms: number): void {
  if (!(ms >= 0)) return line.byte(0x2d)
  line.milliseconds(ms)
  line.ascii('ms')
}
