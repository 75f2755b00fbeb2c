import type { ContentEncoding } from '../../model/index.ts'

/**
 * Chooses how to encode an answer for a client.
 *
 * Among the codings that we offer the client's quality values decide, and where
 * they are equal our own order. A coding that the client likes less than the
 * unencoded answer is not used, if it names that one (`identity`). An absent or
 * empty field means that it asked for none: we send the answer as it is, as
 * RFC 9110 allows.
 *
 * @param accept  the value of Accept-Encoding, fields of the same name joined with commas
 * @param offered the most liked first
 * @see RFC 9110 sections 12.4.2 and 12.5.3
 */
export function chooseEncoding(
  accept: string | undefined,
  offered: readonly ContentEncoding[],
): ContentEncoding | undefined {
  if (accept === undefined || accept === '') return undefined
  const qualities = parseAcceptEncoding(accept)
  const other = qualities.get('*')
  let best: ContentEncoding | undefined
  let bestQuality = qualities.get('identity') ?? 0
  for (const coding of offered) {
    const quality = qualities.get(coding) ?? other ?? 0
    if (quality === 0) continue
    if (best === undefined ? quality >= bestQuality : quality > bestQuality) {
      best = coding
      bestQuality = quality
    }
  }
  return best
}

/** Lower case codings with their quality, 0 to 1000; what is not well-formed is left out. */
export function parseAcceptEncoding(value: string): ReadonlyMap<string, number> {
  const qualities = new Map<string, number>()
  for (const item of value.split(',')) {
    const [name = '', ...parameters] = item.split(';')
    const coding = aliases.get(name.trim().toLowerCase()) ?? name.trim().toLowerCase()
    if (!/^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(coding)) continue
    const quality = parameters.length === 0 ? 1000 : parseQuality(parameters)
    if (quality !== undefined && !qualities.has(coding)) qualities.set(coding, quality)
  }
  return qualities
}

/** RFC 9110 section 8.4.1.3: recipients take the old name as the same. */
const aliases: ReadonlyMap<string, string> = new Map([['x-gzip', 'gzip']])

function parseQuality(parameters: readonly string[]): number | undefined {
  for (const parameter of parameters) {
    const match = /^[ \t]*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t]*$/i.exec(parameter)
    if (match !== null) return Math.round(Number(match[1]) * 1000)
  }
  return undefined
}
