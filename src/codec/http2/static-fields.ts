/** RFC 7541 appendix A, from index 1 on. */
export const staticFields: readonly (readonly [name: string, value: string])[] = [
  [':authority', ''],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  [':status', '200'],
  [':status', '204'],
  [':status', '206'],
  [':status', '304'],
  [':status', '400'],
  [':status', '404'],
  [':status', '500'],
  ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'],
  ['accept-language', ''],
  ['accept-ranges', ''],
  ['accept', ''],
  ['access-control-allow-origin', ''],
  ['age', ''],
  ['allow', ''],
  ['authorization', ''],
  ['cache-control', ''],
  ['content-disposition', ''],
  ['content-encoding', ''],
  ['content-language', ''],
  ['content-length', ''],
  ['content-location', ''],
  ['content-range', ''],
  ['content-type', ''],
  ['cookie', ''],
  ['date', ''],
  ['etag', ''],
  ['expect', ''],
  ['expires', ''],
  ['from', ''],
  ['host', ''],
  ['if-match', ''],
  ['if-modified-since', ''],
  ['if-none-match', ''],
  ['if-range', ''],
  ['if-unmodified-since', ''],
  ['last-modified', ''],
  ['link', ''],
  ['location', ''],
  ['max-forwards', ''],
  ['proxy-authenticate', ''],
  ['proxy-authorization', ''],
  ['range', ''],
  ['referer', ''],
  ['refresh', ''],
  ['retry-after', ''],
  ['server', ''],
  ['set-cookie', ''],
  ['strict-transport-security', ''],
  ['transfer-encoding', ''],
  ['user-agent', ''],
  ['vary', ''],
  ['via', ''],
  ['www-authenticate', ''],
]

/** Index of the first static entry with a name. */
export const staticNames: ReadonlyMap<string, number> = firstIndexes()
const staticValues: ReadonlyMap<string, ReadonlyMap<string, number>> = valueIndexes()

function firstIndexes(): Map<string, number> {
  const indexes = new Map<string, number>()
  for (const [index, [name]] of staticFields.entries()) {
    if (!indexes.has(name)) indexes.set(name, index + 1)
  }
  return indexes
}

function valueIndexes(): Map<string, Map<string, number>> {
  const indexes = new Map<string, Map<string, number>>()
  for (const [index, [name, value]] of staticFields.entries()) {
    const values = indexes.get(name) ?? new Map<string, number>()
    indexes.set(name, values.set(value, index + 1))
  }
  return indexes
}

/** The index of the static entry with this name and value, or 0. */
export function staticIndexOf(name: string, value: string): number {
  return staticValues.get(name)?.get(value) ?? 0
}

export const staticCount: number = staticFields.length
