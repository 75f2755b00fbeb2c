import { parseIpAddress } from '../../codec/index.ts'
import type { Breath } from './breath.ts'
import type { ProcFiles } from './proc-files.ts'

/** Digits of `address:port address:port` in the tables of IPv4 and of IPv6. */
export const pairLengths = { ipv4: 27, ipv6: 75 } as const

/** What is looked for in the tables of sockets. */
export interface RowSearch<Row> {
  /** By the two ends, the socket's own first. */
  readonly wanted: ReadonlyMap<string, Row>
  /** @returns whether nothing more is wanted */
  found(row: Row, inode: number): boolean
}

/**
 * How the tables write one end: the address as 32-bit words in the byte order
 * of the machine (all that Heddle runs on are little-endian), then the port. An
 * IPv4 address also has the form in which an IPv6 socket holds it.
 */
export function endTexts(address: string, port: number): readonly string[] {
  const bytes = parseIpAddress(address)
  if (bytes === undefined) return []
  const portText = port.toString(16).toUpperCase().padStart(4, '0')
  const text = wordsText(bytes)
  if (bytes.length === 4) return [`${text}:${portText}`, `${mappedWords}${text}:${portText}`]
  const short = text.startsWith(mappedWords) ? [`${text.slice(mappedWords.length)}:${portText}`] : []
  return [...short, `${text}:${portText}`]
}

/** `::ffff:0:0/96`. */
const mappedWords = '0000000000000000FFFF0000'

function wordsText(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += 4) {
    text += Buffer.from(bytes.subarray(at, at + 4).toReversed())
      .toString('hex')
      .toUpperCase()
  }
  return text
}

/**
 * Reads a table of `/proc/net` until nothing more is wanted, or to its end. One that is not there, as without IPv6, is empty.
 *
 * @returns whether nothing more is wanted
 */
export async function readRows<Row>(
  files: ProcFiles,
  table: { readonly path: string; readonly pairLength: number },
  search: RowSearch<Row>,
  breath: Breath,
): Promise<boolean> {
  let rest = ''
  for (const piece of files.pieces(table.path)) {
    const text = rest + piece
    const end = takeRows(text, table.pairLength, search)
    if (end === undefined) return true
    rest = text.slice(end)
    const turn = breath.take()
    if (turn !== undefined) await turn
  }
  return false
}

/**
 * `   3: 0100007F:1F90 0100007F:C350 01 tx:rx tr:when retrnsmt uid timeout inode …`
 *
 * @returns the beginning of a row whose end has not been read; undefined when nothing more is wanted
 */
function takeRows<Row>(text: string, pairLength: number, search: RowSearch<Row>): number | undefined {
  let start = 0
  for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
    const pairStart = text.indexOf(':', start) + 2
    // The title has no colon.
    const row = pairStart < end ? search.wanted.get(text.slice(pairStart, pairStart + pairLength)) : undefined
    if (row !== undefined) {
      const fields = text
        .slice(pairStart + pairLength, end)
        .trim()
        .split(/ +/)
      if (search.found(row, Number(fields[inodeField]))) return undefined
    }
    start = end + 1
  }
  return start
}

/** Counted from the state, which follows the two ends. */
const inodeField = 6
