/**
 * Field names that the proxy or the codec itself asks for; 0 is any other.
 * At most 63, since a parser remembers in 64 bits which of them it saw.
 */
export const fieldIds = {
  host: 1,
  contentLength: 2,
  transferEncoding: 3,
  connection: 4,
  keepAlive: 5,
  proxyConnection: 6,
  te: 7,
  trailer: 8,
  upgrade: 9,
  expect: 10,
  forwarded: 11,
  xForwardedFor: 12,
  xForwardedProto: 13,
  xForwardedHost: 14,
  xForwardedPort: 15,
  xRequestId: 16,
  traceparent: 17,
  tracestate: 18,
  userAgent: 19,
  cookie: 20,
  setCookie: 21,
  origin: 22,
  accessControlRequestMethod: 23,
  accessControlRequestHeaders: 24,
  contentType: 25,
  contentEncoding: 26,
  acceptEncoding: 27,
  authorization: 28,
  date: 29,
  server: 30,
  via: 31,
  location: 32,
  vary: 33,
  accept: 34,
  acceptLanguage: 35,
  referer: 36,
  cacheControl: 37,
  proxyAuthenticate: 38,
  proxyAuthorization: 39,
  contentRange: 40,
  range: 41,
  ifMatch: 42,
  ifNoneMatch: 43,
  ifModifiedSince: 44,
  ifUnmodifiedSince: 45,
  ifRange: 46,
  maxForwards: 47,
  wwwAuthenticate: 48,
  etag: 49,
  age: 50,
  expires: 51,
  lastModified: 52,
  retryAfter: 53,
  accessControlAllowOrigin: 54,
  accessControlAllowCredentials: 55,
  accessControlAllowMethods: 56,
  accessControlAllowHeaders: 57,
  accessControlExposeHeaders: 58,
  accessControlMaxAge: 59,
  grpcTimeout: 60,
  xForwardedClientCert: 61,
} as const

/** The name on the wire in lower case, by id; index 0 is empty. */
export const fieldNames: readonly string[] = ['', ...Object.keys(fieldIds).map(toWireName)]

function toWireName(key: string): string {
  return key.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)
}

const slotCount = 512
const lowerCaseBytes: readonly Uint8Array[] = fieldNames.map(name => Uint8Array.from(Buffer.from(name, 'latin1')))
const idBySlot: Uint8Array = fillSlots()

/**
 * A hash without collisions among `fieldNames` (the test proves it; a new name
 * may need other factors). `| 0x20` makes letters lower case.
 */
function slotOf(length: number, first: number, third: number, last: number): number {
  return (length + (first | 0x20) * 2 + (last | 0x20) * 8 + (third | 0x20) * 23) & (slotCount - 1)
}

function fillSlots(): Uint8Array {
  const slots = new Uint8Array(slotCount)
  for (const [id, name] of fieldNames.entries()) {
    if (id === 0) continue
    const third = name.charCodeAt((name.length * 3) >> 2)
    slots[slotOf(name.length, name.charCodeAt(0), third, name.charCodeAt(name.length - 1))] = id
  }
  return slots
}

/**
 * The id of the name bytes[from,to), 0 for a name that is not in the table.
 * The bytes must be a token: that makes `| 0x20` an honest comparison, since
 * no two token bytes but a letter and its capital map to a letter, digit or `-`.
 */
export function identifyField(bytes: Uint8Array, from: number, to: number): number {
  const length = to - from
  const first = bytes[from] as number
  const third = bytes[from + ((length * 3) >> 2)] as number
  const id = idBySlot[slotOf(length, first, third, bytes[to - 1] as number)] as number
  if (id === 0) return 0
  const name = lowerCaseBytes[id] as Uint8Array
  if (name.length !== length) return 0
  for (let index = 0; index < length; index++) {
    if (((bytes[from + index] as number) | 0x20) !== name[index]) return 0
  }
  return id
}
